//! Tools that a request declares, and which of them the model is to call.

use super::super::words::{AllowedMode, ChoiceKind, ChoiceWord, GrammarKind, NamedKind, Syntax, ToolKind};
use super::{kind, name};
use crate::agents::request::{MAX_SCHEMAS, MAX_TOOLS, compact_size, object_schema};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};
use crate::words::Word;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// One tool; the model's names of all are different.
#[derive(Clone, PartialEq, Debug)]
pub enum ToolParam {
    Function {
        name: String,
        description: Option<String>,
        /// None for a function without arguments.
        parameters: Option<Map<String, Value>>,
        strict: Option<bool>,
    },
    /// The model writes free text.
    Custom { name: String, description: Option<String>, format: Option<Grammar> },
}

impl ToolParam {
    pub fn name(&self) -> &str {
        match self {
            Self::Function { name, .. } | Self::Custom { name, .. } => name,
        }
    }
}

/// What the input of a custom tool must look like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Grammar {
    Text,
    Lark(String),
    Regex(String),
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    Function(String),
    Custom(String),
    /// Only these may be called, and one of them must be where `required`.
    Allowed {
        required: bool,
        names: Vec<String>,
    },
}

/// The longest definition of a grammar, in characters.
const MAX_GRAMMAR: usize = 1 << 20;

/// A list of tools; its size is measured as the client wrote it.
pub(super) fn tools(node: Node) -> Result<Vec<ToolParam>, Fault> {
    let path = node.path().to_owned();
    let size = compact_size(node.value());
    if size > MAX_TOOLS {
        let text = format!(
            "Invalid '{path}': tool list too large. Expected at most {MAX_TOOLS} bytes of compact JSON, but got {size} bytes instead."
        );
        return Err(Fault::at(&path, text));
    }
    let nodes = node.array("an array of objects")?;
    let tools: Vec<ToolParam> = nodes.into_iter().map(tool).collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    match tools.iter().find(|tool| !seen.insert(tool.name())) {
        None => Ok(tools),
        Some(tool) => Err(Fault::at(&path, format!("Duplicate tool name: '{}'.", clip(tool.name())))),
    }
}

fn tool(node: Node) -> Result<ToolParam, Fault> {
    let mut object = node.object()?;
    let tool = match kind(&mut object)? {
        ToolKind::Function => function(&mut object)?,
        ToolKind::Custom => custom(&mut object)?,
        other => {
            let message = format!("This server does not serve tools of type '{}' yet.", other.as_str());
            return Err(Fault::at(&object.path("type"), message));
        }
    };
    object.finish()?;
    Ok(tool)
}

fn function(object: &mut Object) -> Result<ToolParam, Fault> {
    let name = object.required("name").and_then(name)?;
    let description = object.present("description").map(Node::string).transpose()?;
    let parameters = object.present("parameters").map(Node::map).transpose()?;
    if let Some(schema) = &parameters {
        let path = object.path("parameters");
        object_schema(&path, &format!("function '{}'", clip(&name)), schema)?;
        let size = compact_size(schema);
        if size > MAX_SCHEMAS {
            let text = format!(
                "Invalid '{path}': schema too large. Expected at most {MAX_SCHEMAS} bytes of compact JSON, but got {size} bytes instead."
            );
            return Err(Fault::at(&path, text));
        }
    }
    let strict = object.present("strict").map(Node::boolean).transpose()?;
    off(object, "defer_loading")?;
    off(object, "async")?;
    Ok(ToolParam::Function { name, description, parameters, strict })
}

fn custom(object: &mut Object) -> Result<ToolParam, Fault> {
    let name = object.required("name").and_then(name)?;
    let description = object.present("description").map(Node::string).transpose()?;
    let format = object.present("format").map(grammar).transpose()?;
    off(object, "defer_loading")?;
    off(object, "async")?;
    Ok(ToolParam::Custom { name, description, format })
}

/// A switch that this server has no use for yet: it may only be off.
fn off(object: &mut Object, key: &str) -> Result<(), Fault> {
    let path = object.path(key);
    match object.present(key).map(Node::boolean).transpose()? {
        Some(true) => Err(super::not_served(&path)),
        Some(false) | None => Ok(()),
    }
}

fn grammar(node: Node) -> Result<Grammar, Fault> {
    let mut object = node.object()?;
    let grammar = match kind(&mut object)? {
        GrammarKind::Text => Grammar::Text,
        GrammarKind::Grammar => {
            let syntax = object.required("syntax")?.word()?;
            let definition = object.required("definition")?.short_text(MAX_GRAMMAR)?;
            match syntax {
                Syntax::Lark => Grammar::Lark(definition),
                Syntax::Regex => Grammar::Regex(definition),
            }
        }
    };
    object.finish()?;
    Ok(grammar)
}

/// A word, or an object that names a tool or several; what is named must be there.
pub(super) fn tool_choice(node: Node, tools: &[ToolParam]) -> Result<ToolChoice, Fault> {
    let path = node.path().to_owned();
    if node.is_string() {
        let choice = match node.word()? {
            ChoiceWord::None => ToolChoice::None,
            ChoiceWord::Auto => ToolChoice::Auto,
            ChoiceWord::Required => ToolChoice::Required,
        };
        if choice == ToolChoice::Required && tools.is_empty() {
            return Err(Fault::at(&path, "Tool choice 'required' must be specified with 'tools' parameter."));
        }
        return Ok(choice);
    }
    if !node.value().is_object() {
        return Err(node.mistyped("one of a string or an object"));
    }
    let mut object = node.object()?;
    let choice = match kind(&mut object)? {
        ChoiceKind::Function => ToolChoice::Function(named(&mut object, tools, &path, NamedKind::Function)?),
        ChoiceKind::Custom => ToolChoice::Custom(named(&mut object, tools, &path, NamedKind::Custom)?),
        ChoiceKind::AllowedTools => {
            let required = object.required("mode")?.word::<AllowedMode>()? == AllowedMode::Required;
            let nodes = object.required("tools")?.sized_array("an array of objects", 1, usize::MAX)?;
            let names = nodes.into_iter().map(|node| allowed(node, tools, &path)).collect::<Result<_, _>>()?;
            ToolChoice::Allowed { required, names }
        }
    };
    object.finish()?;
    Ok(choice)
}

fn allowed(node: Node, tools: &[ToolParam], path: &str) -> Result<String, Fault> {
    let mut object = node.object()?;
    let wanted = kind(&mut object)?;
    let name = named(&mut object, tools, path, wanted)?;
    object.finish()?;
    Ok(name)
}

fn named(object: &mut Object, tools: &[ToolParam], path: &str, wanted: NamedKind) -> Result<String, Fault> {
    let name = object.required("name")?.text()?;
    let is_there = tools.iter().any(|tool| match tool {
        ToolParam::Function { name: known, .. } => wanted == NamedKind::Function && *known == name,
        ToolParam::Custom { name: known, .. } => wanted == NamedKind::Custom && *known == name,
    });
    if is_there {
        return Ok(name);
    }
    Err(Fault::at(path, format!("Tool choice '{}' not found in 'tools' parameter.", clip(&name))))
}
