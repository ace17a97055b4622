//! What goes: events whose time is over, and all that deleted memories had. Nobody is shown such an event before it is
//! erased, so it does not matter when that is; it is done at start, now and then, and after a deletion.
//!
//! Receipts lead: the oldest first, some at a time. Their events go, then they themselves, together with sessions and actors
//! of whom nothing is left; so a crash between the two leaves what the next sweep goes on with.

use crate::events::{horizon, is_over};
use crate::memories::{Inner, Recall};
use crate::names::{DOOMED, MEMORIES, Scope, actors, receipts, sessions};
use crate::record::{Memory, Receipt};
use crate::rows;
use crate::trouble::Trouble;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use store::{Direction, Page, Row, RowsChange, Store};
use types::{ProjectId, Timestamp};

/// Receipts at a time: nobody writes to the memory meanwhile.
const STEP: usize = 100;
/// Memories, branches and sessions read at a time.
const PAGE: usize = 200;
const PAUSE: Duration = Duration::from_mins(10);

/// An actor and a session.
type Whose = (String, String);

impl Recall {
    /// Sweeps now and then, from now on.
    pub fn keep_swept(&self) {
        let (inner, clock) = (Arc::downgrade(&self.inner), Arc::clone(&self.inner.around.clock));
        let task = async move {
            while let Some(inner) = inner.upgrade() {
                let recall = Self { inner };
                if let Err(error) = recall.sweep().await {
                    tracing::warn!(%error, "events whose time is over could not be erased");
                }
                drop(recall);
                clock.sleep(PAUSE).await;
            }
        };
        self.inner.around.spawn.spawn("recall: sweep", Box::pin(task));
    }

    /// Erases what is over in all memories of all projects. How many events went.
    pub async fn sweep(&self) -> Result<usize, Trouble> {
        let store = &*self.inner.around.store;
        let projects: BTreeSet<ProjectId> = store.keys().await?.into_iter().map(|key| key.project).collect();
        let mut gone = 0;
        for project in &projects {
            for row in rows::oldest(store, project, DOOMED, PAGE).await? {
                gone += self.erase(project, &row.id).await?;
            }
            let mut after = None;
            loop {
                let page = Page { after: after.take(), limit: PAGE, direction: Direction::Ascending };
                let Ok((found, more)) = store.rows(project, MEMORIES, page).await else { break };
                for row in &found {
                    gone += self.sweep_memory(project, row).await?;
                }
                after = found.last().filter(|_| more).map(|row| row.id.clone());
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(gone)
    }

    async fn sweep_memory(&self, project: &ProjectId, row: &Row) -> Result<usize, Trouble> {
        let memory: Memory = rows::body(row)?;
        let mut gone = 0;
        loop {
            let oldest = rows::oldest(&*self.inner.around.store, project, &receipts(&memory.id), 1).await?;
            let now = self.inner.around.clock.now();
            if !oldest.first().is_some_and(|receipt| is_over(&memory, receipt.created_at, now)) {
                return Ok(gone);
            }
            let _nobody_writes = self.inner.alone(project, &memory.id).await;
            // It may have been given another time meanwhile, or be deleted.
            let Ok(memory) = self.inner.memory(project, &memory.id).await else { return Ok(gone) };
            let erased = self.inner.erase_some(project, &memory.id, horizon(&memory, now)).await?;
            if erased == 0 {
                return Ok(gone);
            }
            gone += erased;
        }
    }

    /// Erases all of a deleted memory.
    pub(crate) async fn erase(&self, project: &ProjectId, memory: &str) -> Result<usize, Trouble> {
        let mut gone = 0;
        loop {
            let _nobody_sweeps = self.inner.alone(project, memory).await;
            let erased = self.inner.erase_some(project, memory, Timestamp(u64::MAX)).await?;
            if erased == 0 {
                let erases = vec![(DOOMED.to_owned(), memory.to_owned())];
                let change = RowsChange { erases, ..RowsChange::default() };
                self.inner.around.store.change_rows(project, change).await?;
                return Ok(gone);
            }
            gone += erased;
        }
    }
}

impl Inner {
    /// Erases events that came until `last`, the oldest first: how many.
    async fn erase_some(&self, project: &ProjectId, memory: &str, last: Timestamp) -> Result<usize, Trouble> {
        let store = &*self.around.store;
        let mut found = rows::oldest(store, project, &receipts(memory), STEP).await?;
        found.retain(|row| row.created_at <= last);
        if found.is_empty() {
            return Ok(0);
        }
        let at = self.around.clock.now();
        let (mut events, mut whose) = (Vec::new(), BTreeSet::new());
        for row in &found {
            let receipt: Receipt = rows::body(row)?;
            let scope = Scope::of(memory, &receipt.actor, &receipt.session);
            let labelled = receipt.labels.iter().map(|label| scope.labelled_as(label));
            let collections = [scope.events(), scope.payloads()].into_iter().chain(labelled);
            events.extend(collections.map(|collection| (collection, receipt.event.clone())));
            whose.insert((receipt.actor, receipt.session));
        }
        store.change_rows(project, RowsChange { at, erases: events, ..RowsChange::default() }).await?;
        let mut erases = left_empty(store, project, memory, whose).await?;
        erases.extend(found.iter().map(|row| (receipts(memory), row.id.clone())));
        store.change_rows(project, RowsChange { at, erases, ..RowsChange::default() }).await?;
        Ok(found.len())
    }
}

/// Rows of those sessions of which no event is left, and of actors without a session.
async fn left_empty(
    store: &dyn Store,
    project: &ProjectId,
    memory: &str,
    whose: BTreeSet<Whose>,
) -> Result<Vec<(String, String)>, Trouble> {
    let (mut erases, mut gone) = (Vec::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for (actor, session) in whose {
        let scope = Scope::of(memory, &actor, &session);
        if !rows::oldest(store, project, &scope.events(), 1).await?.is_empty() {
            continue;
        }
        for row in rows::oldest(store, project, &scope.branches(), crate::limits::BRANCHES).await? {
            erases.push((scope.branches(), row.id));
        }
        erases.push((sessions(memory, &actor), session.clone()));
        gone.entry(actor).or_default().insert(session);
    }
    for (actor, emptied) in gone {
        let left = rows::oldest(store, project, &sessions(memory, &actor), emptied.len() + 1).await?;
        if left.iter().all(|row| emptied.contains(&row.id)) {
            erases.push((actors(memory), actor));
        }
    }
    Ok(erases)
}
