//! A lean HTTP/1.1 client over one TCP connection: it costs the machine little, so that what is measured is the server.
//! It knows JSON bodies, `Content-Length`, chunks and event streams, and nothing else of HTTP.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// The largest answer and the largest event that are read, bytes.
const MOST: usize = 64 << 20;

/// Whom to ask, and the key to show.
#[derive(Clone, Debug)]
pub struct Target {
    pub address: SocketAddr,
    pub key: String,
}

/// One kept connection.
#[derive(Debug)]
pub struct Connection {
    target: Target,
    stream: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON, where the status is `expected`.
    pub fn json(&self, expected: u16) -> Result<Value> {
        self.expect(expected)?;
        serde_json::from_slice(&self.body).context("an answer that is no JSON")
    }

    pub fn expect(&self, expected: u16) -> Result<()> {
        let Self { status, body } = self;
        ensure!(*status == expected, "{status} instead of {expected}: {}", String::from_utf8_lossy(body));
        Ok(())
    }
}

struct Head {
    status: u16,
    length: usize,
    chunked: bool,
}

impl Connection {
    pub async fn open(target: &Target) -> Result<Self> {
        let stream = TcpStream::connect(target.address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self::over(target, stream))
    }

    /// Over a socket that was made with settings of its own.
    pub fn over(target: &Target, stream: TcpStream) -> Self {
        Self { target: target.clone(), stream: BufReader::new(stream) }
    }

    pub async fn post(&mut self, path: &str, body: &[u8], idempotency_key: Option<&str>) -> Result<Answer> {
        let Target { address, key } = &self.target;
        let idempotency = idempotency_key.map_or_else(String::new, |key| format!("Idempotency-Key: {key}\r\n"));
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nOpenAI-Beta: agents=v1\r\n\
             Content-Type: application/json\r\n{idempotency}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        self.answer().await
    }

    pub async fn get(&mut self, path: &str) -> Result<Answer> {
        self.ask(path).await?;
        self.answer().await
    }

    /// Asks for an event stream. When it is there, the server has begun to listen for us.
    pub async fn events(mut self, path: &str) -> Result<Events> {
        self.ask(path).await?;
        let head = self.head().await?;
        if head.status != 200 || !head.chunked {
            let body = self.body(&head).await.unwrap_or_default();
            bail!("no stream but {}: {}", head.status, String::from_utf8_lossy(&body));
        }
        Ok(Events { stream: self.stream, chunk: 0, text: Vec::new(), scanned: 0, bytes: 0 })
    }

    async fn ask(&mut self, path: &str) -> Result<()> {
        let Target { address, key } = &self.target;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\nOpenAI-Beta: agents=v1\r\n\r\n"
        );
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    async fn answer(&mut self) -> Result<Answer> {
        let head = self.head().await?;
        let body = self.body(&head).await?;
        Ok(Answer { status: head.status, body })
    }

    async fn head(&mut self) -> Result<Head> {
        let mut line = line(&mut self.stream).await?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status line")?;
        let mut head = Head { status, length: 0, chunked: false };
        loop {
            line = self::line(&mut self.stream).await?;
            if line.is_empty() {
                return Ok(head);
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            if name.eq_ignore_ascii_case("content-length") {
                head.length = value.trim().parse().context("no length")?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                head.chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
        }
    }

    async fn body(&mut self, head: &Head) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        if !head.chunked {
            ensure!(head.length <= MOST, "an answer of {} bytes", head.length);
            body.resize(head.length, 0);
            self.stream.read_exact(&mut body).await?;
            return Ok(body);
        }
        loop {
            let size = chunk_size(&mut self.stream).await?;
            let start = body.len();
            ensure!(start + size <= MOST, "an answer of more than {MOST} bytes");
            body.resize(start + size, 0);
            self.stream.read_exact(&mut body[start..]).await?;
            line(&mut self.stream).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// One event of a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub name: String,
    pub data: String,
    pub id: String,
}

/// An open event stream; closed when it is dropped.
#[derive(Debug)]
pub struct Events {
    stream: BufReader<TcpStream>,
    /// Bytes left of the chunk that is being read.
    chunk: usize,
    text: Vec<u8>,
    /// Of `text`, this much was looked through for an event's end.
    scanned: usize,
    /// Bytes of events that came, without the chunks' own.
    pub bytes: u64,
}

impl Events {
    /// The next event; None at the stream's end.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            let from = self.scanned.saturating_sub(1);
            if let Some(at) = self.text[from..].windows(2).position(|pair| pair == b"\n\n") {
                let frame: Vec<u8> = self.text.drain(..from + at + 2).collect();
                self.scanned = 0;
                if let Some(event) = event(std::str::from_utf8(&frame)?) {
                    return Ok(Some(event));
                }
                continue;
            }
            self.scanned = self.text.len();
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Takes what has come; false at the end.
    async fn fill(&mut self) -> Result<bool> {
        if self.chunk == 0 {
            self.chunk = chunk_size(&mut self.stream).await?;
            if self.chunk == 0 {
                return Ok(false);
            }
        }
        ensure!(self.text.len() <= MOST, "an event of more than {MOST} bytes");
        let there = self.stream.fill_buf().await?;
        ensure!(!there.is_empty(), "the stream broke off");
        let taken = there.len().min(self.chunk);
        self.text.extend_from_slice(&there[..taken]);
        self.stream.consume(taken);
        self.chunk -= taken;
        self.bytes += taken as u64;
        if self.chunk == 0 {
            line(&mut self.stream).await?;
        }
        Ok(true)
    }
}

/// None for a comment.
fn event(frame: &str) -> Option<Event> {
    let mut event = Event { name: String::new(), data: String::new(), id: String::new() };
    for line in frame.lines() {
        let Some((field, value)) = line.split_once(':') else { continue };
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.name),
            "data" => event.data.push_str(value),
            "id" => value.clone_into(&mut event.id),
            _ => {}
        }
    }
    (!event.data.is_empty()).then_some(event)
}

async fn chunk_size(stream: &mut BufReader<TcpStream>) -> Result<usize> {
    let size = line(stream).await?;
    usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16).context("no size of a chunk")
}

async fn line(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    ensure!(stream.read_line(&mut line).await? > 0, "the connection broke off");
    line.truncate(line.trim_end().len());
    Ok(line)
}
