//! Requests. What AWS has and this server does not is refused with the reason, and never passed over.

use super::{is_name, misshapen, version_number};
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::words;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const DESCRIPTION: usize = 4096;
const ENDPOINT_DESCRIPTION: usize = 256;
const ROLE: usize = 2048;
const BUCKET: usize = 63;
const PREFIX: usize = 1024;
/// Characters of an entry point's part.
const ENTRY: usize = 128;
const VARIABLES: usize = 50;
const VARIABLE_NAME: usize = 100;
const VARIABLE: usize = 5000;
const HEADERS: usize = 20;
/// Seconds of a session's life.
const SHORTEST: u64 = 60;
const LONGEST: u64 = 1_209_600;
const TOKEN: usize = 256;
/// Headers that a runtime may ask for begin so.
const CUSTOM: &str = "x-amzn-bedrock-agentcore-runtime-custom-";
/// The one port of programs that speak HTTP.
const PORT: u64 = 8080;

words! {
    RuntimeWord {
        Python310 => "PYTHON_3_10",
        Python311 => "PYTHON_3_11",
        Python312 => "PYTHON_3_12",
        Python313 => "PYTHON_3_13",
        Python314 => "PYTHON_3_14",
        Node22 => "NODE_22",
    }
    NetworkMode {
        Public => "PUBLIC",
        Vpc => "VPC",
    }
    ServerProtocol {
        Mcp => "MCP",
        Http => "HTTP",
        A2a => "A2A",
        Agui => "AGUI",
    }
}

/// What is said of a version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuntimeDetails {
    pub description: Option<String>,
    pub bucket: String,
    pub prefix: String,
    pub runtime: RuntimeWord,
    pub entry_point: Vec<String>,
    pub role: String,
    pub protocol: Option<ServerProtocol>,
    pub idle: Option<u32>,
    pub lifetime: Option<u32>,
    pub headers: Vec<String>,
    pub variables: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuntimeCreate {
    pub name: String,
    pub details: RuntimeDetails,
    pub token: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuntimeUpdate {
    pub details: RuntimeDetails,
    pub token: Option<String>,
}

impl RuntimeCreate {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let name = name(required(&mut object, "agentRuntimeName")?)?;
        let details = details(&mut object)?;
        refused(&mut object, "tags", "it keeps no tags of runtimes.")?;
        let token = token(&mut object)?;
        object.finish()?;
        Ok(Self { name, details, token })
    }
}

impl RuntimeUpdate {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let details = details(&mut object)?;
        refused(&mut object, "metadataConfiguration", "its sandboxes have no metadata service.")?;
        let token = token(&mut object)?;
        object.finish()?;
        Ok(Self { details, token })
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointCreate {
    pub name: String,
    pub change: EndpointChange,
}

/// What an endpoint is to be, or to become.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EndpointChange {
    pub version: Option<u32>,
    pub description: Option<String>,
    pub token: Option<String>,
}

impl EndpointCreate {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let name = name(required(&mut object, "name")?)?;
        let change = change(&mut object)?;
        refused(&mut object, "tags", "it keeps no tags of endpoints.")?;
        object.finish()?;
        Ok(Self { name, change })
    }
}

impl EndpointChange {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let read = change(&mut object)?;
        object.finish()?;
        Ok(read)
    }
}

fn change(object: &mut Object) -> Result<EndpointChange, Fault> {
    let version = object.present("agentRuntimeVersion").map(|node| version_number(&node.string()?)).transpose()?;
    let description = object.present("description").map(|node| node.short_text(ENDPOINT_DESCRIPTION)).transpose()?;
    Ok(EndpointChange { version, description, token: token(object)? })
}

fn details(object: &mut Object) -> Result<RuntimeDetails, Fault> {
    let (bucket, prefix, runtime, entry_point) = artifact(required(object, "agentRuntimeArtifact")?)?;
    network(required(object, "networkConfiguration")?)?;
    let (idle, lifetime) = object.present("lifecycleConfiguration").map(lifecycle).transpose()?.unwrap_or_default();
    let details = RuntimeDetails {
        description: object.present("description").map(|node| node.short_text(DESCRIPTION)).transpose()?,
        bucket,
        prefix,
        runtime,
        entry_point,
        role: role(required(object, "roleArn")?)?,
        protocol: object.present("protocolConfiguration").map(protocol).transpose()?,
        idle,
        lifetime,
        headers: object.present("requestHeaderConfiguration").map(headers).transpose()?.unwrap_or_default(),
        variables: object.present("environmentVariables").map(variables).transpose()?.unwrap_or_default(),
    };
    for (field, why) in [
        ("authorizerConfiguration", "who may invoke a runtime is whoever has a key of its project."),
        ("hooksConfiguration", "it builds nothing."),
        ("filesystemConfigurations", "the disk of a session is /workspace, and stays with it."),
        ("capacityProviderConfiguration", "it runs everything on its own machine."),
        ("platformVersion", "it has one platform."),
        ("allowedPorts", "it asks a program at port 8080 alone."),
        ("resourceConfigurations", "every session has 2 cores and 4 GiB."),
    ] {
        refused(object, field, why)?;
    }
    Ok(details)
}

