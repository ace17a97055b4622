//! Turns: sessions begun, inputs sent, streams read up to a point. What the model is told works with a scripted model
//! to the letter, and with any other as well as it can follow it.

use super::Probe;
use crate::client::{Answer, Call};
use crate::endpoint::Method;
use crate::frames::{Frame, Frames};
use crate::trouble::{Deadline, Trouble, pause};
use serde_json::{Value, json};
use std::time::Duration;

/// For models that do not know scripts.
pub const INSTRUCTIONS: &str = "The user's message may be a script, one step a line. `call NAME JSON`: call the \
    function NAME with these arguments, before anything else; several calls in a line, parted by &, are made at once. \
    `say TEXT`: when all calls are answered, answer with TEXT and nothing else. Any other message: answer in one short \
    sentence.";

pub const IDLE: &str = "agent.session.idle";
pub const ACTION: &str = "agent.session.requires_action";

/// A function with one whole number.
pub const LOOKUP: fn(&str) -> Value = |name| {
    json!({
        "type": "function", "name": name, "description": format!("Looks up the entry number n by {name}."),
        "parameters": {
            "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": false,
        },
    })
};

pub const CANCEL: fn() -> Value = || json!({"type": "agent.session.input.cancel"});

pub fn message(text: &str) -> Value {
    json!({
        "type": "agent.session.input.message",
        "input": [{"role": "user", "content": [{"type": "input_text", "text": text}]}],
    })
}

/// An answer to a function call: an item, or a required action.
pub fn result(call: &Value, output: &Value) -> Value {
    json!({
        "type": "agent.session.input.tool_result", "turn_id": call["turn_id"], "call_id": call["call_id"],
        "success": true, "output": output,
    })
}

/// A stream and all that was read of it.
#[derive(Debug)]
pub struct Reader {
    pub stream: Frames,
    pub frames: Vec<Frame>,
    /// The shape of its events.
    pub shape: &'static str,
}

impl Reader {
    pub fn new(stream: Frames, shape: &'static str) -> Self {
        Self { stream, frames: Vec::new(), shape }
    }

    pub fn evidence(&self) -> String {
        let kinds: Vec<&str> =
            self.frames.iter().map(|frame| frame.kind().trim_start_matches("agent.session.")).collect();
        crate::client::short(&format!("{}\n-> {} {}", self.stream.asked, self.stream.status, kinds.join(" ")))
    }
}

/// A session whose first turn has ended or waits.
#[derive(Debug)]
pub struct Turned {
    pub session: String,
    pub reader: Reader,
}

impl Turned {
    pub fn path(&self, rest: &str) -> String {
        format!("/agents/sessions/{}{rest}", self.session)
    }

    /// The function calls that were shown.
    pub fn calls(&self) -> Vec<Value> {
        let added = self.reader.frames.iter().filter(|frame| frame.kind() == "agent.session.turn.item.added");
        added.map(|frame| frame.data["item"].clone()).filter(|item| item["type"] == "function_call").collect()
    }
}

impl Frame {
    pub fn kind(&self) -> &str {
        self.text("/type").unwrap_or("(no type)")
    }

    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.data.pointer(pointer)?.as_str()
    }
}

impl Probe {
    /// Reads up to the first event of one of these types, which is handed back; the end of the stream is trouble.
    pub async fn until(&mut self, reader: &mut Reader, kinds: &[&str]) -> Result<Frame, Trouble> {
        while let Some(frame) = self.next(reader).await? {
            if kinds.contains(&frame.kind()) {
                return Ok(frame);
            }
        }
        Err(Trouble::Useless(format!("the stream ended without {}: {}", kinds.join(" or "), reader.evidence())))
    }

    /// A stream of a new session's events; an answer that is none is trouble.
    pub async fn create(&mut self, mut body: Value) -> Result<Reader, Trouble> {
        body["stream"] = json!(true);
        body["stream_options"] = json!({"include_obfuscation": false});
        let opened = self.open(Call::new(Method::Post, "/agents/sessions").json(body)).await?;
        opened.map_err(|answer| Trouble::Useless(format!("no stream: {}", answer.evidence)))
    }

