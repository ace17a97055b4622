//! What an answer may be: text, or calls of functions whose arguments fit their schemas, or JSON that fits one.
//!
//! An answer that calls begins its calls with [`MARKER`] and a list: `[{"name": …, "arguments": {…}}, …]`, after text or
//! without any. The grammar is made anew for every request, which takes a millisecond or so; it is then asked, token by
//! token, which ones may come next (`rule`), and always leaves a way to an end within the tokens that are left. A schema
//! that it cannot hold is refused (`check`) before a session has it: nothing of a schema is ever left out in silence.
//!
//! The way of a schema: `examine` knows every keyword, `build` turns it into a graph of nodes (`node`) with automata for
//! strings (`pattern`, `dfa`) and arithmetic for numbers (`number`), `machine` reads bytes by it, and `tokens` lays the
//! vocabulary over that.

mod build;
mod dfa;
mod disjoint;
mod examine;
mod fits;
mod format;
mod fuel;
mod keyword;
mod machine;
mod names;
mod node;
mod number;
mod pattern;
pub(super) mod preamble;
mod refusal;
mod resolve;
mod rule;
pub(super) mod speech;
#[cfg(feature = "fuzz")]
mod spelling;
#[cfg(test)]
mod tests;
mod tokens;
mod utf8;

#[cfg(feature = "fuzz")]
pub use spelling::spell;
pub(super) use tokens::Tokens;

use super::constraint::Constraint;
use crate::{SchemaRefusal, custom};
use build::Builder;
use fuel::TooLarge;
use machine::Machine;
use node::{Array, Graph, Literal, NEVER, Node, NodeId, Object, Property};
use refusal::Place;
use resolve::{Root, Said};
use rule::Rule;
use serde_json::{Map, Value};
use std::sync::Arc;
use types::{FunctionTool, ModelError, ModelErrorKind, ModelRequest, TextFormat, ToolChoice};

/// What stands before calls, and after them where a conversation is written down.
const MARKER: &str = "<tool_call>";
const CLOSING: &str = "</tool_call>";

/// Calls of one answer.
const MOST_CALLS: u32 = 4;
/// Functions of one agent, and the bytes of all schemas of a request.
const MOST_TOOLS: usize = 128;
const MOST_BYTES: usize = 256 << 10;
/// The least that fits a schema may not be longer, in bytes: no answer is.
const LONGEST: u32 = 32_000;

/// What an answer is asked to be.
pub(super) struct Wish {
    tools: Arc<Vec<FunctionTool>>,
    choice: ToolChoice,
    /// Calls of one answer.
    most_calls: u32,
    format: TextFormat,
}

impl Wish {
    pub fn of(request: &ModelRequest, choice: ToolChoice) -> Self {
        let is_one = !request.parallel_tool_calls || matches!(choice, ToolChoice::Function(_));
        let most_calls = if is_one { 1 } else { MOST_CALLS };
        Self { tools: request.tools.clone(), choice, most_calls, format: request.format.clone() }
    }

    /// Whether the answer may call functions.
    pub fn may_call(&self) -> bool {
        !self.tools.is_empty() && self.choice != ToolChoice::None
    }

    /// The rule that the answer follows, in at most `most` tokens if that can be; None: it is free.
    pub fn constraint(&self, tokens: &Arc<Tokens>, most: u64) -> Result<Option<Box<dyn Constraint>>, ModelError> {
        let refused = |refusal: SchemaRefusal| {
            ModelError::new(ModelErrorKind::Invalid, format!("{}: {}", refusal.path, refusal.message))
        };
        let Some((graph, start)) = self.grammar(tokens).map_err(refused)? else { return Ok(None) };
        Ok(Some(Box::new(Rule::new(Machine::new(graph), start, tokens.clone(), most))))
    }

    fn grammar(&self, tokens: &Tokens) -> Result<Option<(Graph, NodeId)>, SchemaRefusal> {
        let mut graph = Graph::default();
        let marker = Literal::new(MARKER, tokens);
        let then = self.calls(tokens, &mut graph)?;
        let is_forced = matches!(self.choice, ToolChoice::Required | ToolChoice::Function(_));
        let start = match (&self.format, then) {
            (_, Some(then)) if is_forced => graph.add(Node::Marked { marker, then }),
            (TextFormat::Text, None) => return Ok(None),
            (TextFormat::Text, Some(then)) => graph.add(Node::Words { marker, then }),
            (format @ (TextFormat::JsonObject | TextFormat::JsonSchema { .. }), then) => {
                let object = any_object();
                let schema = if let TextFormat::JsonSchema { schema, .. } = format { schema } else { &object };
                let answer = json(schema, &answer_place(), tokens, &mut graph)?;
                let calls = then.map(|then| graph.add(Node::Marked { marker, then }));
                graph.add(Node::Choice([Some(answer), calls].into_iter().flatten().collect()))
            }
        };
        settle(&mut graph)?;
        if graph.least(start) >= NEVER {
            return Err(Place::new("tools").refuse("nothing fits these schemas"));
        }
        Ok(Some((graph, start)))
    }

