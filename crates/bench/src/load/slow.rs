//! Those who are slow on purpose: readers of a byte a second, and requests that come byte by byte. They hold up neither
//! their own session nor anybody else.

use super::memory::{assert_flat, resident, shown};
use super::report::Report;
use super::talker::{create, message};
use super::told::Told;
use crate::client::{Connection, Events, Target};
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::AbortHandle;

/// What the kernel may keep for a reader that does not read, bytes. It takes twice as much.
const WINDOW: u32 = 4096;
const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);
/// Readers of one session that do not read.
const READERS: usize = 64;
/// Turns with a long text, and its length: with every event that repeats it, far more than any socket holds.
const TURNS: usize = 24;
const LENGTH: usize = 64 << 10;

/// A reader of a session's stream that takes a byte a second; gone with this handle.
#[derive(Debug)]
pub struct Crawler(AbortHandle);

impl Crawler {
    /// Returns when the server has begun to answer.
    pub async fn open(target: &Target, session: &str) -> Result<Self> {
        let mut stream = narrow(target).await?;
        stream.write_all(head(target, &format!("{session}/events")).as_bytes()).await?;
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).await?;
        let crawl = tokio::spawn(async move {
            while matches!(stream.read(&mut byte).await, Ok(1)) {
                tokio::time::sleep(SECOND).await;
            }
        });
        Ok(Self(crawl.abort_handle()))
    }
}

impl Drop for Crawler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sends a request byte by byte, one a second, until the server closes the connection: it must.
pub async fn trickle(target: Target) -> Result<()> {
    let mut stream = TcpStream::connect(target.address).await?;
    let mut bytes = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Slow: ".iter().copied().chain(std::iter::repeat(b'a'));
    let mut answer = [0; 1024];
    loop {
        tokio::select! {
            read = stream.read(&mut answer) => match read {
                // An answer (408) is as good as an end.
                Ok(0) | Err(_) => return Ok(()),
                Ok(_) => {}
            },
            () = tokio::time::sleep(SECOND) => {
                let byte = bytes.next().context("no byte")?;
                if stream.write_all(&[byte]).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

/// One session with long texts: readers that read nothing, one that reads.
pub async fn run(server: &Server, report: &mut Report) {
    let outcome = tokio::time::timeout(2 * PATIENCE, hold_up(server)).await.context("the turns do not end");
    if let Some((before, after)) = report.check("f26_slow_readers_hold_nobody_up", outcome.and_then(|seen| seen)) {
        println!("  {READERS} slow readers: memory {} before, {} behind them", shown(before), shown(after));
        report.check("f26_memory_is_bounded_behind_slow_readers", assert_flat(before, after));
    }
}

async fn hold_up(server: &Server) -> Result<(u64, u64)> {
    let target = &server.target;
    let mut posts = Connection::open(target).await?;
    let session = create(&mut posts).await?;
    let path = format!("{session}/events");
    let mut healthy = Connection::open(target).await?.events(&path).await?;
    // One turn before: what its text needs is no growth.
    let mut told = Told::default();
    turn(&mut posts, &path, &mut healthy, &mut told).await?;
    let before = resident(server)?;
    let mut slow = Vec::new();
    for _ in 0..READERS {
        let stream = narrow(target).await?;
        slow.push(Connection::over(target, stream).events(&path).await?);
    }
    told = Told::default();
    for _ in 0..TURNS {
        turn(&mut posts, &path, &mut healthy, &mut told).await?;
    }
    let after = resident(server)?;
    // Whoever was slow and reads at last misses nothing and is told nothing twice.
    let mut late = slow.swap_remove(0);
    let mut heard = Told::default();
    while heard.names.len() < told.names.len() {
        heard.take(&late.next().await?.context("a slow reader's stream ended")?)?;
    }
    ensure!(heard == told, "a slow reader was told otherwise");
    Ok((before, after))
}

/// A turn with a long text.
async fn turn(posts: &mut Connection, path: &str, events: &mut Events, told: &mut Told) -> Result<()> {
    let text = format!("say {}", "x".repeat(LENGTH));
    let body = json!({"events": [{"type": "agent.session.input.message", "input": message(&text)}]}).to_string();
    posts.post(path, body.as_bytes(), None).await?.expect(202)?;
    loop {
        let event = events.next().await?.context("the stream ended")?;
        ensure!(event.name != "agent.session.turn.failed", "a turn failed: {}", event.data);
        told.take(&event)?;
        if event.name == "agent.session.idle" {
            return Ok(());
        }
    }
}

/// A connection for which the kernel keeps little.
async fn narrow(target: &Target) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(WINDOW)?;
    Ok(socket.connect(target.address).await?)
}

fn head(target: &Target, path: &str) -> String {
    let Target { address, key } = target;
    format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nOpenAI-Beta: agents=v1\r\n\r\n")
}
