//! The only door to a session: what doors may ask, and what they get.

mod conversation;
mod embed;
mod environment;
mod fork;
mod lease;
mod resolve;
mod respond;
mod response;
mod turns;

pub use environment::EnvironmentPlace;
pub use fork::NewFork;
pub use lease::Lease;
pub use respond::{Place, RepeatKey, Respond, TurnPlace};
pub use response::Response;

use crate::actor::{Command, Reply, store_refusal, unavailable};
use crate::context::function;
use crate::cursor::Cursor;
use crate::registry::{Hold, ModelCounters, Registry};
use crate::subscription::{Subscription, cursor_after, decode};
use crate::{Direction, Page, SessionFilter, World};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::{HeadRow, LogQuery};
use tokio::sync::oneshot;
use types::{
    Abandoned, AgentId, BoxFuture, Committed, EventId, FunctionTool, Head, Input, Item, ItemId, NewSession, Origin,
    ProjectId, Record, RecordBody, Refusal, RefusalKind, Seq, SessionChange, SessionId, SessionSettings, SessionView,
    Stamp, TextFormat, Tool, TurnId,
};

/// The only door to a session. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    world: World,
    registry: Arc<Registry>,
}

/// Part of a list, and whether more follows.
#[derive(Clone, PartialEq, Debug)]
pub struct Listed<T> {
    pub data: Vec<T>,
    pub has_more: bool,
}

/// An Idempotency-Key with the hash of the body that came with it (SHA-256, hex).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestKey {
    pub key: String,
    pub body_hash: String,
}

/// Where a subscription starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// With the session's first event.
    Beginning,
    /// With what happens from now on, and the whole of what is being said.
    Live,
    /// With the event after this one.
    After(EventId),
    /// With the record at this seq: the first event of a turn, if it is the turn's first.
    At(Seq),
}

/// What the runtime does right now, and has done since the start of the process.
#[derive(Clone, PartialEq, Debug)]
pub struct Activity {
    /// Sessions in memory.
    pub active_sessions: usize,
    /// Sessions with a model call under way.
    pub running_sessions: usize,
    /// By the entry's name.
    pub models: BTreeMap<String, ModelCounters>,
}

impl Handle {
    pub(crate) fn new(world: World, registry: Arc<Registry>) -> Self {
        Self { world, registry }
    }

    /// An id for a session that is about to be created: for whoever has to make something beside it first.
    pub fn new_session_id(&self) -> SessionId {
        SessionId::new(Stamp::new(self.world.clock.now(), &*self.world.entropy).id("sess"))
    }

    /// Creates a session. What it returns is durable. Errors: `ModelNotFound`, `Invalid` (a tool or an environment that
    /// is not served, a schema that the model cannot hold), `Busy`, `Conflict` (the id that it was given is taken).
    pub async fn create(&self, project: &ProjectId, new: NewSession) -> Result<SessionView, Refusal> {
        self.check_model(&new.agent.model, "agent.model")?;
        self.world.tools.admit(project, &new.agent.tools, &new.environment, &new.vault_ids).await?;
        self.check_schemas(&new.agent.model, &new.agent.tools, &new.agent.text.format)?;
        let mut stamp = Stamp::new(self.world.clock.now(), &*self.world.entropy);
        let session = match new.id {
            Some(session) => self.check_free(project, session).await?,
            None => SessionId::new(stamp.id("sess")),
        };
        let agent_id = new.agent_id.unwrap_or_else(|| AgentId::new(stamp.id("agent")));
        let settings = SessionSettings {
            agent_id,
            agent_name: new.agent_name,
            agent: new.agent,
            environment: new.environment.owned_by(&session),
            vault_ids: new.vault_ids,
            prompt_cache: new.prompt_cache,
            review: new.review,
            spend_limit: new.spend_limit,
            metadata: new.metadata,
            door: types::Door::Agents,
            aws: new.aws,
        };
        let create = Input::Create { session: session.clone(), settings: Box::new(settings), input: new.input };
        self.ask(project, &session, |reply| Command::Submit { inputs: vec![create.clone()], key: None, reply }).await
    }

    /// Applies inputs (`Message`, `Cancel`, `ToolResult`) in order, all or none. Ok means durable.
    pub async fn submit(
        &self,
        project: &ProjectId,
        session: &SessionId,
        inputs: Vec<Input>,
        key: Option<RequestKey>,
    ) -> Result<(), Refusal> {
        self.check_session(project, session).await?;
        self.ask(project, session, |reply| Command::Submit { inputs: inputs.clone(), key: key.clone(), reply })
            .await
            .map(|_| ())
    }