    /// A list of calls of the functions that may be called; None: none may.
    fn calls(&self, tokens: &Tokens, graph: &mut Graph) -> Result<Option<NodeId>, SchemaRefusal> {
        let mut choices = Vec::new();
        for (i, tool) in self.tools.iter().enumerate() {
            let may_be_called = match &self.choice {
                ToolChoice::None => false,
                ToolChoice::Auto | ToolChoice::Required => true,
                ToolChoice::Function(name) => *name == tool.name,
            };
            if may_be_called {
                choices.push(call(tool, &Place::new("tools").index(i).name("parameters"), tokens, graph)?);
            }
        }
        if choices.is_empty() {
            return Ok(None);
        }
        let call = graph.add(Node::Choice(choices));
        let calls = Array { prefix: Vec::new(), rest: Some(call), min: 1, max: self.most_calls };
        Ok(Some(graph.add(Node::Array(calls))))
    }
}

/// Whether every answer can be held to these. Takes a few milliseconds, and never more than some hundred.
pub(super) fn check(tools: &[FunctionTool], format: &TextFormat) -> Result<(), SchemaRefusal> {
    custom::check(tools)?;
    if tools.len() > MOST_TOOLS {
        return Err(Place::new("tools").refuse(format!("the local model takes at most {MOST_TOOLS} functions")));
    }
    let tokens = Tokens::bytes();
    let mut bytes = 0;
    let mut graph = Graph::default();
    let mut roots = Vec::new();
    for (i, tool) in tools.iter().enumerate() {
        let place = Place::new("tools").index(i).name("parameters");
        measure(&tool.parameters, &mut bytes, &place)?;
        let node = taken(tool, &place, &tokens, &mut graph)?;
        roots.push((node, place));
    }
    if let TextFormat::JsonSchema { schema, .. } = format {
        let place = answer_place();
        measure(schema, &mut bytes, &place)?;
        let node = json(schema, &place, &tokens, &mut graph)?;
        roots.push((node, place));
    }
    settle(&mut graph)?;
    roots.iter().try_for_each(|(node, place)| check_length(&graph, *node, place))
}

fn settle(graph: &mut Graph) -> Result<(), SchemaRefusal> {
    graph.settle().map_err(|TooLarge| Place::new("tools").refuse("the schemas refer to each other in too many ways"))
}

fn measure(schema: &Map<String, Value>, bytes: &mut usize, place: &Place) -> Result<(), SchemaRefusal> {
    *bytes += serde_json::to_string(schema).map_or(0, |text| text.len());
    if *bytes > MOST_BYTES {
        let most = MOST_BYTES >> 10;
        return Err(place.refuse(format!("the local model takes schemas of {most} KiB in sum; these are larger")));
    }
    Ok(())
}

fn check_length(graph: &Graph, node: NodeId, place: &Place) -> Result<(), SchemaRefusal> {
    match graph.least(node) {
        NEVER.. => Err(place.refuse("nothing fits this schema: what it asks for contradicts itself or has no end")),
        least if least > LONGEST => {
            Err(place.refuse(format!("the shortest that fits this schema has more than {LONGEST} bytes")))
        }
        _ => Ok(()),
    }
}

fn answer_place() -> Place {
    Place::new("text").name("format").name("schema")
}

fn call(tool: &FunctionTool, place: &Place, tokens: &Tokens, graph: &mut Graph) -> Result<NodeId, SchemaRefusal> {
    let arguments = taken(tool, place, tokens, graph)?;
    let name = Value::from(tool.name.as_str()).to_string();
    let name = graph.add(Node::Literals(vec![Literal::new(&name, tokens)]));
    let property = |key: &str, value| Property { key: Literal::new(key, tokens), value, required: true };
    Ok(graph.add(Node::Object(Object {
        properties: vec![property("\"name\": ", name), property("\"arguments\": ", arguments)],
        others: Vec::new(),
        min: 0,
        max: u32::MAX,
        costs: Vec::new(),
    })))
}

/// What a tool takes.
fn taken(tool: &FunctionTool, place: &Place, tokens: &Tokens, graph: &mut Graph) -> Result<NodeId, SchemaRefusal> {
    if custom::is_custom(tool) {
        return arguments(&custom::parameters(), place, tokens, graph);
    }
    arguments(&tool.parameters, place, tokens, graph)
}

/// The arguments of a call: always an object, and an empty one where nothing is said of them.
fn arguments(
    parameters: &Map<String, Value>,
    place: &Place,
    tokens: &Tokens,
    graph: &mut Graph,
) -> Result<NodeId, SchemaRefusal> {
    if parameters.is_empty() {
        let (properties, others, costs) = (Vec::new(), Vec::new(), Vec::new());
        return Ok(graph.add(Node::Object(Object { properties, others, min: 0, max: u32::MAX, costs })));
    }
    let places = examine::examine(parameters, place)?;
    let object = Map::from_iter([("type".to_owned(), Value::from("object"))]);
    let both = vec![Said::Keywords(parameters), Said::Keywords(&object)];
    Builder::new(Root(parameters), &places, tokens, graph).build(both)
}

/// The schema of any JSON object.
fn any_object() -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), Value::from("object"))])
}

fn json(
    schema: &Map<String, Value>,
    place: &Place,
    tokens: &Tokens,
    graph: &mut Graph,
) -> Result<NodeId, SchemaRefusal> {
    let places = examine::examine(schema, place)?;
    Builder::new(Root(schema), &places, tokens, graph).build(vec![Said::Keywords(schema)])
}
