//! Input items: what a conversation is continued with, by a client that may have kept it itself.

use super::super::words::{ItemKind, ItemStatus, OutputPartKind, PartKind, ReasoningTextKind, Role, SummaryKind};
use super::{MAX_ID, MAX_NAME, kind, not_served};
use crate::agents::Phase;
use crate::attached;
use crate::demand::{Detail, FileSource, name};
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::words::Word;

/// One item; `id` is what the client calls it, where it says.
#[derive(Clone, PartialEq, Debug)]
pub enum InputItem {
    /// `role` is never `assistant`.
    Message {
        id: Option<String>,
        role: Role,
        content: Vec<Part>,
    },
    /// What the model said earlier.
    Assistant {
        id: Option<String>,
        text: String,
        phase: Option<Phase>,
    },
    /// `arguments` is free text where it is a call of a custom tool.
    Call {
        id: Option<String>,
        call_id: String,
        name: String,
        arguments: String,
        custom: bool,
    },
    Output {
        id: Option<String>,
        call_id: String,
        output: CallOutput,
    },
    Reasoning {
        id: Option<String>,
        summary: Vec<String>,
        encrypted_content: Option<String>,
    },
    Compaction {
        id: Option<String>,
        encrypted_content: String,
    },
    Reference {
        id: String,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    Text(String),
    /// A URL, often a `data:` URL.
    Image(String),
    /// An image that was uploaded, by its id.
    ImageFile(String),
    File {
        filename: Option<String>,
        source: FileSource,
    },
}

/// What a tool returned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallOutput {
    Text(String),
    Parts(Vec<Part>),
}

/// The longest id of a call and of an item, in characters. They may be those of other servers.
const MAX_FOREIGN_ID: usize = 256;
/// The longest name of a file, in characters.
const MAX_FILENAME: usize = 1024;
/// Items of one request: each is a record, and all are written at once, while others wait.
const MAX_ITEMS: usize = 10_000;

/// A string is one message of the user's.
pub fn items(node: Node) -> Result<Vec<InputItem>, Fault> {
    if node.is_string() {
        let content = vec![Part::Text(node.string()?)];
        return Ok(vec![InputItem::Message { id: None, role: Role::User, content }]);
    }
    if !node.value().is_array() {
        return Err(node.mistyped("one of a string or an array of input items"));
    }
    item_list(node, MAX_ITEMS)
}

/// The same where only a list will do, with at most `max` in it.
pub fn item_list(node: Node, max: usize) -> Result<Vec<InputItem>, Fault> {
    node.sized_array("an array of input items", 0, max)?.into_iter().map(item).collect()
}

/// A message may come without its type, and so may a reference, which has an id and nothing else.
fn item(node: Node) -> Result<InputItem, Fault> {
    let is_reference = node.value().as_object().is_some_and(|map| map.contains_key("id") && !map.contains_key("role"));
    let mut object = node.object()?;
    let kind = match object.present("type") {
        Some(kind) => kind.word()?,
        None if is_reference => ItemKind::ItemReference,
        None => ItemKind::Message,
    };
    let item = match kind {
        ItemKind::ItemReference => InputItem::Reference { id: object.required("id")?.short_text(MAX_FOREIGN_ID)? },
        ItemKind::Message => message(&mut object)?,
        ItemKind::FunctionCall => call(&mut object, "arguments", false)?,
        ItemKind::CustomToolCall => call(&mut object, "input", true)?,
        ItemKind::FunctionCallOutput | ItemKind::CustomToolCallOutput => InputItem::Output {
            id: id(&mut object)?,
            call_id: object.required("call_id")?.short_text(MAX_FOREIGN_ID)?,
            output: call_output(object.required("output")?)?,
        },
        ItemKind::Reasoning => reasoning(&mut object)?,
        ItemKind::Compaction => InputItem::Compaction {
            id: id(&mut object)?,
            encrypted_content: object.required("encrypted_content")?.text()?,
        },
    };
    // Items come back as they were shown: these say nothing that counts.
    object.present("status").map(Node::word::<ItemStatus>).transpose()?;
    object.present("created_by").map(Node::string).transpose()?;
    object.finish()?;
    Ok(item)
}

fn id(object: &mut Object) -> Result<Option<String>, Fault> {
    object.present("id").map(|node| node.short_text(MAX_FOREIGN_ID)).transpose()
}

fn message(object: &mut Object) -> Result<InputItem, Fault> {
    let id = id(object)?;
    let role = object.required("role")?.word()?;
    let content = object.required("content")?;
    let phase = object.present("phase").map(Node::word).transpose()?;
    let content = if content.is_string() {
        vec![Part::Text(content.string()?)]
    } else if content.value().is_array() {
        let parts = content.array("an array of objects")?;
        parts.into_iter().map(|node| part(node, role)).collect::<Result<_, _>>()?
    } else {
        return Err(content.mistyped("one of a string or an array of objects"));
    };
    if role != Role::Assistant {
        return Ok(InputItem::Message { id, role, content });
    }
    let text = content.into_iter().map(|part| if let Part::Text(text) = part { text } else { String::new() });
    Ok(InputItem::Assistant { id, text: text.collect(), phase })
}

