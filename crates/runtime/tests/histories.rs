//! Logs that earlier versions wrote (tests/histories), replayed by this one: each record is read and written again to
//! the same bytes, the hash chain holds, and the fold comes to the head and the events that were noted when it was
//! recorded. `OUTCROP_RECORD=1` notes them for histories that have no note yet; it changes none.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test: it fails loudly, and one variable says whether it notes"
)]

use engine::State;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use store::chain::{self, GENESIS};
use types::{Encoded, Event, EventBody, Item, ProjectId, Record, Seq, SessionId, SessionView, Timestamp, TurnView};

#[derive(Deserialize)]
struct Header {
    project: String,
    session: String,
}

#[derive(Deserialize)]
struct Line {
    seq: u64,
    v: u32,
    kind: String,
    turn: Option<String>,
    item: Option<String>,
    at: u64,
    body: String,
    hash: String,
}

impl Line {
    fn encoded(&self) -> Encoded {
        Encoded {
            at: Timestamp(self.at),
            v: self.v,
            kind: self.kind.clone(),
            turn: self.turn.as_deref().map(Into::into),
            item: self.item.as_deref().map(Into::into),
            body: self.body.clone().into_bytes(),
        }
    }
}

/// Every kind that can be reached in this version.
const KINDS: [&str; 31] = [
    "abandoned",
    "approval_answered",
    "approval_asked",
    "assistant_message",
    "closed_call",
    "committed",
    "compaction",
    "environment_changed",
    "forked",
    "function_call",
    "function_call_output",
    "intended",
    "item_removed",
    "late",
    "malformed_call",
    "program_paused",
    "reasoning",
    "recovered",
    "session_created",
    "session_failed",
    "session_updated",
    "settled",
    "tool_call",
    "tool_outcome",
    "tools_offered",
    "turn_created",
    "turn_ended",
    "turn_held",
    "turn_removed",
    "turn_started",
    "user_message",
];

fn histories() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/histories");
    let folder = |path: &Path| {
        let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        entries.map(|entry| entry.expect("a folder's entry").path()).collect::<Vec<_>>()
    };
    let versions = folder(&root).into_iter().filter(|path| path.is_dir());
    let mut files: Vec<_> = versions.flat_map(|version| folder(&version)).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    files
}

fn read(file: &Path) -> (Header, Vec<Line>) {
    let text = fs::read_to_string(file).expect("a history");
    let mut lines = text.lines();
    let header = serde_json::from_str(lines.next().expect("a header")).expect("a header");
    (header, lines.map(|line| serde_json::from_str(line).expect("a record's line")).collect())
}

/// Of a fork: the session whose records it shares, and its own first one.
fn parent(lines: &[Line]) -> Option<(SessionId, u64)> {
    let own = lines.iter().find(|line| line.kind == "forked")?;
    let body: Value = serde_json::from_str(&own.body).expect("a body");
    Some((SessionId::new(body["parent"].as_str().expect("a parent")), own.seq))
}

/// Replays one history; what it comes to, as the note says it: the head, then a line an event.
fn replay(file: &Path) -> String {
    let (Header { project, session }, lines) = read(file);
    let (project, session) = (ProjectId::new(project), SessionId::new(session));
    let mut state = State::new(session.clone());
    let (mut hash, mut events) = (GENESIS, String::new());
    let base = parent(&lines);
    for (line, seq) in lines.iter().zip(1..) {
        let owner = base.as_ref().filter(|(_, own)| seq < *own).map_or(&session, |(parent, _)| parent);
        let place = format!("{}, record {seq} ({})", file.display(), line.kind);
        assert_eq!(line.seq, seq, "{place}");
        let encoded = line.encoded();
        hash = chain::link(&hash, &project, owner, Seq(seq), &encoded, &chain::of_body(&encoded.body));
        assert_eq!(chain::hex(&hash), line.hash, "{place}: the chain");
        let record = Record::decode(&encoded).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(record.encode(), encoded, "{place}: written again, it differs");
        for event in engine::apply(&mut state, Seq(seq), &record) {
            writeln!(events, "{}", tell(&event, &session)).expect("a string");
        }
    }
    let head = serde_json::to_string(&engine::head(&state)).expect("a head");
    format!("{head}\n{events}")
}

