//! One client of many: makes a session, opens its stream, and has a few turns with it: a message, a function call that it
//! answers, a text that takes its time. It checks every event that it is told.

use crate::client::{Connection, Event, Events, Target};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The longest that a client waits for an event. Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// What the model says last.
const ANSWER: &str = "one two three four";

/// A session, and its stream from before its first turn on.
#[derive(Debug)]
pub struct Talker {
    /// `/v1/agents/sessions/ID`
    pub path: String,
    posts: Connection,
    events: Events,
}

impl Talker {
    pub async fn new(target: &Target) -> Result<Self> {
        let path = create(&mut Connection::open(target).await?).await?;
        Self::with(target, path).await
    }

    /// With a session that is there already.
    pub async fn with(target: &Target, path: String) -> Result<Self> {
        let posts = Connection::open(target).await?;
        let events = Connection::open(target).await?.events(&format!("{path}/events")).await?;
        Ok(Self { path, posts, events })
    }

    /// One turn, whole; how long the first event took.
    pub async fn turn(&mut self) -> Result<Duration> {
        tokio::time::timeout(PATIENCE, self.turn_unwatched()).await.context("a turn does not end")?
    }

    async fn turn_unwatched(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let script = format!("call f {{\"n\":1}}\nslow 3 {ANSWER}");
        self.post(&json!({"type": "agent.session.input.message", "input": message(&script)})).await?;
        let mut first = None;
        let mut said = String::new();
        let mut ended = false;
        loop {
            let event = self.events.next().await?.context("the stream ended")?;
            first.get_or_insert_with(|| begun.elapsed());
            match event.name.as_str() {
                "agent.session.turn.item.added" if event.data.contains("\"type\":\"function_call\"") => {
                    self.answer(&event).await?;
                }
                "agent.session.turn.output_text.delta" => {
                    let data: Value = serde_json::from_str(&event.data)?;
                    said.push_str(data["delta"].as_str().unwrap_or_default());
                }
                "agent.session.turn.failed" | "agent.session.failed" | "error" => {
                    anyhow::bail!("{}: {}", event.name, event.data);
                }
                "agent.session.turn.completed" => {
                    ensure!(!ended, "a turn ended twice");
                    ended = true;
                }
                "agent.session.idle" => break,
                _ => {}
            }
        }
        ensure!(ended, "idle before the turn had ended");
        ensure!(said == ANSWER, "the stream said {said:?}");
        Ok(first.unwrap_or_default())
    }

    async fn answer(&mut self, event: &Event) -> Result<()> {
        let data: Value = serde_json::from_str(&event.data)?;
        let (turn, call) = (&data["turn_id"], &data["item"]["call_id"]);
        self.post(&json!({"type": "agent.session.input.tool_result", "turn_id": turn, "call_id": call,
            "success": true, "output": "a result"}))
            .await
    }

    async fn post(&mut self, event: &Value) -> Result<()> {
        let body = json!({"events": [event]}).to_string();
        self.posts.post(&format!("{}/events", self.path), body.as_bytes(), None).await?.expect(202)
    }
}

/// A session whose first turn has ended: its path.
pub async fn create(posts: &mut Connection) -> Result<String> {
    let path = begin(posts).await?;
    let until = Instant::now() + PATIENCE;
    while posts.get(&path).await?.json(200)?["status"] != "idle" {
        ensure!(Instant::now() < until, "a session does not become idle");
    }
    Ok(path)
}

/// A session whose first turn will end by itself: its path.
pub async fn begin(posts: &mut Connection) -> Result<String> {
    let tool = json!({"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}});
    let agent = json!({"model": "script", "tools": [tool]});
    let body = json!({"agent": agent, "environment": {"type": "none"}, "input": "say ready"});
    let created = posts.post("/v1/agents/sessions", body.to_string().as_bytes(), None).await?.json(201)?;
    Ok(format!("/v1/agents/sessions/{}", created["id"].as_str().context("a session without an id")?))
}

pub fn message(text: &str) -> Value {
    json!([{"role": "user", "content": [{"type": "input_text", "text": text}]}])
}
