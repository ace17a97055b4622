//! The quickstart as a client: it reads events, shows them, answers calls of its function, and remembers what it read
//! over all its connections.

use super::stage::Stage;
use super::talk;
use crate::client::{Client, Events};
use crate::world::TokioClock;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use types::Clock;

/// The longest silence within a turn: a slow machine reads the weights first.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where reading pauses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pause {
    /// When the turn is completed and the session idle.
    Idle,
    /// As soon as an answer has more than this many characters.
    Text(usize),
    /// As soon as a command has printed this many lines.
    Output(usize),
}

struct Printing {
    item: String,
    lines: usize,
    /// The end of its last line is to be shown with the next one.
    is_between: bool,
}

pub struct Listener<'a> {
    stage: &'a Stage,
    /// Whether the first answer of a turn is held to a call, which is to be said.
    is_held: bool,
    /// Event ids, and how often each was read.
    events: BTreeMap<String, u32>,
    connections: u32,
    last: Option<String>,
    /// The answer that is being said: its item, and its characters so far.
    answer: Option<(String, usize)>,
    /// What the command that runs has printed.
    printing: Option<Printing>,
    /// Whether messages of the user are shown. A script is nothing to read.
    shows_questions: bool,
    broken_off: u32,
    /// Calls that wait for their result, in order.
    waiting: Vec<Value>,
    /// Call ids, and how often the function ran for each.
    ran: BTreeMap<String, u32>,
    turn_completed: bool,
    /// The session has become idle behind a completed turn.
    is_idle: bool,
}

impl<'a> Listener<'a> {
    pub fn new(stage: &'a Stage, is_held: bool) -> Self {
        Self {
            stage,
            is_held,
            events: BTreeMap::new(),
            connections: 0,
            last: None,
            answer: None,
            printing: None,
            shows_questions: true,
            broken_off: 0,
            waiting: Vec::new(),
            ran: BTreeMap::new(),
            turn_completed: false,
            is_idle: false,
        }
    }

    #[must_use]
    pub fn without_questions(mut self) -> Self {
        self.shows_questions = false;
        self
    }

