//! Bodies that are whole, too large, broken off, silent or too slow.

use super::*;
use crate::stage::HandClock;
use axum::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use futures_util::stream::{iter, pending, repeat_with};
use futures_util::{FutureExt, StreamExt};
use std::io;
use std::pin::pin;
use std::sync::Arc;

type Piece = Result<Bytes, io::Error>;

async fn status(body: Body, limit: usize, clock: &HandClock) -> Result<Vec<u8>, StatusCode> {
    let mut held = Room::default().enter();
    read(&HeaderMap::new(), body, limit, &mut held, clock).await.map_err(|failure| failure.status)
}

#[tokio::test]
async fn a_body_is_read_whole_up_to_its_limit() {
    let clock = HandClock::default();
    let pieces = || Body::from_stream(iter([Piece::Ok("ab".into()), Ok("cd".into())]));
    assert_eq!(status(pieces(), 4, &clock).await, Ok(b"abcd".to_vec()));
    assert_eq!(status(pieces(), 3, &clock).await, Err(StatusCode::PAYLOAD_TOO_LARGE));
    assert_eq!(status(Body::empty(), 0, &clock).await, Ok(Vec::new()));
}

#[tokio::test]
async fn an_announced_length_is_believed_before_a_byte_is_read() {
    let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, HeaderValue::from_static("5"))]);
    let body = Body::from_stream(pending::<Piece>());
    let mut held = Room::default().enter();
    let failure = read(&headers, body, 4, &mut held, &HandClock::default()).await.unwrap_err();
    assert_eq!(failure.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_body() {
    let body = Body::from_stream(iter([Ok(Bytes::from("{")), Err(io::Error::other("gone"))]));
    assert_eq!(status(body, 9, &HandClock::default()).await, Err(StatusCode::BAD_REQUEST));
}

#[tokio::test]
async fn silence_ends_in_a_timeout() {
    let body = Body::from_stream(iter([Piece::Ok("{".into())]).chain(pending()));
    let clock = HandClock::rushing();
    assert_eq!(status(body, 9, &clock).await, Err(StatusCode::REQUEST_TIMEOUT));
    assert_eq!(clock.monotonic(), IDLE);
}

#[tokio::test]
async fn a_trickle_ends_in_a_timeout_too() {
    let clock = Arc::new(HandClock::default());
    let drops = Arc::clone(&clock);
    let body = Body::from_stream(repeat_with(move || {
        drops.advance(Duration::from_secs(20));
        Piece::Ok(".".into())
    }));
    assert_eq!(status(body, 1 << 20, &clock).await, Err(StatusCode::REQUEST_TIMEOUT));
    assert!(clock.monotonic() <= GRACE + IDLE, "{:?}", clock.monotonic());
}

/// A body of two pieces of a KiB, of which the second comes when it is asked for.
fn two() -> Body {
    Body::from_stream(iter([Piece::Ok(vec![b' '; 1024].into()), Ok(vec![b' '; 1024].into())]))
}

#[tokio::test]
async fn a_body_waits_for_memory_that_another_holds() {
    let (room, clock, headers) = (Room::new(3), HandClock::default(), HeaderMap::new());
    let (mut first, mut second) = (room.enter(), room.enter());
    assert_eq!(read(&headers, two(), 4096, &mut first, &clock).await.unwrap().len(), 2048);
    let mut waiting = pin!(read(&headers, two(), 4096, &mut second, &clock));
    assert!((&mut waiting).now_or_never().is_none());
    drop(first);
    assert_eq!(waiting.await.unwrap().len(), 2048);
}

#[tokio::test]
async fn a_body_that_finds_no_memory_is_told_to_come_again() {
    let (room, clock, headers) = (Room::new(2), HandClock::rushing(), HeaderMap::new());
    let mut first = room.enter();
    read(&headers, two(), 4096, &mut first, &clock).await.unwrap();
    let failure = read(&headers, two(), 4096, &mut room.enter(), &clock).await.unwrap_err();
    assert_eq!(failure.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(failure.retry_after.is_some());
    assert_eq!(clock.monotonic(), IDLE);
    // Whoever gave up holds nothing.
    drop(first);
    assert!(read(&headers, two(), 4096, &mut room.enter(), &clock).await.is_ok());
}

#[tokio::test]
async fn a_body_larger_than_the_room_has_it_alone() {
    let (room, clock, headers) = (Room::new(1), HandClock::default(), HeaderMap::new());
    let mut held = room.enter();
    assert_eq!(read(&headers, two(), 4096, &mut held, &clock).await.unwrap().len(), 2048);
    let mut other = room.enter();
    let waiting = read(&headers, two(), 4096, &mut other, &clock);
    assert!(waiting.now_or_never().is_none());
}
