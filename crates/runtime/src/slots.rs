//! Places for sessions that work: at most so many a project and so many in all. Those that wait are served in turn
//! over the projects, so that a busy project never starves a quiet one, and first come first served within one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use types::{Limits, ProjectId};

#[derive(Clone)]
pub(crate) struct Slots {
    inner: Arc<Mutex<Inner>>,
    limits: Arc<Limits>,
}

#[derive(Default)]
struct Inner {
    running: usize,
    projects: BTreeMap<ProjectId, Project>,
    /// The project that was served last: the next in order comes next.
    last: Option<ProjectId>,
}

#[derive(Default)]
struct Project {
    running: usize,
    waiting: VecDeque<oneshot::Sender<Slot>>,
}

/// A place; given back when dropped.
pub(crate) struct Slot {
    slots: Option<Slots>,
    project: ProjectId,
}

impl Slots {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { inner: Arc::default(), limits: Arc::new(limits.clone()) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place. Dropping the future gives up the place in the queue.
    pub(crate) async fn take(&self, project: &ProjectId) -> Option<Slot> {
        let (sender, receiver) = oneshot::channel();
        self.lock().projects.entry(project.clone()).or_default().waiting.push_back(sender);
        self.serve();
        receiver.await.ok()
    }

    /// Whether so many of this project wait that no more should be let in.
    pub(crate) fn is_full(&self, project: &ProjectId) -> bool {
        let mut inner = self.lock();
        let Some(project) = inner.projects.get_mut(project) else { return false };
        project.waiting.retain(|waiting| !waiting.is_closed());
        project.waiting.len() >= self.limits.queued_sessions_per_project
    }

    pub(crate) fn running(&self) -> usize {
        self.lock().running
    }

    /// Hands out places. Outside the lock, because a place whose taker has gone comes straight back.
    fn serve(&self) {
        loop {
            let Some((taker, project)) = self.lock().next(&self.limits) else { return };
            if let Err(slot) = taker.send(Slot { slots: Some(self.clone()), project }) {
                // Its taker has gone meanwhile. Given back without serving, or a long queue of those would be as many
                // calls deep.
                slot.give_back();
            }
        }
    }
}

impl Inner {
    fn next(&mut self, limits: &Limits) -> Option<(oneshot::Sender<Slot>, ProjectId)> {
        if self.running >= limits.running_sessions {
            return None;
        }
        let may_run =
            |project: &Project| project.running < limits.running_sessions_per_project && !project.waiting.is_empty();
        let last = self.last.clone();
        let after = |name: &ProjectId| last.as_ref().is_none_or(|last| name > last);
        let name = self
            .projects
            .iter()
            .find(|(name, project)| after(name) && may_run(project))
            .or_else(|| self.projects.iter().find(|(_, project)| may_run(project)))
            .map(|(name, _)| name.clone())?;
        let project = self.projects.get_mut(&name)?;
        let taker = project.waiting.pop_front()?;
        project.running += 1;
        self.running += 1;
        self.last = Some(name.clone());
        Some((taker, name))
    }

    fn free(&mut self, name: &ProjectId) {
        self.running -= 1;
        if let Some(project) = self.projects.get_mut(name) {
            project.running -= 1;
            if project.running == 0 && project.waiting.is_empty() {
                self.projects.remove(name);
            }
        }
    }
}

impl Slot {
    fn give_back(mut self) {
        if let Some(slots) = self.slots.take() {
            slots.lock().free(&self.project);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(slots) = self.slots.take() {
            slots.lock().free(&self.project);
            slots.serve();
        }
    }
}

#[cfg(test)]
mod tests;
