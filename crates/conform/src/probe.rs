//! What the areas ask with: it sends, holds every answer and event against its shape, remembers what was created, and
//! takes down outcomes. Which questions are asked is the areas' business.

mod asserting;
mod responding;
mod speaking;

pub use asserting::Said;
pub use responding::{FUNCTION, asked, data_of, event_of, text_of, types_of};
pub use speaking::{ACTION, CANCEL, IDLE, LOOKUP, Reader, Turned, message, result};

use crate::client::{Answer, Call, Client};
use crate::endpoint::{self, Answered, Method};
use crate::findings::Findings;
use crate::frames::Frame;
use crate::shape::{Fault, Shapes};
use crate::trouble::Trouble;
use serde_json::{Value, json};
use std::sync::Arc;

/// What is known of the server and of this run.
#[derive(Debug)]
pub struct Facts {
    pub client: Client,
    pub shapes: Shapes,
    pub model: String,
    /// A model whose turns cost more than a cent.
    pub priced: Option<String>,
    /// A model that makes vectors.
    pub embedding: Option<String>,
    /// Whether the model follows scripts to the letter.
    pub scripted: bool,
    /// A word that marks what this run made.
    pub run: String,
}

#[derive(Debug)]
pub struct Probe {
    pub facts: Arc<Facts>,
    pub found: Findings,
    /// Paths of what was created, to be deleted at the end.
    pub created: Vec<String>,
}

impl Probe {
    pub fn new(facts: Arc<Facts>) -> Self {
        Self { facts, found: Findings::default(), created: Vec::new() }
    }

    /// Takes down what a part of an area ran into; false where the rest need not be tried.
    pub fn went(&mut self, part: Result<(), Trouble>) -> bool {
        let Err(trouble) = part else { return true };
        let goes_on = !trouble.is_silence();
        self.found.trouble.get_or_insert(trouble);
        goes_on
    }

    pub async fn get(&mut self, path: impl Into<String>) -> Result<Answer, Trouble> {
        self.send(Call::new(Method::Get, path)).await
    }

    pub async fn post(&mut self, path: impl Into<String>, body: Value) -> Result<Answer, Trouble> {
        self.send(Call::new(Method::Post, path).json(body)).await
    }

    pub async fn delete(&mut self, path: impl Into<String>) -> Result<Answer, Trouble> {
        self.send(Call::new(Method::Delete, path)).await
    }

    pub async fn send(&mut self, call: Call) -> Result<Answer, Trouble> {
        let answer = self.facts.client.send(&call).await?;
        self.look_at(&call, &answer);
        Ok(answer)
    }

    /// A stream, or the answer that came instead.
    pub async fn open(&mut self, call: Call) -> Result<Result<Reader, Answer>, Trouble> {
        match self.facts.client.open(&call).await? {
            Ok(frames) => {
                if let Some(endpoint) = endpoint::find(call.method, &call.path) {
                    self.found.statuses.entry(endpoint.sdk).or_default().insert(frames.status);
                }
                let shape = match call.path.split(['?', '/']).nth(1) {
                    Some("responses") => "ResponseStreamEvent",
                    Some("chat") => "ChatCompletionChunk",
                    _ => "AgentSessionEvent",
                };
                Ok(Ok(Reader::new(frames, shape)))
            }
            Err(answer) => {
                self.look_at(&call, &answer);
                Ok(Err(answer))
            }
        }
    }

    /// The next event, held against its shape.
    pub async fn next(&mut self, reader: &mut Reader) -> Result<Option<Frame>, Trouble> {
        let Some(frame) = reader.stream.next().await? else { return Ok(None) };
        self.look_at_event(reader.shape, &frame.data);
        if reader.frames.is_empty() && frame.kind() == "agent.session.created" {
            self.remember("/agents/sessions", frame.text("/session/id"));
        }
        reader.frames.push(frame.clone());
        Ok(Some(frame))
    }

    /// One event of a stream or of a socket against its shape.
    pub fn look_at_event(&mut self, shape: &'static str, data: &Value) {
        let kind = data["type"].as_str().unwrap_or("(no type)");
        let name = match shape {
            "ChatCompletionChunk" if data == "[DONE]" || data.get("error").is_some() => return,
            "ChatCompletionChunk" => "chat chunk".to_owned(),
            "ResponseStreamEvent" if !kind.starts_with("response.") => format!("event {kind} of responses"),
            _ => format!("event {kind}"),
        };
        let faults = self.facts.shapes.faults(shape, data);
        self.found.shape(&name, &faults, &crate::client::short(&data.to_string()));
        if kind == "response.created" {
            self.remember("/responses", data["response"]["id"].as_str());
        }
    }

