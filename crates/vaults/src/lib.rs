//! Vaults and their credentials: what is kept of them, how their secrets are sealed, and how those are used.
//!
//! A secret comes in once, is sealed before it is written, and leaves this crate in three ways: as the bearer of a request
//! to an MCP server ([`Vaults::bearer`]), as what the way out of a hosted environment puts in the place of a placeholder
//! ([`Held`]), and within the request of a refresh ([`TokenEndpoint`]). It is in no answer, no error, no log line and no
//! `Debug`.
//!
//! ```text
//! root key (a file, the environment, KMS)   wraps   a data key of each vault   seals   each field of each secret
//! ```
//!
//! What clients see of a credential and what is sealed are rows of their own, so that no list ever reads a secret. This crate
//! opens no connection and knows no session.

mod address;
mod auth;
mod bearer;
mod chain;
mod credentials;
mod environment;
mod kms;
mod listing;
mod moment;
mod owner;
mod probe;
mod record;
mod refresh;
mod rewrap;
mod root;
mod rows;
mod seal;
mod secret;
#[cfg(test)]
mod stage;
mod vaults;

pub use address::{ServerUrl, WrongUrl};
pub use auth::{
    Auth, AuthChange, EndpointAuth, Networking, NewAuth, NewCredential, NewRefresh, Refresh, RefreshChange,
};
pub use bearer::{Bearer, BearerError};
pub use chain::Chain;
pub use credentials::CredentialChange;
pub use environment::{EnvironmentSecret, Held};
pub use kms::service::{Access, KeyService, ServiceRequest};
pub use kms::{Kms, KmsKey, KmsWorld, is_kms};
pub use listing::{Listed, Status, Wanted};
pub use owner::Owner;
pub use probe::probe;
pub use record::{Credential, Vault};
pub use refresh::endpoint::{Answer, TokenEndpoint, TokenRequest, Unanswered};
pub use rewrap::{RewrapError, Rewrapped, Standing, rewrap, standing};
pub use root::{Fresh, KeyError, Ring, RootKey, Wrapped, of_root};
pub use secret::Secret;
pub use vaults::{Around, VaultChange, Vaults};

/// Bounds.
pub mod limits {
    /// Vaults of a project.
    pub const VAULTS: usize = 1000;
    /// Credentials of a vault.
    pub const CREDENTIALS: usize = 100;
    /// A name, in bytes.
    pub const NAME: usize = 256;
    /// A secret, in bytes.
    pub const SECRET: usize = 64 << 10;
    /// A URL, a client's id, a scope: in bytes.
    pub const TEXT: usize = 4096;
    /// Hosts of an environment variable's credential.
    pub const HOSTS: usize = 16;
    /// The metadata of a vault, all of it, in bytes.
    pub const METADATA: usize = 64 << 10;
}
