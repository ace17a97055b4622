//! One question to a server and its answer, whatever lies between: HTTP or a program's lines. It knows the wire of each
//! revision and never decides whether to ask again.

mod http;

pub(crate) use http::{HttpLine, Listener, subscription};

use crate::call::Progress;
use crate::failure::{Failure, Kind};
use crate::message::{Message, RpcError};
use crate::pipe::ProgramLine;
use crate::revision::Revision;
use crate::through::Begun;
use crate::time::within;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use types::BoxFuture;

/// For a stream to be opened that nobody has asked anything of.
const OPENING: Duration = Duration::from_millis(500);

/// What was agreed upon with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub revision: Revision,
    /// Of a revision with sessions, over HTTP.
    pub session: Option<String>,
}

/// One question, whole but for what the revision adds.
pub(crate) struct Question<'a> {
    pub id: i64,
    pub method: &'a str,
    pub params: &'a Map<String, Value>,
    /// Of a call: beside the other parameters, as they were written.
    pub arguments: Option<&'a RawValue>,
    /// The tool's name, where it is about one.
    pub name: Option<&'a str>,
    /// Arguments that are repeated in headers.
    pub mirrored: &'a [(String, String)],
    pub progress: Option<&'a (dyn Fn(Progress) + Send + Sync)>,
    /// Whether the server may have had it.
    pub begun: &'a Begun,
}

/// A result, and the session that came with it.
pub(crate) struct Answered {
    pub result: Value,
    pub session: Option<String>,
}

/// Why there is no result.
#[derive(Debug)]
pub(crate) enum Trouble {
    Rpc(RpcError),
    /// A status of HTTP that says no, without JSON-RPC.
    Status(u16),
    /// The session is not known any more: nothing was done. What the server said of it, if it did.
    Gone(Option<RpcError>),
    Failure(Failure),
}

impl Trouble {
    pub fn failure(self) -> Failure {
        match self {
            Self::Rpc(error) => error.failure(),
            Self::Gone(Some(error)) => error.failure(),
            Self::Gone(None) => Failure::not_sent("the server has forgotten the session"),
            Self::Failure(failure) => failure,
            Self::Status(status) => {
                let kind = if is_doubtful(status) { Kind::Unknown } else { Kind::Refused(None) };
                Failure { kind, message: format!("the server answered with HTTP status {status}") }
            }
        }
    }
}

/// Whether a request that was answered with this status may have been performed: somebody on the way may have given up on a
/// server that went on, a server may have failed behind its work, and a redirection to what is read may point at its outcome.
pub(crate) fn is_doubtful(status: u16) -> bool {
    match status {
        // The server does not know the method, or the revision of HTTP.
        501 | 505 => false,
        301..=303 | 408 => true,
        status => status >= 500,
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

/// The way to one server.
pub(crate) enum Line {
    Http(Arc<HttpLine>),
    Program(ProgramLine),
}

impl Line {
    pub fn ask<'a>(&'a self, terms: &'a Terms, question: Question<'a>) -> BoxFuture<'a, Result<Answered, Trouble>> {
        match self {
            Self::Http(line) => Box::pin(line.ask(terms, question)),
            Self::Program(line) => Box::pin(line.ask(question)),
        }
    }

    /// Says something that wants no answer. What comes of it does not matter.
    pub async fn tell(&self, terms: &Terms, method: &str, params: Option<Value>) -> Result<(), Failure> {
        match self {
            Self::Http(line) => line.tell(terms, method, params).await,
            Self::Program(line) => line.tell(method, params).await,
        }
    }

    /// Hears what the server says without being asked, from now on, under these terms and no older ones.
    pub async fn listen(&self, terms: &Terms, announces: bool, id: i64) {
        match self {
            Self::Http(line) => {
                line.listening.send_modify(|number| *number += 1);
                let offers = if terms.revision.is_stateless() { announces } else { terms.session.is_some() };
                if offers && line.listens {
                    let listener = Listener::new(line, terms, id);
                    let stop = line.listening.subscribe();
                    let (opened, is_open) = tokio::sync::oneshot::channel();
                    line.world.spawn.spawn("mcp listener", Box::pin(listener.run(stop, opened)));
                    // A server may drop what it says before anybody listens; but nobody waits for long.
                    let _ = within(&*line.world.clock, OPENING, is_open).await;
                }
            }
            Self::Program(line) if terms.revision.is_stateless() && announces => line.subscribe(id).await,
            Self::Program(_) => {}
        }
    }

    pub fn is_http(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Ends it: a session is given back, a program's pipe closed.
    pub async fn close(&self, terms: Option<&Terms>) {
        match self {
            Self::Http(line) => line.close(terms).await,
            Self::Program(line) => line.close().await,
        }
    }
}

/// What everybody who reads a server's words does with what is no answer.
pub(crate) fn heard(message: &Message, token: i64, question: Option<&Question<'_>>, changed: &AtomicBool) {
    let Message::Note { method, params } = message else { return };
    match method.as_str() {
        "notifications/tools/list_changed" => changed.store(true, Ordering::SeqCst),
        "notifications/progress" => {
            let Some(progress) = question.and_then(|question| question.progress) else { return };
            if let Some(told) = told(params, token) {
                progress(told);
            }
        }
        _ => {}
    }
}

/// Progress of the request with this token.
pub(crate) fn told(params: &Value, token: i64) -> Option<Progress> {
    if params["progressToken"].as_i64() != Some(token) {
        return None;
    }
    Some(Progress {
        progress: params["progress"].as_f64()?,
        total: params["total"].as_f64(),
        message: params["message"].as_str().map(crate::failure::quoted),
    })
}
