//! Event streams as streams: how they begin, how they are framed, what they hold and when they end.

use super::Row;
use crate::client::Call;
use crate::endpoint::Method::{Get, Post};
use crate::frames::Frame;
use crate::probe::{IDLE, Probe, Reader, message};
use crate::trouble::Trouble;
use serde_json::json;

pub const CHECKS: &[Row] = &[
    ("streams.create-201", "A creation that streams is answered with 201.", "observed 1"),
    ("streams.get-200", "A session's stream is answered with 200.", "§6"),
    ("streams.type", "A stream is text/event-stream.", "§6"),
    ("streams.known", "Every event is of a type that the API has.", "§6"),
    ("streams.event-line", "An event line, where there is one, is the event's type.", "§6"),
    ("streams.live-first", "Whoever has the answer's headers misses nothing that comes after.", "§6"),
    ("streams.no-replay", "A stream shows what happens from now on, not what was.", "§6"),
    ("streams.stays-open", "A session's stream stays open when the session is idle.", "§6; observed 2"),
    ("streams.padding", "Deltas are padded with letters and digits, unless that is not wanted.", "§6"),
    ("streams.no-padding", "include_obfuscation=false leaves the padding out.", "§6"),
    ("streams.no-padding-created", "A creation stream without padding has none.", "§6"),
    ("streams.stream-true", "stream=true in the query changes nothing.", "§6"),
    ("streams.alike", "Two readers see the same events with the same ids.", "§6"),
    ("streams.left", "A reader that leaves does not stop the work.", "§6"),
    ("streams.unknown", "The stream of a session that is not there is a 404.", "§1"),
    ("streams.bad-padding", "include_obfuscation must be true or false.", "observed 14"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: live, padding, left, refused);
}

async fn live(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let made = &turned.reader.stream;
    probe.that("streams.create-201", made.status == 201, 201, made.status, &turned.reader.evidence());
    let mut one = probe.listen(&turned.session).await?;
    let mut other = probe.listen(&turned.session).await?;
    probe.that("streams.get-200", one.stream.status == 200, 200, one.stream.status, &one.evidence());
    for stream in [made, &one.stream] {
        let kind = stream.header("content-type").unwrap_or_default();
        let fine = kind.starts_with("text/event-stream");
        probe.that("streams.type", fine, "text/event-stream", kind, &stream.asked);
    }
    probe.input(&turned.session, &[message("second")]).await?;
    probe.until(&mut one, &[IDLE]).await?;
    probe.until(&mut other, &[IDLE]).await?;
    let first = one.frames.first().map_or("", Frame::kind).to_owned();
    let fresh = first == "agent.session.turn.created";
    probe.that("streams.live-first", fresh, "turn.created", &first, &one.evidence());
    let old = one.frames.iter().any(|frame| frame.kind() == "agent.session.created");
    let text = one.frames.iter().filter_map(|frame| frame.text("/item/content/0/text")).next().unwrap_or_default();
    probe.that("streams.no-replay", !old && text == "second", "the second message first", text, &one.evidence());
    let ids = |reader: &Reader| -> Vec<String> {
        reader.frames.iter().filter_map(|frame| frame.text("/event_id")).map(str::to_owned).collect()
    };
    // A slow reader may be given fewer, longer deltas; all else is the same.
    let whole = |reader: &Reader| -> Vec<String> {
        let kept = reader.frames.iter().filter(|frame| !frame.kind().ends_with("text.delta"));
        kept.filter_map(|frame| frame.text("/event_id")).map(str::to_owned).collect()
    };
    let same = whole(&one) == whole(&other);
    probe.that("streams.alike", same, ids(&one).join(" "), ids(&other).join(" "), &other.evidence());
    probe.input(&turned.session, &[message("third")]).await?;
    let third = probe.until(&mut one, &[IDLE]).await;
    probe.that("streams.stays-open", third.is_ok(), "a third turn on the same stream", "none", &one.evidence());
    let lines = one.frames.iter().chain(&turned.reader.frames);
    let wrong = lines.clone().find(|frame| frame.event.as_deref().is_some_and(|line| line != frame.kind()));
    probe.that("streams.event-line", wrong.is_none(), "the type", format!("{wrong:?}"), &one.evidence());
    let known = probe.facts.shapes.tags("AgentSessionEvent");
    let strange = lines.clone().find(|frame| !known.iter().any(|kind| kind == frame.kind()));
    probe.that("streams.known", strange.is_none(), "a known type", format!("{strange:?}"), &one.evidence());
    Ok(())
}

