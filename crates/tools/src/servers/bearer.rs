//! The token of a server, out of the session's vaults.

use mcp::{Bearer, Challenge};
use std::sync::{Mutex, PoisonError};
use types::{BoxFuture, ProjectId};
use vaults::Vaults;

pub struct Token {
    vaults: Vaults,
    project: ProjectId,
    vault_ids: Vec<String>,
    server_url: String,
    credential: String,
    /// What was sent last: what a refusal is about.
    sent: Mutex<Option<vaults::Bearer>>,
}

impl Token {
    pub fn new(
        vaults: Vaults,
        project: ProjectId,
        vault_ids: Vec<String>,
        server_url: String,
        credential: String,
    ) -> Self {
        Self { vaults, project, vault_ids, server_url, credential, sent: Mutex::default() }
    }

    fn note(&self, bearer: Option<vaults::Bearer>) -> Option<String> {
        let token = bearer.as_ref().map(|bearer| bearer.token.reveal().to_owned());
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner) = bearer;
        token
    }
}

impl Bearer for Token {
    fn current(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async move {
            let bearer = self.vaults.bearer(&self.project, &self.vault_ids, &self.server_url, Some(&self.credential));
            Ok(self.note(bearer.await.map_err(|error| error.to_string())?))
        })
    }

    /// More rights than the credential has are for a person to give.
    fn refused<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async move {
            let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let Some(sent) = sent.filter(|_| !challenge.wants_more()) else { return Ok(None) };
            let newer = self.vaults.refused(&self.project, &sent).await.map_err(|error| error.to_string())?;
            Ok(if newer.is_some() { self.note(newer) } else { None })
        })
    }
}
