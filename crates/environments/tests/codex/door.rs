//! As much of an HTTP door as an executor needs: registration, validation, and the socket, which a test can cut.

use crate::world::world;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use environments::client::{Client, Settings};
use environments::line::Line;
use environments::rendezvous::{Listener, Memory, Refusal, Rendezvous, Site};
use futures_util::{SinkExt, StreamExt};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, watch};
use types::ProjectId;
use wire::executor::{
    DIRECT_TRANSPORT, DirectRegistered, DirectRegistration, NOISE_PROFILE, NoiseRegistered, NoiseRegistration,
    RegistryError, RegistryErrorBody, Validated, Validation,
};

pub const KEY: &str = "sk-executor";

pub struct Door {
    pub port: u16,
    pub registrations: Arc<Memory>,
    pub rendezvous: Mutex<Arc<Rendezvous>>,
    pub log: Arc<Log>,
    cut: Notify,
}

/// What happened, for tests to wait for.
#[derive(Default)]
pub struct Log {
    pub lines: watch::Sender<Vec<String>>,
}

impl Log {
    fn say(&self, line: String) {
        self.lines.send_modify(|lines| lines.push(line));
    }

    pub fn count(&self, line: &str) -> usize {
        self.lines.borrow().iter().filter(|said| *said == line).count()
    }

    pub async fn until(&self, line: &str, count: usize) {
        let mut lines = self.lines.subscribe();
        let enough = lines.wait_for(|lines| lines.iter().filter(|said| *said == line).count() >= count);
        let waited = tokio::time::timeout(std::time::Duration::from_secs(60), enough).await;
        assert!(waited.is_ok(), "no {line} number {count}: {:?}", self.lines.borrow());
    }
}

impl Listener for Log {
    fn connected(&self, site: &Site) {
        self.say(format!("connected {}", site.environment));
    }

    fn disconnected(&self, site: &Site) {
        self.say(format!("disconnected {}", site.environment));
    }
}

impl Door {
    pub async fn open() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (registrations, log) = (Arc::new(Memory::default()), Arc::new(Log::default()));
        let rendezvous = Mutex::new(rendezvous(&registrations, &log));
        let door = Arc::new(Self { port, registrations, rendezvous, log, cut: Notify::new() });
        let routes = Router::new()
            .route("/v1/agents/api/cloud/environment/{environment}/register", post(register))
            .route("/v1/agents/api/cloud/environment/{environment}/validate", post(validate))
            .route("/v1/agents/api/cloud/environment/{environment}/direct/register", post(register_direct))
            .route("/rendezvous/{environment}", get(socket))
            .with_state(door.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await.expect("served") });
        door
    }

    /// As after a restart: what was kept is all that is known.
    pub fn restart(&self) {
        *self.rendezvous.lock().expect("lock") = rendezvous(&self.registrations, &self.log);
        self.cut();
    }

    /// Every socket that is open, without a word.
    pub fn cut(&self) {
        self.cut.notify_waiters();
    }

    pub fn current(&self) -> Arc<Rendezvous> {
        self.rendezvous.lock().expect("lock").clone()
    }

    fn url(&self, environment: &str, token: &str) -> String {
        format!("ws://127.0.0.1:{}/rendezvous/{environment}?token={token}", self.port)
    }

    pub async fn machine(&self, environment: &str) -> Arc<Client> {
        self.current().machine(&site(environment)).await.expect("registrations").expect("a machine")
    }
}

pub fn site(environment: &str) -> Site {
    Site { project: ProjectId::new("default"), environment: environment.to_owned() }
}

fn rendezvous(registrations: &Arc<Memory>, log: &Arc<Log>) -> Arc<Rendezvous> {
    Arc::new(Rendezvous::new(world(), Settings::default(), registrations.clone(), log.clone()))
}

fn refused(refusal: &Refusal) -> Response {
    let body = RegistryErrorBody { code: Some("refused".to_owned()), message: refusal.to_string() };
    let status = StatusCode::from_u16(refusal.status()).expect("a status");
    (status, Json(RegistryError { error: body })).into_response()
}

fn is_allowed(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == &format!("Bearer {KEY}"))
}

async fn register(
    State(door): State<Arc<Door>>,
    Path(environment): Path<String>,
    headers: HeaderMap,
    Json(body): Json<NoiseRegistration>,
) -> Response {
    if !is_allowed(&headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match door.current().register(&site(&environment), &body).await {
        Ok(registered) => {
            door.log.say(format!("registered {environment}"));
            let url = door.url(&environment, &registered.token);
            let answer = NoiseRegistered {
                environment_id: environment,
                url,
                security_profile: NOISE_PROFILE.to_owned(),
                executor_registration_id: registered.registration,
            };
            Json(answer).into_response()
        }
        Err(refusal) => {
            door.log.say(format!("refused {environment}"));
            refused(&refusal)
        }
    }
}

/// Whoever signs: the signature is the concern of a real door.
async fn register_direct(
    State(door): State<Arc<Door>>,
    Path(environment): Path<String>,
    Json(body): Json<DirectRegistration>,
) -> Response {
    match door.current().register_direct(&site(&environment), &body, false).await {
        Ok(registered) => {
            door.log.say(format!("registered {environment}"));
            let url = door.url(&environment, &registered.token);
            let (transport, registration_id) = (DIRECT_TRANSPORT.to_owned(), registered.registration);
            Json(DirectRegistered { environment_id: environment, transport, registration_id, url }).into_response()
        }
        Err(refusal) => refused(&refusal),
    }
}

async fn validate(
    State(door): State<Arc<Door>>,
    Path(environment): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Validation>,
) -> Response {
    let stream = headers.get("x-codex-noise-stream-id").and_then(|value| value.to_str().ok()).unwrap_or("");
    let valid = is_allowed(&headers) && door.current().validate(&site(&environment), stream, &body);
    Json(Validated { valid }).into_response()
}

async fn socket(
    State(door): State<Arc<Door>>,
    Path(environment): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let token = query.get("token").map_or("", String::as_str);
    let rendezvous = door.current();
    match rendezvous.admit(&site(&environment), token).await {
        Ok(admission) => upgrade.on_upgrade(move |socket| async move {
            let (near, far) = Line::pair();
            let is_text = admission.is_text();
            rendezvous.attach(admission, near);
            drop(rendezvous);
            carry(&door, socket, far, is_text).await;
        }),
        Err(refusal) => refused(&refusal),
    }
}

async fn carry(door: &Door, socket: WebSocket, line: Line, is_text: bool) {
    let Line { outgoing, mut incoming } = line;
    let (mut write, mut read) = socket.split();
    let inward = async {
        while let Some(Ok(message)) = read.next().await {
            let bytes = match message {
                Message::Binary(bytes) if !is_text => bytes.to_vec(),
                Message::Text(text) if is_text => text.as_bytes().to_vec(),
                _ => continue,
            };
            if outgoing.send(bytes).await.is_err() {
                return;
            }
        }
    };
    let outward = async {
        while let Some(bytes) = incoming.recv().await {
            let message = match is_text {
                true => Message::Text(String::from_utf8(bytes).expect("JSON").into()),
                false => Message::Binary(bytes.into()),
            };
            if write.send(message).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = door.cut.notified() => {}
        () = inward => {}
        () = outward => {}
    }
}
