//! One environment while this server knows it: what runs of it, since when nobody has used it, and whose turn it is to
//! change that. It starts and ends nothing.

use crate::live::{Live, Place};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use types::ProjectId;

/// Starting, suspending, removing: whoever does one of these has `turn`.
pub(crate) struct Seat {
    pub(crate) project: ProjectId,
    pub(crate) id: String,
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// Whoever puts a file onto its disk from outside.
    pub(crate) putting: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    doomed: watch::Sender<bool>,
}

struct State {
    live: Option<Arc<Live>>,
    /// Monotonic.
    used: Duration,
    /// The same, without the commands that ran on by themselves.
    asked: Duration,
    /// How often it was used.
    uses: u64,
    /// How long it had not been used then: an earlier server's time.
    before: Duration,
    /// Set up or copied: whoever wants to use it waits, however long that takes.
    at_work: bool,
    /// Nothing becomes of it until it is used again.
    rests: bool,
    /// For what an earlier server left in it, which runs already.
    place: Option<Place>,
}

impl Seat {
    fn new(project: &ProjectId, id: &str, now: Duration) -> Self {
        let state = State {
            live: None,
            used: now,
            asked: now,
            uses: 0,
            before: Duration::ZERO,
            at_work: false,
            rests: false,
            place: None,
        };
        Self {
            project: project.clone(),
            id: id.to_owned(),
            turn: tokio::sync::Mutex::default(),
            putting: tokio::sync::Mutex::default(),
            state: Mutex::new(state),
            doomed: watch::Sender::new(false),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is to go: whoever sets it up stops.
    pub(crate) fn doom(&self) {
        self.doomed.send_replace(true);
    }

    /// Returns when it is to go.
    pub(crate) async fn doomed(&self) {
        let _ = self.doomed.subscribe().wait_for(|doomed| *doomed).await;
    }

    pub(crate) fn live(&self) -> Option<Arc<Live>> {
        self.state().live.clone()
    }

    pub(crate) fn put(&self, live: Arc<Live>) {
        self.state().live = Some(live);
    }

    pub(crate) fn take(&self) -> Option<Arc<Live>> {
        self.state().live.take()
    }

    /// Takes this one out, if it is still what runs.
    pub(crate) fn take_if(&self, live: &Arc<Live>) -> bool {
        let mut state = self.state();
        let is_it = state.live.as_ref().is_some_and(|there| Arc::ptr_eq(there, live));
        if is_it {
            state.live = None;
        }
        is_it
    }

    pub(crate) fn used(&self, now: Duration) {
        self.use_now(now);
    }

    /// Uses what runs. From now on it is not taken by whoever saw it unused before.
    pub(crate) fn use_now(&self, now: Duration) -> Option<Arc<Live>> {
        let mut state = self.state();
        (state.used, state.asked, state.before, state.rests) = (now, now, Duration::ZERO, false);
        state.uses += 1;
        state.live.clone()
    }

    /// Something runs in it that was left there. That keeps it awake for so long after it was used otherwise; whether it
    /// still does.
    pub(crate) fn runs_on(&self, now: Duration, at_most: Duration) -> bool {
        let mut state = self.state();
        let is_kept = now.saturating_sub(state.asked) < at_most;
        if is_kept {
            (state.used, state.before) = (now, Duration::ZERO);
        }
        is_kept
    }

    pub(crate) fn uses(&self) -> u64 {
        self.state().uses
    }

    /// Takes out what runs, if nobody used it since there were so many uses.
    pub(crate) fn take_if_unused_since(&self, uses: u64) -> Option<Arc<Live>> {
        let mut state = self.state();
        if state.uses == uses { state.live.take() } else { None }
    }

    /// It was not used for so long when this server began.
    pub(crate) fn unused_before(&self, before: Duration) {
        self.state().before = before;
    }

    pub(crate) fn idle(&self, now: Duration) -> Duration {
        let state = self.state();
        state.before + now.saturating_sub(state.used)
    }

    /// Until what is returned is dropped, it is set up or copied.
    pub(crate) fn begin_work(&self) -> Work<'_> {
        self.state().at_work = true;
        Work(self)
    }

    pub(crate) fn is_at_work(&self) -> bool {
        self.state().at_work
    }

    pub(crate) fn rests(&self) -> bool {
        self.state().rests
    }

    pub(crate) fn rest(&self) {
        self.state().rests = true;
    }

    pub(crate) fn reserve(&self, place: Place) {
        self.state().place = Some(place);
    }

    pub(crate) fn take_place(&self) -> Option<Place> {
        self.state().place.take()
    }
}

/// Only who has the turn has one.
pub(crate) struct Work<'a>(&'a Seat);

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.0.state().at_work = false;
    }
}

#[derive(Default)]
pub(crate) struct Seats(Mutex<BTreeMap<String, Arc<Seat>>>);

impl Seats {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Seat>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An environment's seat; ids are unique over all projects. The caller knows that the environment is there.
    pub(crate) fn of(&self, project: &ProjectId, id: &str, now: Duration) -> Arc<Seat> {
        let mut all = self.all();
        let seat = all.entry(id.to_owned()).or_insert_with(|| Arc::new(Seat::new(project, id, now)));
        seat.clone()
    }

    /// Whether it is on its way out: to clients it is gone.
    pub(crate) fn is_doomed(&self, id: &str) -> bool {
        self.all().get(id).is_some_and(|seat| *seat.doomed.borrow())
    }

    pub(crate) fn remove(&self, id: &str) {
        self.all().remove(id);
    }

    pub(crate) fn list(&self) -> Vec<Arc<Seat>> {
        self.all().values().cloned().collect()
    }
}
