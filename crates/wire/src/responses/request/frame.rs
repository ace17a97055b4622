//! What a client says over a WebSocket: one JSON object a frame, with the request's fields beside its `type`.
//!
//! A frame is read in steps, for what is wrong with a request is told on the lane that it was sent to: first its `type`,
//! then its lane, then the request.

use super::create::ResponseCreate;
use super::input::{InputItem, items};
use super::not_served;
use crate::error::Fault;
use crate::reader::{Node, Object};
use crate::responses::words::{FrameKind, Role};
use serde_json::{Map, Value};

/// A frame of a known type.
#[derive(Debug)]
pub struct Frame {
    pub kind: FrameKind,
    /// What the request goes on from, or steers, as far as it is said.
    pub previous: Option<String>,
    object: Object,
    /// As it was sent: what is not taken is given back.
    input: Option<Value>,
}

/// `response.create`.
#[derive(Clone, PartialEq, Debug)]
pub struct Create {
    pub request: ResponseCreate,
    /// Whether the model is asked; otherwise the response is there to be continued.
    pub generate: bool,
}

/// `response.steer`, as far as it can be given back.
#[derive(Clone, PartialEq, Debug)]
pub struct Steer {
    pub target: String,
    pub input: Value,
    /// What is to be said, or why it cannot be.
    pub messages: Result<Vec<InputItem>, Fault>,
}

/// Characters of the longest lane's name.
const MAX_LANE: usize = 256;
/// What has no meaning here.
const HTTP_ONLY: [&str; 2] = ["stream_options", "background"];

impl Frame {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let previous = body.get("previous_response_id").and_then(Value::as_str).map(str::to_owned);
        let is_steer = body.get("type").and_then(Value::as_str) == Some("response.steer");
        let input = if is_steer { body.get("input").cloned() } else { None };
        let mut object = Object::root(body);
        let kind = object.required("type")?.word()?;
        Ok(Self { kind, previous, object, input })
    }

    /// The lane that it names; None for the default one.
    pub fn lane(&mut self) -> Result<Option<String>, Fault> {
        self.object.present("stream_id").map(lane).transpose()
    }

    pub fn create(mut self) -> Result<Create, Fault> {
        // A socket always streams; openai-agents asks for it all the same.
        let is_whole = self.object.present("stream").map(Node::boolean).transpose()? == Some(false);
        let strange = HTTP_ONLY.into_iter().find(|key| self.object.present(key).is_some());
        if let Some(key) = is_whole.then_some("stream").or(strange) {
            return Err(Fault::at(key, format!("Unsupported parameter: '{key}' is not supported over WebSocket.")));
        }
        let generate = self.object.present("generate").map_or(Ok(true), Node::boolean)?;
        if self.object.present("client_metadata").is_some() {
            return Err(not_served("client_metadata"));
        }
        let request = ResponseCreate::take(&mut self.object)?;
        self.object.finish()?;
        Ok(Create { request, generate })
    }

    /// A steering that says neither whom nor with what is a fault; anything else is told as a failed steering.
    pub fn steer(self) -> Result<Steer, Fault> {
        let mut object = self.object;
        let target = object.required("previous_response_id")?.text()?;
        let node = object.required("input")?;
        if !node.is_string() && !node.value().is_array() {
            return Err(node.mistyped("one of a string or an array of input items"));
        }
        let messages = messages(node).and_then(|messages| object.finish().map(|()| messages));
        Ok(Steer { target, input: self.input.unwrap_or_default(), messages })
    }
}

/// 1 to 256 of letters, digits, `_`, `-` and `.`.
fn lane(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let name = node.string()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=MAX_LANE).contains(&name.len()) && name.bytes().all(is_plain) {
        return Ok(name);
    }
    let text =
        format!("Invalid '{path}': expected 1 to {MAX_LANE} ASCII letters, digits, underscores, hyphens or periods.");
    Err(Fault::at(&path, text))
}

/// The user's messages, one at least.
fn messages(node: Node) -> Result<Vec<InputItem>, Fault> {
    let messages = items(node)?;
    if messages.is_empty() {
        return Err(Fault::at("input", "Invalid 'input': empty array. Expected at least one message."));
    }
    let is_users = |item: &InputItem| matches!(item, InputItem::Message { role: Role::User, .. });
    match messages.iter().position(|item| !is_users(item)) {
        None => Ok(messages),
        Some(index) => {
            let text = format!("Invalid 'input[{index}]': only messages of the role 'user' can steer a response.");
            Err(Fault::at(&format!("input[{index}]"), text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn frame(body: Value) -> Result<Frame, Fault> {
        let Value::Object(body) = body else { unreachable!() };
        Frame::read(body)
    }

    #[test]
    fn a_frame_is_of_a_known_type() {
        for (body, param) in [(json!({}), "type"), (json!({ "type": 1 }), "type"), (json!({ "type": "x" }), "type")] {
            assert_eq!(frame(body).unwrap_err().param.as_deref(), Some(param));
        }
    }

    #[test]
    fn lanes_have_plain_names() {
        let lane = |name: Value| frame(json!({ "type": "response.create", "stream_id": name })).unwrap().lane();
        assert_eq!(lane(json!(null)), Ok(None));
        for good in ["a", "A-z_0.9", &"x".repeat(256)] {
            assert_eq!(lane(json!(good)), Ok(Some(good.to_owned())));
        }
        for bad in [json!(""), json!("x".repeat(257)), json!("a b"), json!("ä"), json!("a\n"), json!(1), json!([])] {
            assert_eq!(lane(bad.clone()).unwrap_err().param.as_deref(), Some("stream_id"), "{bad}");
        }
    }

    #[test]
    fn what_a_wrong_request_went_on_from_is_known() {
        let wrong = json!({ "type": "response.create", "previous_response_id": "resp_1", "temperature": "hot" });
        let frame = frame(wrong).unwrap();
        assert_eq!(frame.previous.as_deref(), Some("resp_1"));
        assert!(frame.create().is_err());
    }

    #[test]
    fn a_steering_that_is_wrong_can_be_given_back() {
        let steer = |input: Value| {
            let body = json!({ "type": "response.steer", "previous_response_id": "resp_1", "input": input });
            frame(body).unwrap().steer()
        };
        let user = json!([{ "type": "message", "role": "user", "content": "x" }]);
        let taken = steer(user.clone()).unwrap();
        assert_eq!((taken.target.as_str(), taken.input, taken.messages.unwrap().len()), ("resp_1", user, 1));
        for wrong in [json!([]), json!([{ "type": "message", "role": "system", "content": "x" }]), json!([1])] {
            let refused = steer(wrong.clone()).unwrap();
            assert!(refused.messages.is_err());
            assert_eq!(refused.input, wrong);
        }
        assert_eq!(steer(json!(7)).unwrap_err().param.as_deref(), Some("input"));
    }
}
