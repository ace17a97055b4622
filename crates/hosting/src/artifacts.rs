//! What completed turns left in `/workspace/outputs`.

use crate::hosting::{Hosting, unavailable};
use crate::record::Artifact;
use runtime::{Listed, Page};
use types::{ProjectId, Refusal, SessionId, TurnId};

impl Hosting {
    /// A turn of the session ended. Returns at once; publishes its outputs beside.
    pub fn turn_ended(&self, _project: &ProjectId, _session: &SessionId, _turn: &TurnId) {}

    pub async fn artifacts(
        &self,
        _project: &ProjectId,
        _session: &SessionId,
        _environment: Option<&str>,
        _page: Page,
    ) -> Result<Listed<Artifact>, Refusal> {
        unavailable()
    }

    pub async fn artifact(
        &self,
        _project: &ProjectId,
        _session: &SessionId,
        _id: &str,
    ) -> Result<(Artifact, runtime::File), Refusal> {
        unavailable()
    }

    pub async fn delete_artifact(&self, _project: &ProjectId, _session: &SessionId, _id: &str) -> Result<(), Refusal> {
        unavailable()
    }
}