    /// The id of the last event that was read.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    pub fn connections(&self) -> u32 {
        self.connections
    }

    pub fn events(&self) -> &BTreeMap<String, u32> {
        &self.events
    }

    pub fn ran(&self) -> &BTreeMap<String, u32> {
        &self.ran
    }

    pub fn broken_off(&self) -> u32 {
        self.broken_off
    }

    /// The first event of a session that is created; the session's id.
    pub async fn begin(&mut self, events: &mut Events) -> Result<String> {
        let created = self.next(events).await?;
        self.note(&created);
        created["session"]["id"].as_str().map(str::to_owned).context("the first event names no session")
    }

    /// Reads, shows and answers until there is a reason to pause: the one that was asked for, or [`Pause::Idle`].
    pub async fn until(&mut self, client: &Client, events: &mut Events, session: &str, pause: Pause) -> Result<Pause> {
        self.connections += 1;
        while !std::mem::take(&mut self.is_idle) {
            let event = self.next(events).await?;
            self.note(&event);
            match event["type"].as_str().unwrap_or_default() {
                "agent.session.turn.failed" => bail!("the turn failed: {}", word(&event["turn"]["error"]["message"])),
                "agent.session.turn.cancelled" => bail!("the turn did not complete"),
                "agent.session.failed" | "agent.session.budget_reached" => bail!("the session stopped"),
                "agent.session.requires_action" => self.answer_calls(client, session).await?,
                _ => {}
            }
            let said = self.answer.as_ref().map_or(0, |(_, said)| *said);
            let printed = self.printing.as_ref().map_or(0, |printing| printing.lines);
            if matches!(pause, Pause::Text(most) if said > most)
                || matches!(pause, Pause::Output(most) if printed >= most)
            {
                return Ok(pause);
            }
        }
        Ok(Pause::Idle)
    }

    /// Reads what is left of a stream whose server is gone.
    pub async fn drain(&mut self, events: &mut Events) {
        while let Ok(Some(event)) = events.next().await {
            self.note(&event);
        }
        self.answer = None;
        self.printing = None;
    }

    async fn next(&self, events: &mut Events) -> Result<Value> {
        tokio::select! {
            event = events.next() => event?.context("the stream ended before the turn did"),
            () = TokioClock::start().sleep(PATIENCE) => bail!("nothing was said for {} minutes", PATIENCE.as_secs() / 60),
        }
    }

    /// Remembers an event and shows what is to be seen of it.
    fn note(&mut self, event: &Value) {
        if let Some(id) = event["event_id"].as_str() {
            *self.events.entry(id.to_owned()).or_default() += 1;
            self.last = Some(id.to_owned());
        }
        match event["type"].as_str().unwrap_or_default() {
            "agent.session.turn.output_text.delta" => self.hear(event),
            "agent.output.command_execution_output.delta" => self.print(event),
            "agent.session.turn.item.added" => self.begin_item(&event["item"]),
            "agent.session.turn.item.done" => self.end_item(&event["item"]),
            "agent.session.turn.completed" => {
                self.turn_completed = true;
                self.stage.good("The turn is completed.");
            }
            "agent.session.idle" => self.is_idle = std::mem::take(&mut self.turn_completed),
            _ => {}
        }
    }

    fn hear(&mut self, event: &Value) {
        let (item, delta) = (word(&event["item_id"]), word(&event["delta"]));
        let said = match &self.answer {
            Some((open, said)) if open == item => *said,
            _ => {
                self.stage.speaks("agent");
                0
            }
        };
        self.stage.piece(delta);
        self.answer = Some((item.to_owned(), said + delta.chars().count()));
    }

    fn print(&mut self, event: &Value) {
        let (item, delta) = (word(&event["item_id"]), word(&event["delta"]));
        let before = self.printing.take().filter(|printing| printing.item == item);
        let mut printing = before.unwrap_or_else(|| {
            self.stage.speaks("prints");
            Printing { item: item.to_owned(), lines: 0, is_between: false }
        });
        if printing.is_between {
            self.stage.piece("\n");
        }
        let shown = delta.strip_suffix('\n');
        self.stage.piece(shown.unwrap_or(delta));
        printing.is_between = shown.is_some();
        printing.lines += delta.matches('\n').count();
        self.printing = Some(printing);
    }

    fn begin_item(&mut self, item: &Value) {
        match item["type"].as_str() {
            Some("message") if item["role"] == "user" && self.shows_questions => {
                let parts = item["content"].as_array().into_iter().flatten();
                let text: Vec<&str> = parts.map(|part| word(&part["text"])).collect();
                self.stage.says("user", &text.join("\n"));
                self.stage.wait("waiting for the model");
            }
            Some("function_call") => {
                self.stage.says("call", &format!("{} {}", word(&item["name"]), item["arguments"]));
                if self.is_held {
                    self.stage.aside("Held to a call, so that there is one to see; its arguments are the model's own.");
                }
                self.waiting.push(item.clone());
            }
            Some("command_execution") => {
                self.stage.says("call", &clip(word(&item["command"])));
                self.stage.wait("waiting for the command");
            }
            _ => {}
        }
    }

    fn end_item(&mut self, item: &Value) {
        if item["type"] == "command_execution" {
            self.printing = None;
            self.stage.hush();
        }
        if self.answer.as_ref().is_some_and(|(open, _)| Some(open.as_str()) == item["id"].as_str()) {
            self.answer = None;
            self.stage.hush();
        }
        if item["status"] == "incomplete" {
            self.broken_off += 1;
            self.stage.aside("This answer was broken off; the server asks the model again.");
            self.stage.wait("waiting for the model");
        }
    }

    /// Runs the function for every call that waits, and sends what it returned.
    async fn answer_calls(&mut self, client: &Client, session: &str) -> Result<()> {
        for item in std::mem::take(&mut self.waiting) {
            let call = &item["call_id"];
            *self.ran.entry(word(call).to_owned()).or_default() += 1;
            let result = match talk::call(word(&item["name"]), &item["arguments"]) {
                Ok(output) => {
                    self.stage.says("we", &output);
                    self.stage.aside("The function is this program, and its weather is made up.");
                    json!({ "success": true, "output": output })
                }
                Err(error) => {
                    self.stage.says("we", &format!("failure: {error}"));
                    json!({ "success": false, "error": error })
                }
            };
            let mut event =
                json!({ "type": "agent.session.input.tool_result", "turn_id": item["turn_id"], "call_id": call });
            if let (Some(event), Some(result)) = (event.as_object_mut(), result.as_object()) {
                event.extend(result.clone());
            }
            let path = format!("/v1/agents/sessions/{session}/events");
            client.post(&path, &json!({ "events": [event] })).await?;
        }
        self.stage.wait("waiting for the model");
        Ok(())
    }
}

/// Long arguments are nothing to read.
fn clip(command: &str) -> String {
    const SHOWN: usize = 60;
    match command.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &command[..end]),
        None => command.to_owned(),
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