    pub async fn update(
        &self,
        project: &ProjectId,
        session: &SessionId,
        change: SessionChange,
    ) -> Result<SessionView, Refusal> {
        self.check_session(project, session).await?;
        if let Some(model) = &change.model {
            self.check_model(model, "agent.model")?;
        }
        if change.model.is_some() || change.tools.is_some() {
            let settings = self.row(project, session).await?.settings;
            let now = &settings.agent;
            let (model, tools) = (change.model.as_ref(), change.tools.as_ref());
            if let Some(tools) = tools {
                self.world.tools.admit(project, tools, &settings.environment, &settings.vault_ids).await?;
            }
            self.check_schemas(model.unwrap_or(&now.model), tools.unwrap_or(&now.tools), &now.text.format)?;
        }
        let input = Input::Update(change);
        self.ask(project, session, |reply| Command::Submit { inputs: vec![input.clone()], key: None, reply }).await
    }

    /// Ok also for one that was deleted before; `Conflict` while a turn runs or waits.
    pub async fn delete(&self, project: &ProjectId, session: &SessionId) -> Result<(), Refusal> {
        let store = &self.world.store;
        if store.is_deleted(project, session).await.map_err(|error| store_refusal(&error))? {
            return Ok(());
        }
        self.head(project, session).await?;
        self.ask(project, session, |reply| Command::Delete { reply }).await.map(|_| ())
    }

    pub async fn session(&self, project: &ProjectId, session: &SessionId) -> Result<SessionView, Refusal> {
        self.row(project, session).await.map(view)
    }

    /// The part of it that is small, however many tools it has.
    pub async fn head(&self, project: &ProjectId, session: &SessionId) -> Result<Head, Refusal> {
        let head = self.world.store.head(project, session).await.map_err(|error| store_refusal(&error))?;
        head.ok_or_else(|| Refusal::not_found("session", session.as_str()))
    }

    /// Newest activity last or first, by creation. Unknown `after`: `NotFound`.
    pub async fn sessions(
        &self,
        project: &ProjectId,
        filter: SessionFilter,
        page: Page,
    ) -> Result<Listed<SessionView>, Refusal> {
        let after = page.after.clone().unwrap_or_default();
        match self.world.store.sessions(project, filter, page).await {
            Ok((rows, has_more)) => Ok(Listed { data: rows.into_iter().map(view).collect(), has_more }),
            Err(store::Error::NoSuchCursor) => Err(Refusal::not_found("session", &after)),
            Err(error) => Err(store_refusal(&error)),
        }
    }

    /// Items that lists show; of one turn, if said. Unknown `after`: `Invalid`, in the original's words.
    pub async fn items(
        &self,
        project: &ProjectId,
        session: &SessionId,
        turn: Option<&TurnId>,
        page: Page,
    ) -> Result<Listed<Arc<Item>>, Refusal> {
        let head = self.head(project, session).await?;
        if let Some(turn) = turn {
            self.turn_seq(project, session, turn).await?;
        }
        let cursor = match &page.after {
            None => None,
            Some(item) => {
                let seq = self.world.store.item_seq(project, session, &ItemId::new(item.clone())).await;
                let seq = match seq.map_err(|error| store_refusal(&error))? {
                    Some(seq) => Some(seq),
                    None => self.unlisted_item_seq(project, session, item).await?,
                };
                Some(seq.ok_or_else(|| Refusal::invalid("Invalid session item ID in `after`"))?)
            }
        };
        let query = LogQuery { listed_items: true, turn: turn.cloned(), ..from(cursor, &page) };
        let removed = self.removed(project, session, &head).await?;
        let (records, _) = self.page(project, session, query, page.limit.saturating_add(removed.len() + 1)).await?;
        let items = records.into_iter().filter_map(|record| match record.body {
            RecordBody::Item(item) if !removed.contains(&item.id) => Some(item),
            _ => None,
        });
        let mut data: Vec<_> = items.collect();
        let has_more = data.len() > page.limit;
        data.truncate(page.limit);
        Ok(Listed { data, has_more })
    }

    /// Every effect, by number. Unknown `after`: `NotFound`.
    pub async fn ledger(
        &self,
        project: &ProjectId,
        session: &SessionId,
        page: Page,
    ) -> Result<Listed<crate::Entry>, Refusal> {
        crate::ledger(&*self.world.store, project, session, page).await
    }

