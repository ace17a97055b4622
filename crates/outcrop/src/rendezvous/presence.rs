//! Tells sessions that their executor has come or gone, in order, for as long as it takes to tell them. Only the newest
//! word counts: what came and went while a session could not be told is not told.

use environments::rendezvous::{Listener, Site};
use runtime::Handle;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use types::{Clock, EnvironmentId, EnvironmentStatus, RefusalKind, Spawn};

/// How soon a session that could not be told is told again.
const PAUSE: Duration = Duration::from_millis(500);

pub struct Presence(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    handle: OnceLock<Handle>,
    /// The newest word for each environment that is being told; None while the word is on its way.
    words: Mutex<BTreeMap<Site, Option<EnvironmentStatus>>>,
}

impl Presence {
    pub fn new(clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Self {
        Self(Arc::new(Inner { clock, spawn, handle: OnceLock::new(), words: Mutex::default() }))
    }

    pub fn begin(&self, handle: Handle) {
        let _ = self.0.handle.set(handle);
    }

    fn note(&self, site: &Site, status: EnvironmentStatus) {
        let Some(handle) = self.0.handle.get().cloned() else { return };
        if self.0.words().insert(site.clone(), Some(status)).is_some() {
            // Somebody is at it.
            return;
        }
        let (inner, site) = (self.0.clone(), site.clone());
        self.0.spawn.spawn("presence", Box::pin(async move { inner.tell(&handle, &site).await }));
    }
}

impl Listener for Presence {
    fn connected(&self, site: &Site) {
        self.note(site, EnvironmentStatus::Connected);
    }

    fn disconnected(&self, site: &Site) {
        self.note(site, EnvironmentStatus::Disconnected);
    }
}

impl Inner {
    fn words(&self) -> MutexGuard<'_, BTreeMap<Site, Option<EnvironmentStatus>>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The word that is to be told next; takes the environment out where there is none.
    fn next(&self, site: &Site) -> Option<EnvironmentStatus> {
        let mut words = self.words();
        let word = words.get_mut(site).and_then(Option::take);
        if word.is_none() {
            words.remove(site);
        }
        word
    }

    async fn tell(&self, handle: &Handle, site: &Site) {
        let Some(session) = EnvironmentId::new(&site.environment).session() else { return };
        while let Some(status) = self.next(site) {
            while let Err(refusal) = handle.environment_changed(&site.project, &session, status.into()).await {
                if refusal.kind != RefusalKind::Unavailable || !handle.is_ready() {
                    tracing::debug!(%session, %refusal, "a session is not told of its environment");
                    break;
                }
                self.clock.sleep(PAUSE).await;
            }
        }
    }
}