fn artifact(node: Node) -> Result<(String, String, RuntimeWord, Vec<String>), Fault> {
    let mut artifact = node.object()?;
    refused(&mut artifact, "containerConfiguration", "it runs no container images; give it codeConfiguration.")?;
    let mut object = required(&mut artifact, "codeConfiguration")?.object()?;
    artifact.finish()?;
    let mut code = required(&mut object, "code")?.object()?;
    let mut s3 = required(&mut code, "s3")?.object()?;
    code.finish()?;
    let bucket = required(&mut s3, "bucket")?.short_text(BUCKET)?;
    let prefix = required(&mut s3, "prefix")?.short_text(PREFIX)?;
    refused(&mut s3, "versionId", "its files have no versions.")?;
    s3.finish()?;
    let runtime = required(&mut object, "runtime")?.word()?;
    let entry = required(&mut object, "entryPoint")?.sized_array("an array of strings", 1, 2)?;
    let entry_point = entry.into_iter().map(|node| node.short_text(ENTRY)).collect::<Result<_, _>>()?;
    object.finish()?;
    Ok((bucket, prefix, runtime, entry_point))
}

fn network(node: Node) -> Result<(), Fault> {
    let mut object = node.object()?;
    let node = required(&mut object, "networkMode")?;
    let path = node.path().to_owned();
    if node.word::<NetworkMode>()? == NetworkMode::Vpc {
        return Err(Fault::at(&path, format!("{path}: this server has no VPC; say PUBLIC.")));
    }
    refused(&mut object, "networkModeConfig", "it has no VPC.")?;
    object.finish()
}

fn lifecycle(node: Node) -> Result<(Option<u32>, Option<u32>), Fault> {
    let mut object = node.object()?;
    let mut seconds = |field| -> Result<Option<u32>, Fault> {
        let span = object.present(field).map(|node| node.integer(SHORTEST, LONGEST)).transpose()?;
        Ok(span.and_then(|span| u32::try_from(span).ok()))
    };
    let read = (seconds("idleRuntimeSessionTimeout")?, seconds("maxLifetime")?);
    object.finish()?;
    if let (Some(idle), Some(lifetime)) = read
        && idle > lifetime
    {
        let at = "lifecycleConfiguration.idleRuntimeSessionTimeout";
        return Err(Fault::at(at, format!("Invalid '{at}': it may not be longer than maxLifetime.")));
    }
    Ok(read)
}

fn protocol(node: Node) -> Result<ServerProtocol, Fault> {
    let mut object = node.object()?;
    let node = required(&mut object, "serverProtocol")?;
    let path = node.path().to_owned();
    let protocol = node.word()?;
    if matches!(protocol, ServerProtocol::Mcp | ServerProtocol::A2a) {
        return Err(Fault::at(&path, format!("{path}: this server hosts programs that speak HTTP or AGUI alone.")));
    }
    object.present("port").map(|node| node.integer(PORT, PORT)).transpose()?;
    refused(&mut object, "path", "it asks a program at /invocations, /ws and /ping alone.")?;
    object.finish()?;
    Ok(protocol)
}

fn headers(node: Node) -> Result<Vec<String>, Fault> {
    let mut object = node.object()?;
    let list = required(&mut object, "requestHeaderAllowlist")?.sized_array("an array of strings", 1, HEADERS)?;
    object.finish()?;
    list.into_iter().map(header).collect()
}

/// The key of whoever asks is in `Authorization`: it is this server's, and no program's.
fn header(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let name = node.string()?;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let fits = name.len() <= 256 && name.bytes().all(is_word) && name.to_ascii_lowercase().starts_with(CUSTOM);
    if fits {
        return Ok(name);
    }
    let text = format!(
        "Invalid '{path}': only headers that begin with 'X-Amzn-Bedrock-AgentCore-Runtime-Custom-' are handed on."
    );
    Err(Fault::at(&path, text))
}

fn variables(node: Node) -> Result<BTreeMap<String, String>, Fault> {
    let path = node.path().to_owned();
    let entries = node.entries()?;
    if entries.len() > VARIABLES {
        return Err(Fault::at(&path, format!("Invalid '{path}': there may be {VARIABLES} variables.")));
    }
    entries
        .map(|(name, node)| {
            let fits = !name.is_empty()
                && name.len() <= VARIABLE_NAME
                && !name.bytes().any(|byte| byte == b'=' || byte == 0 || byte.is_ascii_control());
            let value = node.short_string(VARIABLE)?;
            if !fits || value.contains('\0') {
                return Err(misshapen(&path, &name));
            }
            Ok((name, value))
        })
        .collect()
}

pub(in crate::agentcore) fn role(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let text = node.short_text(ROLE)?;
    let fits = text.starts_with("arn:aws") && text.contains(":iam::") && text.contains(":role/");
    if fits { Ok(text) } else { Err(misshapen(&path, &text)) }
}

pub(in crate::agentcore) fn name(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let text = node.string()?;
    if is_name(&text, 48) { Ok(text) } else { Err(misshapen(&path, &text)) }
}

pub(in crate::agentcore) fn token(object: &mut Object) -> Result<Option<String>, Fault> {
    object.present("clientToken").map(|node| node.short_text(TOKEN)).transpose()
}

pub(in crate::agentcore) fn required(object: &mut Object, key: &str) -> Result<Node, Fault> {
    object.present(key).ok_or_else(|| object.missing(key))
}

pub(in crate::agentcore) fn refused(object: &mut Object, key: &str, why: &str) -> Result<(), Fault> {
    match object.present(key) {
        // Nothing is said with it.
        Some(node) if node.value().as_object().is_some_and(Map::is_empty) => Ok(()),
        Some(node) => Err(Fault::at(node.path(), format!("{} is not supported by this server: {why}", node.path()))),
        None => Ok(()),
    }
}
