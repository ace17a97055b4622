//! Input events, and the messages that they and new sessions carry.

use super::MAX_EVENT_ID;
use crate::agents::words::{
    AuthenticationAction, ComputerResponseKind, ContentKind, Decision, InputKind, McpResponseKind, MessageKind, Role,
};
use crate::attached;
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};

/// Events of one request.
const MAX_EVENTS: usize = 1000;
/// Messages of one event, and parts of one message.
const MAX_PARTS: usize = 10_000;
/// Fields of a sign-in form.
const MAX_FIELDS: usize = 6;
/// What a sign-in form may hold, as compact JSON, in bytes.
const MAX_FORM: usize = 120 << 10;

/// One input event.
#[derive(Clone, PartialEq, Debug)]
pub enum Input {
    Message(Vec<Message>),
    Cancel,
    ToolResult {
        turn_id: String,
        call_id: String,
        success: bool,
        output: Option<CallOutput>,
        error: Option<String>,
    },
    McpApproval {
        request_id: String,
        decision: Decision,
    },
    /// None of the answer is kept: what was typed into a form is a secret.
    ComputerUseApproval {
        request_id: String,
    },
}

/// One user message.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    pub content: Vec<InputContent>,
}

#[derive(Clone, PartialEq, Debug)]
pub enum InputContent {
    Text(String),
    Image(String),
}

/// What a function returned.
#[derive(Clone, PartialEq, Debug)]
pub enum CallOutput {
    Text(String),
    Parts(Vec<InputContent>),
}

impl Input {
    /// `POST …/events`: an empty list is fine and does nothing.
    pub fn read_all(body: Map<String, Value>) -> Result<Vec<Self>, Fault> {
        let mut object = Object::root(body);
        let nodes = object.required("events")?.sized_array("an array of objects", 0, MAX_EVENTS)?;
        let inputs = nodes.into_iter().map(Self::read).collect::<Result<_, _>>()?;
        object.finish()?;
        Ok(inputs)
    }

    fn read(node: Node) -> Result<Self, Fault> {
        let mut object = node.object()?;
        let input = match object.required("type")?.word()? {
            InputKind::Message => Self::Message(messages(object.required("input")?)?),
            InputKind::Cancel => Self::Cancel,
            InputKind::ToolResult => Self::ToolResult {
                turn_id: id(&mut object, "turn_id")?,
                call_id: id(&mut object, "call_id")?,
                success: object.required("success")?.boolean()?,
                output: object.present("output").map(call_output).transpose()?,
                error: object.present("error").map(Node::string).transpose()?,
            },
            InputKind::McpApproval => Self::McpApproval {
                request_id: id(&mut object, "request_id")?,
                decision: mcp_response(object.required("response")?)?,
            },
            InputKind::ComputerUseApproval => {
                let request_id = id(&mut object, "request_id")?;
                computer_response(object.required("response")?)?;
                Self::ComputerUseApproval { request_id }
            }
        };
        object.finish()?;
        Ok(input)
    }
}

fn id(object: &mut Object, key: &str) -> Result<String, Fault> {
    object.required(key)?.short_string(MAX_EVENT_ID)
}

/// At least one message.
pub(super) fn messages(node: Node) -> Result<Vec<Message>, Fault> {
    node.sized_array("an array of objects", 1, MAX_PARTS)?.into_iter().map(message).collect()
}

fn message(node: Node) -> Result<Message, Fault> {
    let mut object = node.object()?;
    object.optional("type").map_or(Ok(MessageKind::Message), Node::word)?;
    object.required("role")?.word::<Role>()?;
    let parts = object.required("content")?.sized_array("an array of objects", 1, MAX_PARTS)?;
    let content = parts.into_iter().map(|node| part(node, Node::text)).collect::<Result<_, _>>()?;
    object.finish()?;
    Ok(Message { content })
}

fn part(node: Node, text: fn(Node) -> Result<String, Fault>) -> Result<InputContent, Fault> {
    let mut object = node.object()?;
    let content = match object.required("type")?.word()? {
        ContentKind::InputText => InputContent::Text(text(object.required("text")?)?),
        ContentKind::InputImage => InputContent::Image(attached::image_url(object.required("image_url")?)?),
    };
    object.finish()?;
    Ok(content)
}

/// A function may well return nothing, so empty text passes here.
fn call_output(node: Node) -> Result<CallOutput, Fault> {
    if node.is_string() {
        return node.string().map(CallOutput::Text);
    }
    let parts = node.array("one of a string or an array of objects")?;
    parts.into_iter().map(|node| part(node, Node::string)).collect::<Result<_, _>>().map(CallOutput::Parts)
}

fn mcp_response(node: Node) -> Result<Decision, Fault> {
    let mut object = node.object()?;
    object.required("type")?.word::<McpResponseKind>()?;
    let decision = object.required("decision")?.word()?;
    object.finish()?;
    Ok(decision)
}

fn computer_response(node: Node) -> Result<(), Fault> {
    let path = node.path().to_owned();
    let size = super::compact_size(node.value());
    let mut object = node.object()?;
    match object.required("type")?.word()? {
        ComputerResponseKind::BrowserOriginAccess => {
            object.required("decision")?.word::<Decision>()?;
        }
        ComputerResponseKind::BrowserAuthentication => match object.required("action")?.word()? {
            AuthenticationAction::Cancel => {}
            AuthenticationAction::Submit => {
                if size > MAX_FORM {
                    let text =
                        format!("Invalid '{path}': response too large. Expected at most {MAX_FORM} bytes of JSON.");
                    return Err(Fault::at(&path, text));
                }
                for node in object.required("fields")?.sized_array("an array of objects", 0, MAX_FIELDS)? {
                    let mut field = node.object()?;
                    field.required("field_id")?.text()?;
                    field.required("value")?.string()?;
                    field.finish()?;
                }
                object.present("selected_option").map(Node::string).transpose()?;
            }
        },
    }
    object.finish()
}