/// What is fixed of an event for ever: its place, its kind, whose it is and what it says. Fields may be added to events
/// without changing this.
fn tell(event: &Event, session: &SessionId) -> String {
    use EventBody as B;
    let view = |name: &str, view: &SessionView| {
        format!("{name} {:?} {} actions", view.head.status, view.head.required_actions.len())
    };
    let turn = |name: &str, turn: &TurnView| format!("{name} {} {:?}", turn.id, turn.status);
    let item = |name: &str, item: &Item| format!("{name} {} {} of {}", item.body.kind(), item.id, item.turn);
    let said = match &event.body {
        B::SessionCreated(session) => view("session_created", session),
        B::SessionInProgress(session) => view("session_in_progress", session),
        B::SessionIdle(session) => view("session_idle", session),
        B::SessionRequiresAction(session) => view("session_requires_action", session),
        B::SessionBudgetReached(session) => view("session_budget_reached", session),
        B::SessionFailed(session) => view("session_failed", session),
        B::TurnCreated(view) => turn("turn_created", view),
        B::TurnInProgress(view) => turn("turn_in_progress", view),
        B::TurnCompleted(view) => turn("turn_completed", view),
        B::TurnFailed(view) => turn("turn_failed", view),
        B::TurnCancelled(view) => turn("turn_cancelled", view),
        B::Error(error) => format!("error {}: {}", error.code, error.message),
        B::ItemAdded(added) => item("item_added", added),
        B::ItemDone(done) => item("item_done", done),
        B::PartAdded { item, part, .. } => format!("part_added {item} {part}"),
        B::Delta { item, part, text, .. } => format!("delta {item} {part} {text:?}"),
        B::TextDone { item, part, .. } => format!("text_done {} {part}", item.id),
        B::PartDone { item, part, .. } => format!("part_done {} {part}", item.id),
        B::AttemptDropped { origin, .. } => format!("attempt_dropped {}.{}", origin.effect.0, origin.attempt.0),
        B::Environment(view) => {
            let known = view.head.environment.as_ref().expect("a session with an environment");
            let why = known.error.as_ref().map_or(String::new(), |error| format!(": {} {}", error.code, error.message));
            format!("environment {} {:?}{why}", known.id, known.status)
        }
        B::EnvironmentReset { environment, count } => format!("environment_reset {environment} {count}"),
        B::CommandOutput { item, text, .. } => format!("command_output {item} {text:?}"),
        B::DraftAdded { .. } | B::DraftDropped { .. } => panic!("a draft is in no record"),
    };
    format!("{} {said}", event.id.text(session))
}

/// Whether all that was noted is still so; fields may have come.
fn holds(noted: &Value, now: &Value) -> bool {
    match (noted, now) {
        (Value::Object(noted), Value::Object(now)) => {
            noted.iter().all(|(name, value)| now.get(name).is_some_and(|now| holds(value, now)))
        }
        (Value::Array(noted), Value::Array(now)) => {
            noted.len() == now.len() && noted.iter().zip(now).all(|(noted, now)| holds(noted, now))
        }
        (noted, now) => noted == now,
    }
}

#[test]
fn f24_f25_recorded_histories_come_to_the_same() {
    let files = histories();
    assert!(!files.is_empty(), "no histories");
    for file in files {
        let now = replay(&file);
        let note = file.with_extension("expected");
        if !note.exists() && std::env::var_os("OUTCROP_RECORD").is_some() {
            fs::write(&note, &now).expect("a note");
        }
        let noted = fs::read_to_string(&note).unwrap_or_else(|error| panic!("{}: {error}", note.display()));
        let (noted_head, noted_events) = noted.split_once('\n').expect("a head and events");
        let (head, events) = now.split_once('\n').expect("a head and events");
        let parse = |head| serde_json::from_str::<Value>(head).expect("a head");
        assert!(holds(&parse(noted_head), &parse(head)), "{}: {head}\nwas {noted_head}", file.display());
        for (event, noted) in events.lines().zip(noted_events.lines()) {
            assert_eq!(event, noted, "{}", file.display());
        }
        assert_eq!(events.lines().count(), noted_events.lines().count(), "{}", file.display());
    }
}

#[test]
fn f25_histories_hold_every_kind() {
    let kinds: BTreeSet<String> = histories().iter().flat_map(|file| read(file).1).map(|line| line.kind).collect();
    let missing: Vec<_> = KINDS.iter().filter(|kind| !kinds.contains(**kind)).collect();
    assert!(missing.is_empty(), "no history holds {missing:?}");
}

#[test]
fn f25_an_unknown_kind_or_version_is_refused_and_not_skipped() {
    for file in histories() {
        let (_, lines) = read(&file);
        let mut newer = lines[0].encoded();
        newer.v = u32::MAX;
        assert!(Record::decode(&newer).expect_err("newer").to_string().contains("newer outcrop"));
        let mut unknown = lines[0].encoded();
        "invented_later".clone_into(&mut unknown.kind);
        assert!(Record::decode(&unknown).expect_err("unknown").to_string().contains("newer outcrop"));
    }
}
