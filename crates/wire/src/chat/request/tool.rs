//! Tools, and which of them a model may or must call. Functions as they were once declared become tools here.

use super::words::{ChoiceKind, ChoiceWord, CustomKind, LegacyChoice, Mode, Syntax, ToolKind};
use crate::agents::request::{MAX_SCHEMAS, compact_size, object_schema};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Tools of one request.
const MAX_TOOLS: usize = 128;
/// The longest name of a tool, in characters.
const MAX_NAME: usize = 64;

/// A tool with every default filled in.
#[derive(Clone, PartialEq, Debug)]
pub enum ToolParam {
    Function { name: String, description: String, parameters: Map<String, Value>, strict: Option<bool> },
    Custom { name: String, description: String, format: CustomFormat },
}

/// What the free text of a custom tool must look like.
#[derive(Clone, PartialEq, Debug)]
pub enum CustomFormat {
    Text,
    Grammar { syntax: Syntax, definition: String },
}

#[derive(Clone, PartialEq, Debug)]
pub enum Choice {
    Auto,
    None,
    Required,
    Function(String),
    Custom(String),
    /// Only these, by name.
    Allowed {
        required: bool,
        names: Vec<String>,
    },
}

/// All that a request says of tools.
pub(super) struct Tools {
    pub tools: Vec<ToolParam>,
    pub choice: Choice,
    pub parallel: bool,
    pub is_legacy: bool,
}

impl ToolParam {
    pub fn name(&self) -> &str {
        match self {
            Self::Function { name, .. } | Self::Custom { name, .. } => name,
        }
    }
}

impl Tools {
    pub(super) fn read(object: &mut Object) -> Result<Self, Fault> {
        let given = object.present("tools").map(|node| list(node, tool)).transpose()?;
        let old = object.present("functions").map(|node| list(node, function)).transpose()?;
        let is_legacy = old.is_some();
        if given.is_some() && is_legacy {
            return Err(Fault::at("functions", "'functions' and 'tools' cannot be used at the same time."));
        }
        let tools = given.or(old).unwrap_or_default();
        let choice = match (object.present("tool_choice"), object.present("function_call")) {
            (Some(node), _) => only_with(&tools, node, "tools").and_then(choice)?,
            (None, Some(node)) => only_with(&tools, node, "functions").and_then(legacy_choice)?,
            (None, None) => Choice::Auto,
        };
        check_names(&choice, &tools)?;
        let parallel = match object.present("parallel_tool_calls") {
            Some(node) => only_with(&tools, node, "tools")?.boolean()?,
            // The older form has room for one call.
            None => !is_legacy,
        };
        Ok(Self { tools, choice, parallel, is_legacy })
    }
}

fn only_with(tools: &[ToolParam], node: Node, what: &str) -> Result<Node, Fault> {
    if tools.is_empty() {
        let path = node.path();
        return Err(Fault::at(path, format!("'{path}' is only allowed when '{what}' are specified.")));
    }
    Ok(node)
}

fn list(node: Node, read: fn(Node) -> Result<ToolParam, Fault>) -> Result<Vec<ToolParam>, Fault> {
    let path = node.path().to_owned();
    let size = compact_size(node.value());
    if size > MAX_SCHEMAS {
        let text = format!(
            "Invalid '{path}': tool list too large. Expected at most {MAX_SCHEMAS} bytes of compact JSON, but got {size} bytes instead."
        );
        return Err(Fault::at(&path, text));
    }
    let nodes = node.sized_array("an array of objects", 1, MAX_TOOLS)?;
    let tools: Vec<ToolParam> = nodes.into_iter().map(read).collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    match tools.iter().find(|tool| !seen.insert(tool.name())) {
        Some(tool) => Err(Fault::at(&path, format!("Tool names must be unique: '{}'.", clip(tool.name())))),
        None => Ok(tools),
    }
}

fn tool(node: Node) -> Result<ToolParam, Fault> {
    let mut object = node.object()?;
    let tool = match object.required("type")?.word()? {
        ToolKind::Function => function(object.required("function")?)?,
        ToolKind::Custom => custom(object.required("custom")?)?,
    };
    object.finish()?;
    Ok(tool)
}

