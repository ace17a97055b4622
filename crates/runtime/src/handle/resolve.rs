//! An operator's word on a call whose outcome nobody knew.

use super::Handle;
use crate::actor::Command;
use types::{Input, ProjectId, Refusal, SessionId, Settlement};

impl Handle {
    /// Settles what the ledger calls unknown; the model learns of it with its next call. The same again does nothing.
    /// `effect` is as the ledger names it, `by` names who says so. Errors: `NotFound`; `Conflict`, where the outcome is
    /// known.
    pub async fn resolve(
        &self,
        project: &ProjectId,
        session: &SessionId,
        effect: &str,
        outcome: Settlement,
        by: Option<String>,
    ) -> Result<(), Refusal> {
        let effect = crate::ledger::find(&*self.world.store, project, session, effect).await?;
        let input = Input::Settle { effect, outcome, by };
        self.ask(project, session, |reply| Command::Submit { inputs: vec![input.clone()], key: None, reply })
            .await
            .map(|_| ())
    }
}
