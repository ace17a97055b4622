//! Ten thousand streams that hear nothing, over a hundred sessions: what each costs, and that they hear when there is
//! something to hear.

use super::memory::resident;
use super::report::Report;
use super::talker::{create, message};
use super::told::Told;
use crate::client::{Connection, Events, Target};
use crate::server::Server;
use anyhow::{Context, Result, anyhow, ensure};
use futures_util::FutureExt;
use serde_json::json;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const SESSIONS: usize = 100;
/// Streams that are being opened at one time: the kernel's queue of a listener is 1024 at most.
const AT_ONCE: usize = 128;
/// Files beside streams, here and in the server.
const OTHER_FILES: u64 = 1024;
/// The most that a silent stream may cost the server, bytes.
pub const COST: u64 = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn run(server: &Server, wanted: usize, files: u64, report: &mut Report) {
    let room = usize::try_from(files.saturating_sub(OTHER_FILES)).unwrap_or(usize::MAX);
    let count = wanted.min(room) / SESSIONS * SESSIONS;
    if count < wanted {
        println!("  the limit of open files leaves room for {count} streams of {wanted}");
    }
    let opened = open(server, count).await;
    let Some((paths, streams, cost)) = report.check("f26_ten_thousand_idle_streams_are_open", opened) else { return };
    println!("  {count} streams cost {} KiB each", cost >> 10);
    let bounded = if cost <= COST { Ok(()) } else { Err(anyhow!("a stream costs {} KiB", cost >> 10)) };
    report.check("f26_memory_of_a_stream_is_bounded", bounded);
    report.check("idle_streams_hear_their_session", hear(&server.target, &paths, streams).await);
}

/// The sessions, each with its streams, and what one stream costs.
async fn open(server: &Server, count: usize) -> Result<(Vec<String>, Vec<Vec<Events>>, u64)> {
    let mut posts = Connection::open(&server.target).await?;
    let mut paths = Vec::new();
    for _ in 0..SESSIONS {
        paths.push(create(&mut posts).await?);
    }
    let before = resident(server)?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut opening = JoinSet::new();
    for number in 0..count {
        let place = Arc::clone(&places).acquire_owned().await?;
        let (target, path) = (server.target.clone(), format!("{}/events", paths[number % SESSIONS]));
        opening.spawn(async move {
            let stream = connect(&target, number).await?;
            let events = Connection::over(&target, stream).events(&path).await?;
            drop(place);
            anyhow::Ok((number, events))
        });
    }
    let mut streams: Vec<Vec<Events>> = paths.iter().map(|_| Vec::new()).collect();
    while let Some(opened) = opening.join_next().await {
        let (number, events) = opened??;
        streams[number % SESSIONS].push(events);
    }
    let cost = resident(server)?.saturating_sub(before) / count as u64;
    Ok((paths, streams, cost))
}

/// From several addresses of this machine, where it has them: each has its own ports.
async fn connect(target: &Target, number: usize) -> Result<TcpStream> {
    let last = u8::try_from(number % 8 + 1)?;
    let socket = TcpSocket::new_v4()?;
    // Where only 127.0.0.1 is there, the kernel chooses.
    let _ = socket.bind((Ipv4Addr::new(127, 0, 0, last), 0).into());
    Ok(socket.connect(target.address).await?)
}

/// One message to the first session: each of its streams hears the turn to its end; streams of others hear nothing.
async fn hear(target: &Target, paths: &[String], mut streams: Vec<Vec<Events>>) -> Result<()> {
    let mut posts = Connection::open(target).await?;
    let body = json!({"events": [{"type": "agent.session.input.message", "input": message("say hello")}]});
    posts.post(&format!("{}/events", paths[0]), body.to_string().as_bytes(), None).await?.expect(202)?;
    let mut first: Option<Told> = None;
    for events in &mut streams[0] {
        let heard = tokio::time::timeout(PATIENCE, to_the_end(events)).await.context("a stream hears nothing")??;
        ensure!(first.get_or_insert_with(|| heard.clone()) == &heard, "two streams of one session differ");
    }
    for events in streams[1..].iter_mut().flatten() {
        // A message to them all would be here by now: they are asked for what came, without waiting.
        let heard = tokio::task::unconstrained(events.next()).now_or_never();
        ensure!(heard.is_none(), "a stream of another session heard something");
    }
    Ok(())
}

async fn to_the_end(events: &mut Events) -> Result<Told> {
    let mut told = Told::default();
    loop {
        let event = events.next().await?.context("a stream ended")?;
        told.take(&event)?;
        if event.name == "agent.session.idle" {
            return Ok(told);
        }
    }
}
