//! Forks: a session that goes on where another one stood. It shares that one's records up to the cut; what was open
//! there is closed in its first append, and nothing before it is done again.

use super::Handle;
use crate::actor::{Command, store_refusal};
use crate::subscription::fold;
use crate::tail::Tail;
use store::LogQuery;
use types::{
    EnvironmentSettings, HostedSettings, Input, ItemId, ProjectId, Refusal, Seq, SessionId, SessionSettings,
    SessionView,
};

/// What belongs to an item that ends an answer or a turn, although it stands behind it.
const ENDS: [&str; 2] = ["committed", "turn_ended"];

/// What is said of a fork before it is made.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct NewFork {
    /// The last item that it shares; None for all of them.
    pub after_item: Option<ItemId>,
    /// As in `NewSession`.
    pub id: Option<SessionId>,
    /// The hosted environment that was claimed for it. Without one, the fork of a session with a hosted environment has
    /// none: no two sessions share one.
    pub hosted: Option<HostedSettings>,
}

impl Handle {
    /// A new session on the records of `parent`: all that are durable now, or those up to an item. `change` is shown the
    /// settings as they were there. What it returns is durable. Whatever the parent does meanwhile does not matter.
    ///
    /// Errors: `NotFound` (the session; the item, at `after_item_id`), those of `create`, `Invalid` where the chain of forks
    /// would be too long.
    pub async fn fork(
        &self,
        project: &ProjectId,
        parent: &SessionId,
        wanted: NewFork,
        change: impl FnOnce(&mut SessionSettings) + Send,
    ) -> Result<SessionView, Refusal> {
        let head = self.head(project, parent).await?.seq;
        let at = match &wanted.after_item {
            Some(item) => self.cut_after(project, parent, item).await?,
            None => head,
        };
        let state = fold(&self.world, project, parent, at).await?;
        if state.seq != at {
            // Deleted meanwhile.
            return Err(Refusal::not_found("session", parent.as_str()));
        }
        let mut settings = (*state.settings).clone();
        change(&mut settings);
        let agent = &settings.agent;
        self.check_model(&agent.model, "agent.model")?;
        self.check_schemas(&agent.model, &agent.tools, &agent.text.format)?;
        let session = match wanted.id {
            Some(session) => self.check_free(project, session).await?,
            None => self.new_session_id(),
        };
        settings.environment = match (wanted.hosted, settings.environment) {
            (Some(hosted), _) => EnvironmentSettings::OpenaiHosted(Box::new(hosted)),
            (None, EnvironmentSettings::OpenaiHosted(_)) => EnvironmentSettings::None,
            (None, environment) => environment.owned_by(&session),
        };
        let (tools, vault_ids) = (&settings.agent.tools, &settings.vault_ids);
        self.world.tools.admit(project, tools, &settings.environment, vault_ids).await?;
        let fork = Input::Fork { session: session.clone(), settings: Box::new(settings), keeps_calls: false };
        self.branch(project, (parent.clone(), at), &session, vec![fork]).await
    }

    /// Makes `session` on the records of another one up to a seq, which must be one of its records. The first of `inputs`
    /// is the `Fork`; all are taken, or none and the session is not made.
    pub(crate) async fn branch(
        &self,
        project: &ProjectId,
        base: (SessionId, Seq),
        session: &SessionId,
        inputs: Vec<Input>,
    ) -> Result<SessionView, Refusal> {
        self.ask(project, session, |reply| Command::Fork { base: base.clone(), inputs: inputs.clone(), reply }).await
    }

    /// After which record a session's stream begins: what a fork shares was told in another one's.
    pub(super) async fn beginning(
        &self,
        project: &ProjectId,
        session: &SessionId,
        tail: &Tail,
    ) -> Result<Seq, Refusal> {
        // One whose first record is at hand is no fork.
        if tail.lock().after(Seq(0)).is_some() {
            return Ok(Seq(0));
        }
        Ok(self.head(project, session).await?.base.unwrap_or_default())
    }

    /// The last record that belongs to an item.
    async fn cut_after(&self, project: &ProjectId, session: &SessionId, item: &ItemId) -> Result<Seq, Refusal> {
        let store = &self.world.store;
        let seq = store.item_seq(project, session, item).await.map_err(|error| store_refusal(&error))?;
        let mut at = seq.ok_or_else(|| Refusal::not_found("item", item.as_str()).at("after_item_id"))?;
        let behind = LogQuery { limit: ENDS.len(), ..LogQuery::after(at) };
        let behind = store.log(project, session, behind).await.map_err(|error| store_refusal(&error))?;
        for stored in behind.iter().take_while(|stored| ENDS.contains(&stored.record.kind.as_str())) {
            at = stored.seq;
        }
        Ok(at)
    }
}
