//! Look-ups that take for ever: how many there are, and what they leave alone. No name is looked up here.

use super::*;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

/// A resolver that answers when it is told to, and the names that it was asked, as they come.
struct Slow {
    asked: Receiver<String>,
    answer: SyncSender<()>,
}

fn slow(places: usize) -> (Lookups, Slow) {
    let (ask, asked) = sync_channel(64);
    let (answer, answers) = sync_channel(64);
    let answers = Mutex::new(answers);
    let find = move |name: &str| {
        let _ = ask.send(name.to_owned());
        let answers: MutexGuard<'_, Receiver<()>> = answers.lock().unwrap();
        let _ = answers.recv();
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    };
    (Lookups { places: Arc::new(Semaphore::new(places)), find: Arc::new(find) }, Slow { asked, answer })
}

/// Asks, as far as it goes without waiting.
fn ask(resolver: &SystemResolver, name: &'static str) -> Poll<io::Result<Vec<IpAddr>>> {
    resolver.resolve(name).as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn who_gave_up_keeps_its_place_until_the_look_up_is_over() {
    let (lookups, slow) = slow(ALL);
    let one = lookups.of_one();
    for _ in 0..ONE {
        assert!(ask(&one, "slow.test").is_pending());
        assert_eq!(slow.asked.recv().unwrap(), "slow.test");
    }
    // Nobody waits for these any more, and still there is no fifth.
    assert_eq!((one.places.available_permits(), lookups.places.available_permits()), (0, ALL - ONE));
    assert!(ask(&one, "fifth.test").is_pending());
    assert_eq!(lookups.places.available_permits(), ALL - ONE);
    // Another environment has places of its own.
    assert!(ask(&lookups.of_one(), "other.test").is_pending());
    assert_eq!(slow.asked.recv().unwrap(), "other.test");
    for _ in 0..=ONE {
        slow.answer.send(()).unwrap();
    }
    while lookups.places.available_permits() < ALL {
        std::thread::yield_now();
    }
    assert!(ask(&one, "sixth.test").is_pending());
    assert_eq!(slow.asked.recv().unwrap(), "sixth.test");
    slow.answer.send(()).unwrap();
}

#[test]
fn environments_together_have_no_more_places_than_there_are() {
    let (lookups, slow) = slow(1);
    assert!(ask(&lookups.of_one(), "first.test").is_pending());
    assert_eq!(slow.asked.recv().unwrap(), "first.test");
    assert_eq!(lookups.places.available_permits(), 0);
    let other = lookups.of_one();
    let mut second = other.resolve("second.test");
    let mut again = || second.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(again().is_pending());
    slow.answer.send(()).unwrap();
    slow.answer.send(()).unwrap();
    let found = loop {
        if let Poll::Ready(found) = again() {
            break found;
        }
        std::thread::yield_now();
    };
    assert_eq!(slow.asked.try_iter().collect::<Vec<_>>(), ["second.test"]);
    assert!(found.is_ok());
}

/// The blocking threads of the server are for its disk and its store.
#[test]
fn names_that_take_for_ever_leave_the_servers_threads_alone() {
    let (lookups, slow) = slow(ALL);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let one = lookups.of_one();
        let mut found = one.resolve("slow.test");
        assert!(found.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(slow.asked.recv().unwrap(), "slow.test");
        #[expect(clippy::disallowed_methods, reason = "a test's edge: what the server does with these threads")]
        let work = tokio::task::spawn_blocking(|| 7);
        assert_eq!(work.await.unwrap(), 7);
        slow.answer.send(()).unwrap();
        assert_eq!(found.await.unwrap(), [IpAddr::from([127, 0, 0, 1])]);
    });
}