    /// As [`crate::command_output`].
    pub async fn command_output(
        &self,
        project: &ProjectId,
        session: &SessionId,
        item: &ItemId,
    ) -> Result<Vec<u8>, Refusal> {
        crate::command_output(&*self.world.store, project, session, item).await
    }

    /// Live from the moment at which it returns. An unknown `After`: `NotFound`.
    pub async fn subscribe(
        &self,
        project: &ProjectId,
        session: &SessionId,
        start: Start,
    ) -> Result<Subscription, Refusal> {
        // What comes from now on, and from a record on that it has shown, an active session knows. Any other place in the
        // log is the store's to know, and the end while the log grows: a reader may have had from there what is not shown
        // yet.
        let is_shown = |tail: &Arc<Hold>| match start {
            Start::Live => !tail.lock().is_behind,
            Start::At(seq) => seq <= tail.lock().published,
            Start::Beginning | Start::After(_) => false,
        };
        let tail = match self.registry.tail_of_active(project, session).filter(is_shown) {
            Some(tail) => tail,
            None => {
                let head = self.head(project, session).await?;
                let tail = self.registry.tail(project, session);
                tail.raise(head.seq);
                tail
            }
        };
        let head = tail.lock().head;
        let (cursor, replay) = match start {
            Start::Beginning => (Cursor::at(session.clone(), self.beginning(project, session, &tail).await?), None),
            Start::Live => (Cursor::at(session.clone(), head), None),
            Start::At(seq) => (Cursor::at(session.clone(), Seq(seq.0.saturating_sub(1))), None),
            Start::After(id) => {
                let found = cursor_after(&self.world, project, session, head, id).await?;
                let Some((cursor, state)) = found else {
                    return Err(Refusal::not_found("event", &id.text(session)).at("after"));
                };
                (cursor, Some(state))
            }
        };
        Ok(Subscription::new(self.world.clone(), project.clone(), tail, cursor, replay))
    }

    /// Whether new work is taken: the store is healthy and the server is not draining.
    pub fn is_ready(&self) -> bool {
        self.world.store.is_healthy() && !self.registry.is_draining()
    }

    pub fn activity(&self) -> Activity {
        Activity {
            active_sessions: self.registry.active(),
            running_sessions: self.registry.slots.running(),
            models: self.registry.counters(),
        }
    }

