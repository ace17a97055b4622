//! A small HTTP server that does what a test says, and the world that the client lives in.

use mcp::{Connection, Http, Limits, Reach, Target, Way, World};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use types::{BoxFuture, Clock, Entropy, Spawn, Task, Timestamp};
use url::Url;

struct Real(std::time::Instant);

impl Clock for Real {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

struct Counting(Mutex<u8>);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let mut next = self.0.lock().expect("nobody panics with it");
        for byte in bytes {
            *next = next.wrapping_add(1);
            *byte = *next;
        }
    }
}

struct Tasks;

impl Spawn for Tasks {
    fn spawn(&self, _: &'static str, task: Task) {
        tokio::spawn(task);
    }
}

pub fn world() -> World {
    World {
        clock: Arc::new(Real(std::time::Instant::now())),
        entropy: Arc::new(Counting(Mutex::new(0))),
        spawn: Arc::new(Tasks),
    }
}

/// Limits that let a test end soon; none of them decides what a test asserts.
pub fn limits() -> Limits {
    Limits { pause: Duration::from_millis(1), longest_pause: Duration::from_millis(5), ..Limits::default() }
}

pub fn http(limits: Limits) -> Http {
    let reach = Reach { allowed_hosts: ["127.0.0.1".to_owned()].into(), ..Reach::default() };
    Http::new(reach, limits, world()).expect("certificates are there")
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Value,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn rpc(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    fn result(&self, result: Value) -> Vec<u8> {
        json!({"jsonrpc": "2.0", "id": self.body["id"], "result": result}).to_string().into_bytes()
    }

    /// JSON that answers this request.
    pub fn answer(&self, result: Value) -> Reply {
        Reply::json(self.result(result))
    }

    pub fn error(&self, code: i64) -> Reply {
        let error = json!({"jsonrpc": "2.0", "id": self.body["id"], "error": {"code": code, "message": "no"}});
        Reply::json(error.to_string().into_bytes())
    }

    /// An event that answers this request.
    pub fn event(&self, result: Value) -> Vec<u8> {
        event(&json!({"jsonrpc": "2.0", "id": self.body["id"], "result": result}))
    }
}

pub fn event(message: &Value) -> Vec<u8> {
    format!("data: {message}\n\n").into_bytes()
}

/// What is sent back.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Body,
}

pub enum Body {
    Whole(Vec<u8>),
    /// Pieces, and then the connection is closed.
    Pieces(Vec<Vec<u8>>),
    /// Pieces, and then nothing more, on an open connection.
    Open(Vec<Vec<u8>>),
    /// So many bytes of spaces behind a beginning, if the other side takes them all.
    Flood(Vec<u8>, usize),
    /// No answer at all.
    Silence,
    /// The connection is closed.
    HangUp,
}

impl Reply {
    pub fn json(body: Vec<u8>) -> Self {
        Self { status: 200, headers: vec![("content-type", "application/json".to_owned())], body: Body::Whole(body) }
    }

