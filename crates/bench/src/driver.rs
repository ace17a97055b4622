//! Clients of W1: each has one session at a time, posts its inputs over one connection and opens a stream for each turn.
//! What it does next it is told by the stream. After some turns it goes on with another session, because a model is
//! asked with the whole transcript, and so a session that grows for ever costs ever more.

use crate::client::{Connection, Event, Events, Target};
use crate::workload::{self, Chance, Text};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// The longest that a turn may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Turns that a session takes: it has 200 items then.
pub const TURNS: u64 = 200_u64.div_ceil(workload::ITEMS);

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
    /// `/v1/agents/sessions/ID/events` of each session; the last is the one that is talked to.
    paths: Vec<String>,
    turns: u64,
    chance: Chance,
    text: Text,
    posted: u64,
}

impl Client {
    /// Without a session.
    pub async fn new(target: &Target, seed: u64, text: Text) -> Result<Self> {
        let posts = Connection::open(target).await?;
        let (paths, chance) = (Vec::new(), Chance::new(seed));
        Ok(Self { target: target.clone(), posts, paths, turns: 0, chance, text, posted: 0 })
    }

    /// Makes sessions until there are so many, each with its first turn ended.
    pub async fn provide(&mut self, count: usize) -> Result<()> {
        while self.paths.len() < count {
            let created = self.posts.post("/v1/agents/sessions", &workload::session(), None).await?.json(201)?;
            let resource =
                format!("/v1/agents/sessions/{}", created["id"].as_str().context("a session without an id")?);
            let until = Instant::now() + PATIENCE;
            while self.posts.get(&resource).await?.json(200)?["status"] != "idle" {
                ensure!(Instant::now() < until, "the session does not become idle");
            }
            self.paths.push(format!("{resource}/events"));
        }
        Ok(())
    }

    /// Leaves a session that is long enough, where there is another.
    fn move_on(&mut self) {
        self.turns += 1;
        if self.turns == TURNS && self.paths.len() > 1 {
            self.turns = 0;
            self.paths.pop();
        }
    }

    fn path(&self) -> Result<&str> {
        self.paths.last().map(String::as_str).context("a client without a session")
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
        let path = self.path()?.to_owned();
        let mut events = Connection::open(&self.target).await?.events(&path).await?;
        self.posts.post(&path, &workload::message(), None).await?.expect(202)?;
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
                self.posts.post(&path, &body, Some(&key)).await?.expect(202)?;
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
        let mut events = connection.events(&format!("{}?after={after}", self.path()?)).await?;
        tokio::time::timeout(PATIENCE, next(&mut events)).await.context("no event")??;
        Ok(begun.elapsed())
    }

    /// From a message to the first event that tells of it, on a stream that is open already.
    pub async fn wake(&mut self) -> Result<Duration> {
        let path = self.path()?.to_owned();
        let mut events = Connection::open(&self.target).await?.events(&path).await?;
        let begun = Instant::now();
        self.posts.post(&path, &workload::message(), None).await?.expect(202)?;
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
                client.move_on();
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

/// `count` clients without sessions.
pub async fn clients(target: &Target, count: usize, text: Text) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for seed in 0..count {
        clients.push(Client::new(target, seed as u64 + 1, text).await?);
    }
    Ok(clients)
}

/// Sees to it that each client has sessions for `turns` turns.
pub async fn provide(clients: Vec<Client>, turns: u64) -> Result<Vec<Client>> {
    let count = usize::try_from(turns.div_ceil(TURNS))?.max(1);
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move { client.provide(count).await.map(|()| client) });
    }
    let mut provided = Vec::new();
    while let Some(done) = tasks.join_next().await {
        provided.push(done??);
    }
    Ok(provided)
}

/// One session of 200 items for each client, and of each the id of the last event but one turn.
pub async fn fill(clients: Vec<Client>) -> Result<Vec<(Client, String)>> {
    let mut tasks = JoinSet::new();
    for mut client in clients {
        tasks.spawn(async move {
            client.provide(1).await?;
            let mut after = String::new();
            for turn in 1..=TURNS {
                let last = client.turn(&mut Times::default()).await?;
                if turn < TURNS {
                    after = last;
                }
            }
            anyhow::Ok((client, after))
        });
    }
    let mut filled = Vec::new();
    while let Some(done) = tasks.join_next().await {
        filled.push(done??);
    }
    Ok(filled)
}
