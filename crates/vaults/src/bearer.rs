//! Which credential an MCP server is shown, and its token, refreshed where it is due.

use crate::address::ServerUrl;
use crate::auth::Auth;
use crate::listing::all;
use crate::record::{Credential, Sealed, field};
use crate::rows;
use crate::seal::{Place, SealingKey};
use crate::secret::Secret;
use crate::vaults::{Inner, Vaults, spoilt};
use crate::{moment, refresh};
use std::collections::BTreeSet;
use std::time::Duration;
use types::{ProjectId, Refusal, Timestamp};

/// A token that lives no longer than this is refreshed before it is used.
const EARLY: Duration = Duration::from_secs(60);
/// Ten years: what is said to live longer is believed so much.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// What goes into the header `Authorization`, after `Bearer `.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bearer {
    pub vault: String,
    pub credential: String,
    pub token: Secret,
}

/// Why there is no token. No text holds one.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BearerError {
    #[error("MCP credential_id requires an attached vault")]
    NoVault,
    #[error("MCP credential '{0}' was not found in an attached vault")]
    NotFound(String),
    /// Of a server only the host is said: paths and queries of some hold secrets.
    #[error("MCP credential '{credential}' does not match server_url at '{host}'")]
    Mismatch { credential: String, host: String },
    #[error("multiple attached vault credentials match MCP server_url at '{host}' ({}); specify credential_id", .credentials.join(", "))]
    Several { host: String, credentials: Vec<String> },
    #[error("the token of credential '{0}' has expired, and it has no refresh configuration; update the credential")]
    Expired(String),
    /// For good: until the credential is updated.
    #[error(
        "the token endpoint of credential '{credential}' refuses its refresh token ({why}); authorize again and update the credential"
    )]
    Refused { credential: String, why: String },
    /// The endpoint answered, and not with a token. Another time it may.
    #[error("the token endpoint of credential '{credential}' gives no token: {why}")]
    NoToken { credential: String, why: String },
    #[error("the token endpoint of credential '{credential}' cannot be reached: {why}")]
    Unreachable { credential: String, why: String },
    #[error("{0}")]
    Vault(Refusal),
}

impl From<Refusal> for BearerError {
    fn from(refusal: Refusal) -> Self {
        Self::Vault(refusal)
    }
}

impl Vaults {
    /// The token for a server: that of the credential that is named, else of the one in these vaults that matches the URL.
    /// None where none does.
    pub async fn bearer(
        &self,
        project: &ProjectId,
        vaults: &[String],
        server_url: &str,
        credential: Option<&str>,
    ) -> Result<Option<Bearer>, BearerError> {
        let Some(chosen) = self.choose(project, vaults, server_url, credential).await? else { return Ok(None) };
        let now = self.inner.around.clock.now();
        let Some((current, seen)) = self.inner.current(project, &chosen.vault, &chosen.id).await? else {
            return Ok(None);
        };
        let Auth::McpOauth { expires_at, refresh, .. } = &current.auth else {
            return self.inner.token(project, &current, &seen, field::TOKEN).await.map(Some);
        };
        let until = expires_at.as_deref().and_then(moment::read);
        let is_over = |within: Duration| until.is_some_and(|until| until <= now.after(within));
        if !is_over(EARLY) {
            return self.inner.token(project, &current, &seen, field::ACCESS).await.map(Some);
        }
        if refresh.is_none() {
            return match is_over(Duration::ZERO) {
                true => Err(BearerError::Expired(current.id)),
                false => self.inner.token(project, &current, &seen, field::ACCESS).await.map(Some),
            };
        }
        match self.refreshed(project, &current, &seen).await {
            // It is good for a moment yet.
            Err(error) if !is_over(Duration::ZERO) => {
                tracing::warn!(credential = current.id, %error, "a token is not refreshed in time");
                self.inner.token(project, &current, &seen, field::ACCESS).await.map(Some)
            }
            done => done,
        }
    }

    /// The server answered 401 to this token. A newer one, where there is one or a refresh brings it; None where nothing
    /// else can be tried.
    pub async fn refused(&self, project: &ProjectId, bearer: &Bearer) -> Result<Option<Bearer>, BearerError> {
        let found = self.inner.current(project, &bearer.vault, &bearer.credential).await?;
        let Some((current, seen)) = found else { return Ok(None) };
        let name = if matches!(current.auth, Auth::McpOauth { .. }) { field::ACCESS } else { field::TOKEN };
        let there = self.inner.token(project, &current, &seen, name).await?;
        if there.token != bearer.token {
            return Ok(Some(there));
        }
        match &current.auth {
            Auth::McpOauth { refresh: Some(_), .. } => self.refreshed(project, &current, &seen).await,
            _ => Ok(None),
        }
    }

