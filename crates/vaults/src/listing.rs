//! Lists: pages of rows that pass a filter. Unlike other lists, these are read through: there are few vaults.

use crate::rows::{body, refusal};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use store::{Error, Page, Store};
use types::{ProjectId, Refusal};

/// Rows read at a time.
const STEP: usize = 200;

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<T> {
    pub data: Vec<T>,
    pub has_more: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Active,
    /// No call makes one of these.
    Archived,
}

/// What a list is to show.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Any of these; empty for all.
    pub statuses: Vec<Status>,
    /// All pairs must match.
    pub metadata: Vec<(String, String)>,
}

impl Wanted {
    fn matches(&self, metadata: &BTreeMap<String, String>) -> bool {
        self.metadata.iter().all(|(key, value)| metadata.get(key) == Some(value))
    }

    fn wants_active(&self) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&Status::Active)
    }
}

/// Unknown `after`: `NotFound`.
pub(crate) async fn list<T: DeserializeOwned>(
    store: &dyn Store,
    project: &ProjectId,
    (collection, what): (&str, &str),
    wanted: &Wanted,
    page: Page,
    metadata: impl Fn(&T) -> &BTreeMap<String, String>,
) -> Result<Listed<T>, Refusal> {
    let (named, mut after) = (page.after.clone().unwrap_or_default(), page.after);
    let mut data = Vec::new();
    loop {
        let step = Page { after: after.take(), limit: STEP, direction: page.direction };
        let (rows, more) = store.rows(project, collection, step).await.map_err(|error| match error {
            Error::NoSuchCursor => Refusal::not_found(what, &named).at("after"),
            error => refusal(&error),
        })?;
        after = rows.last().map(|row| row.id.clone());
        for row in &rows {
            let found: T = body(row)?;
            if !wanted.wants_active() || !wanted.matches(metadata(&found)) {
                continue;
            }
            if data.len() == page.limit {
                return Ok(Listed { data, has_more: true });
            }
            data.push(found);
        }
        if !more || after.is_none() {
            return Ok(Listed { data, has_more: false });
        }
    }
}

/// Every row of a collection that has few.
pub(crate) async fn all<T: DeserializeOwned>(
    store: &dyn Store,
    project: &ProjectId,
    collection: &str,
) -> Result<Vec<T>, Refusal> {
    let page = Page { after: None, limit: usize::MAX, direction: store::Direction::Ascending };
    let listed = list(store, project, (collection, "row"), &Wanted::default(), page, |_: &T| NONE).await?;
    Ok(listed.data)
}

/// What matches no pair, and is asked for none.
static EMPTY: BTreeMap<String, String> = BTreeMap::new();
const NONE: &BTreeMap<String, String> = &EMPTY;
