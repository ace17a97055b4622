//! Tools that a client declares. A saved agent stores no secrets, so `authorization` and `env` are unknown there.

use super::{MAX_ID, MAX_TOOLS, compact_within, object_schema, string_map};
use crate::agents::words::{ConnectionOrigin, ContextSize, SearchMode, ToolKind, TransportKind};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};
use crate::words::Word;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// What the tools are declared for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    SavedAgent,
    Session,
}

/// A tool with every default filled in.
#[derive(Clone, PartialEq, Debug)]
pub enum ToolParam {
    Function {
        name: String,
        description: String,
        parameters: Map<String, Value>,
        defer_loading: bool,
        is_async: Option<bool>,
    },
    ToolSearch,
    ProgrammaticToolCalling {
        enabled: bool,
    },
    Mcp(McpTool),
    WebSearch(WebSearch),
    ComputerUse {
        include_screenshots: bool,
    },
    Automations,
}

#[derive(Clone, PartialEq, Debug)]
pub struct McpTool {
    pub server_label: String,
    pub transport: TransportParam,
    pub allowed_tools: Option<Vec<String>>,
    pub connection_origin: ConnectionOrigin,
    pub credential_id: Option<String>,
    pub request_metadata: Map<String, Value>,
    pub required: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub enum TransportParam {
    Http { server_url: String, headers: BTreeMap<String, String>, authorization: Option<String> },
    Stdio { command: String, cwd: String, args: Vec<String>, env: BTreeMap<String, String>, env_vars: Vec<String> },
}

#[derive(Clone, PartialEq, Debug)]
pub struct WebSearch {
    pub mode: SearchMode,
    pub context_size: ContextSize,
    pub allowed_domains: Option<Vec<String>>,
    /// `city`, `country`, `region`, `timezone`, all four, each with or without a value.
    pub location: Option<BTreeMap<String, Option<String>>>,
}

/// A list of tools; its size is measured as the client wrote it.
pub(super) fn tools(node: Node, place: Place) -> Result<Vec<ToolParam>, Fault> {
    let path = node.path().to_owned();
    compact_within(&path, "tool list", node.value(), MAX_TOOLS)?;
    let nodes = node.array("an array of objects")?;
    let tools: Vec<ToolParam> = nodes.into_iter().map(|node| tool(node, place)).collect::<Result<_, _>>()?;
    no_duplicates(&path, &tools)?;
    Ok(tools)
}

fn no_duplicates(path: &str, tools: &[ToolParam]) -> Result<(), Fault> {
    let mut seen = BTreeSet::new();
    for tool in tools {
        let (kind, name) = match tool {
            ToolParam::Function { name, .. } => (ToolKind::Function, name.as_str()),
            ToolParam::Mcp(mcp) => (ToolKind::Mcp, mcp.server_label.as_str()),
            ToolParam::ToolSearch => (ToolKind::ToolSearch, ""),
            ToolParam::ProgrammaticToolCalling { .. } => (ToolKind::ProgrammaticToolCalling, ""),
            ToolParam::WebSearch(_) => (ToolKind::WebSearch, ""),
            ToolParam::ComputerUse { .. } => (ToolKind::ComputerUse, ""),
            ToolParam::Automations => (ToolKind::Automations, ""),
        };
        if !seen.insert((kind.as_str(), name)) {
            let message = match kind {
                ToolKind::Function => format!("duplicate function tool name: {}", clip(name)),
                ToolKind::Mcp => format!("duplicate mcp server label: {}", clip(name)),
                kind => format!("duplicate {} tool", kind.as_str()),
            };
            return Err(Fault::at(path, message));
        }
    }
    Ok(())
}

fn tool(node: Node, place: Place) -> Result<ToolParam, Fault> {
    let mut object = node.object()?;
    let tool = match object.required("type")?.word()? {
        ToolKind::Function => function(&mut object)?,
        ToolKind::ToolSearch => ToolParam::ToolSearch,
        ToolKind::ProgrammaticToolCalling => {
            ToolParam::ProgrammaticToolCalling { enabled: object.optional("enabled").map_or(Ok(true), Node::boolean)? }
        }
        ToolKind::Mcp => ToolParam::Mcp(mcp(&mut object, place)?),
        ToolKind::WebSearch => ToolParam::WebSearch(web_search(&mut object)?),
        ToolKind::ComputerUse => ToolParam::ComputerUse {
            include_screenshots: object.optional("include_screenshots").map_or(Ok(false), Node::boolean)?,
        },
        ToolKind::Automations => ToolParam::Automations,
    };
    object.finish()?;
    Ok(tool)
}

fn function(object: &mut Object) -> Result<ToolParam, Fault> {
    let name = object.required("name")?.text()?;
    let description = object.required("description")?.string()?;
    let parameters = object.required("parameters")?.map()?;
    object_schema(&object.path("parameters"), &format!("function '{}'", clip(&name)), &parameters)?;
    Ok(ToolParam::Function {
        name,
        description,
        parameters,
        defer_loading: object.optional("defer_loading").map_or(Ok(false), Node::boolean)?,
        is_async: object.optional("async").map(Node::boolean).transpose()?,
    })
}

fn mcp(object: &mut Object, place: Place) -> Result<McpTool, Fault> {
    Ok(McpTool {
        server_label: object.required("server_label")?.text()?,
        transport: transport(object.required("transport")?, place)?,
        allowed_tools: object.present("allowed_tools").map(Node::strings).transpose()?,
        connection_origin: object.present("connection_origin").map_or(Ok(ConnectionOrigin::Service), Node::word)?,
        credential_id: object.present("credential_id").map(|node| node.short_text(MAX_ID)).transpose()?,
        request_metadata: object.present("request_metadata").map_or(Ok(Map::new()), Node::map)?,
        required: object.optional("required").map_or(Ok(false), Node::boolean)?,
    })
}

fn transport(node: Node, place: Place) -> Result<TransportParam, Fault> {
    let mut object = node.object()?;
    let secret = |object: &mut Object, key| if place == Place::Session { object.present(key) } else { None };
    let transport = match object.required("type")?.word()? {
        TransportKind::Http => TransportParam::Http {
            server_url: object.required("server_url")?.text()?,
            headers: object.present("headers").map_or(Ok(BTreeMap::new()), string_map)?,
            authorization: secret(&mut object, "authorization").map(Node::string).transpose()?,
        },
        TransportKind::Stdio => TransportParam::Stdio {
            command: object.required("command")?.text()?,
            cwd: object.required("cwd")?.text()?,
            args: object.present("args").map_or(Ok(Vec::new()), Node::strings)?,
            env: secret(&mut object, "env").map_or(Ok(BTreeMap::new()), string_map)?,
            env_vars: object.present("env_vars").map_or(Ok(Vec::new()), Node::strings)?,
        },
    };
    object.finish()?;
    Ok(transport)
}

fn web_search(object: &mut Object) -> Result<WebSearch, Fault> {
    let domains = |node: Node| node.sized_array("an array of strings", 1, 100)?.into_iter().map(Node::text).collect();
    Ok(WebSearch {
        mode: object.present("mode").map_or(Ok(SearchMode::Live), Node::word)?,
        context_size: object.present("context_size").map_or(Ok(ContextSize::Medium), Node::word)?,
        allowed_domains: object.present("allowed_domains").map(domains).transpose()?,
        location: object.present("location").map(location).transpose()?,
    })
}

fn location(node: Node) -> Result<BTreeMap<String, Option<String>>, Fault> {
    let mut object = node.object()?;
    let mut parts = BTreeMap::new();
    for key in ["city", "country", "region", "timezone"] {
        parts.insert(key.to_owned(), object.present(key).map(Node::string).transpose()?);
    }
    object.finish()?;
    Ok(parts)
}
