//! A reader of the form as AWS documents it, and frames that AWS's own clients were seen to take.

use super::*;
use serde_json::{Value, json};

/// Headers, and the payload.
type Message = (Vec<(String, String)>, Vec<u8>);

/// Headers and payload of every frame, where lengths and checksums are right.
fn read(mut bytes: &[u8]) -> Vec<Message> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (size, headers) = (number(&bytes[..4]) as usize, number(&bytes[4..8]) as usize);
        assert_eq!(number(&bytes[8..12]), crc32fast::hash(&bytes[..8]));
        let (frame, rest) = bytes.split_at(size);
        assert_eq!(number(&frame[size - 4..]), crc32fast::hash(&frame[..size - 4]));
        let (mut left, payload) = frame[12..size - 4].split_at(headers);
        let mut pairs = Vec::new();
        while let Some((length, after)) = left.split_first() {
            let (name, after) = after.split_at(usize::from(*length));
            assert_eq!(after[0], TEXT);
            let length = usize::from(u16::from_be_bytes(after[1..3].try_into().unwrap()));
            let (value, after) = after[3..].split_at(length);
            pairs.push((String::from_utf8(name.into()).unwrap(), String::from_utf8(value.into()).unwrap()));
            left = after;
        }
        frames.push((pairs, payload.to_vec()));
        bytes = rest;
    }
    frames
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_frame_has_the_bytes_that_clients_take() {
    let mut out = Vec::new();
    event(&mut out, "messageStart", &json!({"role": "assistant"})).unwrap();
    let expected = concat!(
        "000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74656e742d74797065",
        "0700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22726f6c65223a22617373",
        "697374616e74227d6fa8c599",
    );
    assert_eq!(hexadecimal(&out), expected);
}

#[test]
fn frames_follow_each_other_and_say_what_they_are() {
    let mut out = Vec::new();
    event(&mut out, "chunk", &json!({"bytes": "aGk="})).unwrap();
    exception(&mut out, "throttlingException", &json!({"message": "Später"})).unwrap();
    let frames = read(&out);
    let said: Vec<(&str, &str)> = frames[1].0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        (":exception-type", "throttlingException"),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    assert_eq!(said, expected);
    assert_eq!(frames[0].0[0], (":event-type".to_owned(), "chunk".to_owned()));
    assert_eq!(serde_json::from_slice::<Value>(&frames[1].1).unwrap(), json!({"message": "Später"}));
}

#[test]
fn what_is_too_large_leaves_nothing_behind() {
    let mut out = b"before".to_vec();
    assert_eq!(event(&mut out, "e", &"x".repeat(MAX_PAYLOAD)), Err(Unwritable::TooLarge));
    assert_eq!(event(&mut out, &"n".repeat(1 << 16), &1), Err(Unwritable::TooLarge));
    assert_eq!(out, b"before");
    // The quotes count too.
    event(&mut out, "e", &"x".repeat(MAX_PAYLOAD - 2)).unwrap();
    assert_eq!(read(&out[6..])[0].1.len(), MAX_PAYLOAD);
}

#[test]
fn long_texts_are_cut_between_characters() {
    assert_eq!(pieces("").count(), 0);
    assert_eq!(pieces("ab").collect::<Vec<_>>(), ["ab"]);
    let text = format!("a{}", "é".repeat(MAX_TEXT));
    let cut: Vec<&str> = pieces(&text).collect();
    assert_eq!(cut.concat(), text);
    assert!(cut.len() == 3 && cut.iter().all(|piece| piece.len() <= MAX_TEXT));
}