/// The padding of all deltas, None where there is none.
fn padded(reader: &Reader) -> Vec<Option<&str>> {
    let deltas = reader.frames.iter().filter(|frame| frame.kind().ends_with(".delta"));
    deltas.map(|frame| frame.text("/obfuscation")).collect()
}

async fn padding(probe: &mut Probe) -> Result<(), Trouble> {
    let turned = probe.idle("hello").await?;
    let none = padded(&turned.reader);
    let bare = none.iter().all(Option::is_none) && !none.is_empty();
    probe.that("streams.no-padding-created", bare, "no obfuscation", format!("{none:?}"), &turned.reader.evidence());
    for (id, query, wanted) in [
        ("streams.padding", "", true),
        ("streams.no-padding", "?include_obfuscation=false", false),
        ("streams.stream-true", "?stream=true", true),
    ] {
        let opened = probe.open(Call::new(Get, turned.path(&format!("/events{query}")))).await?;
        let mut reader = match opened {
            Ok(reader) => reader,
            Err(answer) => {
                probe.status(id, &answer, 200);
                continue;
            }
        };
        probe.input(&turned.session, &[message("hello again")]).await?;
        probe.until(&mut reader, &[IDLE]).await?;
        let letters = |pad: &Option<&str>| {
            pad.is_some_and(|pad| !pad.is_empty() && pad.bytes().all(|b| b.is_ascii_alphanumeric()))
        };
        let came = padded(&reader);
        let fine = if wanted { came.iter().all(letters) } else { came.iter().all(Option::is_none) };
        let expected = if wanted { "letters and digits" } else { "no obfuscation" };
        probe.that(id, fine && !came.is_empty(), expected, format!("{came:?}"), &reader.evidence());
    }
    Ok(())
}

async fn left(probe: &mut Probe) -> Result<(), Trouble> {
    let mut body = probe.session("hello");
    body["stream"] = json!(true);
    let opened = probe.open(Call::new(Post, "/agents/sessions").json(body)).await?;
    let mut reader = opened.map_err(|answer| Trouble::Useless(answer.evidence))?;
    let first = probe.next(&mut reader).await?;
    let session = first.as_ref().and_then(|frame| frame.text("/session/id")).unwrap_or_default().to_owned();
    drop(reader);
    let idle = probe.settle(&session, &["idle"]).await?;
    let items = probe.get(format!("/agents/sessions/{session}/items?order=asc")).await?;
    let answered = items.json.pointer("/data/1/role").is_some_and(|role| role == "assistant");
    probe.that("streams.left", answered, "an answer among the items", &items.json, &idle.evidence);
    Ok(())
}

async fn refused(probe: &mut Probe) -> Result<(), Trouble> {
    let unknown = probe.open(Call::new(Get, "/agents/sessions/sess_that_is_not_there/events")).await?;
    match unknown {
        Err(answer) => probe.missing("streams.unknown", &answer),
        Ok(reader) => probe.that("streams.unknown", false, 404, reader.stream.status, &reader.evidence()),
    }
    let turned = probe.idle("hello").await?;
    match probe.open(Call::new(Get, turned.path("/events?include_obfuscation=maybe"))).await? {
        Err(answer) => probe.invalid("streams.bad-padding", &answer),
        Ok(reader) => probe.that("streams.bad-padding", false, 400, reader.stream.status, &reader.evidence()),
    }
    Ok(())
}
