//! Bodies of requests: the gate, then every reader of the Agents API on what came through it.

use serde_json::{Map, Value};
use wire::agents::request::{AgentCreate, AgentUpdate, Input, SessionCreate, SessionUpdate};
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
    let again = body::parse(Some("application/json"), text.as_bytes()).map(Value::Object);
    assert!(again.is_ok_and(|again| alike(&again, &value)), "not read again: {text}");
    for fault in [
        SessionCreate::read(map.clone()).err(),
        SessionUpdate::read(map.clone()).err(),
        Input::read_all(map.clone()).err(),
        AgentCreate::read(map.clone()).err(),
        AgentUpdate::read(map.clone()).err(),
    ]
    .into_iter()
    .flatten()
    {
        told(&fault);
    }
}

fn told(fault: &Fault) {
    assert!(!fault.message.is_empty(), "a fault without words");
    assert!(fault.message.len() <= LONGEST_MESSAGE, "a message of {} bytes", fault.message.len());
}

/// The same but for the last digit of fractions: they are read fast, not to the last bit.
fn alike(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| alike(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let mut entries = one.iter().zip(other);
            one.len() == other.len() && entries.all(|(one, other)| one.0 == other.0 && alike(one.1, other.1))
        }
        (Value::Number(one), Value::Number(other)) if one.is_f64() && other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap_or_default(), other.as_f64().unwrap_or_default());
            (one - other).abs() <= one.abs() * 1e-15
        }
        _ => one == other,
    }
}