fn function(node: Node) -> Result<ToolParam, Fault> {
    let mut object = node.object()?;
    let name = name(object.required("name")?)?;
    let description = object.present("description").map_or(Ok(String::new()), Node::string)?;
    let parameters = object.present("parameters").map_or(Ok(Map::new()), Node::map)?;
    object_schema(&object.path("parameters"), &format!("function '{name}'"), &parameters)?;
    let strict = object.present("strict").map(Node::boolean).transpose()?;
    object.finish()?;
    Ok(ToolParam::Function { name, description, parameters, strict })
}

fn custom(node: Node) -> Result<ToolParam, Fault> {
    let mut object = node.object()?;
    let tool = ToolParam::Custom {
        name: name(object.required("name")?)?,
        description: object.present("description").map_or(Ok(String::new()), Node::string)?,
        format: object.present("format").map_or(Ok(CustomFormat::Text), custom_format)?,
    };
    object.finish()?;
    Ok(tool)
}

fn custom_format(node: Node) -> Result<CustomFormat, Fault> {
    let mut object = node.object()?;
    let format = match object.required("type")?.word()? {
        CustomKind::Text => CustomFormat::Text,
        CustomKind::Grammar => {
            let mut grammar = object.required("grammar")?.object()?;
            let format = CustomFormat::Grammar {
                syntax: grammar.required("syntax")?.word()?,
                definition: grammar.required("definition")?.text()?,
            };
            grammar.finish()?;
            format
        }
    };
    object.finish()?;
    Ok(format)
}

/// 1 to 64 letters, digits, underscores and dashes.
pub(super) fn name(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let name = node.short_text(MAX_NAME)?;
    let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.chars().all(is_fine) {
        return Ok(name);
    }
    let text = format!(
        "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    );
    Err(Fault::at(&path, text))
}

fn choice(node: Node) -> Result<Choice, Fault> {
    if node.is_string() {
        return Ok(match node.word()? {
            ChoiceWord::None => Choice::None,
            ChoiceWord::Auto => Choice::Auto,
            ChoiceWord::Required => Choice::Required,
        });
    }
    if !node.value().is_object() {
        return Err(node.mistyped("one of a string or an object"));
    }
    let mut object = node.object()?;
    let choice = match object.required("type")?.word()? {
        ChoiceKind::Function => Choice::Function(named(object.required("function")?)?),
        ChoiceKind::Custom => Choice::Custom(named(object.required("custom")?)?),
        ChoiceKind::AllowedTools => allowed(object.required("allowed_tools")?)?,
    };
    object.finish()?;
    Ok(choice)
}

fn allowed(node: Node) -> Result<Choice, Fault> {
    let mut object = node.object()?;
    let required = object.required("mode")?.word::<Mode>()? == Mode::Required;
    let mut names = Vec::new();
    for node in object.required("tools")?.sized_array("an array of objects", 1, MAX_TOOLS)? {
        let mut tool = node.object()?;
        let key = match tool.required("type")?.word()? {
            ToolKind::Function => "function",
            ToolKind::Custom => "custom",
        };
        names.push(named(tool.required(key)?)?);
        tool.finish()?;
    }
    object.finish()?;
    Ok(Choice::Allowed { required, names })
}

fn legacy_choice(node: Node) -> Result<Choice, Fault> {
    if node.value().is_object() {
        return named(node).map(Choice::Function);
    }
    if !node.is_string() {
        return Err(node.mistyped("one of a string or an object"));
    }
    Ok(match node.word()? {
        LegacyChoice::None => Choice::None,
        LegacyChoice::Auto => Choice::Auto,
    })
}

fn named(node: Node) -> Result<String, Fault> {
    let mut object = node.object()?;
    let name = object.required("name")?.text()?;
    object.finish()?;
    Ok(name)
}

fn check_names(choice: &Choice, tools: &[ToolParam]) -> Result<(), Fault> {
    let has = |wanted: &str, is_custom: Option<bool>| {
        tools.iter().any(|tool| {
            tool.name() == wanted && is_custom.is_none_or(|it| it == matches!(tool, ToolParam::Custom { .. }))
        })
    };
    let missing = match choice {
        Choice::Auto | Choice::None | Choice::Required => None,
        Choice::Function(name) => (!has(name, Some(false))).then_some(name),
        Choice::Custom(name) => (!has(name, Some(true))).then_some(name),
        Choice::Allowed { names, .. } => names.iter().find(|name| !has(name, None)),
    };
    match missing {
        Some(name) => {
            Err(Fault::at("tool_choice", format!("Tool choice '{}' not found in 'tools' parameter.", clip(name))))
        }
        None => Ok(()),
    }
}
