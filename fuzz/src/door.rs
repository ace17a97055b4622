//! The whole server behind its door, in a simulated world with the scripted model: a conversation of requests, whatever
//! they are. Nothing that a client sends is our defect (a 5xx), and every answer is JSON or a stream of events.
//!
//! Requests stand one below the other: a line with the method and the path, then the body, then a line `%`. In both, `{s}`
//! is the last session that was made, `{t}` its last turn, `{c}` its last open call, `{e}` the last event that was read.

mod server;

use axum::http::Method;
use serde_json::Value;
use server::{Answer, Server};

/// More requests than that say nothing new.
const MOST: usize = 24;

pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let server = Server::new();
    let mut known = Known::default();
    for request in text.split("\n%\n").take(MOST) {
        let (head, body) = request.split_once('\n').unwrap_or((request, ""));
        let (method, path) = head.split_once(' ').unwrap_or(("GET", head));
        let Ok(method) = Method::from_bytes(method.as_bytes()) else { continue };
        let (path, body) = (known.fill(path), known.fill(body));
        let Some(answer) = server.ask(&method, &path, body) else { continue };
        sound(&method, &path, &answer);
        known.learn(&answer);
    }
}

/// What later requests may name.
#[derive(Default)]
struct Known {
    session: String,
    turn: String,
    call: String,
    event: String,
}

impl Known {
    fn fill(&self, text: &str) -> String {
        text.replace("{s}", &self.session)
            .replace("{t}", &self.turn)
            .replace("{c}", &self.call)
            .replace("{e}", &self.event)
    }

    fn learn(&mut self, answer: &Answer) {
        if let Some(id) = answer.text.lines().filter_map(|line| line.strip_prefix("id: ")).next_back() {
            id.clone_into(&mut self.event);
        }
        let Ok(value) = serde_json::from_str::<Value>(&answer.text) else { return };
        if value["object"] == "agent.session"
            && let Some(id) = value["id"].as_str()
        {
            id.clone_into(&mut self.session);
        }
        let action = &value["required_actions"][0];
        for (known, name) in [(&mut self.turn, "turn_id"), (&mut self.call, "call_id")] {
            if let Some(id) = action[name].as_str() {
                id.clone_into(known);
            }
        }
    }
}

fn sound(method: &Method, path: &str, answer: &Answer) {
    let Answer { status, is_stream, text } = answer;
    assert!(!status.is_server_error(), "{method} {path}: {status}: {text}");
    if *is_stream {
        for frame in text.split_terminator("\n\n") {
            framed(frame);
        }
        return;
    }
    if text.is_empty() {
        return;
    }
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{method} {path}: {error}: {text}"));
    let is_error = status.is_client_error();
    assert_eq!(value["error"]["message"].is_string(), is_error, "{method} {path}: {status}: {text}");
}

/// One frame of a stream: an id, and data in JSON whose type is the event's name.
fn framed(frame: &str) {
    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let Some(data) = field("data") else { return };
    let value: Value = serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {frame}"));
    assert_eq!(field("event"), value["type"].as_str(), "{frame}");
}
