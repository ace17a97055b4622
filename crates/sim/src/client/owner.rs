//! The client that creates a session, starts its turns one after the other, and sees to it that each comes to an end. It
//! steers, cancels, changes settings and deletes as it likes.

use super::follower::follow;
use super::line::{hold, hosted};
use super::{Answer, Client, Heard, Listener, POISON, text_of};
use crate::arena::Arena;
use crate::notes::{Told, What};
use crate::plan::{Line, MODEL, SPARE};
use runtime::{Direction, Page, SessionFilter, Start};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use types::{
    AgentSettings, Message, MicroUsd, NewSession, RefusalKind, RequiredAction, Review, SessionChange, SessionId,
    SessionStatus, SessionView, Tool,
};

/// What a turn may take of an owner's attention before it counts as endless.
const LOOKS: u32 = 3000;

pub(crate) async fn own(arena: Arc<Arena>, number: u64) {
    let mut client = Client::new(&arena, format!("owner {number}"));
    if arena.plan.poison && number == 0 {
        client.says = POISON;
    }
    let Some(session) = client.create().await else { return };
    let over = Arc::new(AtomicBool::new(false));
    for follower in 0..arena.plan.followers {
        let name = format!("follower {number}.{follower}");
        arena.send_in("follower", follow(arena.clone(), name, session.clone(), over.clone()));
    }
    if let Some(line) = arena.plan.line {
        arena.send_in("line", hold(arena.clone(), line, session.clone(), over.clone()));
    }
    let mut listener = Listener::new(&client, &session, Start::Beginning);
    for round in 0..arena.plan.rounds {
        if round > 0 || !client.is_at_work(&session).await {
            client.message(&session).await;
        }
        let Some(heard) = client.sit_out(&session, listener).await else { break };
        listener = heard;
        client.look_around(&session).await;
        client.settle(&session).await;
    }
    if arena.plan.deletes && client.random.chance(500) {
        client.delete(&session).await;
    }
    over.store(true, Ordering::Relaxed);
}