    fn remember(&mut self, collection: &str, id: Option<&str>) {
        if let Some(id) = id {
            self.created.push(format!("{collection}/{id}"));
        }
    }

    fn look_at(&mut self, call: &Call, answer: &Answer) {
        let Some(endpoint) = endpoint::find(call.method, &call.path) else { return };
        self.found.statuses.entry(endpoint.sdk).or_default().insert(answer.status);
        let shapes = &self.facts.shapes;
        let (name, faults) = if answer.is_good() {
            (endpoint.sdk, body(shapes, endpoint.answered, answer))
        } else {
            ("error", error(answer))
        };
        self.found.shape(name, &faults, &answer.evidence);
        let collection = call.path.split('?').next().unwrap_or_default();
        let is_kept = matches!(endpoint.sdk.rsplit_once('.'), Some((family, "create")) if family != "sessions.events");
        if answer.is_good() && endpoint.sdk == "sessions.fork" {
            self.remember("/agents/sessions", answer.json["id"].as_str());
        }
        if answer.is_good() && is_kept {
            self.remember(collection, answer.json["id"].as_str());
        }
    }
}

/// How a good answer differs from what its endpoint answers with.
fn body(shapes: &Shapes, answered: Answered, answer: &Answer) -> Vec<Fault> {
    match answered {
        Answered::Bytes | Answered::Events => Vec::new(),
        Answered::Any if answer.json.is_null() => vec![fault("", "is no JSON")],
        Answered::Any => Vec::new(),
        Answered::List(name) => list(shapes, name, "list", &answer.json),
        Answered::Empty if answer.text.is_empty() => Vec::new(),
        Answered::Empty => vec![fault("", "is not empty")],
        Answered::One(name) => shapes.faults(name, &answer.json),
        Answered::Page(name) => {
            page(shapes, (name, "list"), &answer.json, &["object", "data", "has_more", "first_id", "last_id"])
        }
        Answered::TokenPage(name) => {
            page(shapes, (name, "page"), &answer.json, &["object", "data", "has_more", "next"])
        }
    }
}

fn page(shapes: &Shapes, (name, object): (&str, &str), page: &Value, keys: &[&str]) -> Vec<Fault> {
    let missing = keys.iter().filter(|key| page.get(key).is_none());
    let mut found: Vec<Fault> = missing.map(|key| fault(&format!(".{key}"), "is missing")).collect();
    if !page["has_more"].is_boolean() {
        found.push(fault(".has_more", "is neither true nor false"));
    }
    found.extend(list(shapes, name, object, page));
    let data = page["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ends = [(".first_id", page.get("first_id"), data.first()), (".last_id", page.get("last_id"), data.last())];
    for (key, given, entry) in ends {
        let id = entry.and_then(|entry| entry.get("id"));
        if given.is_some_and(|given| given != id.unwrap_or(&Value::Null)) {
            found.push(fault(key, "is not the id of that end of the page"));
        }
    }
    found
}

fn list(shapes: &Shapes, name: &str, object: &str, list: &Value) -> Vec<Fault> {
    let Some(data) = list["data"].as_array() else { return vec![fault(".data", "is no list")] };
    let mut found = Vec::new();
    if list["object"] != object {
        found.push(fault(".object", &format!("is not \"{object}\"")));
    }
    for (at, entry) in data.iter().enumerate() {
        let inner = shapes.faults(name, entry).into_iter();
        found.extend(inner.map(|fault| Fault { path: format!(".data[{at}]{}", fault.path), ..fault }));
    }
    found
}

/// How an error differs from the one shape of all errors.
fn error(answer: &Answer) -> Vec<Fault> {
    let error = &answer.json["error"];
    let text = |key: &str| error.get(key).is_some_and(Value::is_string);
    let null = |key: &str| error.get(key).is_some_and(Value::is_null);
    let mut found = Vec::new();
    for key in ["type", "message"] {
        if !text(key) {
            found.push(fault(&format!(".error.{key}"), "is not text"));
        }
    }
    for key in ["code", "param"] {
        if !text(key) && !null(key) {
            found.push(fault(&format!(".error.{key}"), "is neither text nor null"));
        }
    }
    found
}

fn fault(path: &str, what: &str) -> Fault {
    Fault { path: path.to_owned(), what: what.to_owned(), mild: false }
}

impl Probe {
    /// What every session of this run has, with this input.
    pub fn session(&self, input: &str) -> Value {
        json!({
            "agent": {"model": self.facts.model, "instructions": speaking::INSTRUCTIONS},
            "environment": {"type": "none"},
            "input": input,
            "metadata": {"conform": self.facts.run},
        })
    }

    /// A saved agent of this run.
    pub fn agent(&self) -> Value {
        json!({"model": self.facts.model, "metadata": {"conform": self.facts.run}})
    }
}
