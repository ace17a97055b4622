//! Messages of a conversation, in the order in which a model hears them. Calls and their results find each other: what a
//! message of the assistant called is answered in the message of the user behind it, call by call.

use super::document::{document, image};
use super::not_served;
use crate::chat::request::order::unseen;
use crate::demand::name;
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};
use crate::words::words;
use std::collections::BTreeMap;

/// Messages of one request.
const MAX_MESSAGES: usize = 10_000;
/// Blocks of one message or result.
const MAX_BLOCKS: usize = 10_000;
/// The longest id of a call and the longest name of a tool, in characters.
pub(super) const MAX_NAME: usize = 64;
/// Ids that an error repeats.
const TOLD: usize = 10;

const NOT_USER_FIRST: &str =
    "A conversation must start with a user message. Try again with a conversation that starts with a user message.";
const NOT_USER_LAST: &str = "The model that you are using requires the last turn in the conversation to be a user message. Add a user message to the conversation and try again.";

words! {
    Role { User => "user", Assistant => "assistant", System => "system" }
    Status { Success => "success", Error => "error" }
    CacheKind { Default => "default" }
    CacheTime { FiveMinutes => "5m", OneHour => "1h" }
    ServerUse { ServerToolUse => "server_tool_use" }
}

/// What one or several blocks say.
#[derive(Clone, PartialEq, Debug)]
pub enum Turn {
    System(Vec<String>),
    User(Vec<Part>),
    Assistant(String),
    /// What a model was heard to think. Without its signature; nobody behind this server asks for it.
    Reasoning(String),
    Call {
        id: String,
        name: String,
        /// A JSON object.
        arguments: String,
    },
    Result {
        id: String,
        content: Vec<Part>,
        failed: bool,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    Text(String),
    /// A `data:` URL.
    Image(String),
    /// A file that is no text: its name and its content as a `data:` URL.
    File {
        name: String,
        data: String,
    },
}

/// Calls of the newest message that made any: how the client names them, and how they are named here.
#[derive(Default)]
struct Course {
    open: Vec<(String, String)>,
    seen: BTreeMap<String, u32>,
    turns: Vec<Turn>,
}

/// All messages. Whether calls were made, which only a request with tools may bring.
pub(super) fn read(node: Node) -> Result<(Vec<Turn>, bool), Fault> {
    let path = node.path().to_owned();
    let messages = node.sized_array("an array of objects", 1, MAX_MESSAGES)?;
    let (mut course, mut newest, mut has_begun) = (Course::default(), Role::System, false);
    for node in messages {
        let mut message = node.object()?;
        let role = message.present("role").ok_or_else(|| message.missing("role"))?.word()?;
        let content = message.present("content").ok_or_else(|| message.missing("content"))?;
        let at = content.path().to_owned();
        let blocks = content.sized_array("an array of objects", 0, MAX_BLOCKS)?;
        if role != Role::User {
            course.close(&at)?;
        }
        match role {
            // An answer may have been empty.
            Role::Assistant if !has_begun => return Err(Fault::at(&path, NOT_USER_FIRST)),
            Role::Assistant => {
                for block in blocks {
                    course.said(block)?;
                }
            }
            _ if blocks.is_empty() => return Err(empty(&at)),
            Role::User => course.heard(blocks, &at)?,
            Role::System => {
                let texts = blocks.into_iter().filter_map(|block| only_text(block).transpose());
                course.turns.push(Turn::System(texts.collect::<Result<_, _>>()?));
            }
        }
        message.finish()?;
        has_begun |= role == Role::User;
        newest = role;
    }
    if newest != Role::User {
        return Err(Fault::at(&path, if has_begun { NOT_USER_LAST } else { NOT_USER_FIRST }));
    }
    let calls = course.turns.iter().any(|turn| matches!(turn, Turn::Call { .. }));
    Ok((course.turns, calls))
}

impl Course {
    /// Takes a block of the assistant's.
    fn said(&mut self, node: Node) -> Result<(), Fault> {
        let (kind, value) = only(node)?;
        match kind.as_str() {
            "text" => self.turns.push(Turn::Assistant(text(value)?)),
            "cachePoint" => cache_point(value)?,
            "toolUse" => self.called(value)?,
            "reasoningContent" => self.turns.extend(reasoning(value)?.map(Turn::Reasoning)),
            "citationsContent" => {
                let mut cited = value.object()?;
                cited.present("citations");
                let content = cited.present("content").map_or(Ok(Vec::new()), |node| node.array("an array of objects"));
                let texts: Result<String, Fault> = content?.into_iter().map(plain).collect();
                cited.finish()?;
                self.turns.push(Turn::Assistant(texts?));
            }
            _ => return Err(unknown(&value, &kind, "an assistant message")),
        }
        Ok(())
    }

