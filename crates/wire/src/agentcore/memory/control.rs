//! Requests of the control plane: memories themselves.

use super::filter::{checked, key, required};
use super::ids::misshapen;
use super::{not_served, token};
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::{Word, words};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Days that events are kept.
const FEWEST_DAYS: u64 = 3;
const MOST_DAYS: u64 = 3650;
const DESCRIPTION: usize = 4096;
const KEYS: usize = 10;
const TAGS: usize = 50;

words! {
    KeyType {
        String => "STRING",
        Stringlist => "STRINGLIST",
        Number => "NUMBER",
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IndexedKey {
    pub key: String,
    /// As it is written.
    pub kind: &'static str,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryCreate {
    pub name: String,
    pub description: Option<String>,
    pub days: u32,
    pub role: Option<String>,
    pub indexed_keys: Vec<IndexedKey>,
    pub tags: BTreeMap<String, String>,
    pub token: Option<String>,
}

impl MemoryCreate {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let read = Self {
            name: name(required(&mut object, "name")?)?,
            description: description(&mut object)?,
            days: days(required(&mut object, "eventExpiryDuration")?)?,
            role: role(&mut object)?,
            indexed_keys: keys(&mut object, "indexedKeys")?,
            tags: object.present("tags").map(tags).transpose()?.unwrap_or_default(),
            token: token(&mut object)?,
        };
        if let Some(node) = object.present("memoryStrategies") {
            no_strategies(&node)?;
        }
        if let Some(node) = object.present("encryptionKeyArn") {
            return Err(not_served(&node, "it keeps memories as it keeps everything else, under no key of a client."));
        }
        no_records(&mut object)?;
        object.finish()?;
        Ok(read)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemoryUpdate {
    pub description: Option<String>,
    pub days: Option<u32>,
    pub role: Option<String>,
    pub more_keys: Vec<IndexedKey>,
}

impl MemoryUpdate {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let read = Self {
            description: description(&mut object)?,
            days: object.present("eventExpiryDuration").map(days).transpose()?,
            role: role(&mut object)?,
            more_keys: keys(&mut object, "addIndexedKeys")?,
        };
        token(&mut object)?;
        if let Some(node) = object.present("memoryStrategies") {
            let mut strategies = node.object()?;
            for member in ["addMemoryStrategies", "modifyMemoryStrategies", "deleteMemoryStrategies"] {
                strategies.present(member).map_or(Ok(()), |node| no_strategies(&node))?;
            }
            strategies.finish()?;
        }
        no_records(&mut object)?;
        object.finish()?;
        Ok(read)
    }
}

/// A list without any is what clients send that want none.
fn no_strategies(node: &Node) -> Result<(), Fault> {
    match node.value() {
        Value::Array(strategies) if strategies.is_empty() => Ok(()),
        Value::Array(_) => Err(not_served(node, "it keeps events and draws no records from them.")),
        _ => Err(node.mistyped("an array of objects")),
    }
}

fn no_records(object: &mut Object) -> Result<(), Fault> {
    for member in ["namespaceKeys", "streamDeliveryResources"] {
        if let Some(node) = object.present(member) {
            return Err(not_served(&node, "it is about records, which are not drawn here."));
        }
    }
    Ok(())
}

/// A letter, then letters, digits and `_`, 48 in all.
fn name(node: Node) -> Result<String, Fault> {
    let at = node.path().to_owned();
    let name = node.string()?;
    let fits = name.len() <= 48
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if fits { Ok(name) } else { Err(misshapen(&at, &name)) }
}

fn description(object: &mut Object) -> Result<Option<String>, Fault> {
    object.present("description").map(|node| node.short_text(DESCRIPTION)).transpose()
}

fn days(node: Node) -> Result<u32, Fault> {
    Ok(u32::try_from(node.integer(FEWEST_DAYS, MOST_DAYS)?).unwrap_or(u32::MAX))
}

fn role(object: &mut Object) -> Result<Option<String>, Fault> {
    let Some(node) = object.present("memoryExecutionRoleArn") else { return Ok(None) };
    let at = node.path().to_owned();
    let role = node.string()?;
    let parts: Vec<&str> = role.splitn(6, ':').collect();
    let is_part = |part: &&str| {
        part.len() <= 63
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
    };
    let fits = match parts.as_slice() {
        ["arn", partition, middle @ .., resource] => {
            middle.len() == 3
                && !partition.is_empty()
                && is_part(partition)
                && middle.iter().all(is_part)
                && (1..=1024).contains(&resource.len())
                && !resource.starts_with('/')
        }
        _ => false,
    };
    if fits { Ok(Some(role)) } else { Err(misshapen(&at, &role)) }
}

fn keys(object: &mut Object, member: &str) -> Result<Vec<IndexedKey>, Fault> {
    let Some(node) = object.present(member) else { return Ok(Vec::new()) };
    let nodes = node.sized_array("an array of objects", 1, KEYS)?;
    nodes
        .into_iter()
        .map(|node| {
            let mut object = node.object()?;
            let key = key(required(&mut object, "key")?)?;
            let kind: KeyType = required(&mut object, "type")?.word()?;
            object.finish()?;
            Ok(IndexedKey { key, kind: kind.as_str() })
        })
        .collect()
}

fn tags(node: Node) -> Result<BTreeMap<String, String>, Fault> {
    let path = node.path().to_owned();
    let entries = node.entries()?;
    if entries.len() > TAGS {
        return Err(Fault::at(&path, format!("Invalid '{path}': at most {TAGS} tags, not {}.", entries.len())));
    }
    entries
        .map(|(name, node)| {
            let at = node.path().to_owned();
            Ok((checked(name, 1..=128, &at)?, checked(node.string()?, 0..=256, &at)?))
        })
        .collect()
}
