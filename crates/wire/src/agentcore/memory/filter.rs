//! What lists of events are filtered by, and the metadata of events.

use super::ids::{is_name, misshapen};
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::words;
use std::collections::BTreeMap;

/// Pairs of an event.
const PAIRS: usize = 15;
/// Conditions of a filter.
const CONDITIONS: usize = 5;

words! {
    Operator {
        EqualsTo => "EQUALS_TO",
        Exists => "EXISTS",
        NotExists => "NOT_EXISTS",
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BranchFilter {
    pub name: String,
    pub parents: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    Equals(String, String),
    Exists(String),
    Lacks(String),
}

pub(super) fn filter(node: Node) -> Result<(Option<BranchFilter>, Vec<Condition>), Fault> {
    let mut object = node.object()?;
    let branch = object.present("branch").map(branch_filter).transpose()?;
    let conditions = object.present("eventMetadata").map(conditions).transpose()?.unwrap_or_default();
    object.finish()?;
    Ok((branch, conditions))
}

fn branch_filter(node: Node) -> Result<BranchFilter, Fault> {
    let mut object = node.object()?;
    let name = branch_name(required(&mut object, "name")?)?;
    let parents = object.present("includeParentBranches").map(Node::boolean).transpose()?.unwrap_or(false);
    object.finish()?;
    Ok(BranchFilter { name, parents })
}

fn conditions(node: Node) -> Result<Vec<Condition>, Fault> {
    node.sized_array("an array of objects", 1, CONDITIONS)?.into_iter().map(condition).collect()
}

fn condition(node: Node) -> Result<Condition, Fault> {
    let mut object = node.object()?;
    let mut left = required(&mut object, "left")?.object()?;
    let key = key(required(&mut left, "metadataKey")?)?;
    left.finish()?;
    let operator: Operator = required(&mut object, "operator")?.word()?;
    let right = object.present("right");
    let condition = match (operator, right) {
        (Operator::EqualsTo, Some(right)) => {
            let mut right = right.object()?;
            let value = value(required(&mut right, "metadataValue")?)?;
            right.finish()?;
            Condition::Equals(key, value)
        }
        (Operator::EqualsTo, None) => return Err(object.missing("right")),
        (_, Some(right)) => {
            let text = format!("Invalid '{}': EXISTS and NOT_EXISTS compare with nothing.", right.path());
            return Err(Fault::at(right.path(), text));
        }
        (Operator::Exists, None) => Condition::Exists(key),
        (Operator::NotExists, None) => Condition::Lacks(key),
    };
    object.finish()?;
    Ok(condition)
}

/// What an event says of itself.
pub(super) fn metadata(node: Node) -> Result<BTreeMap<String, String>, Fault> {
    let path = node.path().to_owned();
    let entries = node.entries()?;
    if entries.len() > PAIRS {
        let text = format!("Invalid '{path}': an event has at most {PAIRS} pairs, not {}.", entries.len());
        return Err(Fault::at(&path, text));
    }
    entries
        .map(|(name, node)| {
            let at = node.path().to_owned();
            Ok((checked(name, 1..=128, &at)?, value(node)?))
        })
        .collect()
}

fn value(node: Node) -> Result<String, Fault> {
    let mut object = node.object()?;
    let node = required(&mut object, "stringValue")?;
    let at = node.path().to_owned();
    let text = checked(node.string()?, 0..=256, &at)?;
    object.finish()?;
    Ok(text)
}

pub(super) fn key(node: Node) -> Result<String, Fault> {
    let at = node.path().to_owned();
    checked(node.string()?, 1..=128, &at)
}

/// Letters, digits, white space and `._:/=+@-`.
pub(super) fn checked(text: String, length: std::ops::RangeInclusive<usize>, path: &str) -> Result<String, Fault> {
    // White space as in the patterns of the model, and not all that Unicode knows.
    let fits = |letter: char| letter.is_ascii_alphanumeric() || " \t\n\r\u{b}\u{c}._:/=+@-".contains(letter);
    if length.contains(&text.len()) && text.chars().all(fits) { Ok(text) } else { Err(misshapen(path, &text)) }
}

pub(super) fn branch_name(node: Node) -> Result<String, Fault> {
    let at = node.path().to_owned();
    let name = node.string()?;
    if is_name(&name) { Ok(name) } else { Err(misshapen(&at, &name)) }
}

/// A member that must be there and not null.
pub(super) fn required(object: &mut Object, key: &str) -> Result<Node, Fault> {
    object.present(key).ok_or_else(|| object.missing(key))
}
