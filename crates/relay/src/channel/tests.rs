//! Two sides that talk, and what must not pass between them.

use super::*;

fn place() -> Place {
    let [environment, registration, stream] = ["env_1", "execreg_1", "stream-1"].map(str::to_owned);
    Place { environment, registration, stream }
}

fn handshake_of(frames: &[Frame]) -> Vec<u8> {
    match &frames[1].body {
        Body::Handshake { payload } => payload.clone(),
        other => panic!("{other:?}"),
    }
}

/// Harness and executor, both open.
fn pair() -> (Channel, Channel) {
    let (own, peer) = (Keys::generate().expect("keys"), Keys::generate().expect("keys"));
    let (mut harness, frames) = Channel::initiate(&place(), &own, &peer.public(), b"token").expect("begun");
    assert_eq!(frames[0].body, Body::Resume { next_seq: 0 });
    let claim = Claim::read(&place(), &peer, &handshake_of(&frames)).expect("a claim");
    assert_eq!(claim.authorization, b"token");
    assert_eq!(claim.harness, own.public());
    let (executor, answer) = Channel::accept(claim).expect("accepted");
    assert!(!harness.is_open());
    assert_eq!(harness.receive(answer.body), Ok(Vec::new()));
    assert!(harness.is_open() && executor.is_open());
    (harness, executor)
}

fn carry(frames: Vec<Frame>, to: &mut Channel) -> Result<Vec<Vec<u8>>, Fault> {
    let mut messages = Vec::new();
    for frame in frames {
        let frame = Frame::decode(&frame.encode()).expect("a frame");
        messages.append(&mut to.receive(frame.body)?);
    }
    Ok(messages)
}

#[test]
fn messages_of_any_size_go_both_ways() {
    let (mut harness, mut executor) = pair();
    for size in [0, 1, RECORD - 4, RECORD - 3, RECORD, 3 * RECORD + 7, 5_000_000] {
        let message: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        let frames = harness.send(&message).expect("sent");
        assert!(frames.iter().all(|frame| frame.encode().len() < 64 * 1024));
        assert_eq!(carry(frames, &mut executor), Ok(vec![message.clone()]));
        let frames = executor.send(&message).expect("sent");
        assert_eq!(carry(frames, &mut harness), Ok(vec![message]));
    }
}

#[test]
fn records_that_change_places_or_come_twice_do_no_harm() {
    let (mut harness, mut executor) = pair();
    let message = vec![5; 4 * RECORD];
    let mut frames = harness.send(&message).expect("sent");
    frames.reverse();
    frames.extend(frames.clone());
    assert_eq!(carry(frames, &mut executor), Ok(vec![message]));
}

#[test]
fn a_record_that_was_changed_closes_the_channel() {
    let (mut harness, mut executor) = pair();
    let mut frames = harness.send(b"hello").expect("sent");
    let Body::Data(data) = &mut frames[0].body else { panic!("no data") };
    data.payload[0] ^= 1;
    let right = harness.send(b"more").expect("sent");
    assert_eq!(carry(frames, &mut executor), Err(Fault::Record));
    assert_eq!(carry(right, &mut executor), Err(Fault::NotOpen));
    assert!(!executor.is_open());
}

#[test]
fn what_does_not_belong_is_refused() {
    let data =
        |seq, segment_count, bytes| Body::Data(Data { seq, segment_index: 0, segment_count, payload: vec![0; bytes] });
    let cases = [
        (data(0, 1, 15), Fault::Record),
        (data(0, 1, RECORD + TAG + 1), Fault::Record),
        (data(0, 2, 100), Fault::Record),
        (Body::Handshake { payload: vec![0; 3424] }, Fault::Handshake("it was over".to_owned())),
        (Body::Reset { reason: "bye".to_owned() }, Fault::Reset("bye".to_owned())),
    ];
    for (body, fault) in cases {
        let (mut harness, _) = pair();
        assert_eq!(harness.receive(body), Err(fault));
        assert_eq!(harness.send(b"x"), Err(Fault::NotOpen));
    }
    let (mut harness, _) = pair();
    for body in [Body::Ack, Body::Heartbeat, Body::Unknown, Body::Resume { next_seq: 9 }] {
        assert_eq!(harness.receive(body), Ok(Vec::new()));
    }
}