    /// Resolves when no more work is taken because the server ends.
    pub fn draining(&self) -> BoxFuture<'static, ()> {
        let mut draining = self.registry.draining();
        Box::pin(async move {
            // An error means that there is no runtime any more: that is an end too.
            _ = draining.wait_for(|draining| *draining).await;
        })
    }

    /// Takes no more work, lets running model calls end until `deadline` has passed, ends every subscription. What is
    /// still running then is recovered at the next start.
    pub async fn drain(&self, deadline: Duration) {
        const LOOK_EVERY: Duration = Duration::from_millis(20);
        self.registry.start_draining();
        let clock = &self.world.clock;
        let end = clock.monotonic() + deadline;
        while self.registry.slots.running() > 0 && clock.monotonic() < end {
            clock.sleep(LOOK_EVERY).await;
        }
        self.registry.end_tails();
    }

    // ---- inside

    /// Gives a command to the session's actor and waits for its answer.
    async fn ask(
        &self,
        project: &ProjectId,
        session: &SessionId,
        command: impl Fn(oneshot::Sender<Reply>) -> Command,
    ) -> Result<SessionView, Refusal> {
        loop {
            if !self.is_ready() {
                return Err(unavailable());
            }
            let (reply, answer) = oneshot::channel();
            if self.registry.mailbox(project, session).send(command(reply)).await.is_err() {
                continue;
            }
            match answer.await {
                Ok(Reply::Done(view)) => return Ok(*view),
                Ok(Reply::Refused(refusal)) => return Err(refusal),
                Ok(Reply::Retired) => {}
                // The actor took the command and died of a defect: whether it was written is in the log.
                Err(_) => return Err(Refusal::new(RefusalKind::Internal, "The session stopped unexpectedly.")),
            }
        }
    }

    /// Whether the session could be woken.
    pub(crate) async fn wake(&self, project: &ProjectId, session: &SessionId) -> bool {
        let woken = self.ask(project, session, |reply| Command::Wake { reply }).await;
        if let Err(refusal) = &woken {
            tracing::error!(%session, %refusal, "a session could not be woken");
        }
        woken.is_ok()
    }

    /// Refuses what is not there before an actor is started for it.
    async fn check_session(&self, project: &ProjectId, session: &SessionId) -> Result<(), Refusal> {
        if !self.registry.is_active(project, session) {
            self.head(project, session).await?;
        }
        Ok(())
    }

    async fn row(&self, project: &ProjectId, session: &SessionId) -> Result<HeadRow, Refusal> {
        let row = self.world.store.session(project, session).await.map_err(|error| store_refusal(&error))?;
        row.ok_or_else(|| Refusal::not_found("session", session.as_str()))
    }

    /// Refuses an id under which there is a session already: an actor that makes one does not look.
    async fn check_free(&self, project: &ProjectId, session: SessionId) -> Result<SessionId, Refusal> {
        match self.world.store.head(project, &session).await.map_err(|error| store_refusal(&error))? {
            None => Ok(session),
            Some(_) => Err(Refusal::conflict("The session is there already.")),
        }
    }

    /// Whether conversations can be held with it.
    fn check_model(&self, name: &str, param: &str) -> Result<(), Refusal> {
        self.check_exists(name, param)?;
        match self.world.models.entry(name) {
            Some(entry) if !entry.model.converses() => {
                let message = format!("The model '{name}' makes embeddings and answers no conversations.");
                Err(Refusal::invalid(message).at(param))
            }
            _ => Ok(()),
        }
    }

    fn check_exists(&self, name: &str, param: &str) -> Result<(), Refusal> {
        if self.world.rules.model(name).is_some() {
            return Ok(());
        }
        let shown: String = name.chars().take(64).collect();
        let message = format!("The model '{shown}' does not exist or you do not have access to it.");
        Err(Refusal::new(RefusalKind::ModelNotFound, message).at(param))
    }

    /// The place of an item that no list shows, because it is still being said or was dropped: clients have its id from
    /// the stream.
    async fn unlisted_item_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        item: &str,
    ) -> Result<Option<Seq>, Refusal> {
        let Some(origin) = Origin::of_item(session, item) else { return Ok(None) };
        let kinds = vec!["abandoned", "committed"];
        let query = LogQuery { kinds, ..LogQuery::after(Seq(0)) };
        let log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
        for stored in &log {
            match decode(&stored.record)?.body {
                RecordBody::Abandoned(Abandoned { effect, attempt, .. })
                | RecordBody::Committed(Committed { effect, attempt, .. })
                    if origin == (Origin { effect, attempt }) =>
                {
                    return Ok(Some(stored.seq));
                }
                _ => {}
            }
        }
        let state = crate::subscription::fold(&self.world, project, session, Seq(u64::MAX - 1)).await?;
        let call = state.turn.as_ref().and_then(|turn| turn.call.as_ref());
        let speaks = call.is_some_and(|call| origin == Origin { effect: call.effect, attempt: call.attempt });
        Ok(speaks.then_some(state.seq))
    }

    /// Refuses schemas that the model cannot hold its answers to.
    fn check_schemas(&self, model: &str, tools: &[Tool], format: &TextFormat) -> Result<(), Refusal> {
        let Some(entry) = self.world.models.entry(model) else { return Ok(()) };
        let functions: Vec<FunctionTool> = tools.iter().filter_map(function).collect();
        let checked = entry.model.check(&functions, format);
        checked.map_err(|refusal| Refusal::invalid(refusal.message).at(format!("agent.{}", refusal.path)))
    }

    async fn page(
        &self,
        project: &ProjectId,
        session: &SessionId,
        query: LogQuery,
        limit: usize,
    ) -> Result<(Vec<Record>, bool), Refusal> {
        let query = LogQuery { limit: limit.saturating_add(1), ..query };
        let mut log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
        let has_more = log.len() > limit;
        log.truncate(limit);
        let records: Result<Vec<_>, _> = log.iter().map(|stored| decode(&stored.record)).collect();
        Ok((records?, has_more))
    }
}

fn view(row: HeadRow) -> SessionView {
    SessionView { head: Arc::new(row.head), settings: row.settings }
}

/// A log query that begins after a cursor, in the page's direction.
fn from(cursor: Option<Seq>, page: &Page) -> LogQuery {
    let all = LogQuery { direction: page.direction, ..LogQuery::after(Seq(0)) };
    match (cursor, page.direction) {
        (None, _) => all,
        (Some(seq), Direction::Ascending) => LogQuery { after: seq, ..all },
        (Some(seq), Direction::Descending) => LogQuery { before: Some(seq), ..all },
    }
}
