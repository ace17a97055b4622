//! Every neutral event as its frame.

use super::*;
use crate::agents::samples;
use crate::stage::Sevens;
use serde_json::{Value, json};
use types::{EventId, Phase, Seq, TurnError};

/// The data of an event's frame; checks what surrounds it.
fn data(body: EventBody, padding: &Padding) -> Option<Value> {
    let event = Event { id: EventId::Record { seq: Seq(7), index: 2, draft: None }, body };
    let mut frame = Vec::new();
    write_frame(&mut frame, &"sess_1".into(), &event, padding, "https://host/v1/agents/api");
    if frame.is_empty() {
        return None;
    }
    let text = std::str::from_utf8(&frame).unwrap();
    let lines: Vec<&str> = text.split('\n').collect();
    let [name, data, id, "", ""] = lines.as_slice() else { panic!("{text}") };
    let mut data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(*name, format!("event: {}", data["type"].as_str().unwrap()));
    assert_eq!(*id, "id: evt_1_0000000007_0002");
    assert_eq!(data["event_id"], "evt_1_0000000007_0002");
    data.as_object_mut().unwrap().remove("event_id");
    Some(data)
}

/// What clients are told.
pub fn frame(body: EventBody) -> Value {
    data(body, &Padding::Off).unwrap()
}

fn shown(body: EventBody) -> Value {
    frame(body)
}

fn reasoning(summary: &[&str]) -> Arc<Item> {
    let summary = summary.iter().map(|text| (*text).to_owned()).collect();
    samples::item(Some(0), ItemBody::Reasoning { summary, opaque: None })
}

fn message(complete: bool) -> Arc<Item> {
    let (phase, logprobs) = (Phase::Commentary, Vec::new());
    samples::item(
        Some(0),
        ItemBody::AssistantMessage { text: "hi".into(), phase, complete, logprobs, annotations: Vec::new() },
    )
}

#[test]
fn session_events_carry_the_session() {
    let view = samples::session;
    let cases = [
        (EventBody::SessionCreated(view()), "agent.session.created"),
        (EventBody::SessionInProgress(view()), "agent.session.in_progress"),
        (EventBody::SessionIdle(view()), "agent.session.idle"),
        (EventBody::SessionRequiresAction(view()), "agent.session.requires_action"),
        (EventBody::SessionBudgetReached(view()), "agent.session.budget_reached"),
        (EventBody::SessionFailed(view()), "agent.session.failed"),
    ];
    let session = serde_json::to_value(shown::session(&view(), "")).unwrap();
    for (body, name) in cases {
        assert_eq!(shown(body), json!({ "type": name, "session": session }));
    }
}

#[test]
fn turn_events_carry_the_turn_without_usage() {
    let view = samples::turn;
    let mut turn = serde_json::to_value(shown::turn(&"sess_1".into(), &view())).unwrap();
    turn["usage"] = Value::Null;
    let begun = |name| json!({ "type": name, "session_id": "sess_1", "turn_id": "turn_1", "turn": turn });
    assert_eq!(shown(EventBody::TurnCreated(view())), begun("agent.session.turn.created"));
    assert_eq!(shown(EventBody::TurnInProgress(view())), begun("agent.session.turn.in_progress"));
    let ended = |name| {
        let mut event = begun(name);
        event["usage"] = Value::Null;
        event
    };
    assert_eq!(shown(EventBody::TurnCompleted(view())), ended("agent.session.turn.completed"));
    assert_eq!(shown(EventBody::TurnFailed(view())), ended("agent.session.turn.failed"));
    assert_eq!(shown(EventBody::TurnCancelled(view())), ended("agent.session.turn.cancelled"));
}

#[test]
fn errors_have_the_shape_of_the_responses_api() {
    let error = |code: &str| shown(EventBody::Error(TurnError { code: code.into(), message: "m".into() }));
    assert_eq!(
        error("context_length_exceeded"),
        json!({ "type": "error", "session_id": "sess_1", "error": {
            "type": "invalid_request_error", "code": "context_length_exceeded", "message": "m", "param": null } })
    );
    assert_eq!(error("internal_error")["error"]["type"], "server_error");
}

#[test]
fn a_message_begins_empty_whether_from_its_draft_or_its_record() {
    let begun = json!({
        "type": "agent.session.turn.item.added", "session_id": "sess_1", "turn_id": "turn_1", "output_index": 0,
        "item": { "type": "message", "id": "item_1", "turn_id": "turn_1", "role": "assistant",
                  "status": "in_progress", "phase": null, "content": [] },
    });
    assert_eq!(shown(EventBody::ItemAdded(message(true))), begun);
    let draft = EventBody::DraftAdded {
        item: "item_1".into(),
        kind: ItemKind::Message,
        turn: "turn_1".into(),
        output_index: 0,
    };
    assert_eq!(shown(draft), begun);
}

#[test]
fn a_message_ends_with_its_text_and_phase() {
    let done = shown(EventBody::ItemDone(message(true)));
    assert_eq!(
        done,
        json!({
            "type": "agent.session.turn.item.done", "session_id": "sess_1", "turn_id": "turn_1", "output_index": 0,
            "item": { "type": "message", "id": "item_1", "turn_id": "turn_1", "role": "assistant",
                      "status": "completed", "phase": "commentary",
                      "content": [{ "type": "output_text", "text": "hi" }] },
        })
    );
    assert_eq!(shown(EventBody::ItemDone(message(false)))["item"]["status"], "incomplete");
}

