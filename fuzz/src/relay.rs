//! What the other end of an executor's line says: frames, records in them, and the messages that they carry.

use relay::{Body, Channel, Claim, Fault, Frame, Keys, Place};
use wire::executor::Message;

/// The first byte chooses what the rest meets: a frame alone, a message alone, or, as frames behind their lengths, a
/// channel that waits for its answer or one that is open.
pub fn target(data: &[u8]) {
    match data.split_first() {
        Some((0, rest)) => frame(rest),
        Some((1, rest)) => message(rest),
        Some((2, rest)) => meets(waiting(), rest),
        Some((3, rest)) => meets(open(), rest),
        _ => {}
    }
}

fn frame(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes)
        && frame.body != Body::Unknown
    {
        assert_eq!(Frame::decode(&frame.encode()).as_ref(), Ok(&frame), "not our own form");
    }
}

fn message(bytes: &[u8]) {
    if let Ok(message) = Message::read(bytes) {
        let text = message.text();
        let again = Message::read(text.as_bytes()).map(|again| again.text());
        assert_eq!(again.ok(), Some(text), "not our own form");
    }
}

/// Nobody who does not have the keys gets a message through, and a channel that found a fault is over.
fn meets(mut channel: Channel, bytes: &[u8]) {
    let mut rest = bytes;
    while let Some(([high, low], behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(behind.len());
        let (bytes, behind) = behind.split_at(length);
        rest = behind;
        let Ok(frame) = Frame::decode(bytes) else { continue };
        match channel.receive(frame.body) {
            Ok(messages) => assert!(messages.is_empty(), "a message from nobody"),
            Err(_) => {
                assert!(!channel.is_open());
                assert_eq!(channel.send(b"{}"), Err(Fault::NotOpen));
                return;
            }
        }
    }
}

fn place() -> Place {
    let [environment, registration, stream] = ["env_1", "execreg_1", "stream-1"].map(str::to_owned);
    Place { environment, registration, stream }
}

fn waiting() -> Channel {
    begin().0
}

fn begin() -> (Channel, Keys, Vec<Frame>) {
    let (own, peer) = (Keys::generate().expect("keys"), Keys::generate().expect("keys"));
    let (channel, frames) = Channel::initiate(&place(), &own, &peer.public(), b"token").expect("a beginning");
    (channel, peer, frames)
}

fn open() -> Channel {
    let (mut harness, peer, frames) = begin();
    let Some(Body::Handshake { payload }) = frames.into_iter().map(|frame| frame.body).nth(1) else {
        panic!("no handshake");
    };
    let claim = Claim::read(&place(), &peer, &payload).expect("a claim");
    let (_, answer) = Channel::accept(claim).expect("an answer");
    harness.receive(answer.body).expect("an open channel");
    harness
}
