//! The environments of sessions, for those who hold the line to them.

use super::Handle;
use crate::actor::Command;
use std::sync::Arc;
use types::{
    EnvironmentChange, EnvironmentId, EnvironmentState, Input, ProjectId, Refusal, RefusalKind, SessionId,
    SessionSettings,
};

/// An environment and the session that it belongs to.
#[derive(Clone, PartialEq, Debug)]
pub struct EnvironmentPlace {
    pub session: SessionId,
    pub settings: Arc<SessionSettings>,
    pub state: EnvironmentState,
}

impl Handle {
    /// The session of an environment, and what the log knows of both. `NotFound`: none of this project's has it.
    pub async fn environment_of(
        &self,
        project: &ProjectId,
        environment: &EnvironmentId,
    ) -> Result<EnvironmentPlace, Refusal> {
        let missing = || Refusal::not_found("environment", environment.as_str());
        let session = environment.session().ok_or_else(missing)?;
        let row = match self.row(project, &session).await {
            Ok(row) => row,
            Err(refusal) if refusal.kind == RefusalKind::NotFound => return Err(missing()),
            Err(refusal) => return Err(refusal),
        };
        let state = row.head.environment.filter(|state| state.id == *environment).ok_or_else(missing)?;
        Ok(EnvironmentPlace { session, settings: row.settings, state })
    }

    /// Tells a session what became of its environment; Ok means durable, also for what it knew. A turn that waited for it
    /// begins, or fails with it. Errors: `NotFound`, `Invalid` (it has none), `Conflict` (it has failed for good).
    pub async fn environment_changed(
        &self,
        project: &ProjectId,
        session: &SessionId,
        change: EnvironmentChange,
    ) -> Result<(), Refusal> {
        self.check_session(project, session).await?;
        let input = Input::Environment(change);
        let told = |reply| Command::Submit { inputs: vec![input.clone()], key: None, reply };
        self.ask(project, session, told).await.map(|_| ())
    }
}