#[test]
fn a_dropped_draft_is_incomplete_and_empty() {
    let dropped =
        |kind| EventBody::DraftDropped { item: "item_1".into(), kind, turn: "turn_1".into(), output_index: 3 };
    assert_eq!(
        shown(dropped(ItemKind::Message)),
        json!({
            "type": "agent.session.turn.item.done", "session_id": "sess_1", "turn_id": "turn_1", "output_index": 3,
            "item": { "type": "message", "id": "item_1", "turn_id": "turn_1", "role": "assistant",
                      "status": "incomplete", "phase": null, "content": [] },
        })
    );
    assert_eq!(
        shown(dropped(ItemKind::Reasoning))["item"],
        json!({ "type": "reasoning", "id": "item_1", "turn_id": "turn_1", "status": "incomplete", "summary": [] })
    );
}

#[test]
fn user_messages_and_results_are_only_added_and_have_no_place_in_the_output() {
    let user =
        ItemBody::UserMessage { role: types::Role::User, content: vec![types::Content::Text { text: " ".into() }] };
    let added = shown(EventBody::ItemAdded(samples::item(None, user)));
    assert_eq!((&added["output_index"], &added["item"]["status"]), (&Value::Null, &json!("completed")));
    let result = ItemBody::FunctionCallOutput {
        call_id: "c".into(),
        custom: false,
        apart: None,
        cause: types::Cause::Answered,
        result: types::CallResult::Success(Some(types::CallOutput::Text("ok".into()))),
    };
    assert_eq!(
        shown(EventBody::ItemAdded(samples::item(None, result))),
        json!({
            "type": "agent.session.turn.item.added", "session_id": "sess_1", "turn_id": "turn_1",
            "output_index": null,
            "item": { "type": "function_call_output", "id": "item_1", "turn_id": "turn_1", "call_id": "c",
                      "status": "completed", "output": "ok", "error": null },
        })
    );
}

#[test]
fn a_function_call_is_added_in_progress_and_done_completed() {
    let call = |status| {
        json!({ "type": "function_call", "id": "item_1", "turn_id": "turn_1", "call_id": "c", "name": "f",
                "arguments": { "a": 1 }, "status": status })
    };
    assert_eq!(shown(EventBody::ItemAdded(samples::call()))["item"], call("in_progress"));
    assert_eq!(shown(EventBody::ItemDone(samples::call()))["item"], call("completed"));
}

#[test]
fn text_and_reasoning_are_streamed_in_parts() {
    let (item, turn) = (types::ItemId::new("item_1"), types::TurnId::new("turn_1"));
    let part_added =
        |kind, part| EventBody::PartAdded { item: item.clone(), kind, turn: turn.clone(), output_index: 0, part };
    let delta = |kind, part| EventBody::Delta {
        item: item.clone(),
        kind,
        turn: turn.clone(),
        output_index: 0,
        part,
        text: "h\n".into(),
    };
    let summary = || reasoning(&["a", "b"]);
    let (message_kind, summary_kind) = (ItemKind::Message, ItemKind::Reasoning);
    let cases = [
        (
            part_added(message_kind, 0),
            "content_part.added",
            json!({ "content_index": 0, "part": { "type": "output_text", "text": "" } }),
        ),
        (delta(message_kind, 0), "output_text.delta", json!({ "content_index": 0, "delta": "h\n" })),
        (
            EventBody::TextDone { item: message(true), kind: message_kind, part: 0 },
            "output_text.done",
            json!({ "content_index": 0, "text": "hi" }),
        ),
        (
            EventBody::PartDone { item: message(true), kind: message_kind, part: 0 },
            "content_part.done",
            json!({ "content_index": 0, "part": { "type": "output_text", "text": "hi" } }),
        ),
        (
            part_added(summary_kind, 1),
            "reasoning_summary_part.added",
            json!({ "summary_index": 1, "part": { "type": "summary_text", "text": "" } }),
        ),
        (delta(summary_kind, 1), "reasoning_summary_text.delta", json!({ "summary_index": 1, "delta": "h\n" })),
        (
            EventBody::TextDone { item: summary(), kind: summary_kind, part: 1 },
            "reasoning_summary_text.done",
            json!({ "summary_index": 1, "text": "b" }),
        ),
        (
            EventBody::PartDone { item: summary(), kind: summary_kind, part: 1 },
            "reasoning_summary_part.done",
            json!({ "summary_index": 1, "part": { "type": "summary_text", "text": "b" } }),
        ),
    ];
    for (body, name, own) in cases {
        let mut expected = json!({
            "type": format!("agent.session.turn.{name}"), "session_id": "sess_1", "turn_id": "turn_1",
            "item_id": "item_1", "output_index": 0,
        });
        expected.as_object_mut().unwrap().extend(samples::object(own));
        assert_eq!(shown(body), expected);
    }
}

#[test]
fn only_deltas_are_padded() {
    let delta = |text: &str| EventBody::Delta {
        item: "item_1".into(),
        kind: ItemKind::Message,
        turn: "turn_1".into(),
        output_index: 0,
        part: 0,
        text: text.into(),
    };
    let padding = Padding::From(Arc::new(Sevens));
    for (text, length) in [("a", 15), ("0123456789abcdef", 16), ("", 16)] {
        let data = data(delta(text), &padding).unwrap();
        assert_eq!(data["obfuscation"].as_str().unwrap().len(), length, "{text}");
    }
    assert_eq!(shown(delta("a")).get("obfuscation"), None);
    let done = data(EventBody::ItemDone(message(true)), &padding).unwrap();
    assert_eq!(done.get("obfuscation"), None);
}

#[test]
fn what_is_hidden_has_no_frame() {
    let closed = || samples::item(None, ItemBody::ClosedCall { call_id: "c".into(), reason: "r".into(), apart: None });
    assert_eq!(data(EventBody::ItemAdded(closed()), &Padding::Off), None);
    assert_eq!(data(EventBody::ItemDone(closed()), &Padding::Off), None);
}
