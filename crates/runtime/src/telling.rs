//! Tells sessions what became of their environments, in order, for as long as it takes to tell them. Only the newest word
//! counts: what came and went while a session could not be told is not told, save that its disk was replaced.

use crate::Handle;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use types::{Clock, EnvironmentChange, ProjectId, RefusalKind, SessionId, Spawn};

/// How soon a session that could not be told is told again.
const PAUSE: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone)]
pub struct Telling(Arc<Inner>);

type Whom = (ProjectId, SessionId);

struct Inner {
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    handle: OnceLock<Handle>,
    /// The newest word for each session that is being told; None while the word is on its way.
    words: Mutex<BTreeMap<Whom, Option<EnvironmentChange>>>,
}

impl Telling {
    pub fn new(clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Self {
        Self(Arc::new(Inner { clock, spawn, handle: OnceLock::new(), words: Mutex::default() }))
    }

    /// From now on sessions are told; what was said before is lost.
    pub fn begin(&self, handle: Handle) {
        let _ = self.0.handle.set(handle);
    }

    /// Returns at once.
    pub fn tell(&self, project: &ProjectId, session: &SessionId, change: impl Into<EnvironmentChange>) {
        let Some(handle) = self.0.handle.get().cloned() else { return };
        let (whom, mut change) = ((project.clone(), session.clone()), change.into());
        let mut words = self.0.words();
        if let Some(Some(earlier)) = words.get(&whom) {
            change.reset = change.reset.or(earlier.reset);
        }
        if words.insert(whom.clone(), Some(change)).is_some() {
            // Somebody is at it.
            return;
        }
        drop(words);
        let inner = self.0.clone();
        self.0.spawn.spawn("telling", Box::pin(async move { inner.tell(&handle, &whom).await }));
    }
}

impl Inner {
    fn words(&self) -> MutexGuard<'_, BTreeMap<Whom, Option<EnvironmentChange>>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The word that is to be told next; takes the session out where there is none.
    fn next(&self, whom: &Whom) -> Option<EnvironmentChange> {
        let mut words = self.words();
        let word = words.get_mut(whom).and_then(Option::take);
        if word.is_none() {
            words.remove(whom);
        }
        word
    }

    async fn tell(&self, handle: &Handle, whom: &Whom) {
        let (project, session) = whom;
        while let Some(change) = self.next(whom) {
            while let Err(refusal) = handle.environment_changed(project, session, change.clone()).await {
                if refusal.kind != RefusalKind::Unavailable || !handle.is_ready() {
                    tracing::debug!(%session, %refusal, "a session is not told of its environment");
                    break;
                }
                self.clock.sleep(PAUSE).await;
            }
        }
    }
}
