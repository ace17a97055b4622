//! A host of files on this machine that can be told to misbehave: a few lines of HTTP, one request a connection.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

/// What is sent for one request. The length that is announced is the body's, unless a header says another.
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The connection ends behind this many bytes of the body.
    pub cut: Option<usize>,
}

impl Reply {
    pub fn new(status: u16, body: &[u8]) -> Self {
        Self { status, headers: Vec::new(), body: body.to_vec(), cut: None }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn cut(mut self, at: usize) -> Self {
        self.cut = Some(at);
        self
    }
}

/// The head of a request, in lower case.
#[derive(Clone)]
pub struct Request(String);

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub fn path(&self) -> &str {
        self.0.split(' ').nth(1).expect("a path")
    }

    /// Where it wants the file to begin.
    pub fn from(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

pub struct Host {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Host {
    /// `answer` is told how many requests came before.
    pub fn start(answer: impl Fn(usize, &Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.expect("a connection");
                let head = BufReader::new(&connection).lines().map(|line| line.expect("text"));
                let head: Vec<String> = head.take_while(|line| !line.is_empty()).collect();
                let request = Request(head.join("\n").to_lowercase());
                let before = seen.lock().expect("whole").len();
                seen.lock().expect("whole").push(request.clone());
                let reply = answer(before, &request);
                let mut text = format!("HTTP/1.1 {} x\r\nconnection: close\r\n", reply.status);
                if !reply.headers.iter().any(|(name, _)| *name == "content-length") {
                    text.push_str(&format!("content-length: {}\r\n", reply.body.len()));
                }
                for (name, value) in &reply.headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                // Who asks may have gone.
                let _ = connection.write_all(format!("{text}\r\n").as_bytes());
                let _ = connection.write_all(&reply.body[..reply.cut.unwrap_or(reply.body.len())]);
            }
        });
        Self { url, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("whole").clone()
    }
}

/// A file with this ETag, as a good host serves it: ranges only of the very file that was begun.
pub fn serve(file: &[u8], tag: &str, request: &Request) -> Reply {
    let reply = match request.from() {
        Some(from) if request.header("if-range") == Some(&tag.to_lowercase()) => Reply::new(206, &file[from..])
            .header("content-range", format!("bytes {from}-{}/{}", file.len() - 1, file.len())),
        _ => Reply::new(200, file),
    };
    reply.header("etag", tag)
}
