//! A session with a hosted environment, its stream, and the commands that it is asked to run.

use crate::client::{Connection, Events, Target};
use crate::load::talker::message;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The longest that anything is waited for. Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at an environment.
const LOOK: Duration = Duration::from_millis(1);

pub struct Site {
    /// `/v1/agents/sessions/ID`
    path: String,
    environment: String,
    posts: Connection,
    events: Events,
}

/// What became of one turn.
#[derive(Default)]
pub struct Ran {
    /// Of each command, from its item to its end.
    pub commands: Vec<Duration>,
    /// From the message until the environment was connected, where it was not before.
    pub connected: Option<Duration>,
}

impl Site {
    /// One that is ready.
    pub async fn new(target: &Target) -> Result<Self> {
        let mut site = Self::begin(target).await?;
        site.until("ready").await?;
        Ok(site)
    }

    /// One that was asked for.
    pub async fn begin(target: &Target) -> Result<Self> {
        let mut posts = Connection::open(target).await?;
        let environment = json!({"type": "openai_hosted", "container_size": "small"});
        let body = json!({"agent": {"model": "script"}, "environment": environment});
        let created = posts.post("/v1/agents/sessions", body.to_string().as_bytes(), None).await?.json(201)?;
        let id = |value: &Value| value["id"].as_str().map(str::to_owned).context("something without an id");
        let path = format!("/v1/agents/sessions/{}", id(&created)?);
        let environment = format!("/v1/agents/environments/{}", id(&created["environment"])?);
        let events = Connection::open(target).await?.events(&format!("{path}/events")).await?;
        Ok(Self { path, environment, posts, events })
    }

    /// Waits until the environment has this status; `connected` is ready too.
    pub async fn until(&mut self, status: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.posts.get(&self.environment).await?.json(200)?;
            let now = shown["status"].as_str().unwrap_or_default();
            if now == status || status == "ready" && now == "connected" {
                return Ok(());
            }
            ensure!(now != "failed", "an environment failed: {shown}");
            ensure!(Instant::now() < end, "an environment is {now} and does not become {status}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A turn in which the model runs this command so many times.
    pub async fn run(&mut self, command: &str, times: usize) -> Result<Ran> {
        let call = format!("call shell {}\n", json!({"command": command}));
        let input = message(&format!("{}say done", call.repeat(times)));
        let body = json!({"events": [{"type": "agent.session.input.message", "input": input}]}).to_string();
        let begun = Instant::now();
        self.posts.post(&format!("{}/events", self.path), body.as_bytes(), None).await?.expect(202)?;
        let turn = self.turn(begun);
        let ran = tokio::time::timeout(PATIENCE, turn).await.context("a turn does not end")??;
        ensure!(ran.commands.len() == times, "{} commands ran instead of {times}", ran.commands.len());
        Ok(ran)
    }

    async fn turn(&mut self, begun: Instant) -> Result<Ran> {
        let mut ran = Ran::default();
        let mut item = begun;
        loop {
            let event = self.events.next().await?.context("the stream ended")?;
            let is_command = event.data.contains("\"type\":\"command_execution\"");
            match event.name.as_str() {
                "agent.session.environment.connected" => ran.connected = Some(begun.elapsed()),
                "agent.session.turn.item.added" if is_command => item = Instant::now(),
                "agent.session.turn.item.done" if is_command => {
                    let data: Value = serde_json::from_str(&event.data)?;
                    ensure!(data["item"]["status"] == "completed", "a command failed: {}", data["item"]);
                    ran.commands.push(item.elapsed());
                }
                "agent.session.turn.failed" | "agent.session.failed" | "error" => {
                    bail!("{}: {}", event.name, event.data);
                }
                "agent.session.idle" => return Ok(ran),
                _ => {}
            }
        }
    }
}
