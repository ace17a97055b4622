//! Which revision a server speaks, found out before anything else: a question of the newest revision first, which has no
//! effect on anybody, and the older handshake where that is not understood.

use crate::connection::Server;
use crate::failure::{Failure, Kind, quoted};
use crate::line::{Answered, Line, Question, Terms, Trouble};
use crate::message::{HEADER_MISMATCH, MISSING_CAPABILITY, RpcError, UNSUPPORTED_REVISION};
use crate::revision::Revision;
use crate::through::Begun;
use crate::time::within;
use serde_json::{Map, Value, json};
use std::time::Duration;
use types::Clock;

/// The longest instructions that a server may give.
const INSTRUCTIONS: usize = 16 * 1024;

pub(crate) const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const INFO_KEY: &str = "io.modelcontextprotocol/clientInfo";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";

/// Who asks.
fn client_info() -> Value {
    json!({"name": "outcrop", "version": env!("CARGO_PKG_VERSION")})
}

/// What every request of the stateless revision says of who asks. It offers nothing.
pub(crate) fn say_who(meta: &mut Map<String, Value>) {
    meta.insert(VERSION_KEY.to_owned(), Revision::NEWEST.date().into());
    meta.insert(INFO_KEY.to_owned(), client_info());
    meta.insert(CAPABILITIES_KEY.to_owned(), json!({}));
}

/// What one negotiation needs.
pub(crate) struct Negotiation<'a> {
    pub line: &'a Line,
    pub clock: &'a dyn Clock,
    /// For each question.
    pub time: Duration,
    /// For the first question, which an older server may leave without an answer.
    pub patience: Duration,
    /// Ids are never used twice on one connection.
    pub next_id: &'a (dyn Fn() -> i64 + Sync),
}

/// What came of the first question.
enum Era {
    Stateless(Box<Server>),
    /// It wants a handshake, or so it seems; what it said to the question.
    Handshake(Option<Failure>),
}

impl Negotiation<'_> {
    pub async fn run(&self) -> Result<(Terms, Server), Failure> {
        match self.discover().await? {
            Era::Stateless(server) => Ok((Terms { revision: Revision::NEWEST, session: None }, *server)),
            Era::Handshake(said) => self.initialize().await.map_err(|failure| match (&failure.kind, said) {
                // The handshake was refused like everything else: what was said first says more.
                (Kind::Refused(_), Some(said)) if said.message != failure.message => {
                    let message = format!("{}; and to a handshake: {}", said.message, failure.message);
                    Failure { kind: failure.kind, message }
                }
                _ => failure,
            }),
        }
    }

    async fn discover(&self) -> Result<Era, Failure> {
        let terms = Terms { revision: Revision::NEWEST, session: None };
        let mut meta = Map::new();
        say_who(&mut meta);
        let params = Map::from_iter([("_meta".to_owned(), Value::Object(meta))]);
        for again in [true, false] {
            let asked = self.ask(&terms, "server/discover", &params, self.patience).await;
            return match asked {
                None => Ok(Era::Handshake(None)),
                Some(Ok(Answered { result, .. })) => match supported(&result["supportedVersions"]) {
                    Some(known) if known.contains(&Revision::NEWEST) => {
                        Ok(Era::Stateless(Box::new(Server::read(&result, Revision::NEWEST))))
                    }
                    Some(known) if known.is_empty() => Err(foreign(&result["supportedVersions"])),
                    // Not an answer to this question, or one that names older revisions.
                    _ => Ok(Era::Handshake(None)),
                },
                Some(Err(Trouble::Rpc(error))) => {
                    if again && error.code == UNSUPPORTED_REVISION && names_newest(&error) {
                        continue;
                    }
                    refused(error)
                }
                Some(Err(trouble)) => {
                    let failure = trouble.failure();
                    match failure.kind {
                        Kind::NotSent | Kind::Unauthorized(_) | Kind::TooLarge => Err(failure),
                        Kind::Refused(_) | Kind::Unknown => Ok(Era::Handshake(Some(failure))),
                    }
                }
            };
        }
        Ok(Era::Handshake(None))
    }

    async fn initialize(&self) -> Result<(Terms, Server), Failure> {
        let wanted = Revision::NEWEST_WITH_HANDSHAKE;
        let terms = Terms { revision: wanted, session: None };
        let params = json!({
            "protocolVersion": wanted.date(), "capabilities": {}, "clientInfo": client_info(),
        });
        let params = params.as_object().cloned().unwrap_or_default();
        let answered = match self.ask(&terms, "initialize", &params, self.time).await {
            None => {
                let time = self.time.as_secs();
                return Err(Failure::unknown(format!("the server did not answer the handshake within {time} s")));
            }
            Some(answered) => answered.map_err(Trouble::failure)?,
        };
        let spoken = answered.result["protocolVersion"].as_str().unwrap_or_default();
        let revision = Revision::of(spoken).filter(|revision| !revision.is_stateless()).ok_or_else(|| {
            Failure::refused(format!("the server wants revision `{}`, which is not spoken here", quoted(spoken)))
        })?;
        let server = Server::read(&answered.result, revision);
        let terms = Terms { revision, session: answered.session };
        self.line.tell(&terms, "notifications/initialized", None).await?;
        Ok((terms, server))
    }

    async fn ask(
        &self,
        terms: &Terms,
        method: &str,
        params: &Map<String, Value>,
        time: Duration,
    ) -> Option<Result<Answered, Trouble>> {
        let begun = Begun::default();
        let question = Question {
            id: (self.next_id)(),
            method,
            params,
            arguments: None,
            name: None,
            mirrored: &[],
            progress: None,
            begun: &begun,
        };
        within(self.clock, time, self.line.ask(terms, question)).await
    }
}

fn refused(error: RpcError) -> Result<Era, Failure> {
    match error.code {
        UNSUPPORTED_REVISION => match supported(&error.data["supported"]) {
            Some(known) if known.is_empty() => Err(foreign(&error.data["supported"])),
            _ => Ok(Era::Handshake(Some(error.failure()))),
        },
        HEADER_MISMATCH | MISSING_CAPABILITY => Err(error.failure()),
        _ => Ok(Era::Handshake(Some(error.failure()))),
    }
}

fn names_newest(error: &RpcError) -> bool {
    supported(&error.data["supported"]).is_some_and(|known| known.contains(&Revision::NEWEST))
}

/// The revisions of a list that are spoken here; `None` where it is no list.
fn supported(list: &Value) -> Option<Vec<Revision>> {
    let list = list.as_array()?;
    Some(list.iter().filter_map(|date| Revision::of(date.as_str()?)).collect())
}

fn foreign(list: &Value) -> Failure {
    let dates: Vec<_> = list.as_array().into_iter().flatten().filter_map(Value::as_str).take(10).collect();
    Failure::refused(format!(
        "the server speaks only revisions that are not spoken here: {}",
        quoted(&dates.join(", "))
    ))
}

/// A server's own words to whoever uses it, if they are of a size.
pub(crate) fn instructions(result: &Value) -> Option<String> {
    result["instructions"].as_str().filter(|text| !text.is_empty() && text.len() <= INSTRUCTIONS).map(str::to_owned)
}