fn part(node: Node, role: Role) -> Result<Part, Fault> {
    let mut object = node.object()?;
    let kind_path = object.path("type");
    let kind = kind(&mut object)?;
    let part = match kind {
        PartKind::InputText => Part::Text(object.required("text")?.string()?),
        PartKind::OutputText if role == Role::Assistant => {
            let text = object.required("text")?.string()?;
            object.present("annotations").map(|node| node.array("an array of objects")).transpose()?;
            object.present("logprobs").map(|node| node.array("an array of objects")).transpose()?;
            Part::Text(text)
        }
        PartKind::Refusal if role == Role::Assistant => Part::Text(object.required("refusal")?.string()?),
        PartKind::InputImage if role != Role::Assistant => image(&mut object)?,
        PartKind::InputFile if role != Role::Assistant => file(&mut object)?,
        _ if role == Role::Assistant => return Err(only(&kind_path, kind, "'output_text' and 'refusal'")),
        _ => return Err(only(&kind_path, kind, "'input_text', 'input_image', and 'input_file'")),
    };
    close(object)?;
    Ok(part)
}

/// A kind of part that a message of this role does not have.
fn only(path: &str, kind: PartKind, supported: &str) -> Fault {
    Fault::at(path, format!("Invalid value: '{}'. Supported values are: {supported}.", kind.as_str()))
}

/// Where a prompt may be cached is advice; it is read and left to the upstream.
fn close(mut object: Object) -> Result<(), Fault> {
    object.present("prompt_cache_breakpoint").map(Node::map).transpose()?;
    object.finish()
}

fn image(object: &mut Object) -> Result<Part, Fault> {
    object.present("detail").map(Node::word::<Detail>).transpose()?;
    let url = object.present("image_url").map(attached::image_url).transpose()?;
    let file = object.present("file_id").map(|node| node.short_text(MAX_ID)).transpose()?;
    match (url, file) {
        (Some(url), None) => Ok(Part::Image(url)),
        (None, Some(id)) => Ok(Part::ImageFile(id)),
        (_, _) => Err(exactly_one(object, "'image_url' or 'file_id'")),
    }
}

fn file(object: &mut Object) -> Result<Part, Fault> {
    object.present("detail").map(Node::word::<Detail>).transpose()?;
    if object.present("file_url").is_some() {
        return Err(not_served(&object.path("file_url")));
    }
    let filename = object.present("filename").map(|node| node.short_text(MAX_FILENAME)).transpose()?;
    let data = object.present("file_data").map(attached::file_data).transpose()?;
    let id = object.present("file_id").map(|node| node.short_text(MAX_ID)).transpose()?;
    let source = match (data, id) {
        (Some(data), None) => FileSource::Data(data),
        (None, Some(id)) => FileSource::Id(id),
        (_, _) => return Err(exactly_one(object, "'file_data' or 'file_id'")),
    };
    Ok(Part::File { filename, source })
}

fn exactly_one(object: &Object, of: &str) -> Fault {
    // The path of a field without a name is that of its object, and a point.
    let path = object.path("");
    let path = path.trim_end_matches('.');
    Fault::at(path, format!("Invalid '{path}': expected one of {of}."))
}

fn call(object: &mut Object, said: &str, custom: bool) -> Result<InputItem, Fault> {
    Ok(InputItem::Call {
        id: id(object)?,
        call_id: object.required("call_id")?.short_text(MAX_FOREIGN_ID)?,
        name: name(object.required("name")?, MAX_NAME)?,
        arguments: object.required(said)?.string()?,
        custom,
    })
}

/// A tool may well return nothing, so empty text passes here.
fn call_output(node: Node) -> Result<CallOutput, Fault> {
    if node.is_string() {
        return node.string().map(CallOutput::Text);
    }
    if !node.value().is_array() {
        return Err(node.mistyped("one of a string or an array of objects"));
    }
    let parts = node.array("an array of objects")?;
    parts.into_iter().map(output_part).collect::<Result<_, _>>().map(CallOutput::Parts)
}

fn output_part(node: Node) -> Result<Part, Fault> {
    let mut object = node.object()?;
    let part = match kind(&mut object)? {
        OutputPartKind::Text => Part::Text(object.required("text")?.string()?),
        OutputPartKind::Image => image(&mut object)?,
        OutputPartKind::File => file(&mut object)?,
    };
    close(object)?;
    Ok(part)
}

/// What the model thought in the clear (`content`) is not given to models again.
fn reasoning(object: &mut Object) -> Result<InputItem, Fault> {
    let id = id(object)?;
    let parts = object.present("summary").map_or(Ok(Vec::new()), |node| node.array("an array of objects"))?;
    let summary = parts.into_iter().map(summary_part).collect::<Result<_, _>>()?;
    for node in object.present("content").map_or(Ok(Vec::new()), |node| node.array("an array of objects"))? {
        let mut part = node.object()?;
        kind::<ReasoningTextKind>(&mut part)?;
        part.required("text")?.string()?;
        part.finish()?;
    }
    let encrypted_content = object.present("encrypted_content").map(Node::string).transpose()?;
    Ok(InputItem::Reasoning { id, summary, encrypted_content })
}

fn summary_part(node: Node) -> Result<String, Fault> {
    let mut object = node.object()?;
    kind::<SummaryKind>(&mut object)?;
    let text = object.required("text")?.string()?;
    object.finish()?;
    Ok(text)
}
