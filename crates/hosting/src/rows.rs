//! Rows of the store, typed: one JSON body each. It knows no meaning of them.

use runtime::{Listed, Page};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use store::{Error, Row, Store};
use types::{Clock, ProjectId, Refusal, RefusalKind, Timestamp};

/// Environments; and of each what is confidential.
pub(crate) const ENVIRONMENTS: &str = "environment";
pub(crate) const SETUPS: &str = "environment_setup";
/// The same as environments, for the sessions of runtimes: no list of environments shows them.
pub(crate) const GUESTS: &str = "runtime_session";
/// What the ids of these begin with.
pub(crate) const GUEST: &str = "rts_";

/// The same for the sessions of code interpreters.
pub(crate) const CODE_SESSIONS: &str = "code_interpreter_session";
pub(crate) const CODE_SESSION: &str = "cis_";

/// Where the row of an environment is.
pub(crate) fn home(id: &str) -> &'static str {
    match id {
        _ if is_guest(id) => GUESTS,
        _ if is_code_session(id) => CODE_SESSIONS,
        _ => ENVIRONMENTS,
    }
}

pub(crate) fn is_code_session(id: &str) -> bool {
    id.starts_with(CODE_SESSION)
}

/// Whether it belongs to no agent's session, and never will.
pub(crate) fn is_set_apart(id: &str) -> bool {
    is_guest(id) || is_code_session(id)
}

pub(crate) fn is_guest(id: &str) -> bool {
    id.starts_with(GUEST)
}

#[derive(Clone)]
pub(crate) struct Rows {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Rows {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }

    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        project: &ProjectId,
        collection: &str,
        id: &str,
    ) -> Result<Option<T>, Refusal> {
        let row = self.store.row(project, collection, id).await.map_err(|error| refusal(&error))?;
        row.map(|row| body(&row)).transpose()
    }

    /// `insert`: it must be new, else `Conflict`. A row that was deleted meanwhile is `Conflict` too.
    pub(crate) async fn write<T: Serialize>(
        &self,
        project: &ProjectId,
        (collection, id): (&str, &str),
        body: &T,
        insert: bool,
    ) -> Result<(), Refusal> {
        let row = self.row((collection, id), self.clock.now(), body)?;
        match self.store.put_row(project, row, insert).await {
            Err(Error::Exists) => Err(Refusal::conflict(format!("'{id}' is there already, or was deleted."))),
            done => done.map_err(|error| refusal(&error)),
        }
    }

    pub(crate) fn row<T: Serialize>(
        &self,
        (collection, id): (&str, &str),
        created_at: Timestamp,
        body: &T,
    ) -> Result<Row, Refusal> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Refusal::new(RefusalKind::Internal, format!("'{id}' cannot be stored: {error}.")))?;
        Ok(Row { collection: collection.to_owned(), id: id.to_owned(), created_at, body })
    }

    /// By creation. `what` is the word for one in errors. Unknown `after`: `NotFound`.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        project: &ProjectId,
        collection: &str,
        what: &str,
        page: Page,
    ) -> Result<Listed<T>, Refusal> {
        let after = page.after.clone().unwrap_or_default();
        match self.store.rows(project, collection, page).await {
            Ok((rows, has_more)) => {
                let data: Result<Vec<T>, Refusal> = rows.iter().map(body).collect();
                Ok(Listed { data: data?, has_more })
            }
            Err(Error::NoSuchCursor) => Err(Refusal::not_found(what, &after).at("after")),
            Err(error) => Err(refusal(&error)),
        }
    }
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

fn body<T: DeserializeOwned>(row: &Row) -> Result<T, Refusal> {
    serde_json::from_slice(&row.body)
        .map_err(|error| Refusal::new(RefusalKind::Internal, format!("'{}' is damaged: {error}.", row.id)))
}