    fn called(&mut self, node: Node) -> Result<(), Fault> {
        let mut call = node.object()?;
        let client = call_id(&mut call)?;
        let name = name(required(&mut call, "name")?, MAX_NAME)?;
        let input = required(&mut call, "input")?;
        if !input.value().is_object() {
            let path = input.path();
            let text = format!(
                "The format of the value at {path} is invalid. Provide a json object for the field and try again."
            );
            return Err(Fault::at(path, text));
        }
        let arguments = input.value().to_string();
        if let Some(node) = call.present("type") {
            let path = node.path().to_owned();
            node.word::<ServerUse>()?;
            return Err(not_served(&path, "A tool that the service performs"));
        }
        call.finish()?;
        let id = unseen(client.clone(), &mut self.seen);
        self.open.push((client, id.clone()));
        self.turns.push(Turn::Call { id, name, arguments });
        Ok(())
    }

    /// Takes a message of the user's: the results that it brings, then what it says beside them.
    fn heard(&mut self, blocks: Vec<Node>, path: &str) -> Result<(), Fault> {
        let mut parts = Vec::new();
        for block in blocks {
            let (kind, value) = only(block)?;
            match kind.as_str() {
                "toolResult" => self.result(value, path)?,
                "cachePoint" => cache_point(value)?,
                _ => parts.push(part(&kind, value, "a user message")?),
            }
        }
        self.close(path)?;
        if !parts.is_empty() {
            self.turns.push(Turn::User(parts));
        }
        Ok(())
    }

    fn result(&mut self, node: Node, path: &str) -> Result<(), Fault> {
        let mut result = node.object()?;
        let client = call_id(&mut result)?;
        let content = required(&mut result, "content")?.sized_array("an array of objects", 0, MAX_BLOCKS)?;
        let content = content.into_iter().map(|block| {
            let (kind, value) = only(block)?;
            match kind.as_str() {
                "json" => Ok(Part::Text(value.value().to_string())),
                "text" => value.string().map(Part::Text),
                _ => part(&kind, value, "a tool result"),
            }
        });
        let content = content.collect::<Result<_, _>>()?;
        let failed = result.present("status").map(Node::word::<Status>).transpose()? == Some(Status::Error);
        // What kind of tool's it is, for tools that the service performs.
        result.present("type");
        result.finish()?;
        let Some(at) = self.open.iter().position(|(name, _)| *name == client) else {
            let text = format!(
                "The number of toolResult blocks at {path} exceeds the number of toolUse blocks of previous turn."
            );
            return Err(Fault::at(path, text));
        };
        let (_, id) = self.open.remove(at);
        self.turns.push(Turn::Result { id, content, failed });
        Ok(())
    }

