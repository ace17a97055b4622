//! Lists of events: newest first, page by page. A page is read off the rows of the label that it is filtered by, and costs
//! what it shows; only what no label says (a key that events lack, a second condition, the main branch among others) is
//! looked for. A page that is not the last holds something, for there are clients that stop at an empty one.

use crate::branches::{Line, MAIN};
use crate::cursor::{self, Cursor};
use crate::events::{Place, is_over};
use crate::memories::Recall;
use crate::names::{Label, Scope};
use crate::record::{Event, Kept, Memory};
use crate::trouble::Trouble;
use crate::{limits, rows};
use serde::Serialize;
use std::collections::BTreeMap;
use store::Row;
use types::{ProjectId, Timestamp};

/// Rows read at a time.
const STEP: usize = 101;

/// A page of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed<T> {
    pub data: Vec<T>,
    /// The token of the next page; None where there is none.
    pub next: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BranchFilter {
    pub name: String,
    /// With the events before it in the branches that it goes on from.
    pub parents: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub enum Condition {
    Equals(String, String),
    Exists(String),
    Lacks(String),
}

/// What a list is to show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub branch: Option<BranchFilter>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    pub payloads: bool,
    /// At most so many events.
    pub limit: usize,
    pub token: Option<String>,
}

impl Recall {
    /// A session of which there is nothing is an empty list.
    pub async fn events(&self, project: &ProjectId, place: &Place, wanted: &Wanted) -> Result<Listed<Event>, Trouble> {
        let memory = self.inner.memory(project, &place.memory).await?;
        let filter = serde_json::json!([wanted.branch, wanted.conditions]).to_string();
        let list = ["events", project.as_str(), &place.memory, &place.actor, &place.session, &filter];
        let resumed = Cursor::read(&list, wanted.token.as_deref())?;
        let scope = place.scope();
        let lines = match &wanted.branch {
            None => vec![Line { collection: driver(&scope, wanted), only_main: false, from: None }],
            Some(branch) => self.inner.lines(project, &scope, &branch.name, branch.parents).await?,
        };
        let now = self.inner.around.clock.now();
        let mut search = Search { recall: self, project, place, memory: &memory, wanted, now, page: Page::default() };
        let first = resumed.as_ref().map_or(0, |cursor| cursor.part);
        if first > 0 && first >= lines.len() {
            return Err(cursor::unknown());
        }
        let mut after = resumed.map(|cursor| cursor.after);
        for (part, line) in lines.iter().enumerate().skip(first) {
            let ended = search.line(part, line, after.take()).await?;
            if let Some((part, after)) = ended {
                let next = Some(Cursor::token(&list, &after, part));
                return Ok(Listed { data: search.page.events, next });
            }
        }
        Ok(Listed { data: search.page.events, next: None })
    }
}

/// The collection with the fewest rows, as far as that can be known: one pair is thought rarer than one key.
fn driver(scope: &Scope, wanted: &Wanted) -> String {
    let pair = wanted.conditions.iter().find_map(|condition| match condition {
        Condition::Equals(key, value) => Some(Label::Pair(key, value)),
        _ => None,
    });
    let key = wanted.conditions.iter().find_map(|condition| match condition {
        Condition::Exists(key) => Some(Label::Key(key)),
        _ => None,
    });
    pair.or(key).map_or_else(|| scope.events(), |label| scope.labelled(&label))
}

struct Search<'a> {
    recall: &'a Recall,
    project: &'a ProjectId,
    place: &'a Place,
    memory: &'a Memory,
    wanted: &'a Wanted,
    now: Timestamp,
    page: Page,
}

/// What was found, and what it cost.
#[derive(Default)]
struct Page {
    events: Vec<Event>,
    /// Where the last one is.
    last: Option<(usize, String)>,
    /// Of payloads.
    bytes: usize,
    looked_at: usize,
}

impl Search<'_> {
    /// Goes through a line. Where the page ends, the place after which the next one begins.
    async fn line(
        &mut self,
        part: usize,
        line: &Line,
        resumed: Option<String>,
    ) -> Result<Option<(usize, String)>, Trouble> {
        let store = &*self.recall.inner.around.store;
        let is_resumed = resumed.is_some();
        let mut after = resumed;
        if let (None, Some(root)) = (&after, &line.from) {
            if let Some(row) = store.row(self.project, &self.place.scope().events(), root).await?
                && let Some(end) = self.look(part, line, row).await?
            {
                return Ok(Some(end));
            }
            after = Some(root.clone());
        }
        loop {
            let found = rows::newest(store, self.project, &line.collection, after.take(), STEP).await?;
            let Some((found, more)) = found else {
                // The root of a branch may be gone, and what was before it with it; a token may not.
                return if is_resumed { Err(cursor::unknown()) } else { Ok(None) };
            };
            after = found.last().map(|row| row.id.clone());
            for row in found {
                if let Some(end) = self.look(part, line, row).await? {
                    return Ok(Some(end));
                }
            }
            if !more || after.is_none() {
                return Ok(None);
            }
        }
    }

    /// Looks at one event. Some where the page ends before or with it.
    async fn look(&mut self, part: usize, line: &Line, row: Row) -> Result<Option<(usize, String)>, Trouble> {
        let inner = &self.recall.inner;
        let events = self.place.scope().events();
        let row = if row.collection == events {
            Some(row)
        } else {
            inner.around.store.row(self.project, &events, &row.id).await?
        };
        let Some(row) = row else { return Ok(None) };
        self.page.looked_at += 1;
        let kept: Kept = rows::body(&row)?;
        let is_of_line = !line.only_main || kept.branch.as_ref().is_none_or(|branch| branch.name == MAIN);
        if is_of_line && self.matches(&kept.metadata) && !is_over(self.memory, kept.received, self.now) {
            if self.page.events.len() >= self.wanted.limit || self.page.bytes >= limits::PAGE {
                return Ok(self.page.last.take());
            }
            let event = inner.shown(self.project, self.place, &row, kept, self.wanted.payloads).await?;
            self.page.bytes += event.payload.as_ref().map_or(0, |payload| payload.iter().map(size).sum());
            self.page.events.push(event);
            self.page.last = Some((part, row.id));
            return Ok(None);
        }
        let is_enough = self.page.looked_at >= limits::LOOKED_AT && !self.page.events.is_empty();
        Ok(is_enough.then_some((part, row.id)))
    }

    fn matches(&self, metadata: &BTreeMap<String, String>) -> bool {
        self.wanted.conditions.iter().all(|condition| match condition {
            Condition::Equals(key, value) => metadata.get(key) == Some(value),
            Condition::Exists(key) => metadata.contains_key(key),
            Condition::Lacks(key) => !metadata.contains_key(key),
        })
    }
}

/// About how long a value is as JSON.
fn size(value: &serde_json::Value) -> usize {
    use serde_json::Value;
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(values) => values.iter().map(|value| size(value) + 1).sum::<usize>() + 2,
        Value::Object(map) => map.iter().map(|(key, value)| key.len() + size(value) + 4).sum::<usize>() + 2,
        _ => 8,
    }
}
