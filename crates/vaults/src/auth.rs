//! How a credential authenticates: what may be seen of it, what a request brings, and the rules that both obey. Pure.

mod check;

use crate::record::field;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use types::{Refusal, RefusalKind};

/// What may be seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Auth {
    StaticBearer {
        server_url: String,
    },
    McpOauth {
        server_url: String,
        /// RFC 3339, as it came.
        expires_at: Option<String>,
        refresh: Option<Refresh>,
    },
    EnvironmentVariable {
        name: String,
        networking: Networking,
    },
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refresh {
    pub client_id: String,
    pub token_endpoint: String,
    pub endpoint_auth: EndpointAuth,
    pub scope: Option<String>,
    pub resource: Option<String>,
}

/// How the client shows the token endpoint who it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointAuth {
    None,
    ClientSecretBasic,
    ClientSecretPost,
}

/// Where a value is put in.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Networking {
    /// At the allowed domains of the environment, where its network is restricted to such.
    Unrestricted,
    /// At these alone, as far as the environment reaches them.
    Limited { allowed_hosts: Vec<String> },
}

/// A new credential, as a request describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCredential {
    pub name: String,
    pub metadata: std::collections::BTreeMap<String, String>,
    pub auth: NewAuth,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NewAuth {
    StaticBearer { server_url: String, token: Secret },
    McpOauth { server_url: String, access_token: Secret, expires_at: Option<String>, refresh: Option<NewRefresh> },
    EnvironmentVariable { name: String, value: Secret, networking: Networking },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRefresh {
    pub refresh: Refresh,
    pub refresh_token: Secret,
    /// With `ClientSecretBasic` and `ClientSecretPost`.
    pub client_secret: Option<Secret>,
}

/// New values for what is there. None: as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AuthChange {
    StaticBearer { token: Secret },
    McpOauth { access_token: Option<Secret>, expires_at: Option<Option<String>>, refresh: Option<RefreshChange> },
    EnvironmentVariable { value: Secret },
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct RefreshChange {
    pub refresh_token: Option<Secret>,
    pub scope: Option<Option<String>>,
    /// Only the secret of a method that is there already can change.
    pub endpoint_auth: Option<(EndpointAuth, Option<Secret>)>,
}

/// Secrets by the names of their fields.
pub(crate) type Secrets = Vec<(&'static str, Secret)>;

impl NewAuth {
    /// What is seen and what is sealed, checked.
    pub(crate) fn split(self) -> Result<(Auth, Secrets), Refusal> {
        match self {
            Self::StaticBearer { server_url, token } => {
                check::url(&server_url, "auth.mcp_server_url")?;
                check::token(&token, "auth.token")?;
                Ok((Auth::StaticBearer { server_url }, vec![(field::TOKEN, token)]))
            }
            Self::McpOauth { server_url, access_token, expires_at, refresh } => {
                check::url(&server_url, "auth.mcp_server_url")?;
                check::token(&access_token, "auth.access_token")?;
                check::moment(expires_at.as_deref())?;
                let mut secrets = vec![(field::ACCESS, access_token)];
                let refresh = refresh.map(|new| new.split(&mut secrets)).transpose()?;
                Ok((Auth::McpOauth { server_url, expires_at, refresh }, secrets))
            }
            Self::EnvironmentVariable { name, value, networking } => {
                check::variable(&name)?;
                check::value(&value)?;
                let networking = check::networking(networking)?;
                Ok((Auth::EnvironmentVariable { name, networking }, vec![(field::VALUE, value)]))
            }
        }
    }
}

impl NewRefresh {
    fn split(self, secrets: &mut Secrets) -> Result<Refresh, Refusal> {
        let Self { refresh, refresh_token, client_secret } = self;
        check::text(&refresh.client_id, "auth.refresh.client_id")?;
        check::url(&refresh.token_endpoint, "auth.refresh.token_endpoint")?;
        check::secret(&refresh_token, "auth.refresh.refresh_token")?;
        for (text, at) in [(&refresh.scope, "auth.refresh.scope"), (&refresh.resource, "auth.refresh.resource")] {
            text.as_deref().map_or(Ok(()), |text| check::text(text, at))?;
        }
        secrets.push((field::REFRESH, refresh_token));
        if let Some(secret) = client_secret {
            check::secret(&secret, "auth.refresh.token_endpoint_auth.client_secret")?;
            secrets.push((field::CLIENT, secret));
        }
        Ok(refresh)
    }
}

impl AuthChange {
    /// Changes what is seen. The secrets that are new, and whether a refresh may be tried that was given up before.
    pub(crate) fn apply(self, auth: &mut Auth) -> Result<Secrets, Refusal> {
        match (self, auth) {
            (Self::StaticBearer { token }, Auth::StaticBearer { .. }) => {
                check::token(&token, "auth.token")?;
                Ok(vec![(field::TOKEN, token)])
            }
            (
                Self::McpOauth { access_token, expires_at: until, refresh: change },
                Auth::McpOauth { expires_at, refresh, .. },
            ) => {
                let mut secrets = Secrets::new();
                if let Some(token) = access_token {
                    check::token(&token, "auth.access_token")?;
                    secrets.push((field::ACCESS, token));
                    // How long another token lives says nothing of this one.
                    *expires_at = None;
                }
                if let Some(until) = until {
                    check::moment(until.as_deref())?;
                    *expires_at = until;
                }
                if let Some(change) = change {
                    let refresh = refresh.as_mut().ok_or_else(|| {
                        wrong("The credential has no refresh configuration that could be changed.", "auth.refresh")
                    })?;
                    change.apply(refresh, &mut secrets)?;
                }
                Ok(secrets)
            }
            (Self::EnvironmentVariable { value }, Auth::EnvironmentVariable { .. }) => {
                check::value(&value)?;
                Ok(vec![(field::VALUE, value)])
            }
            (_, auth) => {
                let message = format!("The credential is of type '{}', which cannot change.", auth.kind());
                Err(wrong(message, "auth.type"))
            }
        }
    }
}

impl RefreshChange {
    fn apply(self, refresh: &mut Refresh, secrets: &mut Secrets) -> Result<(), Refusal> {
        if let Some(token) = self.refresh_token {
            check::secret(&token, "auth.refresh.refresh_token")?;
            secrets.push((field::REFRESH, token));
        }
        if let Some(scope) = self.scope {
            scope.as_deref().map_or(Ok(()), |scope| check::text(scope, "auth.refresh.scope"))?;
            refresh.scope = scope;
        }
        if let Some((method, secret)) = self.endpoint_auth {
            if method != refresh.endpoint_auth {
                let message = "The authentication method of the token endpoint cannot change.";
                return Err(wrong(message, "auth.refresh.token_endpoint_auth.type"));
            }
            if let Some(secret) = secret {
                check::secret(&secret, "auth.refresh.token_endpoint_auth.client_secret")?;
                secrets.push((field::CLIENT, secret));
            }
        }
        Ok(())
    }
}

impl Auth {
    /// As requests write it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StaticBearer { .. } => "static_bearer",
            Self::McpOauth { .. } => "mcp_oauth",
            Self::EnvironmentVariable { .. } => "environment_variable",
        }
    }

    /// The server that it is for, where it is for one.
    #[must_use]
    pub fn server_url(&self) -> Option<&str> {
        match self {
            Self::StaticBearer { server_url } | Self::McpOauth { server_url, .. } => Some(server_url),
            Self::EnvironmentVariable { .. } => None,
        }
    }
}

fn wrong(message: impl Into<String>, at: &str) -> Refusal {
    Refusal::new(RefusalKind::Invalid, message).at(at)
}
