//! Requests of the data plane.

use super::filter::{self, BranchFilter, Condition, branch_name, required};
use super::ids::{actor_id, is_event, misshapen, session_id};
use super::{not_served, payload, token};
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::words;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Results of a page where nothing is said, and the most.
const RESULTS: u64 = 20;
const MOST_RESULTS: u64 = 100;
/// The last moment of the year 9999, in seconds.
const LATEST: f64 = 253_402_300_799.999;
const LONGEST_TOKEN: usize = 4096;

words! {
    ExtractionMode { Skip => "SKIP" }
    EventCondition { HasEvents => "HAS_EVENTS" }
}

/// A branch that an event is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Branch {
    pub name: String,
    pub root: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct EventCreate {
    pub actor: String,
    pub session: Option<String>,
    /// Milliseconds since the Unix epoch.
    pub at: u64,
    pub payload: Vec<Value>,
    pub branch: Option<Branch>,
    pub metadata: BTreeMap<String, String>,
    pub unextracted: bool,
    pub token: Option<String>,
}

impl EventCreate {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let actor = required(&mut object, "actorId")?.string()?;
        actor_id(&actor)?;
        let session = object.present("sessionId").map(Node::string).transpose()?;
        session.as_deref().map_or(Ok(()), session_id)?;
        let read = Self {
            actor,
            session,
            at: moment(required(&mut object, "eventTimestamp")?)?,
            payload: payload::parts(required(&mut object, "payload")?)?,
            branch: object.present("branch").map(branch).transpose()?,
            metadata: object.present("metadata").map(filter::metadata).transpose()?.unwrap_or_default(),
            unextracted: object.present("extractionMode").map(Node::word::<ExtractionMode>).transpose()?.is_some(),
            token: token(&mut object)?,
        };
        if let Some(node) = object.present("extractionConfig") {
            return Err(not_served(&node, "it draws no records from events."));
        }
        object.finish()?;
        Ok(read)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded below and above")]
fn moment(node: Node) -> Result<u64, Fault> {
    Ok((node.decimal(0.0, LATEST)? * 1000.0).round() as u64)
}

fn branch(node: Node) -> Result<Branch, Fault> {
    let mut object = node.object()?;
    let name = branch_name(required(&mut object, "name")?)?;
    let root = object.present("rootEventId").map(|node| {
        let at = node.path().to_owned();
        let id = node.string()?;
        if is_event(&id) { Ok(id) } else { Err(misshapen(&at, &id)) }
    });
    let root = root.transpose()?;
    object.finish()?;
    Ok(Branch { name, root })
}

/// What every list is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageAsked {
    pub limit: usize,
    pub token: Option<String>,
}

impl PageAsked {
    fn take(object: &mut Object) -> Result<Self, Fault> {
        let limit = object.present("maxResults").map(|node| node.integer(1, MOST_RESULTS)).transpose()?;
        let token = object.present("nextToken").map(|node| node.short_string(LONGEST_TOKEN)).transpose()?;
        Ok(Self { limit: usize::try_from(limit.unwrap_or(RESULTS)).unwrap_or(1), token })
    }

    /// A list of which nothing else can be asked.
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let read = Self::take(&mut object)?;
        object.finish()?;
        Ok(read)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventsList {
    pub page: PageAsked,
    pub payloads: bool,
    pub branch: Option<BranchFilter>,
    pub conditions: Vec<Condition>,
}

impl EventsList {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let page = PageAsked::take(&mut object)?;
        let payloads = object.present("includePayloads").map(Node::boolean).transpose()?.unwrap_or(true);
        let (branch, conditions) = object.present("filter").map(filter::filter).transpose()?.unwrap_or_default();
        object.finish()?;
        Ok(Self { page, payloads, branch, conditions })
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionsList {
    pub page: PageAsked,
    pub with_events: bool,
}

impl SessionsList {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let page = PageAsked::take(&mut object)?;
        let mut with_events = false;
        if let Some(filter) = object.present("filter") {
            let mut filter = filter.object()?;
            with_events = filter.present("eventFilter").map(Node::word::<EventCondition>).transpose()?.is_some();
            filter.finish()?;
        }
        object.finish()?;
        Ok(Self { page, with_events })
    }
}
