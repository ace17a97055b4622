//! Tool search: finds tools that a session's model is not shown from the start. What was found is shown from the next
//! model call on; that is the engine's doing. An index is built when a session searches, and kept until its turn ends.

mod index;
mod words;

use index::{Index, Text};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use types::{Class, Found, Offer, OfferedTool, SessionId, SessionSettings, Tool, ToolKind, ToolOutcome, ToolRequest};

pub const NAME: &str = "tool_search";

const FEW: usize = 5;
const MOST: usize = 20;
/// Sessions whose index is kept.
const MAX_INDEXES: usize = 64;
/// Bytes of a description that are told with a name.
const MAX_LINE: usize = 200;
/// What a schema says beneath is not read.
const MAX_DEPTH: usize = 4;

/// Whether the agent has it.
pub fn is_wanted(settings: &SessionSettings) -> bool {
    settings.agent.tools.iter().any(|tool| matches!(tool, Tool::ToolSearch))
}

/// The tool as a model is told of it.
pub fn tool() -> OfferedTool {
    let parameters = json!({
        "type": "object",
        "properties": {
            "query": {"type": "string", "description": "A few words: what the tool should do, or its name."},
            "limit": {
                "type": "integer", "minimum": 1, "maximum": MOST,
                "description": format!("How many to look for; {FEW} if left out."),
            },
        },
        "required": ["query"],
        "additionalProperties": false,
    });
    OfferedTool {
        name: NAME.to_owned(),
        description:
            "Finds more tools by what they do. There are tools that you are not shown yet: search before you say \
            that something cannot be done. The tools that it finds can be called with your next message."
                .to_owned(),
        parameters: parameters.as_object().cloned().unwrap_or_default().into(),
        class: Class::Pure,
        kind: ToolKind::ToolSearch,
        ..OfferedTool::default()
    }
}

#[derive(Deserialize)]
struct Arguments {
    query: String,
    #[serde(default)]
    limit: Option<f64>,
}

/// The indexes of sessions that search.
#[derive(Default)]
pub struct Search(Mutex<BTreeMap<SessionId, Arc<Shelf>>>);

/// What one session may find.
struct Shelf {
    /// Of what it was made. While these live nothing else has their places in memory.
    settings: Weak<SessionSettings>,
    offer: Weak<Offer>,
    index: Index,
    /// By their number in the index: the name, and what is told of it.
    tools: Vec<(String, String)>,
}

impl Search {
    pub fn perform(&self, request: &ToolRequest) -> ToolOutcome {
        let arguments: Arguments = match serde_json::from_str(&request.call.arguments) {
            Ok(arguments) => arguments,
            Err(error) => return ToolOutcome::Failed(format!("the arguments are wrong: {error}")),
        };
        let limit = arguments.limit.filter(|limit| limit.is_finite()).unwrap_or(FEW as f64);
        let shelf = self.shelf(request);
        ToolOutcome::Found(shelf.find(&arguments.query, limit.clamp(1.0, MOST as f64) as usize))
    }

    /// Nothing is kept of a session that rests.
    pub fn forget(&self, session: &SessionId) {
        self.lock().remove(session);
    }

    fn shelf(&self, request: &ToolRequest) -> Arc<Shelf> {
        if let Some(shelf) = self.lock().get(&request.session).filter(|shelf| shelf.is_of(request)) {
            return shelf.clone();
        }
        // Without the lock: it takes a while where there are thousands.
        let shelf = Arc::new(Shelf::new(&request.settings, &request.offer));
        let mut shelves = self.lock();
        if shelves.len() >= MAX_INDEXES && !shelves.contains_key(&request.session) {
            shelves.pop_first();
        }
        shelves.insert(request.session.clone(), shelf.clone());
        shelf
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<SessionId, Arc<Shelf>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn new(settings: &Arc<SessionSettings>, offer: &Arc<Offer>) -> Self {
        let (mut index, mut tools) = (Index::default(), Vec::new());
        let functions = settings.agent.tools.iter().filter_map(|tool| match tool {
            Tool::Function { name, description, parameters, defer_loading: true, .. } => {
                Some((name, description, parameters))
            }
            _ => None,
        });
        let offered = offer.tools.iter().filter(|tool| tool.deferred);
        let offered = offered.map(|tool| (&tool.name, &tool.description, &*tool.parameters));
        for (name, description, parameters) in functions.chain(offered) {
            let mut said = vec![description.as_str()];
            parameters_said(parameters, MAX_DEPTH, &mut said);
            index.add(&Text { name, parts: &said });
            tools.push((name.clone(), line(description).to_owned()));
        }
        Self { settings: Arc::downgrade(settings), offer: Arc::downgrade(offer), index, tools }
    }

    fn is_of(&self, request: &ToolRequest) -> bool {
        std::ptr::eq(self.settings.as_ptr(), Arc::as_ptr(&request.settings))
            && std::ptr::eq(self.offer.as_ptr(), Arc::as_ptr(&request.offer))
    }

    fn find(&self, query: &str, limit: usize) -> Found {
        let found: Vec<_> = self.index.search(query, limit).into_iter().filter_map(|at| self.tools.get(at)).collect();
        if found.is_empty() {
            let told = format!("No tool was found among {}. Try other words.", self.tools.len());
            return Found { told, names: Vec::new() };
        }
        let mut told = String::from("These tools can be called from now on:\n");
        for (name, line) in &found {
            let _ = writeln!(told, "- {name}: {line}");
        }
        Found { told, names: found.into_iter().map(|(name, _)| name.clone()).collect() }
    }
}

/// The names and descriptions of a schema's properties, down to a depth.
fn parameters_said<'a>(schema: &'a Map<String, Value>, depth: usize, said: &mut Vec<&'a str>) {
    if depth == 0 {
        return;
    }
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties", Value::Object(properties)) => {
                for (name, property) in properties {
                    said.push(name);
                    if let Value::Object(property) = property {
                        said.extend(property.get("description").and_then(Value::as_str));
                        parameters_said(property, depth - 1, said);
                    }
                }
            }
            ("items", Value::Object(items)) => parameters_said(items, depth - 1, said),
            _ => {}
        }
    }
}

/// What a description says first.
fn line(description: &str) -> &str {
    let line = description.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    &line[..line.floor_char_boundary(MAX_LINE)]
}

#[cfg(test)]
mod tests;
