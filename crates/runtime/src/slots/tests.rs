//! Who gets the next place.

use super::{Slot, Slots};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use types::{Limits, ProjectId};

type Taking = Pin<Box<dyn Future<Output = Option<Slot>>>>;

fn slots(running_sessions: usize, per_project: usize, queued: usize) -> Slots {
    Slots::new(&Limits {
        running_sessions,
        running_sessions_per_project: per_project,
        queued_sessions_per_project: queued,
        ..Limits::default()
    })
}

fn take(slots: &Slots, project: &str) -> Taking {
    let (slots, project) = (slots.clone(), ProjectId::new(project));
    let mut taking: Taking = Box::pin(async move { slots.take(&project).await });
    // The place in the queue is taken when it is first polled; a place that is free comes at once.
    if let Some(slot) = poll(&mut taking) {
        return Box::pin(std::future::ready(Some(slot)));
    }
    taking
}

fn poll(taking: &mut Taking) -> Option<Slot> {
    match taking.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(slot) => slot,
        Poll::Pending => None,
    }
}

#[test]
fn a_busy_project_does_not_starve_a_quiet_one() {
    let slots = slots(1, 1, 100);
    let first = poll(&mut take(&slots, "busy")).expect("free");
    let mut busy: Vec<_> = (0..3).map(|_| take(&slots, "busy")).collect();
    let mut quiet = take(&slots, "quiet");
    assert!(poll(&mut busy[0]).is_none());
    drop(first);
    let second = poll(&mut quiet).expect("the other project is next");
    drop(second);
    let third = poll(&mut busy[0]).expect("first come, first served");
    assert!(poll(&mut busy[1]).is_none());
    drop(third);
    assert!(poll(&mut busy[1]).is_some());
}

#[test]
fn a_project_has_its_own_bound() {
    let slots = slots(10, 2, 100);
    let (_a, _b) = (poll(&mut take(&slots, "a")).expect("free"), poll(&mut take(&slots, "a")).expect("free"));
    assert!(poll(&mut take(&slots, "a")).is_none());
    assert!(poll(&mut take(&slots, "b")).is_some());
}

#[test]
fn who_leaves_the_queue_takes_no_place() {
    let slots = slots(1, 1, 2);
    let first = poll(&mut take(&slots, "a")).expect("free");
    let gone = take(&slots, "a");
    let mut waits = take(&slots, "a");
    assert!(slots.is_full(&ProjectId::new("a")));
    drop(gone);
    assert!(!slots.is_full(&ProjectId::new("a")));
    drop(first);
    let slot = poll(&mut waits).expect("the one that stayed");
    assert_eq!(slots.running(), 1);
    drop(slot);
    assert_eq!(slots.running(), 0);
    assert!(slots.lock().projects.is_empty());
}

#[test]
fn a_place_that_was_handed_out_to_nobody_comes_back() {
    let slots = slots(1, 1, 2);
    let first = poll(&mut take(&slots, "a")).expect("free");
    let handed = take(&slots, "a");
    drop(first);
    // It was handed the place, and goes without looking.
    drop(handed);
    assert_eq!(slots.running(), 0);
    assert!(poll(&mut take(&slots, "a")).is_some());
}

#[test]
fn a_long_queue_of_those_who_left_is_no_deep_call() {
    let slots = slots(1, 1, 1_000_000);
    let first = poll(&mut take(&slots, "a")).expect("free");
    let gone: Vec<_> = (0..200_000).map(|_| take(&slots, "a")).collect();
    drop(gone);
    drop(first);
    assert_eq!(slots.running(), 0);
}
