//! Bodies of requests: the gate, then every reader of the Agents API on what came through it.

use serde_json::{Map, Value};
use wire::agents::EnvironmentKind;
use wire::agents::request::{
    AgentCreate, AgentUpdate, EnvironmentCreate, FileParam, Input, SessionCreate, SessionUpdate, TemplateCreate,
    TemplateUpdate,
};
use wire::{Fault, body};

/// A message of ours repeats at most short pieces of what it complains about.
const LONGEST_MESSAGE: usize = 4096;

pub fn target(data: &[u8]) {
    match body::parse(Some("application/json"), data) {
        Ok(map) => taken(data, &map),
        Err(fault) => told(&fault),
    }
}

/// What the gate lets through is what any JSON reader finds, and is let through again as we would write it.
fn taken(data: &[u8], map: &Map<String, Value>) {
    let value = Value::Object(map.clone());
    let plain: Value = serde_json::from_slice(data).expect("the gate took what is no JSON");
    assert!(plain == value || plain == Value::Array(Vec::new()), "the gate reads {plain} as {value}");
    let text = value.to_string();
    let again = body::parse(Some("application/json"), text.as_bytes()).map(|map| Value::Object(map).to_string());
    assert!(again.is_ok_and(|again| again == text), "not read again: {text}");
    for fault in [
        SessionCreate::read(map.clone()).and_then(environment).err(),
        SessionUpdate::read(map.clone()).err(),
        Input::read_all(map.clone()).err(),
        AgentCreate::read(map.clone()).err(),
        AgentUpdate::read(map.clone()).err(),
        EnvironmentCreate::read(map.clone()).err(),
        TemplateCreate::read(map.clone()).err(),
        TemplateUpdate::read(map.clone()).err(),
        FileParam::read(map.clone()).err(),
    ]
    .into_iter()
    .flatten()
    {
        told(&fault);
    }
}

/// A session's environment is read whole by those who have it.
fn environment(session: SessionCreate) -> Result<(), Fault> {
    let environment = session.environment;
    match environment.kind {
        EnvironmentKind::None => Ok(()),
        EnvironmentKind::OpenaiHosted => environment.hosted().map(drop),
        EnvironmentKind::SelfHosted => environment.self_hosted().map(drop),
    }
}

fn told(fault: &Fault) {
    assert!(!fault.message.is_empty(), "a fault without words");
    assert!(fault.message.len() <= LONGEST_MESSAGE, "a message of {} bytes", fault.message.len());
}