    /// The credential whose token [`Vaults::bearer`] would give. Opens nothing and asks nobody.
    pub async fn choose(
        &self,
        project: &ProjectId,
        vaults: &[String],
        server_url: &str,
        credential: Option<&str>,
    ) -> Result<Option<Credential>, BearerError> {
        if let (Some(_), []) = (credential, vaults) {
            return Err(BearerError::NoVault);
        }
        let server = ServerUrl::parse(server_url).ok();
        let mut matching = Vec::new();
        // A vault that is named twice is one vault.
        for vault in vaults.iter().collect::<BTreeSet<_>>() {
            let there: Vec<Credential> = all(&*self.inner.around.store, project, &rows::credentials(vault)).await?;
            for found in there {
                let url = found.auth.server_url().and_then(|url| ServerUrl::parse(url).ok());
                let fits = url.is_some() && url == server;
                match credential {
                    Some(id) if id == found.id && fits => return Ok(Some(found)),
                    Some(id) if id == found.id => {
                        let (credential, host) = (found.id, host(server_url));
                        return Err(BearerError::Mismatch { credential, host });
                    }
                    None if fits => matching.push(found),
                    _ => {}
                }
            }
        }
        match (credential, matching.len()) {
            (Some(id), _) => Err(BearerError::NotFound(id.to_owned())),
            (None, 0 | 1) => Ok(matching.pop()),
            (None, _) => {
                let credentials = matching.into_iter().map(|found| found.id).collect();
                Err(BearerError::Several { host: host(server_url), credentials })
            }
        }
    }

    /// With a token that is another than the one that was seen.
    async fn refreshed(
        &self,
        project: &ProjectId,
        credential: &Credential,
        seen: &Sealed,
    ) -> Result<Option<Bearer>, BearerError> {
        refresh::refresh(&self.inner, project, credential, seen).await?;
        match self.inner.current(project, &credential.vault, &credential.id).await? {
            Some((current, sealed)) => self.inner.token(project, &current, &sealed, field::ACCESS).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Inner {
    /// Both rows; None where it was deleted.
    pub(crate) async fn current(
        &self,
        project: &ProjectId,
        vault: &str,
        id: &str,
    ) -> Result<Option<(Credential, Sealed)>, Refusal> {
        let store = &*self.around.store;
        let credential = rows::read(store, project, &rows::credentials(vault), id).await?;
        let sealed = rows::read(store, project, &rows::sealed(vault), id).await?;
        Ok(credential.zip(sealed))
    }

    async fn token(
        &self,
        project: &ProjectId,
        credential: &Credential,
        sealed: &Sealed,
        name: &str,
    ) -> Result<Bearer, BearerError> {
        let token = self.opened(project, credential, sealed, name).await?;
        Ok(Bearer { vault: credential.vault.clone(), credential: credential.id.clone(), token })
    }

    pub(crate) async fn opened(
        &self,
        project: &ProjectId,
        credential: &Credential,
        sealed: &Sealed,
        name: &str,
    ) -> Result<Secret, Refusal> {
        let key = self.data_key(project, &credential.vault).await?;
        credential.opened(project, &key, sealed, name)
    }
}

impl Credential {
    pub(crate) fn opened(
        &self,
        project: &ProjectId,
        key: &SealingKey,
        sealed: &Sealed,
        name: &str,
    ) -> Result<Secret, Refusal> {
        let text = sealed.fields.get(name).ok_or_else(|| spoilt(&self.id))?;
        let place = Place { project, vault: &self.vault, credential: &self.id };
        place.open(key, name, text).map_err(|_| spoilt(&self.id))
    }
}

fn host(server_url: &str) -> String {
    let url = url::Url::parse(server_url).ok();
    url.as_ref().and_then(url::Url::host_str).unwrap_or("no host").to_owned()
}

/// When a token that was given now ends.
pub(crate) fn end(now: Timestamp, seconds: Option<u64>) -> Option<String> {
    seconds.map(|seconds| moment::write(now.after(Duration::from_secs(seconds).min(LONGEST))))
}

#[cfg(test)]
mod tests;