impl Client {
    async fn create(&mut self) -> Option<SessionId> {
        let mark = self.plan_to(None, What::Create, false);
        let message = self.random.chance(700).then(|| self.plan_to(None, What::Message, false));
        let new = self.new_session(mark, message);
        for _ in 0..super::TRIES {
            let (project, mut new, line) = (self.arena.project.clone(), new.clone(), self.arena.plan.line);
            let create = |handle: runtime::Handle| -> types::BoxFuture<'static, _> {
                Box::pin(async move {
                    // What it will work in is made first, for a session that is to come.
                    if line == Some(Line::Hosted) {
                        let session = handle.new_session_id();
                        (new.environment, new.id) = (hosted(&session), Some(session));
                    }
                    handle.create(&project, new).await
                })
            };
            let answer = self.ask("create", create).await;
            self.told(mark, answer.told());
            message.into_iter().for_each(|message| self.told(message, answer.told()));
            let known = answer.told().is_refusal();
            let session = match answer.yes() {
                Some(view) => Some(view.head.session.clone()),
                None => self.find(mark).await,
            };
            if let Some(session) = session {
                self.arena.notes(|notes| {
                    for mark in [Some(mark), message].into_iter().flatten() {
                        notes.asked.entry(mark).and_modify(|asked| asked.session = Some(session.clone()));
                    }
                });
                self.arena.count("sessions");
                return Some(session);
            }
            if known {
                return None;
            }
            self.arena.pause(Duration::from_secs(3)).await;
        }
        None
    }

    fn new_session(&mut self, mark: u64, message: Option<u64>) -> NewSession {
        let mut agent = AgentSettings::new(MODEL);
        agent.tools = tools();
        NewSession {
            id: None,
            agent_id: None,
            agent_name: None,
            agent,
            environment: super::line::wanted(self.arena.plan.line),
            vault_ids: Vec::new(),
            prompt_cache: None,
            review: if self.random.chance(300) { Review::AutoReview } else { Review::None },
            spend_limit: self.arena.plan.limit,
            metadata: tag(mark),
            aws: None,
            input: message.iter().map(|mark| Message::text(format!("{} {}", self.says, text_of(*mark)))).collect(),
        }
    }

    /// The session of which the answer to its creation was lost.
    async fn find(&mut self, mark: u64) -> Option<SessionId> {
        let filter = SessionFilter { metadata: tag(mark).into_iter().collect(), ..SessionFilter::default() };
        let page = Page { after: None, limit: 10, direction: Direction::Ascending };
        let project = self.arena.project.clone();
        let found = self
            .ask("find", |handle| Box::pin(async move { handle.sessions(&project, filter, page).await }))
            .await
            .yes()?;
        Some(found.data.first()?.head.session.clone())
    }

    pub(crate) async fn view(&mut self, session: &SessionId) -> Answer<SessionView> {
        let (project, session) = (self.arena.project.clone(), session.clone());
        self.ask("look", |handle| Box::pin(async move { handle.session(&project, &session).await })).await
    }

    async fn is_at_work(&mut self, session: &SessionId) -> bool {
        self.view(session).await.yes().is_some_and(|view| view.head.turn.is_some())
    }

    /// Listens until the session rests. None where there is nothing more to be had from it.
    async fn sit_out(&mut self, session: &SessionId, mut listener: Listener) -> Option<Listener> {
        for _ in 0..LOOKS {
            listener = self.hear_again(session, listener).await?;
            match listener.next(self, Duration::from_secs(40)).await {
                Heard::Event(event) => {
                    self.react(session, &event).await;
                    self.interfere(session).await;
                }
                Heard::Broken => {}
                Heard::Over => return None,
                Heard::Silence => match self.view(session).await {
                    Answer::Yes(view) if view.head.turn.is_none() => {
                        return self.rests(session, &view).await.then_some(listener);
                    }
                    Answer::Yes(view) => self.answer_all(session, &view).await,
                    Answer::No(refusal) if refusal.kind == RefusalKind::NotFound => return None,
                    Answer::No(_) | Answer::Nothing => {}
                },
            }
        }
        self.arena.problem(format!("{session}: a turn came to no end"));
        None
    }

    /// Whether another turn may be started.
    async fn rests(&mut self, session: &SessionId, view: &SessionView) -> bool {
        match view.head.status {
            SessionStatus::Idle => true,
            SessionStatus::BudgetReached => {
                self.arena.count("budgets reached");
                let more = view.settings.spend_limit.unwrap_or_default().plus(MicroUsd(self.random.below(100_000)));
                self.random.chance(700)
                    && self.change(session, SessionChange { spend_limit: Some(Some(more)), ..Default::default() }).await
                        == Told::Taken
            }
            _ => false,
        }
    }

    async fn answer_all(&mut self, session: &SessionId, view: &SessionView) {
        let mut actions: Vec<_> = view.head.required_actions.iter().collect();
        // In whichever order.
        if self.random.chance(500) {
            actions.reverse();
        }
        for action in actions {
            match action {
                RequiredAction::FunctionCall { turn, call_id, .. } => self.answer(session, turn, call_id).await,
                RequiredAction::McpApproval { request, .. } => self.consent(session, request).await,
                // Others see to that, or nobody.
                RequiredAction::EnvironmentConnection { .. } => {}
            }
        }
    }

    /// What nobody asked for.
    async fn interfere(&mut self, session: &SessionId) {
        match self.random.below(120) {
            0 | 1 => {
                self.arena.count("steering");
                self.message(session).await;
            }
            2 => drop(self.cancel(session).await),
            3 => {
                let model = if self.random.chance(500) { MODEL } else { SPARE };
                let change = SessionChange { model: Some(model.to_owned()), ..SessionChange::default() };
                self.change(session, change).await;
            }
            4 => {
                let change = SessionChange { model: Some("nobody".to_owned()), ..SessionChange::default() };
                self.change(session, change).await;
            }
            5 => drop(self.change(session, SessionChange::default()).await),
            7 | 8 => self.settle(session).await,
            6 if self.random.chance(200) => drop(self.delete(session).await),
            _ => {}
        }
    }

    /// Changes settings, and the tag that tells this change from others.
    async fn change(&mut self, session: &SessionId, change: SessionChange) -> Told {
        let mark = self.plan_to(Some(session), What::Update, false);
        let change = SessionChange { metadata: Some(tag(mark)), ..change };
        self.arena.count("updates");
        let (project, id) = (self.arena.project.clone(), session.clone());
        let answer = self
            .ask(&format!("{change:?}"), |handle| Box::pin(async move { handle.update(&project, &id, change).await }))
            .await;
        let told = answer.told();
        self.told(mark, told);
        told
    }

    async fn delete(&mut self, session: &SessionId) -> Told {
        let mark = self.plan_to(Some(session), What::Delete, false);
        self.arena.count("deletions");
        let (project, id) = (self.arena.project.clone(), session.clone());
        let answer = self.ask("delete", |handle| Box::pin(async move { handle.delete(&project, &id).await })).await;
        let told = answer.told();
        self.told(mark, told);
        if told == Told::Taken && !self.is_deleted(session) {
            self.arena.problem(format!("{session}: a deletion was answered before it was durable"));
        }
        told
    }

    /// Reads the lists: each thing once, and nothing of what was taken is missing.
    async fn look_around(&mut self, session: &SessionId) {
        let page = |limit| Page { after: None, limit, direction: Direction::Ascending };
        let (project, id) = (self.arena.project.clone(), session.clone());
        let items = self
            .ask("items", |handle| Box::pin(async move { handle.items(&project, &id, None, page(1000)).await }))
            .await;
        let Answer::Yes(items) = items else { return };
        let mut ids: Vec<_> = items.data.iter().map(|item| item.id.clone()).collect();
        ids.sort();
        ids.dedup();
        if ids.len() != items.data.len() {
            self.arena.problem(format!("{session}: an item is listed twice"));
        }
    }
}

fn tag(mark: u64) -> BTreeMap<String, String> {
    [("tag".to_owned(), text_of(mark))].into()
}

/// The tools of every agent here.
fn tools() -> Vec<Tool> {
    functions().into_iter().chain([Tool::ToolSearch]).collect()
}

/// Those that requests for single answers may name as well.
pub(super) fn functions() -> Vec<Tool> {
    let function = |name: &str| Tool::Function {
        name: name.to_owned(),
        description: String::new(),
        parameters: Default::default(),
        defer_loading: false,
        is_async: None,
        strict: None,
    };
    let (mut later, mut kept) = (function("later"), function("kept"));
    if let Tool::Function { is_async, .. } = &mut later {
        *is_async = Some(true);
    }
    if let Tool::Function { defer_loading, .. } = &mut kept {
        *defer_loading = true;
    }
    vec![function("f"), function("g"), later, kept]
}
