//! Tools that a request declares, and which of them the model is to call.

use super::super::words::ToolKind;
use super::{MAX_NAME, kind};
use crate::agents::request::{MAX_TOOLS, compact_within};
use crate::demand::{
    self, AllowedMode, ChoiceKind, CustomFormat, GrammarKind, NamedKind, ToolChoice, ToolParam, choice_word,
    no_such_tool,
};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};
use crate::words::Word;
use std::collections::BTreeSet;

/// The longest definition of a grammar, in characters.
const MAX_GRAMMAR: usize = 1 << 20;

/// A list of tools; its size is measured as the client wrote it.
pub(super) fn tools(node: Node) -> Result<Vec<ToolParam>, Fault> {
    let path = node.path().to_owned();
    compact_within(&path, "tool list", node.value(), MAX_TOOLS)?;
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
        ToolKind::Function => demand::function(&mut object, MAX_NAME)?,
        ToolKind::Custom => demand::custom(&mut object, MAX_NAME, custom_format)?,
        other => {
            let message = format!("This server does not serve tools of type '{}' yet.", other.as_str());
            return Err(Fault::at(&object.path("type"), message));
        }
    };
    off(&mut object, "defer_loading")?;
    off(&mut object, "async")?;
    object.finish()?;
    Ok(tool)
}

/// A switch that this server has no use for yet: it may only be off.
fn off(object: &mut Object, key: &str) -> Result<(), Fault> {
    let path = object.path(key);
    match object.present(key).map(Node::boolean).transpose()? {
        Some(true) => Err(super::not_served(&path)),
        Some(false) | None => Ok(()),
    }
}

fn custom_format(node: Node) -> Result<CustomFormat, Fault> {
    let mut object = node.object()?;
    let format = match kind(&mut object)? {
        GrammarKind::Text => CustomFormat::Text,
        GrammarKind::Grammar => demand::grammar(&mut object, MAX_GRAMMAR)?,
    };
    object.finish()?;
    Ok(format)
}

/// A word, or an object that names a tool or several; what is named must be there.
pub(super) fn tool_choice(node: Node, tools: &[ToolParam]) -> Result<ToolChoice, Fault> {
    let path = node.path().to_owned();
    if node.is_string() {
        let choice = choice_word(node)?;
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
    if tools.iter().any(|tool| tool.kind() == wanted && tool.name() == name) {
        return Ok(name);
    }
    Err(no_such_tool(path, &name))
}
