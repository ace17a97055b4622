//! Messages: who said what, in one form whichever way it was written.

use super::words::{AssistantKind, Role, TextKind, UserKind};
use crate::agents::request::MAX_EVENT_ID;
use crate::attached;
use crate::demand::{Detail, FileSource, NamedKind};
use crate::error::Fault;
use crate::reader::{Node, Object};

/// Messages of one request.
const MAX_MESSAGES: usize = 2048;
/// Parts of one message.
const MAX_PARTS: usize = 10_000;
/// Calls of one message.
const MAX_CALLS: usize = 128;
/// The longest name of a speaker, a function or a file, in characters.
const MAX_NAME: usize = 256;

#[derive(Clone, PartialEq, Debug)]
pub enum Message {
    System {
        content: Vec<Part>,
    },
    Developer {
        content: Vec<Part>,
    },
    User {
        content: Vec<Part>,
    },
    /// What it said, a refusal included, and then the calls that it made.
    Assistant {
        text: String,
        calls: Vec<Call>,
    },
    /// The result of a call.
    Tool {
        call_id: String,
        text: String,
    },
}

#[derive(Clone, PartialEq, Debug)]
pub struct Call {
    /// Empty until the messages were paired, where the older form gives none.
    pub id: String,
    pub name: String,
    /// A function's arguments as the client wrote them, or a custom tool's free text.
    pub arguments: String,
    pub is_custom: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    Text(String),
    Image { url: String },
    File { filename: Option<String>, source: FileSource },
}

impl Message {
    pub(super) fn speaks_of_json(&self) -> bool {
        let says = |text: &str| text.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"json"));
        match self {
            Self::System { content } | Self::Developer { content } | Self::User { content } => {
                content.iter().any(|part| matches!(part, Part::Text(text) if says(text)))
            }
            Self::Assistant { text, .. } | Self::Tool { text, .. } => says(text),
        }
    }
}

/// Every message with where it stood, as it was written. A result of the older form names its function in `call_id`.
pub(super) struct Written {
    pub message: Message,
    pub role: Role,
}

pub(super) fn read_all(node: Node) -> Result<Vec<Written>, Fault> {
    node.sized_array("an array of objects", 1, MAX_MESSAGES)?.into_iter().map(read).collect()
}

fn read(node: Node) -> Result<Written, Fault> {
    let mut object = node.object()?;
    let role = object.required("role")?.word()?;
    let message = match role {
        Role::System => Message::System { content: parts(object.required("content")?, text_part)? },
        Role::Developer => Message::Developer { content: parts(object.required("content")?, text_part)? },
        Role::User => Message::User { content: parts(object.required("content")?, user_part)? },
        Role::Assistant => assistant(&mut object)?,
        Role::Tool => Message::Tool {
            call_id: object.required("tool_call_id")?.short_text(MAX_EVENT_ID)?,
            text: texts(object.required("content")?)?,
        },
        Role::Function => Message::Tool {
            call_id: object.required("name")?.short_text(MAX_NAME)?,
            text: object.nullable("content").flatten().map_or(Ok(String::new()), texts)?,
        },
    };
    // Who of several speaks is not told to models.
    object.present("name").map(|node| node.short_string(MAX_NAME)).transpose()?;
    object.finish()?;
    Ok(Written { message, role })
}

fn assistant(object: &mut Object) -> Result<Message, Fault> {
    let calls = match (object.present("tool_calls"), object.present("function_call")) {
        (Some(node), _) => {
            let nodes = node.sized_array("an array of objects", 1, MAX_CALLS)?;
            nodes.into_iter().map(call).collect::<Result<_, _>>()?
        }
        (None, Some(node)) => vec![function(node, String::new())?],
        (None, None) => Vec::new(),
    };
    let refusal = object.present("refusal").map(Node::string).transpose()?;
    let must_speak = calls.is_empty() && refusal.is_none();
    let content = if must_speak { Some(object.required("content")?) } else { object.present("content") };
    let mut text = content.map_or(Ok(String::new()), |node| spoken(node, assistant_part))?;
    text.push_str(&refusal.unwrap_or_default());
    // Answers carry these two, and clients send answers back.
    object.present("annotations").map(|node| node.array("an array of objects")).transpose()?;
    if object.present("audio").is_some() {
        let text = "Audio is not available on this server.";
        return Err(Fault::at(&object.path("audio"), text));
    }
    Ok(Message::Assistant { text, calls })
}

