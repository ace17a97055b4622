//! `toolConfig`: tools, and which of them a model may or must call.

use super::not_served;
use super::turns::{MAX_NAME, cache_point, required};
use crate::agents::request::{MAX_SCHEMAS, compact_within, object_schema};
use crate::demand::{ToolChoice, ToolParam, name};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};

/// Tools of one request, cache points among them.
const MAX_TOOLS: usize = 512;

/// None of `auto`, `any` and `tool` says that a tool must not be called.
pub(super) fn read(node: Node) -> Result<(Vec<ToolParam>, ToolChoice), Fault> {
    let mut object = node.object()?;
    let list = required(&mut object, "tools")?;
    let path = list.path().to_owned();
    compact_within(&path, "tool list", list.value(), MAX_SCHEMAS)?;
    let mut tools: Vec<ToolParam> = Vec::new();
    for node in list.sized_array("an array of objects", 1, MAX_TOOLS)? {
        let at = node.path().to_owned();
        let Some(tool) = tool(node)? else { continue };
        if tools.iter().any(|known| known.name() == tool.name()) {
            return Err(Fault::at(&at, format!("The tool {} is already defined at {path}.", clip(tool.name()))));
        }
        tools.push(tool);
    }
    if tools.is_empty() {
        return Err(Fault::at(&path, format!("There is no tool at {path}.")));
    }
    let choice = object.present("toolChoice").map_or(Ok(ToolChoice::Auto), |node| choice(node, &tools))?;
    object.finish()?;
    Ok((tools, choice))
}

fn tool(node: Node) -> Result<Option<ToolParam>, Fault> {
    let mut union = node.object()?;
    if let Some(node) = union.present("cachePoint") {
        cache_point(node)?;
        return union.finish().map(|()| None);
    }
    if let Some(node) = union.present("systemTool") {
        return Err(not_served(node.path(), "A tool that the service performs"));
    }
    let mut spec = required(&mut union, "toolSpec")?.object()?;
    union.finish()?;
    let name = name(required(&mut spec, "name")?, MAX_NAME)?;
    let description = spec.present("description").map_or(Ok(String::new()), Node::text)?;
    let mut schema = required(&mut spec, "inputSchema")?.object()?;
    let json = required(&mut schema, "json")?;
    let path = json.path().to_owned();
    let parameters = json.map()?;
    object_schema(&path, &format!("tool '{}'", clip(&name)), &parameters)?;
    schema.finish()?;
    let strict = spec.present("strict").map(Node::boolean).transpose()?;
    spec.finish()?;
    Ok(Some(ToolParam::Function { name, description, parameters, strict }))
}

fn choice(node: Node, tools: &[ToolParam]) -> Result<ToolChoice, Fault> {
    let mut union = node.object()?;
    let choice = if let Some(node) = union.present("auto") {
        node.object().and_then(Object::finish)?;
        ToolChoice::Auto
    } else if let Some(node) = union.present("any") {
        node.object().and_then(Object::finish)?;
        ToolChoice::Required
    } else {
        let mut one = required(&mut union, "tool")?.object()?;
        let node = required(&mut one, "name")?;
        let path = node.path().to_owned();
        let name = name(node, MAX_NAME)?;
        one.finish()?;
        if !tools.iter().any(|tool| tool.name() == name) {
            return Err(Fault::at(&path, format!("The tool {} at {path} is not defined in tools.", clip(&name))));
        }
        ToolChoice::Function(name)
    };
    union.finish()?;
    Ok(choice)
}
