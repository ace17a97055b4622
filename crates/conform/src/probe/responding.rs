//! Responses: asked for, streamed to their end, waited for. What comes back is plain JSON.

use super::Probe;
use super::speaking::INSTRUCTIONS;
use crate::client::{Answer, Call};
use crate::endpoint::Method;
use crate::frames::Frame;
use crate::trouble::{Deadline, Trouble, pause};
use serde_json::{Value, json};
use std::time::Duration;

/// A function with one whole number, as this door has it.
pub const FUNCTION: fn(&str) -> Value = |name| {
    json!({
        "type": "function", "name": name, "description": format!("Looks up the entry number n by {name}."),
        "strict": false,
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    })
};

/// A request for a response to this.
pub fn asked(probe: &Probe, input: impl Into<Value>) -> Value {
    let mut body = json!({"model": probe.facts.model, "input": input.into(), "metadata": {"conform": probe.facts.run}});
    if !probe.facts.scripted {
        body["instructions"] = json!(INSTRUCTIONS);
    }
    body
}

/// What a response says, all its texts together.
pub fn text_of(response: &Value) -> String {
    let items = response["output"].as_array().into_iter().flatten().filter(|item| item["type"] == "message");
    let parts = items.flat_map(|item| item["content"].as_array().into_iter().flatten());
    parts.filter_map(|part| part["text"].as_str()).collect()
}

/// The entries of a page.
pub fn data_of(answer: &Answer) -> Vec<Value> {
    answer.json["data"].as_array().cloned().unwrap_or_default()
}

/// The `type`s of a list's entries.
pub fn types_of(list: &[Value]) -> Vec<&str> {
    list.iter().map(|entry| entry["type"].as_str().unwrap_or("(no type)")).collect()
}

/// The first event of this type.
pub fn event_of<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|event| event["type"] == kind).unwrap_or(&Value::Null)
}

impl Probe {
    pub async fn respond(&mut self, body: Value) -> Result<Answer, Trouble> {
        self.post("/responses", body).await
    }

    /// A response that must be one for what comes next.
    pub async fn responded(&mut self, body: Value) -> Result<Answer, Trouble> {
        let answer = self.respond(body).await?;
        match answer.json["status"].as_str() {
            Some("completed") if answer.is_good() => Ok(answer),
            _ => Err(Trouble::Useless(format!("no completed response: {}", answer.evidence))),
        }
    }

    /// A stream to its end; an answer that is none is trouble.
    pub async fn told(&mut self, call: Call) -> Result<Vec<Frame>, Trouble> {
        let opened = self.open(call).await?;
        let mut reader = opened.map_err(|answer| Trouble::Useless(format!("no stream: {}", answer.evidence)))?;
        while self.next(&mut reader).await?.is_some() {}
        Ok(reader.frames)
    }

    pub async fn streamed(&mut self, mut body: Value) -> Result<Vec<Frame>, Trouble> {
        body["stream"] = json!(true);
        self.told(Call::new(Method::Post, "/responses").json(body)).await
    }

    /// A stored response's events after a number.
    pub async fn replayed(&mut self, id: &str, after: Option<u64>) -> Result<Vec<Value>, Trouble> {
        let after = after.map(|number| format!("&starting_after={number}")).unwrap_or_default();
        let path = format!("/responses/{id}?stream=true&include_obfuscation=false{after}");
        let frames = self.told(Call::new(Method::Get, path)).await?;
        Ok(frames.into_iter().map(|frame| frame.data).collect())
    }

    /// Waits until a background response has ended.
    pub async fn ended(&mut self, id: &str) -> Result<Answer, Trouble> {
        let deadline = Deadline::after(self.facts.client.patience);
        loop {
            let found = self.get(format!("/responses/{id}")).await?;
            match found.json["status"].as_str() {
                Some("queued" | "in_progress") if !deadline.is_over() => pause(Duration::from_millis(20)).await,
                Some("queued" | "in_progress") | None => {
                    return Err(Trouble::Useless(format!("the response never ended: {}", found.evidence)));
                }
                Some(_) => return Ok(found),
            }
        }
    }

    /// What makes the model speak for long, as a request.
    pub fn asked_long(&self, words: usize) -> Value {
        let mut body = asked(self, self.long(words));
        if !self.facts.scripted
            && let Some(map) = body.as_object_mut()
        {
            map.remove("instructions");
        }
        body
    }

    /// Whether the model made these calls; where it did not, the checks are skipped, or fail for a model that does what
    /// it is told.
    pub fn called(&mut self, calls: &[Value], wanted: usize, ids: &[&str], evidence: &str) -> bool {
        if calls.len() == wanted {
            return true;
        }
        if self.facts.scripted {
            for id in ids {
                self.that(id, false, format!("{wanted} calls"), calls.len(), evidence);
            }
        } else {
            self.skip_all(ids, "the model made no such calls, although it was asked to");
        }
        false
    }
}
