//! Rows of the store, typed: one JSON body each. It knows no meaning of them.

use crate::trouble::Trouble;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::{Direction, Error, Page, Row, Store};
use types::{ProjectId, Timestamp};

pub(crate) async fn read<T: DeserializeOwned>(
    store: &dyn Store,
    project: &ProjectId,
    collection: &str,
    id: &str,
) -> Result<Option<T>, Trouble> {
    store.row(project, collection, id).await?.map(|row| body(&row)).transpose()
}

pub(crate) fn row<T: Serialize>(
    collection: impl Into<String>,
    id: &str,
    created_at: Timestamp,
    body: &T,
) -> Result<Row, Trouble> {
    let body = serde_json::to_vec(body).map_err(|error| Trouble::Internal(error.to_string()))?;
    Ok(Row { collection: collection.into(), id: id.to_owned(), created_at, body })
}

pub(crate) fn body<T: DeserializeOwned>(row: &Row) -> Result<T, Trouble> {
    serde_json::from_slice(&row.body).map_err(|error| {
        tracing::error!(%error, collection = row.collection, "a row is damaged");
        Trouble::Internal("What is stored is damaged.".to_owned())
    })
}

/// Rows of a collection, newest first. `after` that names nothing any more: None.
pub(crate) async fn newest(
    store: &dyn Store,
    project: &ProjectId,
    collection: &str,
    after: Option<String>,
    limit: usize,
) -> Result<Option<(Vec<Row>, bool)>, Trouble> {
    let page = Page { after, limit, direction: Direction::Descending };
    match store.rows(project, collection, page).await {
        Err(Error::NoSuchCursor) => Ok(None),
        found => Ok(Some(found?)),
    }
}

/// The oldest rows of a collection.
pub(crate) async fn oldest(
    store: &dyn Store,
    project: &ProjectId,
    collection: &str,
    limit: usize,
) -> Result<Vec<Row>, Trouble> {
    let page = Page { after: None, limit, direction: Direction::Ascending };
    Ok(store.rows(project, collection, page).await?.0)
}
