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

/// The token that ends an answer; those before it are the bytes.
const END: u32 = 256;
/// What may be said beside the shortest answer, in bytes.
const ROOM: u64 = 200;

/// Writes an answer under `schema`; each of `choices` picks one byte among those that are allowed. Whatever they are, the
/// answer comes to an end: a rule that breaks is a defect, and panics.
pub fn spell(schema: &Map<String, Value>, choices: &[u8]) -> Result<Vec<u8>, SchemaRefusal> {
    let place = Place::new("schema");
    measure(schema, &mut 0, &place)?;
    let mut pieces: Vec<Box<[u8]>> = (0..=u8::MAX).map(|byte| vec![byte].into_boxed_slice()).collect();
    pieces.push(Box::default());
    let tokens = Arc::new(Tokens::new(pieces, vec![END]));
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
    for _ in 0..=most {
        let mask = rule.mask()?.unwrap_or_default();
        let allowed: Vec<u32> = (0..=END).filter(|token| mask[*token as usize / 32] >> (token % 32) & 1 == 1).collect();
        let token = match choices.next() {
            Some(choice) => allowed[usize::from(choice) % allowed.len()],
            // Whoever has no more to say closes what is open.
            None => [END, u32::from(b'"'), u32::from(b'}'), u32::from(b']')]
                .into_iter()
                .find(|token| allowed.contains(token))
                .unwrap_or(allowed[0]),
        };
        text.extend(u8::try_from(token));
        if rule.take(token)? {
            return Ok(text);
        }
    }
    Err(ConstraintError("the answer has no end".to_owned()))
}
