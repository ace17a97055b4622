//! What is kept: the rows' bodies. Fields are only added, with defaults.

use crate::auth::Auth;
use crate::root::Wrapped;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use types::Timestamp;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Vault {
    /// `vault_` and 24 hex digits.
    pub id: String,
    pub name: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// What may be seen of a credential.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Credential {
    /// `cred_` and 24 hex digits.
    pub id: String,
    pub vault: String,
    pub name: String,
    pub metadata: BTreeMap<String, String>,
    pub auth: Auth,
    pub created_at: Timestamp,
    /// When a client changed it last; a refresh is no such change.
    pub updated_at: Timestamp,
}

/// The data key of a vault.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct VaultKey {
    pub(crate) wrapped: Wrapped,
}

/// What is sealed of a credential, by field, and what is known of its refreshes.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Sealed {
    pub(crate) fields: BTreeMap<String, String>,
    /// The token endpoint takes the refresh token no more: its word for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead: Option<String>,
    /// A refresh was begun and its end is not known: what the endpoint answered may be lost.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) begun: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Names of sealed fields.
pub(crate) mod field {
    pub(crate) const TOKEN: &str = "token";
    pub(crate) const ACCESS: &str = "access_token";
    pub(crate) const REFRESH: &str = "refresh_token";
    pub(crate) const CLIENT: &str = "client_secret";
    pub(crate) const VALUE: &str = "secret_value";
}