    pub fn stream(body: Body) -> Self {
        Self { status: 200, headers: vec![("content-type", "text/event-stream".to_owned())], body }
    }

    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(Vec::new()) }
    }

    pub fn only(body: Body) -> Self {
        Self { status: 200, headers: vec![("content-type", "application/json".to_owned())], body }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server and all that it was asked.
#[derive(Clone)]
pub struct Stage {
    pub url: Url,
    pub seen: Arc<Mutex<Vec<Request>>>,
    /// Bytes of floods that were taken from it.
    pub poured: Arc<Mutex<usize>>,
}

impl Stage {
    pub async fn start(act: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it has one").port();
        let url = Url::parse(&format!("http://127.0.0.1:{port}/mcp")).expect("an URL");
        let stage = Self { url, seen: Arc::default(), poured: Arc::default() };
        let (act, own) = (Arc::new(act), stage.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (act, own) = (act.clone(), own.clone());
                tokio::spawn(async move { own.serve(stream, &*act).await });
            }
        });
        stage
    }

    async fn serve(&self, mut stream: TcpStream, act: &(dyn Fn(&Request) -> Reply + Send + Sync)) -> Option<()> {
        let mut held = Vec::new();
        loop {
            let request = read(&mut stream, &mut held).await?;
            self.seen.lock().expect("nobody panics with it").push(request.clone());
            self.send(&mut stream, act(&request)).await?;
        }
    }

    /// `None` where the connection is over.
    async fn send(&self, stream: &mut TcpStream, reply: Reply) -> Option<()> {
        let mut head = format!("HTTP/1.1 {} X\r\n", reply.status);
        for (name, value) in &reply.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match reply.body {
            Body::Whole(body) => {
                head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&body).await.ok()
            }
            Body::Pieces(pieces) => {
                pour(stream, &head, &pieces).await?;
                None
            }
            Body::Open(pieces) => {
                pour(stream, &head, &pieces).await?;
                let _ = stream.read(&mut [0]).await;
                None
            }
            Body::Flood(beginning, bytes) => {
                pour(stream, &head, &[beginning]).await?;
                let piece = [b' '; 64 * 1024];
                let mut left = bytes;
                while left > 0 {
                    let now = left.min(piece.len());
                    stream.write_all(&piece[..now]).await.ok()?;
                    left -= now;
                    *self.poured.lock().expect("nobody panics with it") += now;
                }
                None
            }
            Body::Silence => {
                let _ = stream.read(&mut [0]).await;
                None
            }
            Body::HangUp => None,
        }
    }

    /// Requests of one method of the protocol.
    pub fn asked(&self, method: &str) -> Vec<Request> {
        self.seen.lock().expect("nobody panics with it").iter().filter(|seen| seen.rpc() == method).cloned().collect()
    }

    /// Waits until the server has seen something.
    pub async fn until(&self, is_so: impl Fn(&[Request]) -> bool) {
        for _ in 0..3_000 {
            if is_so(&self.seen.lock().expect("nobody panics with it")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came");
    }

    pub fn target(&self) -> Target {
        Target::new(self.url.clone())
    }

    pub fn connect(&self) -> Connection {
        self.connect_with(limits())
    }

    pub fn connect_with(&self, limits: Limits) -> Connection {
        Connection::new(Way::Service(self.target()), &http(limits)).expect("a client")
    }
}

async fn pour(stream: &mut TcpStream, head: &str, pieces: &[Vec<u8>]) -> Option<()> {
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.ok()?;
    for piece in pieces {
        stream.write_all(piece).await.ok()?;
        stream.flush().await.ok()?;
    }
    Some(())
}

async fn read(stream: &mut TcpStream, held: &mut Vec<u8>) -> Option<Request> {
    let mut piece = vec![0; 16 * 1024];
    loop {
        if let Some(end) = held.windows(4).position(|end| end == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&held[..end]).into_owned();
            let mut lines = head.lines();
            let mut first = lines.next()?.split(' ');
            let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
            let headers: Vec<(String, String)> = lines
                .filter_map(|line| line.split_once(':'))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap_or(0));
            if held.len() >= end + 4 + length {
                let body = serde_json::from_slice(&held[end + 4..end + 4 + length]).unwrap_or(Value::Null);
                held.drain(..end + 4 + length);
                return Some(Request { method, path, headers, body });
            }
        }
        let count = stream.read(&mut piece).await.ok().filter(|count| *count > 0)?;
        held.extend_from_slice(&piece[..count]);
    }
}

/// What a server of the newest revision says to all but a call.
pub fn modern(request: &Request) -> Option<Reply> {
    match request.rpc() {
        "server/discover" => Some(request.answer(json!({
            "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "stage", "version": "1"},
        }))),
        "tools/list" => Some(request.answer(json!({"tools": [tool("act")]}))),
        _ => None,
    }
}

/// What a server with a handshake and a session says to all but a call.
pub fn classic(request: &Request) -> Option<Reply> {
    match request.rpc() {
        "server/discover" => Some(Reply::status(400)),
        "initialize" => Some(
            request
                .answer(json!({
                    "protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": true}},
                    "serverInfo": {"name": "stage", "version": "1"},
                }))
                .with("mcp-session-id", "s-1"),
        ),
        "tools/list" => Some(request.answer(json!({"tools": [tool("act")]}))),
        method if method.starts_with("notifications/") => Some(Reply::status(202)),
        "" if request.method == "GET" => Some(Reply::status(405)),
        "" => Some(Reply::status(202)),
        _ => None,
    }
}

pub fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

pub fn done() -> Value {
    json!({"content": [{"type": "text", "text": "done"}]})
}
