//! An upstream that answers every request with what a test laid down, keeps what it was asked, and tells when a client
//! has gone.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::stream;
use serde_json::Value;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Clean,
    /// The connection is cut without the end of the body.
    Cut,
    /// Nothing more comes, for ever.
    Hang,
}

#[derive(Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub chunks: Vec<Vec<u8>>,
    pub end: End,
}

impl Reply {
    pub fn stream(chunks: &[impl AsRef<[u8]>]) -> Self {
        Self {
            status: 200,
            headers: vec![("content-type", "text/event-stream; charset=utf-8".into())],
            chunks: chunks.iter().map(|chunk| chunk.as_ref().to_vec()).collect(),
            end: End::Clean,
        }
    }

    /// One server-sent event for each value.
    pub fn events(events: &[Value]) -> Self {
        Self::stream(&events.iter().map(|event| format!("data: {event}\n\n")).collect::<Vec<_>>())
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".into())],
            chunks: vec![body.to_string().into_bytes()],
            end: End::Clean,
        }
    }

    pub fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

#[derive(Clone)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

pub struct Mock {
    pub base_url: String,
    shared: Arc<Shared>,
}

struct Shared {
    reply: Mutex<Reply>,
    asked: Mutex<Vec<Asked>>,
    gone: Mutex<Option<oneshot::Sender<()>>>,
}

impl Mock {
    pub async fn start(reply: Reply) -> Self {
        let shared = Arc::new(Shared { reply: Mutex::new(reply), asked: Mutex::default(), gone: Mutex::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1/", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        #[expect(clippy::disallowed_methods, reason = "a server of the test, gone with its runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, shared }
    }

    pub fn reply(&self, reply: Reply) {
        *self.shared.reply.lock().unwrap() = reply;
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    pub fn last_body(&self) -> Value {
        self.asked().last().unwrap().body.clone()
    }

    /// Resolves when the client of the next answer has gone before its end.
    pub fn gone(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        *self.shared.gone.lock().unwrap() = Some(sender);
        receiver
    }
}

struct Guard(Option<oneshot::Sender<()>>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(sender) = self.0.take() {
            let _ = sender.send(());
        }
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    shared.asked.lock().unwrap().push(Asked {
        method: parts.method.to_string(),
        path: parts.uri.to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&bytes).unwrap(),
    });
    let reply = shared.reply.lock().unwrap().clone();
    let guard = Guard(shared.gone.lock().unwrap().take());
    let state = (reply.chunks.into_iter(), reply.end, guard);
    let body = stream::unfold(state, |(mut chunks, mut end, guard)| async move {
        // Each chunk leaves by itself, so that the client sees the bounds that the test chose.
        tokio::task::yield_now().await;
        if let Some(chunk) = chunks.next() {
            return Some((Ok(Bytes::from(chunk)), (chunks, end, guard)));
        }
        match end {
            End::Clean => None,
            End::Hang => std::future::pending().await,
            End::Cut => {
                end = End::Clean;
                Some((Err(std::io::Error::other("cut")), (chunks, end, guard)))
            }
        }
    });
    let mut response = Response::new(Body::from_stream(body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    for (name, value) in reply.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}
