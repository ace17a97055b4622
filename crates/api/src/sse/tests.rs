//! Streams over a list of events: where they end, what they say in silence, and that they pull.

use super::*;
use crate::stage::{HandClock, Sevens};
use crate::traffic::Traffic;
use futures_util::StreamExt;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::vec::IntoIter;
use types::{EventId, Seq, TurnError};

/// Gives its events, then waits for ever; counts what was taken.
struct Script {
    events: IntoIter<EventBody>,
    taken: Arc<AtomicUsize>,
}

impl Source for Script {
    fn pull(mut self) -> BoxFuture<'static, (Self, Option<Event>)> {
        Box::pin(async move {
            let Some(body) = self.events.next() else { return pending().await };
            let index = u32::try_from(self.taken.fetch_add(1, Ordering::Relaxed)).unwrap();
            let event = Event { id: EventId::Record { seq: Seq(1), index, draft: None }, body };
            (self, Some(event))
        })
    }

    fn at_hand(&mut self) -> Option<Event> {
        None
    }
}

struct Scene {
    reader: Reader<Script, Whole, Option<Slot>>,
    taken: Arc<AtomicUsize>,
    traffic: Arc<Traffic>,
}

fn scene(events: Vec<EventBody>, end: End, clock: HandClock) -> Scene {
    let (silence, spoke) = (clock.sleep(KEEPALIVE), clock.monotonic());
    let taken = Arc::new(AtomicUsize::new(0));
    let traffic = Arc::new(Traffic::default());
    let script = Script { events: events.into_iter(), taken: Arc::clone(&taken) };
    let reader = Reader {
        next: script.pull(),
        teller: Whole { session: "sess_1".into(), end, padding: Padding::Off, remote_url: None },
        over: false,
        silence,
        spoke,
        clock: Arc::new(clock),
        _held: traffic.open(1),
    };
    Scene { reader, taken, traffic }
}

fn error() -> EventBody {
    EventBody::Error(TurnError { code: "server_error".into(), message: "m".into() })
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let scene = scene(vec![error()], End::Never, HandClock::rushing());
    let pieces: Vec<_> = Box::pin(pieces(scene.reader)).take(3).map(|piece| piece.unwrap()).collect().await;
    assert!(pieces[0].starts_with(b"event: error\ndata: {"), "{:?}", pieces[0]);
    assert_eq!(pieces[1..], [&b": keepalive\n"[..], b": keepalive\n"]);
}

#[tokio::test]
async fn nothing_is_read_ahead_and_the_slot_goes_with_the_stream() {
    let scene = scene(vec![error(), error(), error()], End::Never, HandClock::default());
    let mut stream = Box::pin(pieces(scene.reader));
    assert_eq!(scene.taken.load(Ordering::Relaxed), 0);
    stream.next().await.unwrap().unwrap();
    assert_eq!(scene.taken.load(Ordering::Relaxed), 1);
    assert_eq!(scene.traffic.streams(), 1);
    drop(stream);
    assert_eq!(scene.traffic.streams(), 0);
}

#[tokio::test]
async fn a_creation_stream_ends_with_the_idle_after_its_turn() {
    use crate::agents::samples::{session, turn};
    let idle = || EventBody::SessionIdle(session());
    let events = vec![idle(), EventBody::TurnCompleted(turn()), error(), idle(), error()];
    let scene = scene(events, End::Settled { turn_ended: false }, HandClock::default());
    assert_eq!(Box::pin(pieces(scene.reader)).count().await, 4);
    assert_eq!(scene.taken.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_creation_stream_ends_where_the_session_stops() {
    use crate::agents::samples::session;
    for last in [EventBody::SessionFailed(session()), EventBody::SessionBudgetReached(session())] {
        let scene = scene(vec![error(), last, error()], End::Settled { turn_ended: false }, HandClock::default());
        assert_eq!(Box::pin(pieces(scene.reader)).count().await, 2);
    }
}

#[test]
fn padding_is_letters_and_digits() {
    assert_eq!(letters(&Sevens, 3), "hhh");
    struct All;
    impl Entropy for All {
        fn fill(&self, bytes: &mut [u8]) {
            (0..=255).cycle().zip(bytes).for_each(|(value, byte)| *byte = value);
        }
    }
    let text = letters(&All, 256);
    assert!(text.chars().all(|c| c.is_ascii_alphanumeric()) && text.len() == 256);
}
