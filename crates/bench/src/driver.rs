//! Clients of W1: each has one session, posts its inputs over one connection and opens a stream for each turn. What it
//! does next it is told by the stream.

use crate::client::{Connection, Event, Events, Target};
use crate::workload::{self, Chance, Text};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The longest that a turn may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long each turn and each step took.
#[derive(Clone, Default, Debug)]
pub struct Times {
    pub turns: Vec<Duration>,
    pub steps: Vec<Duration>,
    /// Bytes of events that clients were sent.
    pub streamed: u64,
}

impl Times {
    pub fn add(&mut self, mut other: Self) {
        self.turns.append(&mut other.turns);
        self.steps.append(&mut other.steps);
        self.streamed += other.streamed;
    }
}

/// One client.
#[derive(Debug)]
pub struct Client {
    target: Target,
    posts: Connection,
    /// `/v1/agents/sessions/ID/events`
    path: String,
    chance: Chance,
    text: Text,
    posted: u64,
}

impl Client {
    /// With a new session, whose first turn has ended.
    pub async fn new(target: &Target, seed: u64, text: Text) -> Result<Self> {
        let mut posts = Connection::open(target).await?;
        let created = posts.post("/v1/agents/sessions", &workload::session(), None).await?.json(201)?;
        let id = created["id"].as_str().context("a session without an id")?;
        let path = format!("/v1/agents/sessions/{id}/events");
        let resource = format!("/v1/agents/sessions/{id}");
        let until = Instant::now() + PATIENCE;
        while posts.get(&resource).await?.json(200)?["status"] != "idle" {
            ensure!(Instant::now() < until, "the session does not become idle");
        }
        Ok(Self { target: target.clone(), posts, path, chance: Chance::new(seed), text, posted: 0 })
    }

    /// The same session over new connections: the server was started anew.
    pub async fn moved(self, target: &Target) -> Result<Self> {
        Ok(Self { target: target.clone(), posts: Connection::open(target).await?, ..self })
    }

    /// One turn from the opening of the stream to its last event; the last event's id.
    pub async fn turn(&mut self, times: &mut Times) -> Result<String> {
        let turn = self.turn_unwatched(times);
        tokio::time::timeout(PATIENCE, turn).await.context("a turn does not end")?
    }

    async fn turn_unwatched(&mut self, times: &mut Times) -> Result<String> {
        let begun = Instant::now();
        let mut events = Connection::open(&self.target).await?.events(&self.path).await?;
        self.posts.post(&self.path, &workload::message(), None).await?.expect(202)?;
        let mut step: Option<Instant> = None;
        loop {
            let event = next(&mut events).await?;
            if let Some((turn, call)) = call(&event)? {
                if let Some(step) = step {
                    times.steps.push(step.elapsed());
                }
                let output = self.chance.result(self.text);
                let body = workload::result(&turn, &call, &output);
                step = Some(Instant::now());
                self.posted += 1;
                // SDKs send results with a key, so that they can be sent again.
                let key = format!("result-{call}-{}", self.posted);
                self.posts.post(&self.path, &body, Some(&key)).await?.expect(202)?;
            } else if event.name == "agent.session.turn.completed" {
                times.steps.extend(step.take().map(|step| step.elapsed()));
            } else if event.name == "agent.session.idle" {
                times.turns.push(begun.elapsed());
                times.streamed += events.bytes;
                return Ok(event.id);
            } else if event.name == "agent.session.turn.failed" {
                bail!("a turn failed: {}", event.data);
            }
        }
    }

    /// From the request for a stream behind `after` to its first event.
    pub async fn resume(&self, after: &str) -> Result<Duration> {
        let connection = Connection::open(&self.target).await?;
        let begun = Instant::now();
        let mut events = connection.events(&format!("{}?after={after}", self.path)).await?;
        tokio::time::timeout(PATIENCE, next(&mut events)).await.context("no event")??;
        Ok(begun.elapsed())
    }

    /// From a message to the first event that tells of it, on a stream that is open already.
    pub async fn wake(&mut self) -> Result<Duration> {
        let mut events = Connection::open(&self.target).await?.events(&self.path).await?;
        let begun = Instant::now();
        self.posts.post(&self.path, &workload::message(), None).await?.expect(202)?;
        tokio::time::timeout(PATIENCE, next(&mut events)).await.context("no event")??;
        Ok(begun.elapsed())
    }
}

async fn next(events: &mut Events) -> Result<Event> {
    events.next().await?.context("the stream ended before its turn")
}

/// The turn and the call that this event asks the client for.
fn call(event: &Event) -> Result<Option<(String, String)>> {
    if event.name != "agent.session.turn.item.added" || !event.data.contains("\"type\":\"function_call\"") {
        return Ok(None);
    }
    let data: Value = serde_json::from_str(&event.data)?;
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let call = text(&data["turn_id"]).zip(text(&data["item"]["call_id"]));
    Ok(Some(call.context("a call without its ids")?))
}

/// Lets all clients take turns until `time` is over; each ends the turn that it has begun.
pub async fn round(clients: Vec<Client>, time: Duration) -> Result<(Vec<Client>, Times)> {
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            let mut times = Times::default();
            loop {
                client.turn(&mut times).await?;
                if Instant::now() >= until {
                    return anyhow::Ok((client, times));
                }
            }
        });
    }
    let (mut clients, mut times) = (Vec::new(), Times::default());
    while let Some(done) = tasks.join_next().await {
        let (client, more) = done??;
        clients.push(client);
        times.add(more);
    }
    Ok((clients, times))
}

/// `count` clients with a session each.
pub async fn clients(target: &Target, count: usize, text: Text) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for seed in 0..count {
        clients.push(Client::new(target, seed as u64 + 1, text).await?);
    }
    Ok(clients)
}
