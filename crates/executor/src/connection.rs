//! One connection: the handshake, and then requests, one after the other in the order in which they came.

use crate::files::Handles;
use crate::http::Body;
use crate::session::{Executor, Session};
use crate::{files, world};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use wire::executor::{
    Failure, HttpRequest, Id, Initialize, Initialized, MESSAGE_LIMIT, Message, Notification, ProcessSignal,
    ProcessTerminate, Request, Status, StatusWord, code, method,
};

pub struct Connection {
    executor: Arc<Executor>,
    outgoing: mpsc::Sender<String>,
    session: Option<Arc<Session>>,
    /// The client has said `initialized`.
    ready: bool,
    handles: Arc<Handles>,
    /// Bodies on their way; they end with the connection.
    bodies: JoinSet<()>,
}

/// Bodies on their way at one time.
const BODIES: usize = 16;

/// What a request asks for, in the words of the original's refusals.
#[derive(Clone, Copy)]
enum Family {
    Handshake,
    Environment,
    Exec,
    Filesystem,
    Http,
}

impl Connection {
    pub fn new(executor: Arc<Executor>, outgoing: mpsc::Sender<String>) -> Self {
        Self { executor, outgoing, session: None, ready: false, handles: Arc::default(), bodies: JoinSet::new() }
    }

    pub fn into_session(self) -> Option<Arc<Session>> {
        self.session
    }

    /// One message, or why it is none. Whether the connection goes on.
    pub async fn receive(&mut self, message: Result<Vec<u8>, String>) -> bool {
        let message = message.and_then(|bytes| Message::read(&bytes).map_err(|unreadable| unreadable.0));
        match message {
            Ok(Message::Request(request)) => {
                let id = request.id.clone();
                let (answer, body) = match self.perform(request).await {
                    Ok((result, body)) => (Message::Response { id, result }, body),
                    Err(error) => (Message::failed(id, error), None),
                };
                let goes_on = self.send(answer).await;
                if let Some(body) = body {
                    self.bodies.spawn(body.send(self.outgoing.clone()));
                }
                goes_on
            }
            Ok(Message::Notification(Notification { method, .. })) => {
                let known = method == method::INITIALIZED && self.session.is_some();
                self.ready |= known;
                known
            }
            // This executor asks for nothing, so nothing can be answered; a late answer harms nobody.
            Ok(Message::Response { .. } | Message::Failed { .. }) => true,
            Err(why) => self.send(Message::failed(Id::NONE, Failure::new(code::INVALID_REQUEST, why))).await,
        }
    }

    async fn send(&self, answer: Message) -> bool {
        let mut text = answer.text();
        if text.len() > MESSAGE_LIMIT
            && let Message::Response { id, .. } = answer
        {
            let why = format!("the answer would be longer than the {MESSAGE_LIMIT} bytes of a message");
            text = Message::failed(id, Failure::new(code::INTERNAL, why)).text();
        }
        self.outgoing.send(text).await.is_ok()
    }

    /// The result, and what follows it.
    async fn perform(&mut self, request: Request) -> Result<(Value, Option<Body>), Failure> {
        let Request { method, params, .. } = request;
        let session = match (family(&method)?, &self.session) {
            (Family::Handshake, _) => return Ok((self.initialize(read(params)?)?, None)),
            (family, None) => return Err(too_early("call initialize", family)),
            (family, Some(_)) if !self.ready => return Err(too_early("send initialized", family)),
            (Family::Http, Some(_)) => return self.request(read(params)?).await,
            (_, Some(session)) => session,
        };
        let processes = &session.processes;
        let result = match method.as_str() {
            method::ENVIRONMENT_INFO => answer(self.executor.machine.info()),
            method::ENVIRONMENT_STATUS => answer(Status { status: StatusWord::Ready }),
            method::PROCESS_START => answer(processes.start(read(params)?, &self.executor.machine)?),
            method::PROCESS_READ => answer(processes.read(read(params)?).await?),
            method::PROCESS_WRITE => answer(processes.write(read(params)?)?),
            method::PROCESS_SIGNAL => {
                let ProcessSignal { process_id, .. } = read(params)?;
                processes.interrupt(&process_id).map(|()| json!({}))
            }
            method::PROCESS_TERMINATE => {
                let ProcessTerminate { process_id } = read(params)?;
                answer(processes.terminate(&process_id))
            }
            _ => {
                let handles = Arc::clone(&self.handles);
                world::blocking(move || files::perform(&method, params, &handles)).await
            }
        };
        result.map(|result| (result, None))
    }

    async fn request(&mut self, wanted: HttpRequest) -> Result<(Value, Option<Body>), Failure> {
        while self.bodies.try_join_next().is_some() {}
        if wanted.stream_response && self.bodies.len() >= BODIES {
            let message = format!("at most {BODIES} bodies are streamed at one time in a connection");
            return Err(Failure::new(code::INVALID_REQUEST, message));
        }
        self.executor.http.perform(wanted).await
    }

    fn initialize(&mut self, wanted: Initialize) -> Result<Value, Failure> {
        if self.session.is_some() {
            return Err(Failure::new(code::INVALID_REQUEST, "initialize may only be sent once per connection"));
        }
        let session = self.executor.attach(&wanted, self.outgoing.clone())?;
        let session_id = session.id.clone();
        self.session = Some(session);
        answer(Initialized { session_id, environment_info: Some(self.executor.machine.info()) })
    }
}

/// # Errors
/// Nothing has this name here.
fn family(name: &str) -> Result<Family, Failure> {
    match name {
        method::INITIALIZE => Ok(Family::Handshake),
        method::ENVIRONMENT_INFO | method::ENVIRONMENT_STATUS => Ok(Family::Environment),
        method::PROCESS_START
        | method::PROCESS_READ
        | method::PROCESS_WRITE
        | method::PROCESS_SIGNAL
        | method::PROCESS_TERMINATE => Ok(Family::Exec),
        method::HTTP_REQUEST => Ok(Family::Http),
        name if files::knows(name) => Ok(Family::Filesystem),
        _ => {
            let message = format!("exec-server stub does not implement `{name}` yet");
            Err(Failure::new(code::METHOD_NOT_FOUND, message))
        }
    }
}

fn too_early(first: &str, family: Family) -> Failure {
    let family = match family {
        Family::Handshake | Family::Exec => "exec",
        Family::Environment => "environment info",
        Family::Filesystem => "filesystem",
        Family::Http => "http",
    };
    Failure::new(code::INVALID_REQUEST, format!("client must {first} before using {family} methods"))
}

/// Parameters, or the original's words about what is wrong with them.
pub fn read<T: DeserializeOwned>(params: Value) -> Result<T, Failure> {
    // Who leaves them out means that there are none.
    let params = if params.is_null() { json!({}) } else { params };
    serde_json::from_value(params).map_err(|error| Failure::new(code::INVALID_PARAMS, error.to_string()))
}

pub fn answer(result: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(result).map_err(|error| Failure::new(code::INTERNAL, error.to_string()))
}
