//! What an upstream says, to its end: from bytes to events, to an answer, to records. Whatever was said, no call that
//! may be acted upon is half a call, and the log stays one that can be read.
//!
//! The first byte says how the answer comes: its lower half is the size of the pieces (0: whole), bit 4 makes it one
//! JSON body, bit 5 a refusal with status 500.

use engine::{State, admit, apply};
use models::fuzz::{Heard, Wire, hear};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use types::{
    AgentSettings, Answer, Effect, Entropy, EnvironmentSettings, Input, ItemBody, Message, Record, RecordBody, Review,
    Rules, SessionId, SessionSettings, SessionStatus, Stamp, Timestamp, Tool,
};

pub fn target(wire: Wire, data: &[u8]) {
    let (manner, said) = data.split_first().unwrap_or((&0, &[]));
    let media = if manner & 16 == 0 { "text/event-stream" } else { "application/json" };
    let status = if manner & 32 == 0 { 200 } else { 500 };
    let whole = hear(wire, status, media, said, usize::from(manner & 15));
    if manner & 15 != 0 {
        // Where the network cuts changes nothing.
        assert_eq!(whole, hear(wire, status, media, said, 0), "in pieces and whole");
    }
    record(whole);
}

/// What one turn made of an answer.
#[derive(Debug)]
pub struct Recorded {
    pub state: State,
    pub records: Vec<Record>,
}

impl Recorded {
    /// The calls that the caller is asked to make: name and arguments.
    pub fn calls(&self) -> Vec<(&str, &str)> {
        let mut calls = Vec::new();
        for body in self.bodies() {
            if let ItemBody::FunctionCall { name, arguments, .. } = body {
                calls.push((name.as_str(), arguments.as_str()));
            }
        }
        calls
    }

    /// What the model is told of calls that were none.
    pub fn complaints(&self) -> Vec<&str> {
        let mut complaints = Vec::new();
        for body in self.bodies() {
            if let ItemBody::MalformedCall { error, .. } = body {
                complaints.push(error.as_str());
            }
        }
        complaints
    }

    fn bodies(&self) -> impl Iterator<Item = &ItemBody> {
        self.records.iter().filter_map(|record| match &record.body {
            RecordBody::Item(item) => Some(&item.body),
            _ => None,
        })
    }
}

/// One turn of an agent with the functions `f` and `g` whose model was heard to say this.
pub fn record(heard: Heard) -> Recorded {
    let mut turn = Recorded { state: State::new(SessionId::new("sess_1")), records: Vec::new() };
    let settings = Box::new(settings());
    let input = vec![Message::text("hello")];
    take(&mut turn, Input::Create { session: SessionId::new("sess_1"), settings, input });
    let mut answer = Answer::default();
    for event in heard.events {
        answer.push(event);
    }
    let rules = Rules::default();
    let due = engine::pending(&turn.state, &rules.limits).into_iter().find_map(|effect| match effect {
        Effect::ModelCall { id, attempt, .. } => Some((id, attempt)),
        _ => None,
    });
    let (effect, attempt) = due.expect("a new turn asks its model");
    let context = turn.state.seq;
    let input = match heard.finish {
        Ok(finish) => Input::ModelDone { effect, attempt, context, answer, finish },
        Err(error) => {
            let spoke = answer.has_spoken();
            Input::ModelFailed { effect, attempt, context, error, spoke, retry: true }
        }
    };
    take(&mut turn, input);
    sound(&turn);
    turn
}

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn take(turn: &mut Recorded, input: Input) {
    let mut stamp = Stamp::new(Timestamp(1), &Zeros);
    let records = admit(&turn.state, &Rules::default(), input, &mut stamp).expect("the runtime's own inputs are taken");
    for record in records {
        // What comes back from the store is what is applied.
        let read = Record::decode(&record.encode()).expect("what was written can be read");
        assert_eq!(read, record, "read otherwise than it was written");
        let seq = turn.state.seq.next();
        apply(&mut turn.state, seq, &read);
        turn.records.push(read);
    }
}

fn sound(turn: &Recorded) {
    let mut ids = BTreeSet::new();
    for body in turn.bodies() {
        match body {
            ItemBody::FunctionCall { call_id, name, arguments, .. } => {
                assert!(ids.insert(call_id.clone()), "two calls with the id {call_id}");
                assert!(["f", "g"].contains(&name.as_str()), "a call of {name}, which nobody declared");
                let arguments: Result<Map<String, Value>, _> = serde_json::from_str(arguments);
                assert!(arguments.is_ok(), "a call whose arguments are no object");
            }
            ItemBody::MalformedCall { call_id, error, .. } => {
                assert!(ids.insert(call_id.clone()), "two calls with the id {call_id}");
                assert!(!error.is_empty(), "the model is not told why");
            }
            _ => {}
        }
    }
    let open = turn.state.turn.as_ref().map_or(0, |turn| turn.open.len());
    assert_eq!(turn.state.status == SessionStatus::RequiresAction, open > 0, "who waits for whom");
}

fn settings() -> SessionSettings {
    let function = |name: &str| Tool::Function {
        name: name.to_owned(),
        description: String::new(),
        parameters: Map::new(),
        defer_loading: false,
        is_async: None,
        strict: None,
    };
    SessionSettings {
        agent_id: types::AgentId::new("agent_1"),
        agent_name: None,
        agent: AgentSettings { tools: vec![function("f"), function("g")], ..AgentSettings::new("m") },
        environment: EnvironmentSettings::None,
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::None,
        spend_limit: None,
        metadata: types::Metadata::default(),
        door: types::Door::Agents,
        aws: None,
    }
}
