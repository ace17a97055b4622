//! Requests. What AWS has and this server does not is refused with the reason, and never passed over.

use crate::agentcore::runtime::{name, refused, required, role, token};
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::words;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

const DESCRIPTION: usize = 4096;
const SESSION_NAME: usize = 100;
/// Seconds of a session.
const TIME: u64 = 900;
const LONGEST: u64 = 28_800;
/// Bytes of code, which an executor takes in one write, and of a command, which is an argument.
const CODE: usize = 3 << 20;
const COMMAND: usize = 100_000;
const PATHS: usize = 1_000;
const PATH: usize = 4_096;
const PAGE: u64 = 10;
const MOST_PAGE: u64 = 100;
const CURSOR: usize = 2_048;
const TASK: usize = 256;

words! {
    InterpreterMode {
        Public => "PUBLIC",
        Sandbox => "SANDBOX",
        Vpc => "VPC",
    }
    SessionStatus {
        Ready => "READY",
        Terminated => "TERMINATED",
    }
    Language {
        Python => "python",
        JavaScript => "javascript",
        TypeScript => "typescript",
    }
    Runtime {
        Node => "nodejs",
        Deno => "deno",
        Python => "python",
    }
    Name {
        ExecuteCode => "executeCode",
        ExecuteCommand => "executeCommand",
        ReadFiles => "readFiles",
        ListFiles => "listFiles",
        RemoveFiles => "removeFiles",
        WriteFiles => "writeFiles",
        StartCommandExecution => "startCommandExecution",
        GetTask => "getTask",
        StopTask => "stopTask",
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InterpreterCreate {
    pub name: String,
    pub description: Option<String>,
    pub role: Option<String>,
    pub mode: InterpreterMode,
    pub token: Option<String>,
}

impl InterpreterCreate {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let read = Self {
            name: name(required(&mut object, "name")?)?,
            description: object.present("description").map(|node| node.short_text(DESCRIPTION)).transpose()?,
            role: object.present("executionRoleArn").map(role).transpose()?,
            mode: network(required(&mut object, "networkConfiguration")?)?,
            token: token(&mut object)?,
        };
        refused(&mut object, "tags", "it keeps no tags of code interpreters.")?;
        extras(&mut object)?;
        object.finish()?;
        Ok(read)
    }
}

fn network(node: Node) -> Result<InterpreterMode, Fault> {
    let mut object = node.object()?;
    let node = required(&mut object, "networkMode")?;
    let path = node.path().to_owned();
    let mode = node.word()?;
    if mode == InterpreterMode::Vpc {
        return Err(Fault::at(&path, format!("{path}: this server has no VPC; say PUBLIC or SANDBOX.")));
    }
    refused(&mut object, "vpcConfig", "it has no VPC.")?;
    object.finish()?;
    Ok(mode)
}

/// What is AWS's own.
fn extras(object: &mut Object) -> Result<(), Fault> {
    refused(object, "certificates", "it has no Secrets Manager.")?;
    match object.present("filesystemConfigurations") {
        Some(node) if node.value().as_array().is_none_or(|list| !list.is_empty()) => {
            let path = node.path().to_owned();
            Err(Fault::at(&path, format!("{path} is not supported by this server: a session's disk is /workspace.")))
        }
        _ => Ok(()),
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionStart {
    pub name: Option<String>,
    /// Seconds.
    pub timeout: u32,
    pub token: Option<String>,
}

impl SessionStart {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let name = object.present("name").map(|node| node.short_text(SESSION_NAME)).transpose()?;
        let timeout = object.present("sessionTimeoutSeconds").map(|node| node.integer(1, LONGEST)).transpose()?;
        let timeout = u32::try_from(timeout.unwrap_or(TIME)).unwrap_or(u32::MAX);
        let token = token(&mut object)?;
        extras(&mut object)?;
        object.finish()?;
        Ok(Self { name, timeout, token })
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SessionsAsked {
    pub limit: usize,
    pub after: Option<String>,
    pub status: Option<SessionStatus>,
}

impl SessionsAsked {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let limit = object.present("maxResults").map(|node| node.integer(1, MOST_PAGE)).transpose()?.unwrap_or(PAGE);
        let read = Self {
            limit: usize::try_from(limit).unwrap_or(1),
            after: object.present("nextToken").map(|node| node.short_text(CURSOR)).transpose()?,
            status: object.present("status").map(Node::word).transpose()?,
        };
        object.finish()?;
        Ok(read)
    }
}

/// What a session is asked to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invocation(pub Invoked);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invoked {
    Code { code: String, language: Language, clear: bool },
    Command(String),
    ReadFiles(Vec<String>),
    ListFiles(String),
    RemoveFiles(Vec<String>),
    WriteFiles(Vec<(String, Vec<u8>)>),
    StartCommand(String),
    Task(String),
    StopTask(String),
}

impl Invocation {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let name: Name = required(&mut object, "name")?.word()?;
        // Looked up by a path in every message, so an object of its own even where it is missing.
        let mut arguments = match object.present("arguments") {
            Some(node) => node.object()?,
            None => Object::below("arguments"),
        };
        object.finish()?;
        let asked = &mut arguments;
        let invoked = match name {
            Name::ExecuteCode => code(asked)?,
            Name::ExecuteCommand => Invoked::Command(line(asked)?),
            Name::ReadFiles => Invoked::ReadFiles(paths(asked)?),
            Name::ListFiles => {
                let node = asked.present("directoryPath").or_else(|| asked.present("path"));
                Invoked::ListFiles(node.map(|node| node.short_string(PATH)).transpose()?.unwrap_or_default())
            }
            Name::RemoveFiles => Invoked::RemoveFiles(paths(asked)?),
            Name::WriteFiles => Invoked::WriteFiles(files(asked)?),
            Name::StartCommandExecution => Invoked::StartCommand(line(asked)?),
            Name::GetTask => Invoked::Task(required(asked, "taskId")?.short_text(TASK)?),
            Name::StopTask => Invoked::StopTask(required(asked, "taskId")?.short_text(TASK)?),
        };
        arguments.finish()?;
        Ok(Self(invoked))
    }
}

fn code(asked: &mut Object) -> Result<Invoked, Fault> {
    let node = required(asked, "code")?;
    let path = node.path().to_owned();
    let code = node.string()?;
    if code.len() > CODE {
        return Err(Fault::at(&path, format!("Invalid '{path}': code has at most {CODE} bytes.")));
    }
    no_zero(&path, &code)?;
    let language = asked.present("language").map(Node::word).transpose()?.unwrap_or(Language::Python);
    let clear = asked.present("clearContext").map(Node::boolean).transpose()?.unwrap_or_default();
    if let Some(node) = asked.present("runtime") {
        let path = node.path().to_owned();
        let runs = if language == Language::Python { Runtime::Python } else { Runtime::Node };
        if node.word::<Runtime>()? != runs {
            return Err(Fault::at(
                &path,
                format!("Invalid '{path}': this server runs Python, and the others by nodejs."),
            ));
        }
    }
    Ok(Invoked::Code { code, language, clear })
}

fn line(asked: &mut Object) -> Result<String, Fault> {
    let node = required(asked, "command")?;
    let path = node.path().to_owned();
    let command = node.text()?;
    if command.len() > COMMAND {
        return Err(Fault::at(&path, format!("Invalid '{path}': a command has at most {COMMAND} bytes.")));
    }
    no_zero(&path, &command)?;
    Ok(command)
}

/// One is as good as a list of one.
fn paths(asked: &mut Object) -> Result<Vec<String>, Fault> {
    match asked.present("path") {
        Some(node) if asked.present("paths").is_none() => Ok(vec![node.short_text(PATH)?]),
        Some(node) => Err(Fault::at(node.path(), format!("Invalid '{}': say it or paths.", node.path()))),
        None => {
            let nodes = required(asked, "paths")?.sized_array("an array of strings", 1, PATHS)?;
            nodes.into_iter().map(|node| node.short_text(PATH)).collect()
        }
    }
}

fn files(asked: &mut Object) -> Result<Vec<(String, Vec<u8>)>, Fault> {
    let nodes = required(asked, "content")?.sized_array("an array of objects", 1, PATHS)?;
    nodes.into_iter().map(written).collect()
}

fn written(node: Node) -> Result<(String, Vec<u8>), Fault> {
    let at = node.path().to_owned();
    let mut object = node.object()?;
    let path = required(&mut object, "path")?.short_text(PATH)?;
    let bytes = match (object.present("text"), object.present("blob")) {
        (Some(text), None) => text.string()?.into_bytes(),
        (None, Some(blob)) => {
            let at = blob.path().to_owned();
            let decoded = STANDARD.decode(blob.string()?);
            decoded.map_err(|_| Fault::at(&at, format!("Invalid '{at}': it is no base64.")))?
        }
        _ => return Err(Fault::at(&at, format!("Invalid '{at}': say either text or blob."))),
    };
    object.finish()?;
    Ok((path, bytes))
}

fn no_zero(path: &str, text: &str) -> Result<(), Fault> {
    if text.contains('\0') { Err(Fault::at(path, format!("Invalid '{path}': it holds a zero."))) } else { Ok(()) }
}
