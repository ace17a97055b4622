//! Rows of the store, typed: one JSON body each. It knows no meaning of them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Error, Row, Store};
use types::{ProjectId, Refusal, RefusalKind, Timestamp};

pub(crate) const VAULTS: &str = "vault";
pub(crate) const KEYS: &str = "vault_key";

/// Credentials of one vault, and what is sealed of them.
pub(crate) fn credentials(vault: &str) -> String {
    format!("credential.{vault}")
}

pub(crate) fn sealed(vault: &str) -> String {
    format!("credential_sealed.{vault}")
}

pub(crate) async fn read<T: DeserializeOwned>(
    store: &dyn Store,
    project: &ProjectId,
    collection: &str,
    id: &str,
) -> Result<Option<T>, Refusal> {
    let row = store.row(project, collection, id).await.map_err(|error| refusal(&error))?;
    row.map(|row| body(&row)).transpose()
}

pub(crate) fn row<T: Serialize>(
    collection: impl Into<String>,
    id: &str,
    created_at: Timestamp,
    body: &T,
) -> Result<Row, Refusal> {
    let body = serde_json::to_vec(body)
        .map_err(|error| Refusal::new(RefusalKind::Internal, format!("'{id}' cannot be stored: {error}.")))?;
    Ok(Row { collection: collection.into(), id: id.to_owned(), created_at, body })
}

pub(crate) fn body<T: DeserializeOwned>(row: &Row) -> Result<T, Refusal> {
    serde_json::from_slice(&row.body)
        .map_err(|error| Refusal::new(RefusalKind::Internal, format!("'{}' is damaged: {error}.", row.id)))
}

pub(crate) fn refusal(error: &Error) -> Refusal {
    match error {
        Error::Damaged { .. } => Refusal::new(RefusalKind::Internal, error.to_string()),
        _ => {
            tracing::error!(%error, "the store did not answer");
            Refusal::new(RefusalKind::Unavailable, "The server cannot take this now. Try again shortly.")
        }
    }
}