    /// A new session, streamed until its turn waits for somebody or its stream ends.
    pub async fn begin(&mut self, body: Value) -> Result<Turned, Trouble> {
        let mut reader = self.create(body).await?;
        while let Some(frame) = self.next(&mut reader).await? {
            if frame.kind() == ACTION {
                break;
            }
        }
        let id = reader.frames.first().and_then(|frame| frame.text("/session/id")).map(str::to_owned);
        let session =
            id.ok_or_else(|| Trouble::Useless(format!("the stream names no session: {}", reader.evidence())))?;
        Ok(Turned { session, reader })
    }

    /// A new session whose only turn has ended.
    pub async fn idle(&mut self, text: &str) -> Result<Turned, Trouble> {
        let body = self.session(text);
        let turned = self.begin(body).await?;
        self.settle(&turned.session, &["idle"]).await?;
        Ok(turned)
    }

    /// The live events of a session.
    pub async fn listen(&mut self, session: &str) -> Result<Reader, Trouble> {
        let path = format!("/agents/sessions/{session}/events?include_obfuscation=false");
        let opened = self.open(Call::new(Method::Get, path)).await?;
        opened.map_err(|answer| Trouble::Useless(format!("no stream: {}", answer.evidence)))
    }

    pub async fn input(&mut self, session: &str, events: &[Value]) -> Result<Answer, Trouble> {
        self.post(format!("/agents/sessions/{session}/events"), json!({"events": events})).await
    }

    /// The same with an idempotency key.
    pub async fn keyed(&mut self, session: &str, key: &str, events: &[Value]) -> Result<Answer, Trouble> {
        let call = Call::new(Method::Post, format!("/agents/sessions/{session}/events"));
        self.send(call.json(json!({"events": events})).with("idempotency-key", key)).await
    }

    /// A message to an idle session; the events of its turn.
    pub async fn say(&mut self, session: &str, text: &str) -> Result<Reader, Trouble> {
        let mut reader = self.listen(session).await?;
        self.input(session, &[message(text)]).await?;
        self.until(&mut reader, &[IDLE, ACTION, "agent.session.budget_reached", "agent.session.failed"]).await?;
        Ok(reader)
    }

    /// Waits until a session has one of these statuses; the session.
    pub async fn settle(&mut self, session: &str, statuses: &[&str]) -> Result<Answer, Trouble> {
        let deadline = Deadline::after(self.facts.client.patience);
        let mut wait = Duration::from_millis(5);
        loop {
            let found = self.get(format!("/agents/sessions/{session}")).await?;
            if found.json["status"].as_str().is_some_and(|status| statuses.contains(&status)) {
                return Ok(found);
            }
            if deadline.is_over() || !found.is_good() {
                return Err(Trouble::Useless(format!(
                    "the session never was {}: {}",
                    statuses.join(" or "),
                    found.evidence
                )));
            }
            pause(wait).await;
            wait = (wait * 2).min(Duration::from_millis(500));
        }
    }

    /// What makes the model speak for long.
    pub fn long(&self, words: usize) -> String {
        if self.facts.scripted {
            let said: Vec<String> = (0..words).map(|at| format!("word{at}")).collect();
            return format!("slow {words} {}", said.join(" "));
        }
        "Do not be short this time: write out the numbers from 1 to 3000 in words, one a line.".to_owned()
    }

    /// A session that is speaking, and the stream that shows it. A scripted model says this many words, 50 a second.
    pub async fn speaking(&mut self, words: usize) -> Result<(String, Reader), Trouble> {
        let body = self.session(&self.long(words));
        let mut reader = self.create(body).await?;
        let started = self.until(&mut reader, &["agent.session.turn.output_text.delta", IDLE]).await?;
        let session = reader.frames.first().and_then(|frame| frame.text("/session/id")).unwrap_or_default().to_owned();
        if started.kind() == IDLE {
            return Err(Trouble::Useless(format!("the model was too quick to be interrupted: {}", reader.evidence())));
        }
        Ok((session, reader))
    }

    /// A session whose turn waits for the results of these calls; None where the model made none.
    pub async fn waiting(&mut self, script: &str, names: &[&str]) -> Result<Option<Turned>, Trouble> {
        let mut body = self.session(script);
        body["agent"]["tools"] = names.iter().map(|name| LOOKUP(name)).collect();
        let turned = self.begin(body).await?;
        let waits = turned.reader.frames.last().is_some_and(|frame| frame.kind() == ACTION);
        Ok(waits.then_some(turned))
    }
}
