//! The floor: what the same requests cost where nothing is decided. A bare axum server on SQLite that takes W1's seven
//! requests, makes the same number of durable batches, and pushes the same number of events. It checks nothing, resumes
//! nothing, and knows only W1.

mod journal;

use crate::workload::STEPS;
use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path as Segment, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use journal::{Journal, Line};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

struct Floor {
    /// None at the end.
    journal: Mutex<Option<Arc<Journal>>>,
    sessions: Mutex<BTreeMap<String, Session>>,
    ids: AtomicU64,
}

#[derive(Default)]
struct Session {
    lines: u64,
    step: u64,
    turn: u64,
    reader: Option<UnboundedSender<Bytes>>,
}

/// Serves until it is asked to end.
pub async fn run(data: &Path) -> Result<()> {
    let journal = Journal::open(data)?;
    let journal = Mutex::new(Some(Arc::new(journal)));
    let floor = Arc::new(Floor { journal, sessions: Mutex::default(), ids: AtomicU64::new(1) });
    let app = Router::new()
        .route("/v1/agents/sessions", post(create))
        .route("/v1/agents/sessions/{id}", get(retrieve))
        .route("/v1/agents/sessions/{id}/events", get(stream).post(take))
        .with_state(floor.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    let mut end = signal(SignalKind::terminate())?;
    tokio::select! {
        served = axum::serve(listener, app).into_future() => served?,
        _ = end.recv() => {}
    }
    // Its log is copied into the database when nobody holds it any more.
    drop(floor.journal.lock().unwrap_or_else(PoisonError::into_inner).take());
    Ok(())
}

async fn create(State(floor): State<Arc<Floor>>) -> impl IntoResponse {
    let id = format!("sess_{:024x}", floor.ids.fetch_add(1, Ordering::Relaxed));
    floor.sessions().insert(id.clone(), Session::default());
    (StatusCode::CREATED, json!({"id": id}).to_string())
}

async fn retrieve() -> impl IntoResponse {
    json!({"status": "idle"}).to_string()
}

async fn stream(State(floor): State<Arc<Floor>>, Segment(id): Segment<String>) -> Response {
    let (push, mut pushed) = unbounded_channel();
    let mut sessions = floor.sessions();
    let Some(session) = sessions.get_mut(&id) else { return StatusCode::NOT_FOUND.into_response() };
    session.reader = Some(push);
    let frames = futures_util::stream::poll_fn(move |context| pushed.poll_recv(context));
    let body = Body::from_stream(futures_util::StreamExt::map(frames, Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// Input is durable before the answer; what the model would say comes in a batch of its own.
async fn take(State(floor): State<Arc<Floor>>, Segment(id): Segment<String>, body: Bytes) -> StatusCode {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let input = &body["events"][0];
    let is_message = input["type"] == "agent.session.input.message";
    let names: &[&str] = if is_message {
        &["turn.created", "turn.item.added", "in_progress", "turn.in_progress"]
    } else {
        &["turn.item.added", "in_progress"]
    };
    let step = {
        let mut sessions = floor.sessions();
        let Some(session) = sessions.get_mut(&id) else { return StatusCode::NOT_FOUND };
        if is_message {
            session.turn += 1;
            session.step = 0;
        } else {
            session.step += 1;
        }
        session.step
    };
    if floor.append(&id, input, names).await.is_err() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    tokio::spawn(async move {
        let call = json!({"type": "function_call", "call_id": format!("call_{step:024}"), "name": "lookup",
            "arguments": {"page": step + 1}});
        let answer = json!({"type": "message", "role": "assistant", "content": [{"type": "output_text",
            "text": "That is all there is to say about it."}]});
        let done = if step < STEPS {
            floor.append(&id, &call, &["turn.item.added", "turn.item.done", "requires_action"]).await
        } else {
            const LAST: [&str; 8] = [
                "turn.item.added",
                "turn.content_part.added",
                "turn.output_text.delta",
                "turn.output_text.done",
                "turn.content_part.done",
                "turn.item.done",
                "turn.completed",
                "idle",
            ];
            floor.append(&id, &answer, &LAST).await
        };
        // A client that waits in vain says so.
        drop(done);
    });
    StatusCode::ACCEPTED
}

impl Floor {
    fn sessions(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One durable batch, then its events, in one piece.
    async fn append(&self, id: &str, item: &Value, events: &[&str]) -> Result<()> {
        let (seq, turn) = {
            let mut sessions = self.sessions();
            let session = sessions.entry(id.to_owned()).or_default();
            session.lines += 1;
            (session.lines, session.turn)
        };
        let body = item.to_string();
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let journal = journal.context("the floor has ended")?;
        journal.append(Line { session: id.to_owned(), seq, body: body.clone() }).await?;
        let mut frames = String::new();
        for (name, index) in events.iter().zip(0..) {
            let event = format!("evt_{}_{seq:010}_{index:04}", &id[5..]);
            // Writing to a string cannot fail.
            _ = write!(
                frames,
                "event: agent.session.{name}\ndata: {{\"event_id\":\"{event}\",\"type\":\"agent.session.{name}\",\
                 \"session_id\":\"{id}\",\"turn_id\":\"turn_{turn:024}\",\"item\":{body}}}\nid: {event}\n\n"
            );
        }
        if let Some(reader) = self.sessions().get(id).and_then(|session| session.reader.as_ref()) {
            // The client may have gone.
            let _ = reader.send(Bytes::from(frames));
        }
        Ok(())
    }
}