    /// Every call must have its result by now.
    fn close(&self, path: &str) -> Result<(), Fault> {
        if self.open.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = self.open.iter().take(TOLD).map(|(name, _)| clip(name)).collect();
        let text = format!("Expected toolResult blocks at {path} for the following Ids: {}", ids.join(", "));
        Err(Fault::at(path, text))
    }
}

/// What is said above the conversation.
pub(super) fn system(node: Node) -> Result<Vec<String>, Fault> {
    let blocks = node.sized_array("an array of objects", 0, MAX_BLOCKS)?;
    blocks.into_iter().filter_map(|block| only_text(block).transpose()).collect()
}

/// A text, or nothing where the block is a cache point.
fn only_text(node: Node) -> Result<Option<String>, Fault> {
    let (kind, value) = only(node)?;
    match kind.as_str() {
        "text" => text(value).map(Some),
        "cachePoint" => cache_point(value).map(|()| None),
        _ => Err(unknown(&value, &kind, "a system prompt")),
    }
}

fn part(kind: &str, value: Node, place: &str) -> Result<Part, Fault> {
    match kind {
        "text" => text(value).map(Part::Text),
        "image" => image(value).map(Part::Image),
        "document" => document(value),
        _ => Err(unknown(&value, kind, place)),
    }
}

/// The one member of a union: its name and its value.
fn only(node: Node) -> Result<(String, Node), Fault> {
    let path = node.path().to_owned();
    let mut members = node.entries()?.filter(|(_, value)| !value.value().is_null());
    match (members.next(), members.next()) {
        (Some(member), None) => Ok(member),
        (None, _) => {
            Err(Fault::at(&path, format!("The block at {path} is empty. Add content to the block, and try again.")))
        }
        (Some((first, _)), Some((second, _))) => {
            let (first, second) = (clip(&first), clip(&second));
            let text = format!("The block at {path} has more than one member: '{first}' and '{second}'. Set only one.");
            Err(Fault::at(&path, text))
        }
    }
}

fn unknown(value: &Node, kind: &str, place: &str) -> Fault {
    not_served(value.path(), &format!("A '{}' block in {place}", clip(kind)))
}

/// A text that says something.
fn text(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let text = node.string()?;
    if text.trim().is_empty() {
        let block = path.strip_suffix(".text").unwrap_or(&path);
        let message = format!(
            "The text field in the ContentBlock object at {block} is blank. Add text to the text field, and try again."
        );
        return Err(Fault::at(&path, message));
    }
    Ok(text)
}

/// An object that holds a text and nothing else.
pub(super) fn plain(node: Node) -> Result<String, Fault> {
    let mut object = node.object()?;
    let text = required(&mut object, "text")?.string()?;
    object.finish()?;
    Ok(text)
}

/// What was thought; None where only its provider can read it.
fn reasoning(node: Node) -> Result<Option<String>, Fault> {
    let (kind, value) = only(node)?;
    match kind.as_str() {
        "reasoningText" => {
            let mut thought = value.object()?;
            let text = required(&mut thought, "text")?.string()?;
            thought.present("signature").map(Node::string).transpose()?;
            thought.finish()?;
            Ok(Some(text))
        }
        "redactedContent" => value.string().map(|_| None),
        _ => Err(unknown(&value, &kind, "reasoning content")),
    }
}

/// Where a prefix may be cached. Providers behind this server find that by themselves.
pub(super) fn cache_point(node: Node) -> Result<(), Fault> {
    let mut point = node.object()?;
    required(&mut point, "type")?.word::<CacheKind>()?;
    point.present("ttl").map(Node::word::<CacheTime>).transpose()?;
    point.finish()
}

fn call_id(object: &mut Object) -> Result<String, Fault> {
    let node = required(object, "toolUseId")?;
    let path = node.path().to_owned();
    let id = node.short_text(MAX_NAME)?;
    if id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte)) {
        return Ok(id);
    }
    let text = format!(
        "Value '{}' at '{path}' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.:-]+",
        clip(&id)
    );
    Err(Fault::at(&path, text))
}

pub(super) fn required(object: &mut Object, key: &str) -> Result<Node, Fault> {
    object.present(key).ok_or_else(|| object.missing(key))
}

fn empty(path: &str) -> Fault {
    let message = path.strip_suffix(".content").unwrap_or(path);
    let text = format!(
        "The content field in the Message object at {message} is empty. Add a ContentBlock object to the content field and try again."
    );
    Fault::at(path, text)
}
