//! How many sessions of a project wait for their environments: they are in memory meanwhile, and may bring megabytes. It
//! counts and nothing else; who is one too many is refused elsewhere.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::{Limits, ProjectId};

#[derive(Clone)]
pub(crate) struct Waits {
    counts: Arc<Mutex<BTreeMap<ProjectId, usize>>>,
    most: usize,
}

/// One that waits; over when dropped.
pub(crate) struct Wait {
    waits: Waits,
    project: ProjectId,
}

impl Waits {
    /// As many of a project may wait as may wait in its queue.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { counts: Arc::default(), most: limits.queued_sessions_per_project }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProjectId, usize>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn begin(&self, project: &ProjectId) -> Wait {
        *self.lock().entry(project.clone()).or_default() += 1;
        Wait { waits: self.clone(), project: project.clone() }
    }

    /// Whether no more of this project should be let in.
    pub(crate) fn is_full(&self, project: &ProjectId) -> bool {
        self.lock().get(project).is_some_and(|count| *count >= self.most)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut counts = self.waits.lock();
        if let Some(count) = counts.get_mut(&self.project) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Waits;
    use types::{Limits, ProjectId};

    #[test]
    fn as_many_wait_as_may() {
        let waits = Waits::new(&Limits { queued_sessions_per_project: 2, ..Limits::default() });
        let (one, other) = (ProjectId::new("one"), ProjectId::new("other"));
        let first = waits.begin(&one);
        assert!(!waits.is_full(&one));
        let second = waits.begin(&one);
        assert!(waits.is_full(&one) && !waits.is_full(&other));
        drop(first);
        assert!(!waits.is_full(&one));
        drop(second);
        assert!(waits.lock().is_empty());
    }
}
