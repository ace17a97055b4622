//! Tools, and which of them a model may or must call. Functions as they were once declared become tools here.

use super::words::LegacyChoice;
use crate::agents::request::{MAX_SCHEMAS, compact_within};
use crate::demand::{
    self, AllowedMode, ChoiceKind, CustomFormat, GrammarKind, NamedKind, ToolChoice, ToolParam, choice_word,
    no_such_tool,
};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};
use std::collections::BTreeSet;

/// Tools of one request.
const MAX_TOOLS: usize = 128;
/// The longest name of a tool or a format, in characters.
pub(super) const MAX_NAME: usize = 64;

/// All that a request says of tools.
pub(super) struct Tools {
    pub tools: Vec<ToolParam>,
    pub choice: ToolChoice,
    pub parallel: bool,
    pub is_legacy: bool,
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
            (None, None) => ToolChoice::Auto,
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
    compact_within(&path, "tool list", node.value(), MAX_SCHEMAS)?;
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
        NamedKind::Function => function(object.required("function")?)?,
        NamedKind::Custom => custom(object.required("custom")?)?,
    };
    object.finish()?;
    Ok(tool)
}

fn function(node: Node) -> Result<ToolParam, Fault> {
    let mut object = node.object()?;
    let tool = demand::function(&mut object, MAX_NAME)?;
    object.finish()?;
    Ok(tool)
}

fn custom(node: Node) -> Result<ToolParam, Fault> {
    let mut object = node.object()?;
    let tool = demand::custom(&mut object, MAX_NAME, custom_format)?;
    object.finish()?;
    Ok(tool)
}

fn custom_format(node: Node) -> Result<CustomFormat, Fault> {
    let mut object = node.object()?;
    let format = match object.required("type")?.word()? {
        GrammarKind::Text => CustomFormat::Text,
        GrammarKind::Grammar => {
            let mut inner = object.required("grammar")?.object()?;
            // A list of tools has a bound, and so has what is in it.
            let format = demand::grammar(&mut inner, usize::MAX)?;
            inner.finish()?;
            format
        }
    };
    object.finish()?;
    Ok(format)
}

fn choice(node: Node) -> Result<ToolChoice, Fault> {
    if node.is_string() {
        return choice_word(node);
    }
    if !node.value().is_object() {
        return Err(node.mistyped("one of a string or an object"));
    }
    let mut object = node.object()?;
    let choice = match object.required("type")?.word()? {
        ChoiceKind::Function => ToolChoice::Function(named(object.required("function")?)?),
        ChoiceKind::Custom => ToolChoice::Custom(named(object.required("custom")?)?),
        ChoiceKind::AllowedTools => allowed(object.required("allowed_tools")?)?,
    };
    object.finish()?;
    Ok(choice)
}

fn allowed(node: Node) -> Result<ToolChoice, Fault> {
    let mut object = node.object()?;
    let required = object.required("mode")?.word::<AllowedMode>()? == AllowedMode::Required;
    let mut names = Vec::new();
    for node in object.required("tools")?.sized_array("an array of objects", 1, MAX_TOOLS)? {
        let mut tool = node.object()?;
        let key = match tool.required("type")?.word()? {
            NamedKind::Function => "function",
            NamedKind::Custom => "custom",
        };
        names.push(named(tool.required(key)?)?);
        tool.finish()?;
    }
    object.finish()?;
    Ok(ToolChoice::Allowed { required, names })
}

fn legacy_choice(node: Node) -> Result<ToolChoice, Fault> {
    if node.value().is_object() {
        return named(node).map(ToolChoice::Function);
    }
    if !node.is_string() {
        return Err(node.mistyped("one of a string or an object"));
    }
    Ok(match node.word()? {
        LegacyChoice::None => ToolChoice::None,
        LegacyChoice::Auto => ToolChoice::Auto,
    })
}

fn named(node: Node) -> Result<String, Fault> {
    let mut object = node.object()?;
    let name = object.required("name")?.text()?;
    object.finish()?;
    Ok(name)
}

fn check_names(choice: &ToolChoice, tools: &[ToolParam]) -> Result<(), Fault> {
    let has = |wanted: &str, kind: Option<NamedKind>| {
        tools.iter().any(|tool| tool.name() == wanted && kind.is_none_or(|kind| kind == tool.kind()))
    };
    let missing = match choice {
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required => None,
        ToolChoice::Function(name) => (!has(name, Some(NamedKind::Function))).then_some(name),
        ToolChoice::Custom(name) => (!has(name, Some(NamedKind::Custom))).then_some(name),
        ToolChoice::Allowed { names, .. } => names.iter().find(|name| !has(name, None)),
    };
    missing.map_or(Ok(()), |name| Err(no_such_tool("tool_choice", name)))
}
