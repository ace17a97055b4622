//! What streams say, frame by frame, for events in any order that a session has.

use super::super::voices::{Blocks, Chunks, Form};
use super::*;
use serde_json::Value;
use types::{EventId, Seq, Timestamp, TurnError, TurnId, TurnStatus, Usage};
use wire::bedrock::answer::Told;

fn event(body: EventBody) -> Event {
    Event { id: EventId::Record { seq: Seq(1), index: 0, draft: None }, body }
}

fn delta(item: &str, kind: ItemKind, part: u32, text: &str) -> Event {
    let (item, text) = (ItemId::new(item), text.to_owned());
    event(EventBody::Delta { item, kind, turn: TurnId::new("turn_1"), output_index: 0, part, text })
}

fn dropped(item: &str) -> Event {
    let (item, turn) = (ItemId::new(item), TurnId::new("turn_1"));
    event(EventBody::DraftDropped { item, kind: ItemKind::Message, turn, output_index: 0 })
}

fn ended(error: Option<&str>) -> Event {
    let error = error.map(|code| TurnError { code: code.into(), message: "why".into() });
    let view = TurnView {
        id: "turn_1".into(),
        agent_id: "agent_1".into(),
        status: if error.is_some() { TurnStatus::Failed } else { TurnStatus::Completed },
        error,
        usage: Some(Usage { input_tokens: 10, cached_tokens: 4, output_tokens: 2, reasoning_tokens: 0 }),
        prompt_cache: None,
        created_at: Timestamp(0),
        started_at: None,
        completed_at: None,
    };
    event(if view.error.is_some() { EventBody::TurnFailed(view) } else { EventBody::TurnCompleted(view) })
}

/// Frames by name, payloads as JSON; what is in chunks is taken out of them.
fn told(voice: impl Voice, events: &[Event]) -> (Vec<(String, Value)>, Option<&'static str>) {
    let (mut teller, mut out) = (Teller::new(voice, Duration::ZERO), Vec::new());
    for event in events {
        teller.hear(Some(event), Duration::from_millis(5), &mut out);
    }
    let (mut left, mut frames) = (out.as_slice(), Vec::new());
    while !left.is_empty() {
        let number = |at: usize| u32::from_be_bytes(left[at..at + 4].try_into().unwrap()) as usize;
        let (size, headers) = (number(0), number(4));
        let length = usize::from(u16::from_be_bytes(left[12 + headers_name(left)..][..2].try_into().unwrap()));
        let name = &left[14 + headers_name(left)..][..length];
        let payload = serde_json::from_slice(&left[12 + headers..size - 4]).unwrap();
        frames.push((String::from_utf8(name.to_vec()).unwrap(), payload));
        left = &left[size..];
    }
    (frames, teller.failure.map(|failure| failure.code))
}

/// Bytes of the first header before its value's length.
fn headers_name(frame: &[u8]) -> usize {
    2 + usize::from(frame[12])
}

fn converse() -> Blocks {
    Blocks::new(Form::Converse, Told::default())
}

#[test]
fn every_item_is_a_block() {
    let (frames, _) = told(
        converse(),
        &[
            delta("rs_1", ItemKind::Reasoning, 0, "hm"),
            delta("rs_1", ItemKind::Reasoning, 1, "so"),
            delta("msg_1", ItemKind::Message, 0, "a"),
            delta("msg_1", ItemKind::Message, 0, "b"),
            delta("msg_2", ItemKind::Message, 0, "c"),
            ended(None),
        ],
    );
    let lines: Vec<String> = frames.iter().map(|(name, payload)| format!("{name} {payload}")).collect();
    let expected = [
        r#"messageStart {"role":"assistant"}"#,
        r#"contentBlockDelta {"delta":{"reasoningContent":{"text":"hm"}},"contentBlockIndex":0}"#,
        r#"contentBlockDelta {"delta":{"reasoningContent":{"text":"\n\n"}},"contentBlockIndex":0}"#,
        r#"contentBlockDelta {"delta":{"reasoningContent":{"text":"so"}},"contentBlockIndex":0}"#,
        r#"contentBlockStop {"contentBlockIndex":0}"#,
        r#"contentBlockDelta {"delta":{"text":"a"},"contentBlockIndex":1}"#,
        r#"contentBlockDelta {"delta":{"text":"b"},"contentBlockIndex":1}"#,
        r#"contentBlockStop {"contentBlockIndex":1}"#,
        r#"contentBlockDelta {"delta":{"text":"c"},"contentBlockIndex":2}"#,
        r#"contentBlockStop {"contentBlockIndex":2}"#,
        r#"messageStop {"stopReason":"end_turn"}"#,
        r#"metadata {"usage":{"inputTokens":6,"outputTokens":2,"totalTokens":12,"cacheReadInputTokens":4},"metrics":{"latencyMs":5}}"#,
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_fails_before_a_word_is_no_stream() {
    for (code, expected) in [
        ("rate_limit_exceeded", "ThrottlingException"),
        ("server_error", "ModelErrorException"),
        ("request_timeout", "ModelTimeoutException"),
        ("context_length_exceeded", "ValidationException"),
        ("server_overloaded", "ServiceUnavailableException"),
    ] {
        let (frames, failure) = told(converse(), &[dropped("msg_1"), ended(Some(code))]);
        assert_eq!((frames.len(), failure), (0, Some(expected)), "{code}");
    }
    let (mut teller, mut out) = (Teller::new(converse(), Duration::ZERO), Vec::new());
    teller.hear(None, Duration::ZERO, &mut out);
    assert_eq!(teller.failure.map(|failure| failure.code), Some("ServiceUnavailableException"));
}

#[test]
fn what_fails_after_a_word_is_an_exception_that_the_stream_knows() {
    let word = || delta("msg_1", ItemKind::Message, 0, "a");
    let chunks = || Chunks::new("c".into(), 1, "m".into(), false);
    let last = |(frames, _): (Vec<(String, Value)>, _)| frames.last().map(|(name, _)| name.clone()).unwrap();
    assert_eq!(last(told(converse(), &[word(), dropped("msg_1")])), "modelStreamErrorException");
    for (code, in_converse, in_chunks) in [
        ("rate_limit_exceeded", "throttlingException", "throttlingException"),
        ("request_timeout", "modelStreamErrorException", "modelTimeoutException"),
        ("internal_error", "internalServerException", "internalServerException"),
        ("invalid_request", "validationException", "validationException"),
        ("session_budget_exceeded", "throttlingException", "throttlingException"),
    ] {
        assert_eq!(last(told(converse(), &[word(), ended(Some(code))])), in_converse, "{code}");
        assert_eq!(last(told(chunks(), &[word(), ended(Some(code))])), in_chunks, "{code}");
    }
}
