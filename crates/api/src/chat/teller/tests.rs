//! Events in, chunks out. A chunk is shown as `index: what is new`.

use super::*;
use crate::agents::samples;
use serde_json::Value;
use types::{CallId, EffectId, EventId, ItemId, Phase, Seq, TokenLogprob, TurnError, TurnId, TurnStatus};

fn head() -> Head {
    Head {
        id: "chatcmpl-1".into(),
        created: 7,
        model: "m".into(),
        tier: None,
        include_usage: false,
        is_legacy: false,
        with_logprobs: false,
    }
}

fn event(body: EventBody) -> Event {
    Event { id: EventId::Record { seq: Seq(1), index: 0, draft: None }, body }
}

fn delta(text: &str) -> EventBody {
    EventBody::Delta {
        item: ItemId::new("msg_1"),
        kind: ItemKind::Message,
        turn: TurnId::new("turn_1"),
        output_index: 0,
        part: 0,
        text: text.into(),
    }
}

fn dropped() -> EventBody {
    EventBody::DraftDropped {
        item: ItemId::new("msg_1"),
        kind: ItemKind::Message,
        turn: TurnId::new("turn_1"),
        output_index: 0,
    }
}

fn done(body: ItemBody) -> EventBody {
    EventBody::ItemDone(samples::item(Some(0), body))
}

fn call(id: &str) -> EventBody {
    done(ItemBody::FunctionCall {
        effect: EffectId(1),
        call_id: CallId::new(id),
        name: "f".into(),
        arguments: "{}".into(),
        custom: false,
        told: types::Told::InPlace,
        expires: None,
    })
}

fn message(text: &str, logprobs: Vec<TokenLogprob>) -> EventBody {
    done(ItemBody::AssistantMessage {
        text: text.into(),
        phase: Phase::FinalAnswer,
        complete: true,
        logprobs,
        annotations: Vec::new(),
    })
}

fn ended(status: TurnStatus, code: Option<&str>) -> EventBody {
    let error = code.map(|code| TurnError { code: code.into(), message: format!("because of {code}") });
    let usage = Some(Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() });
    let view = TurnView { status, error, usage, ..samples::turn() };
    match status {
        TurnStatus::Completed => EventBody::TurnCompleted(view),
        TurnStatus::Cancelled => EventBody::TurnCancelled(view),
        _ => EventBody::TurnFailed(view),
    }
}

/// What is told of these events of these choices, and whether the stream has ended.
fn told(head: Head, choices: usize, events: Vec<(usize, EventBody)>) -> (Vec<String>, Teller) {
    let mut teller = Teller::new(head, choices);
    let mut out = Vec::new();
    for (index, body) in events {
        teller.hear(index, Some(&event(body)), &mut out);
    }
    let text = String::from_utf8(out).unwrap();
    let frames = text.split_terminator("\n\n").map(|frame| shown(frame.strip_prefix("data: ").unwrap()));
    (frames.collect(), teller)
}

fn shown(data: &str) -> String {
    let Ok(chunk) = serde_json::from_str::<Value>(data) else { return data.to_owned() };
    if !chunk["error"].is_null() {
        return format!("error {}", chunk["error"]["message"].as_str().unwrap());
    }
    assert_eq!((&chunk["id"], &chunk["created"]), (&Value::from("chatcmpl-1"), &Value::from(7)));
    let Some(choice) = chunk["choices"].get(0) else { return format!("usage {}", chunk["usage"]["total_tokens"]) };
    let reason = choice["finish_reason"].as_str().map(|reason| format!(" {reason}")).unwrap_or_default();
    let logprobs = choice["logprobs"]["content"].as_array().map(|all| format!(" with {}", all.len()));
    format!("{}: {}{reason}{}", choice["index"], choice["delta"], logprobs.unwrap_or_default())
}

const BEGIN: &str = r#"{"role":"assistant","content":"","refusal":null}"#;

