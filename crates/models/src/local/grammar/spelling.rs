//! An answer that is chosen from outside, for the fuzz targets: byte by byte among what a schema's grammar allows.

use super::super::constraint::{Constraint, ConstraintError};
use super::machine::Machine;
use super::node::Graph;
use super::refusal::Place;
use super::rule::Rule;
use super::tokens::Tokens;
use super::{check_length, json, measure, settle};
use crate::SchemaRefusal;
use serde_json::{Map, Value};
use std::sync::Arc;

/// What may be said beside the shortest answer, in bytes.
const ROOM: u64 = 200;

/// Writes an answer under `schema`; each of `choices` picks one byte among those that are allowed. Whatever they are, the
/// answer comes to an end: a rule that breaks is a defect, and panics.
pub fn spell(schema: &Map<String, Value>, choices: &[u8]) -> Result<Vec<u8>, SchemaRefusal> {
    let place = Place::new("schema");
    measure(schema, &mut 0, &place)?;
    let tokens = Arc::new(Tokens::bytes());
    let mut graph = Graph::default();
    let start = json(schema, &place, &tokens, &mut graph)?;
    settle(&mut graph)?;
    check_length(&graph, start, &place)?;
    let most = u64::from(graph.least(start)) + ROOM;
    let mut rule = Rule::new(Machine::new(graph), start, tokens, most);
    match write(&mut rule, choices, most) {
        Ok(text) => Ok(text),
        #[expect(clippy::panic, reason = "this is how a fuzz target says what does not hold")]
        Err(error) => panic!("{}: {error}", Value::Object(schema.clone())),
    }
}

fn write(rule: &mut dyn Constraint, choices: &[u8], most: u64) -> Result<Vec<u8>, ConstraintError> {
    let mut text = Vec::new();
    let mut choices = choices.iter().copied();
    for _ in 0..most {
        let mask = rule.mask()?.unwrap_or_default();
        let allowed: Vec<u8> =
            (0..=u8::MAX).filter(|byte| mask[usize::from(*byte) / 32] >> (byte % 32) & 1 == 1).collect();
        // Whoever has no more to say closes what is open.
        let choice = choices.next();
        let byte = match choice {
            Some(choice) => allowed[usize::from(choice) % allowed.len()],
            None => [b'"', b'}', b']'].into_iter().find(|byte| allowed.contains(byte)).unwrap_or(allowed[0]),
        };
        text.push(byte);
        if rule.take(u32::from(byte))? {
            return Ok(text);
        }
    }
    Err(ConstraintError("the answer has no end".to_owned()))
}
