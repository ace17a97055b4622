//! One event: written, read, deleted.

use crate::memories::{Inner, Recall};
use crate::names::{Label, Scope, actors, digest, receipts, sessions};
use crate::record::{Branch, Event, Kept, Memory, Receipt, There};
use crate::trouble::{Reason, Trouble};
use crate::{limits, rows};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Error, Row, RowsChange};
use types::{ProjectId, Timestamp};

/// A payload of so many bytes stands in its event's row; a longer one has a row of its own, which lists that do not show
/// it do not read.
const INLINE: usize = 16 << 10;
/// How often a write is tried again that another one got in the way of.
const TRIES: usize = 16;
const DAY: Duration = Duration::from_hours(24);

/// Where an event is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub memory: String,
    pub actor: String,
    pub session: String,
}

/// An event that is to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct NewEvent {
    pub memory: String,
    pub actor: String,
    /// None: one of its own.
    pub session: Option<String>,
    pub at: Timestamp,
    pub payload: Vec<Value>,
    pub branch: Option<Branch>,
    pub metadata: BTreeMap<String, String>,
    /// Nothing is to be drawn from it.
    pub unextracted: bool,
    /// A request that comes again with it writes no second event.
    pub token: Option<String>,
}

impl Place {
    pub(crate) fn scope(&self) -> Scope {
        Scope::of(&self.memory, &self.actor, &self.session)
    }
}

impl Recall {
    /// Writes it; it is in its place when this returns. One that was written under this token before is answered again.
    pub async fn record(&self, project: &ProjectId, new: NewEvent) -> Result<Event, Trouble> {
        let payload = serde_json::to_string(&new.payload).map_err(|error| Trouble::Internal(error.to_string()))?;
        if payload.len() > limits::PAYLOAD {
            let text = format!("An event's payload has at most {} bytes.", limits::PAYLOAD);
            return Err(Trouble::wrong("payload", text));
        }
        let request = new.digest(&payload);
        let receipt = new.token.as_ref().map_or_else(|| self.inner.chance::<16>(), |token| digest(&[token]));
        let session = new.session.clone().unwrap_or_else(|| self.inner.chance::<16>());
        let place = Place { memory: new.memory.clone(), actor: new.actor.clone(), session };
        let _with_others = self.inner.together(project, &new.memory).await;
        let memory = self.inner.memory(project, &new.memory).await?;
        for _ in 0..TRIES {
            if new.token.is_some()
                && let Some(event) = self.repeated(project, &memory, &receipt, &request).await?
            {
                return Ok(event);
            }
            let write = Write { project, place: &place, receipt: &receipt, request: &request, length: payload.len() };
            match self.write(write, &new).await? {
                Some(event) => return Ok(event),
                None => continue,
            }
        }
        Err(Trouble::Unavailable)
    }

    /// What was written under this token.
    async fn repeated(
        &self,
        project: &ProjectId,
        memory: &Memory,
        receipt: &str,
        request: &str,
    ) -> Result<Option<Event>, Trouble> {
        let store = &*self.inner.around.store;
        let Some(found) = rows::read::<Receipt>(store, project, &receipts(&memory.id), receipt).await? else {
            return Ok(None);
        };
        if found.digest != request {
            let text = "The clientToken was used before, with other parameters.";
            return Err(Trouble::because(Reason::Repeated, text));
        }
        let place = Place { memory: memory.id.clone(), actor: found.actor, session: found.session };
        let event = self.inner.found(project, memory, &place, &found.event).await?;
        event
            .map(Some)
            .ok_or_else(|| Trouble::because(Reason::Conflict, "The event that this clientToken has made is deleted."))
    }