#[test]
fn a_handshake_is_bound_to_its_place_and_keys() {
    let (own, peer, other) =
        (Keys::generate().expect("keys"), Keys::generate().expect("keys"), Keys::generate().expect("keys"));
    let (_, frames) = Channel::initiate(&place(), &own, &peer.public(), b"token").expect("begun");
    let first = handshake_of(&frames);
    assert!(Claim::read(&place(), &other, &first).is_err());
    for change in [0, 1, 2] {
        let mut elsewhere = place();
        [&mut elsewhere.environment, &mut elsewhere.registration, &mut elsewhere.stream][change].push('x');
        assert!(Claim::read(&elsewhere, &peer, &first).is_err(), "{change}");
    }
    for at in [0, 1, 1200, first.len() - 1] {
        let mut turned = first.clone();
        turned[at] ^= 1;
        assert!(Claim::read(&place(), &peer, &turned).is_err(), "{at}");
        assert!(Claim::read(&place(), &peer, &first[..at]).is_err(), "{at}");
    }
    assert!(Claim::read(&place(), &peer, &vec![0; 70_000]).is_err());
}

/// A first message sent again opens nothing: its answer fits the first sender only, and the records of one channel do
/// not fit another.
#[test]
fn a_replayed_handshake_leads_nowhere() {
    let (own, peer) = (Keys::generate().expect("keys"), Keys::generate().expect("keys"));
    let (mut harness, frames) = Channel::initiate(&place(), &own, &peer.public(), b"token").expect("begun");
    let first = handshake_of(&frames);
    let accept = || Channel::accept(Claim::read(&place(), &peer, &first).expect("a claim")).expect("accepted");
    let (mut executor, answer) = accept();
    let (mut again, _) = accept();
    harness.receive(answer.body).expect("open");
    let frames = harness.send(b"secret").expect("sent");
    assert_eq!(carry(frames.clone(), &mut again), Err(Fault::Record));
    assert_eq!(carry(frames, &mut executor), Ok(vec![b"secret".to_vec()]));
}

#[test]
fn keys_and_authorizations_have_their_sizes() {
    let keys = Keys::generate().expect("keys").public();
    assert_eq!(PublicKeys::new(keys.x25519(), keys.mlkem768()), Ok(keys.clone()));
    assert_eq!(PublicKeys::new(&[0; 31], keys.mlkem768()), Err(Fault::Key));
    assert_eq!(PublicKeys::new(keys.x25519(), &[0; 1185]), Err(Fault::Key));
    let own = Keys::generate().expect("keys");
    for authorization in [Vec::new(), vec![b'a'; 4097]] {
        assert!(Channel::initiate(&place(), &own, &keys, &authorization).is_err());
    }
    assert!(Channel::initiate(&place(), &own, &keys, &[b'a'; 4096]).is_ok());
    // Nobody's keys: what they are worth shows when nobody answers.
    let nobody = PublicKeys::new(&[0xff; 32], &[0xff; 1184]).expect("lengths");
    let _ = Channel::initiate(&place(), &own, &nobody, b"token");
}

#[test]
fn a_reset_closes_and_says_so_briefly() {
    let (mut harness, mut executor) = pair();
    let frame = harness.reset(&"ü".repeat(200));
    assert_eq!(harness.send(b"x"), Err(Fault::NotOpen));
    let body = Frame::decode(&frame.encode()).expect("a frame").body;
    assert_eq!(executor.receive(body), Err(Fault::Reset("ü".repeat(128))));
}