fn call(node: Node) -> Result<Call, Fault> {
    let mut object = node.object()?;
    let id = object.required("id")?.short_text(MAX_EVENT_ID)?;
    let call = match object.required("type")?.word()? {
        NamedKind::Function => function(object.required("function")?, id)?,
        NamedKind::Custom => {
            let mut custom = object.required("custom")?.object()?;
            let name = custom.required("name")?.short_text(MAX_NAME)?;
            let call = Call { id, name, arguments: custom.required("input")?.string()?, is_custom: true };
            custom.finish()?;
            call
        }
    };
    object.finish()?;
    Ok(call)
}

fn function(node: Node, id: String) -> Result<Call, Fault> {
    let mut object = node.object()?;
    let name = object.required("name")?.short_text(MAX_NAME)?;
    let call = Call { id, name, arguments: object.required("arguments")?.string()?, is_custom: false };
    object.finish()?;
    Ok(call)
}

/// A string, or parts.
fn parts(node: Node, read: fn(&mut Object) -> Result<Part, Fault>) -> Result<Vec<Part>, Fault> {
    if node.is_string() {
        return node.string().map(|text| vec![Part::Text(text)]);
    }
    if !node.value().is_array() {
        return Err(node.mistyped("one of a string or an array of objects"));
    }
    let part = |node: Node| {
        let mut object = node.object()?;
        let part = read(&mut object)?;
        // Caches look after themselves here.
        object.present("prompt_cache_breakpoint").map(Node::map).transpose()?;
        object.finish()?;
        Ok(part)
    };
    node.sized_array("an array of objects", 1, MAX_PARTS)?.into_iter().map(part).collect()
}

/// The same where only text may stand, put together.
fn spoken(node: Node, read: fn(&mut Object) -> Result<Part, Fault>) -> Result<String, Fault> {
    let texts = parts(node, read)?.into_iter().map(|part| match part {
        Part::Text(text) => text,
        Part::Image { .. } | Part::File { .. } => String::new(),
    });
    Ok(texts.collect())
}

pub(super) fn texts(node: Node) -> Result<String, Fault> {
    spoken(node, text_part)
}

fn text_part(object: &mut Object) -> Result<Part, Fault> {
    match object.required("type")?.word()? {
        TextKind::Text => object.required("text")?.string().map(Part::Text),
    }
}

fn assistant_part(object: &mut Object) -> Result<Part, Fault> {
    let key = match object.required("type")?.word()? {
        AssistantKind::Text => "text",
        AssistantKind::Refusal => "refusal",
    };
    object.required(key)?.string().map(Part::Text)
}

fn user_part(object: &mut Object) -> Result<Part, Fault> {
    match object.required("type")?.word()? {
        UserKind::Text => object.required("text")?.string().map(Part::Text),
        UserKind::ImageUrl => {
            let mut image = object.required("image_url")?.object()?;
            let url = attached::image_url(image.required("url")?)?;
            // How closely a model looks is its own to decide.
            image.present("detail").map(Node::word::<Detail>).transpose()?;
            image.finish()?;
            Ok(Part::Image { url })
        }
        UserKind::InputAudio => Err(Fault::at(&object.path("type"), "Audio input is not available on this server.")),
        UserKind::File => file(object.required("file")?),
    }
}

fn file(node: Node) -> Result<Part, Fault> {
    let path = node.path().to_owned();
    let mut object = node.object()?;
    let data = object.present("file_data").map(attached::file_data).transpose()?;
    let id = object.present("file_id").map(|node| node.short_text(MAX_EVENT_ID)).transpose()?;
    let filename = object.present("filename").map(|node| node.short_text(MAX_NAME)).transpose()?;
    let source = match (data, id) {
        (Some(data), None) => FileSource::Data(data),
        (None, Some(id)) => FileSource::Id(id),
        _ => return Err(Fault::at(&path, format!("Expected one of 'file_data' and 'file_id' in '{path}'."))),
    };
    object.finish()?;
    Ok(Part::File { filename, source })
}
