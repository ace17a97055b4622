//! What outcrop promises beyond the API: streams that can be resumed at any event, and inputs that are taken together or
//! not at all. A server that numbers no events does not offer it, and is not asked.

use super::Row;
use crate::client::Call;
use crate::endpoint::Method::Get;
use crate::frames::Frame;
use crate::probe::{IDLE, Probe, Reader, message};
use crate::trouble::Trouble;
use serde_json::json;

pub const CHECKS: &[Row] = &[
    ("outcrop.id-line", "Every event's id line is its event_id.", "beyond the API: resuming"),
    ("outcrop.id-of-session", "No two sessions share an event id.", "beyond the API: resuming"),
    (
        "outcrop.last-event-id",
        "From every event on, Last-Event-ID gives the rest: nothing missing, nothing twice.",
        "beyond the API: resuming",
    ),
    ("outcrop.after", "after in the query does the same.", "beyond the API: resuming"),
    ("outcrop.same-ids", "What is read again from the log has the ids that it had.", "beyond the API: resuming"),
    (
        "outcrop.foreign-id",
        "A Last-Event-ID that is no event of this session is passed over.",
        "beyond the API: resuming",
    ),
    ("outcrop.unknown-after", "An unknown id in after is a 404.", "beyond the API: resuming"),
    ("outcrop.together", "Inputs of one request are taken together or not at all.", "beyond the API: inputs"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: resuming, together);
}

fn id(frame: &Frame) -> &str {
    frame.text("/event_id").unwrap_or_default()
}

async fn resuming(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let whole = &turned.reader.frames;
    if whole.iter().all(|frame| frame.id.is_none()) {
        let ids: Vec<&str> = CHECKS.iter().map(|row| row.0).filter(|id| *id != "outcrop.together").collect();
        probe.skip_all(&ids, "this server's streams cannot be resumed: events have no id line");
        return Ok(());
    }
    let evidence = turned.reader.evidence();
    let wrong = whole.iter().find(|frame| frame.id.as_deref() != Some(id(frame)));
    probe.that("outcrop.id-line", wrong.is_none(), "id: event_id", format!("{wrong:?}"), &evidence);
    let other = probe.idle("hello").await?;
    let shared = other.reader.frames.iter().find(|frame| whole.iter().any(|own| id(own) == id(frame)));
    probe.that("outcrop.id-of-session", shared.is_none(), "other ids", format!("{shared:?}"), &other.reader.evidence());
    for at in 0..whole.len() - 1 {
        let call = Call::new(Get, turned.path("/events?include_obfuscation=false"));
        let reader = rest(probe, call.with("last-event-id", id(&whole[at]))).await?;
        resumed(probe, "outcrop.last-event-id", whole, &reader, at);
    }
    let middle = whole.len() / 2;
    let path = format!("/events?include_obfuscation=false&after={}", id(&whole[middle]));
    let reader = rest(probe, Call::new(Get, turned.path(&path))).await?;
    resumed(probe, "outcrop.after", whole, &reader, middle);
    foreign(probe, &turned.session, id(&other.reader.frames[0])).await?;
    match probe.open(Call::new(Get, turned.path("/events?after=evt_that_is_not_there"))).await? {
        Err(answer) => probe.missing("outcrop.unknown-after", &answer),
        Ok(reader) => probe.that("outcrop.unknown-after", false, 404, reader.stream.status, &reader.evidence()),
    }
    Ok(())
}

/// What a resumed stream says up to idle.
async fn rest(probe: &mut Probe, call: Call) -> Result<Reader, Trouble> {
    let opened = probe.open(call).await?;
    let mut reader = opened.map_err(|answer| Trouble::Useless(format!("no stream: {}", answer.evidence)))?;
    probe.until(&mut reader, &[IDLE]).await?;
    Ok(reader)
}

/// Runs of deltas may be cut otherwise: their text is compared, and all other events one by one.
fn resumed(probe: &mut Probe, check: &str, whole: &[Frame], reader: &Reader, at: usize) {
    let told = |frames: &[Frame]| -> (Vec<String>, String) {
        let (deltas, others): (Vec<&Frame>, Vec<&Frame>) =
            frames.iter().partition(|frame| frame.kind().ends_with("output_text.delta"));
        let text = deltas.iter().filter_map(|frame| frame.text("/delta")).collect();
        (others.iter().map(|frame| frame.kind().to_owned()).collect(), text)
    };
    let (wanted, came) = (told(&whole[at + 1..]), told(&reader.frames));
    probe.that(check, wanted == came, format!("{wanted:?}"), format!("{came:?}"), &reader.evidence());
    // What streams ahead of the log (an item's beginning, its text) has other ids when it is read from the log.
    let ids = |frames: &[Frame]| -> Vec<String> {
        let logged = |kind: &str| !kind.contains(".output_text.") && !kind.contains("_part.");
        frames
            .iter()
            .filter(|f| logged(f.kind()) && f.data["item"]["role"] != "assistant")
            .map(|f| id(f).to_owned())
            .collect()
    };
    let (wanted, came) = (ids(&whole[at + 1..]), ids(&reader.frames));
    probe.that("outcrop.same-ids", wanted == came, wanted.join(" "), came.join(" "), &reader.evidence());
}

async fn foreign(probe: &mut Probe, session: &str, id: &str) -> Result<(), Trouble> {
    let call = Call::new(Get, format!("/agents/sessions/{session}/events")).with("last-event-id", id);
    let opened = probe.open(call).await?;
    let mut reader = opened.map_err(|answer| Trouble::Useless(format!("no stream: {}", answer.evidence)))?;
    probe.input(session, &[message("second")]).await?;
    let first = probe.next(&mut reader).await?;
    let kind = first.as_ref().map_or("", Frame::kind);
    probe.that("outcrop.foreign-id", kind == "agent.session.turn.created", "turn.created", kind, &reader.evidence());
    probe.until(&mut reader, &[IDLE]).await?;
    Ok(())
}

async fn together(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    if turned.reader.frames.iter().all(|frame| frame.id.is_none()) {
        probe.skip("outcrop.together", "this server does not promise it");
        return Ok(());
    }
    let unknown = json!({"type": "agent.session.input.tool_result", "turn_id": "turn_x", "call_id": "call_x",
        "success": true, "output": "x"});
    let answer = probe.input(&turned.session, &[message("lost"), unknown]).await?;
    probe.status("outcrop.together", &answer, 400);
    let turns = probe.get(turned.path("/turns")).await?;
    let count = turns.json["data"].as_array().map_or(0, Vec::len);
    probe.that("outcrop.together", count == 1, "1 turn", count, &turns.evidence);
    Ok(())
}