#[test]
fn text_as_it_comes() {
    let events = vec![
        (0, delta("Hel")),
        (0, delta("lo")),
        (0, message("Hello", Vec::new())),
        (0, ended(TurnStatus::Completed, None)),
    ];
    let (frames, teller) = told(head(), 1, events.clone());
    let begin = format!("0: {BEGIN}");
    assert_eq!(frames, [begin.as_str(), r#"0: {"content":"Hel"}"#, r#"0: {"content":"lo"}"#, "0: {} stop", "[DONE]"]);
    assert!(teller.is_over() && !teller.has_failed());
    let (frames, _) = told(Head { include_usage: true, ..head() }, 1, events);
    assert_eq!(frames[4..], ["usage 5", "[DONE]"]);
}

#[test]
fn calls_are_whole_and_come_last() {
    let events = vec![(0, call("a")), (0, call("b")), (0, ended(TurnStatus::Completed, None))];
    let one = |index, id| {
        format!(r#"{{"index":{index},"id":"{id}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}"#)
    };
    let (frames, _) = told(head(), 1, events.clone());
    let calls = format!(r#"0: {{"tool_calls":[{},{}]}}"#, one(0, "a"), one(1, "b"));
    assert_eq!(frames, [&format!("0: {BEGIN}"), &calls, "0: {} tool_calls", "[DONE]"]);
    let (frames, _) = told(Head { is_legacy: true, ..head() }, 1, events);
    assert_eq!(frames[1..3], [r#"0: {"function_call":{"name":"f","arguments":"{}"}}"#, "0: {} function_call"]);
}

#[test]
fn several_choices_end_together() {
    let (frames, teller) = told(
        Head { include_usage: true, ..head() },
        2,
        vec![
            (1, delta("b")),
            (0, delta("a")),
            (0, ended(TurnStatus::Completed, None)),
            (1, ended(TurnStatus::Failed, Some("max_output_tokens"))),
        ],
    );
    let begin = |index| format!("{index}: {BEGIN}");
    assert_eq!(
        frames,
        [
            &begin(1),
            r#"1: {"content":"b"}"#,
            &begin(0),
            r#"0: {"content":"a"}"#,
            "0: {} stop",
            "1: {} length",
            "usage 10",
            "[DONE]"
        ]
    );
    assert!(teller.has_ended(0) && teller.has_ended(1));
}

#[test]
fn what_breaks_off_before_a_word_is_not_told() {
    let (frames, mut teller) =
        told(head(), 1, vec![(0, dropped()), (0, delta("x")), (0, ended(TurnStatus::Completed, None))]);
    assert_eq!(frames.len(), 4, "{frames:?}");
    assert!(teller.take_failure().is_none());
    let (frames, mut teller) = told(head(), 1, vec![(0, ended(TurnStatus::Failed, Some("rate_limit_exceeded")))]);
    assert!(frames.is_empty() && teller.is_over() && teller.has_failed());
    assert_eq!(teller.take_failure().unwrap().status, 429);
}

#[test]
fn what_breaks_off_after_a_word_ends_the_stream() {
    for last in [dropped(), ended(TurnStatus::Failed, Some("server_error")), ended(TurnStatus::Cancelled, None)] {
        let (frames, mut teller) = told(head(), 1, vec![(0, delta("x")), (0, last)]);
        assert!(frames.len() == 3 && frames[2].starts_with("error "), "{frames:?}");
        assert!(teller.is_over() && teller.has_failed() && teller.take_failure().is_none());
    }
}

#[test]
fn probabilities_come_with_the_whole_message() {
    let token = TokenLogprob { token: "x".into(), logprob: -0.5, bytes: None, top: Vec::new() };
    let events = vec![(0, delta("x")), (0, message("x", vec![token])), (0, ended(TurnStatus::Completed, None))];
    let (frames, _) = told(Head { with_logprobs: true, ..head() }, 1, events);
    assert_eq!(frames[1..], [r#"0: {"content":"x"} with 1"#, "0: {} stop", "[DONE]"]);
}
