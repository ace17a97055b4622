//! Corrupted JSON from a model, to its end: each becomes a typed error or a word to the model, never a panic and never a
//! call that somebody acts on. Both wires, whole and byte by byte.

use fuzz::upstream::{Recorded, record};
use models::fuzz::{Wire, hear};
use serde_json::{Value, json};
use types::{ModelErrorKind, SessionStatus};

/// Deeper than any stack.
const DEEP: usize = 100_000;

/// What a server streams that calls each of these: name, id and arguments.
fn calls(wire: Wire, calls: &[(&str, &str, &Value)]) -> String {
    let mut said = String::new();
    let mut say = |data: &Value| said.push_str(&format!("data: {data}\n\n"));
    match wire {
        Wire::Chat => {
            for (index, (name, id, arguments)) in calls.iter().enumerate() {
                let call = json!({"index": index, "id": id, "function": {"name": name, "arguments": arguments}});
                say(&json!({"choices": [{"delta": {"tool_calls": [call]}}]}));
            }
            say(&json!({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}));
            said.push_str("data: [DONE]\n\n");
        }
        Wire::Responses => {
            for (name, id, arguments) in calls {
                let item = json!({"type": "function_call", "call_id": id, "name": name, "arguments": arguments});
                say(&json!({"type": "response.output_item.done", "item": item}));
            }
            say(&json!({"type": "response.completed", "response": {"status": "completed"}}));
        }
    }
    said
}

/// The turn that came of it, the same however it was cut.
fn turn(wire: Wire, said: &str) -> Recorded {
    let hear = |piece| hear(wire, 200, "text/event-stream", said.as_bytes(), piece);
    let whole = hear(0);
    if said.len() < DEEP {
        assert_eq!(whole, hear(1), "byte by byte");
    }
    record(whole)
}

#[test]
fn f19_arguments_that_are_no_object_are_told_to_the_model() {
    let deep = format!("{{\"a\":{}", "[".repeat(DEEP));
    let closed = format!("{{\"a\":{}{}}}", "[".repeat(DEEP), "]".repeat(DEEP));
    let bad = [
        r#"{"a":"#,
        r#"{"a":1} and more"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":NaN}"#,
        r#"{"a":1e999}"#,
        r#"{"a":"\ud800"}"#,
        "[1]",
        "null",
        "7",
        "\"text\"",
        &deep,
        &closed,
    ];
    for wire in [Wire::Chat, Wire::Responses] {
        for arguments in bad {
            let turn = turn(wire, &calls(wire, &[("f", "c1", &json!(arguments))]));
            let shown: String = arguments.chars().take(40).collect();
            assert_eq!(turn.calls(), [("", ""); 0], "{wire:?}: {shown}");
            assert_eq!(turn.complaints().len(), 1, "{wire:?}: {shown}");
            assert_eq!(turn.state.status, SessionStatus::InProgress, "the model goes on: {shown}");
        }
    }
}

#[test]
fn f19_a_name_that_nobody_declared_is_told_to_the_model() {
    for wire in [Wire::Chat, Wire::Responses] {
        let turn = turn(wire, &calls(wire, &[("nobody", "c1", &json!("{}")), ("f", "c2", &json!("{}"))]));
        assert_eq!(turn.calls(), [("f", "{}")], "{wire:?}");
        assert!(turn.complaints().first().is_some_and(|error| error.contains("nobody")), "{wire:?}");
    }
}

#[test]
fn f19_two_calls_with_one_id_are_two_calls() {
    for wire in [Wire::Chat, Wire::Responses] {
        let said = calls(wire, &[("f", "c", &json!(r#"{"n":1}"#)), ("g", "c", &json!(r#"{"n":2}"#))]);
        let turn = turn(wire, &said);
        assert_eq!(turn.calls(), [("f", r#"{"n":1}"#), ("g", r#"{"n":2}"#)], "{wire:?}");
        let open = &turn.state.turn.as_ref().expect("it waits").open;
        assert_ne!(open[0].call_id, open[1].call_id, "an answer is matched by its id");
    }
}

#[test]
fn f19_a_stream_that_is_no_json_is_an_error_with_a_kind() {
    let deep = format!("data: {}\n\n", "[".repeat(DEEP));
    for wire in [Wire::Chat, Wire::Responses] {
        for said in [
            "data: {\"a\":\n\n",
            "data: {} {}\n\n",
            "data: NaN\n\n",
            "data: {\"a\":1e999}\n\n",
            "data: {\"a\":\"\\ud800\"}\n\n",
            &deep,
        ] {
            let heard = hear(wire, 200, "text/event-stream", said.as_bytes(), 0);
            let kind = heard.finish.as_ref().err().map(|error| error.kind);
            assert_eq!(kind, Some(ModelErrorKind::Protocol), "{wire:?}: {:.60}", said);
            assert_eq!(record(heard).calls(), [("", ""); 0]);
        }
    }
}

#[test]
fn f19_what_has_another_type_than_it_should_is_never_half_a_call() {
    for wire in [Wire::Chat, Wire::Responses] {
        for wrong in [json!(null), json!(7), json!([]), json!({"a": 1})] {
            // Whatever becomes of it: `record` looks whether it is sound.
            turn(wire, &calls(wire, &[("f", "c1", &wrong)]));
        }
    }
}