    /// None where something else was written that it must look at first.
    async fn write(&self, write: Write<'_>, new: &NewEvent) -> Result<Option<Event>, Trouble> {
        let Write { project, place, receipt, request, length } = write;
        let (store, scope) = (&*self.inner.around.store, place.scope());
        let (branch, begun) = self.inner.branch(project, &scope, new.branch.as_ref()).await?;
        let now = self.inner.around.clock.now();
        let id = format!("{:019}#{}", new.at.0, self.inner.chance::<8>());
        let is_inline = length <= INLINE;
        let kept = Kept {
            received: now,
            branch: branch.clone(),
            metadata: new.metadata.clone(),
            payload: is_inline.then(|| new.payload.clone()),
            unextracted: new.unextracted,
        };
        let labels = labels(&kept);
        let mut puts = vec![(rows::row(scope.events(), &id, new.at, &kept)?, true)];
        if !is_inline {
            puts.push((rows::row(scope.payloads(), &id, new.at, &new.payload)?, true));
        }
        for label in &labels {
            let row =
                Row { collection: scope.labelled_as(label), id: id.clone(), created_at: new.at, body: Vec::new() };
            puts.push((row, true));
        }
        if let (Some(branch), Some(row)) = (&branch, begun) {
            puts.push((rows::row(scope.branches(), &branch.name, now, &row)?, true));
        }
        let body = Receipt {
            actor: place.actor.clone(),
            session: place.session.clone(),
            event: id.clone(),
            digest: request.to_owned(),
            labels,
        };
        puts.push((rows::row(receipts(&place.memory), receipt, now, &body)?, true));
        for (collection, name) in
            [(sessions(&place.memory, &place.actor), &place.session), (actors(&place.memory), &place.actor)]
        {
            if store.row(project, &collection, name).await?.is_none() {
                puts.push((rows::row(collection, name, now, &There {})?, false));
            }
        }
        match store.change_rows(project, RowsChange { at: now, puts, ..RowsChange::default() }).await {
            Ok(()) => Ok(Some(event(place, id, new.at, kept, Some(new.payload.clone())))),
            Err(Error::Exists) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub async fn event(&self, project: &ProjectId, place: &Place, id: &str) -> Result<Event, Trouble> {
        let memory = self.inner.memory(project, &place.memory).await?;
        self.inner.found(project, &memory, place, id).await?.ok_or_else(|| missing(id))
    }

    /// It keeps its place, so that a list that stands at it goes on.
    pub async fn remove(&self, project: &ProjectId, place: &Place, id: &str) -> Result<(), Trouble> {
        let _with_others = self.inner.together(project, &place.memory).await;
        let memory = self.inner.memory(project, &place.memory).await?;
        let (store, scope) = (&*self.inner.around.store, place.scope());
        let kept = rows::read::<Kept>(store, project, &scope.events(), id).await?;
        let now = self.inner.around.clock.now();
        let kept = kept.filter(|kept| !is_over(&memory, kept.received, now)).ok_or_else(|| missing(id))?;
        let labelled = labels(&kept).into_iter().map(|label| (scope.labelled_as(&label), id.to_owned()));
        let deletes = std::iter::once((scope.events(), id.to_owned())).chain(labelled).collect();
        let erases = vec![(scope.payloads(), id.to_owned())];
        Ok(store.change_rows(project, RowsChange { at: now, deletes, erases, ..RowsChange::default() }).await?)
    }
}

/// One try.
struct Write<'a> {
    project: &'a ProjectId,
    place: &'a Place,
    receipt: &'a str,
    request: &'a str,
    /// Of the payload, in bytes.
    length: usize,
}

impl Inner {
    async fn found(
        &self,
        project: &ProjectId,
        memory: &Memory,
        place: &Place,
        id: &str,
    ) -> Result<Option<Event>, Trouble> {
        let Some(row) = self.around.store.row(project, &place.scope().events(), id).await? else { return Ok(None) };
        let kept: Kept = rows::body(&row)?;
        if is_over(memory, kept.received, self.around.clock.now()) {
            return Ok(None);
        }
        self.shown(project, place, &row, kept, true).await.map(Some)
    }

    /// The event of a row, with its payload where that is wanted.
    pub(crate) async fn shown(
        &self,
        project: &ProjectId,
        place: &Place,
        row: &Row,
        mut kept: Kept,
        payload: bool,
    ) -> Result<Event, Trouble> {
        let payload = match kept.payload.take() {
            _ if !payload => None,
            Some(inline) => Some(inline),
            None => {
                let found = rows::read(&*self.around.store, project, &place.scope().payloads(), &row.id).await?;
                Some(found.unwrap_or_default())
            }
        };
        Ok(event(place, row.id.clone(), row.created_at, kept, payload))
    }
}

impl NewEvent {
    /// What the same request has again.
    fn digest(&self, payload: &str) -> String {
        let rest = serde_json::json!([self.at, self.branch, self.metadata, self.unextracted]);
        digest(&[&self.actor, self.session.as_deref().unwrap_or_default(), &rest.to_string(), payload])
    }
}

fn event(place: &Place, id: String, at: Timestamp, kept: Kept, payload: Option<Vec<Value>>) -> Event {
    let Place { actor, session, .. } = place.clone();
    Event { id, actor, session, at, branch: kept.branch, metadata: kept.metadata, payload }
}

/// Digests of what it is found by. The main branch is no label: it is what nearly all events are of.
fn labels(kept: &Kept) -> Vec<String> {
    let mut labels = Vec::new();
    if let Some(branch) = kept.branch.as_ref().filter(|branch| branch.name != crate::branches::MAIN) {
        labels.push(Label::Branch(&branch.name).digest());
    }
    for (key, value) in &kept.metadata {
        labels.push(Label::Key(key).digest());
        labels.push(Label::Pair(key, value).digest());
    }
    labels
}

/// Whether an event's time is over.
pub(crate) fn is_over(memory: &Memory, received: Timestamp, now: Timestamp) -> bool {
    received.after(DAY * memory.days) <= now
}

/// The latest coming of events whose time is over.
pub(crate) fn horizon(memory: &Memory, now: Timestamp) -> Timestamp {
    now.before(DAY * memory.days)
}

fn missing(id: &str) -> Trouble {
    let id: String = id.chars().take(100).collect();
    Trouble::Missing(format!("Resource not found: event {id}."))
}
