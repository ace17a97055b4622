//! Frames byte by byte, whole and damaged.

use super::*;

fn frames() -> Vec<Frame> {
    let data = Data { seq: 300, segment_index: 0, segment_count: 1, payload: vec![0, 255, 128] };
    let bodies = [
        Body::Data(data),
        Body::Data(Data::default()),
        Body::Ack,
        Body::Resume { next_seq: 0 },
        Body::Resume { next_seq: u32::MAX },
        Body::Reset { reason: "noise_relay_protocol_error".to_owned() },
        Body::Heartbeat,
        Body::Handshake { payload: vec![7; 3595] },
    ];
    let frames = bodies.into_iter().map(|body| Frame::new("7f3c1f6e-8f0d-4b7e-9d1a-000000000001", body));
    frames.chain([Frame { ack: 9, ack_bits: 5, ..Frame::new("s", Body::Ack) }]).collect()
}

#[test]
fn every_body_comes_back_as_it_was() {
    for frame in frames() {
        assert_eq!(Frame::decode(&frame.encode()), Ok(frame));
    }
}

/// As the observed executor and a reference encoder write them.
#[test]
fn defaults_are_left_out() {
    assert_eq!(Frame::new("s", Body::Resume { next_seq: 0 }).encode(), b"\x08\x01\x12\x01s\x3a\x00");
    let data = Data { seq: 1, segment_index: 0, segment_count: 1, payload: b"ab".to_vec() };
    assert_eq!(Frame::new("s", Body::Data(data)).encode(), b"\x08\x01\x12\x01s\x2a\x08\x08\x01\x18\x01\x22\x02ab");
}

#[test]
fn unknown_fields_are_passed_over() {
    let mut bytes = Frame::new("s", Body::Heartbeat).encode();
    // Numbers 15 as varint, 16 fixed64, 17 bytes, 18 fixed32.
    bytes.extend_from_slice(b"\x78\x96\x01");
    bytes.extend_from_slice(b"\x81\x01\x01\x02\x03\x04\x05\x06\x07\x08");
    bytes.extend_from_slice(b"\x8a\x01\x03abc");
    bytes.extend_from_slice(b"\x95\x01\x01\x02\x03\x04");
    assert_eq!(Frame::decode(&bytes), Ok(Frame::new("s", Body::Heartbeat)));
    assert_eq!(Frame::decode(b"\x08\x01\x12\x01s\x5a\x00"), Ok(Frame::new("s", Body::Unknown)));
}

#[test]
fn what_is_no_frame_says_why() {
    let long = Frame::new(&"s".repeat(129), Body::Ack).encode();
    let reason = Frame::new("s", Body::Reset { reason: "r".repeat(257) }).encode();
    let cases: [(&[u8], Fault); 9] = [
        (b"", Fault::Version(0)),
        (b"\x08\x02\x12\x01s\x32\x00", Fault::Version(2)),
        (b"\x08\x01\x32\x00", Fault::Malformed("it names no stream")),
        (b"\x08\x01\x12\x05s", Fault::Malformed("it ends within a field")),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Fault::Malformed("a varint does not end")),
        (b"\x08\x01\x12\x01\xff\x32\x00", Fault::Malformed("a text is not UTF-8")),
        (b"\x08\x01\x0b", Fault::Malformed("a field is of no known wire type")),
        (&long, Fault::TooLarge("a stream's id")),
        (&reason, Fault::TooLarge("a reason")),
    ];
    for (bytes, fault) in cases {
        assert_eq!(Frame::decode(bytes), Err(fault), "{bytes:?}");
    }
    assert_eq!(Frame::decode(&vec![0; FRAME_LIMIT + 1]), Err(Fault::TooLarge("a frame")));
}

/// Whatever is cut or turned within a frame, reading it ends with an answer.
#[test]
fn damaged_frames_are_survived() {
    for frame in frames() {
        let bytes = frame.encode();
        for at in 0..bytes.len().min(200) {
            let _ = Frame::decode(&bytes[..at]);
            for bit in 0..8 {
                let mut turned = bytes.clone();
                turned[at] ^= 1 << bit;
                let _ = Frame::decode(&turned);
            }
        }
    }
}
