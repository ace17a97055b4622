//! Vaults and credentials on the wire. Requests bring secrets, answers never hold one.

mod request;
mod shown;

pub use request::{
    AuthCreate, AuthRotate, CredentialCreate, CredentialUpdate, EndpointAuthCreate, EndpointAuthRotate,
    NetworkingParam, RefreshCreate, RefreshRotate, VaultCreate, VaultUpdate,
};
pub use shown::{Auth, Credential, EndpointAuth, Networking, Refresh, Vault};

use crate::words::words;

words! {
    /// How a credential authenticates.
    AuthKind {
        McpOauth => "mcp_oauth",
        StaticBearer => "static_bearer",
        EnvironmentVariable => "environment_variable",
    }
    /// How a token endpoint is shown who asks.
    EndpointAuthKind {
        None => "none",
        ClientSecretBasic => "client_secret_basic",
        ClientSecretPost => "client_secret_post",
    }
    /// The same where a secret is changed: who has none has none to change.
    EndpointSecretKind {
        ClientSecretBasic => "client_secret_basic",
        ClientSecretPost => "client_secret_post",
    }
    NetworkingKind {
        Unrestricted => "unrestricted",
        Limited => "limited",
    }
}

#[cfg(test)]
mod tests;
