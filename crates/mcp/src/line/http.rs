//! Streamable HTTP: each question is a POST of its own, answered by JSON or by a stream of events, which is taken up again
//! where it broke off if the revision and the server know how.

mod listener;
mod stream;

pub(crate) use listener::{Listener, subscription};

use super::{Answered, Question, Terms, Trouble, is_doubtful};
use crate::Target;
use crate::World;
use crate::challenge::Challenge;
use crate::failure::{Failure, Kind};
use crate::limits::Limits;
use crate::message::{self, METHOD_NOT_FOUND, Message, RpcError};
use crate::mirror::encoded;
use crate::reading;
use crate::through::{Begun, HttpAnswer, HttpLost, HttpRequest, HttpThrough, Method};
use crate::time::within;
use bytes::Bytes;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::watch;

/// Bytes of an answer that says no.
const REFUSAL: usize = 64 * 1024;
/// The method of a listing, and what may be around one.
const LIST: &str = "tools/list";
const ENVELOPE: usize = 4 * 1024;
/// The longest session id that is kept.
const SESSION: usize = 1024;
/// Ours alone: a target's own headers never replace them.
const OWN: &[&str] = &["accept", "content-type", "content-length", "host", "transfer-encoding", "connection"];

pub(crate) struct HttpLine {
    pub target: Target,
    pub carrier: Arc<dyn HttpThrough>,
    pub limits: Arc<Limits>,
    pub world: World,
    /// Set when the server says that its tools changed.
    pub changed: Arc<AtomicBool>,
    /// Whether a stream may stay open beside the calls: elsewhere an answer may come as a whole only.
    pub listens: bool,
    /// Counts the terms: whoever listens under old ones stops.
    pub listening: watch::Sender<u64>,
}

impl HttpLine {
    pub async fn ask(&self, terms: &Terms, question: Question<'_>) -> Result<Answered, Trouble> {
        let body = message::request(question.id, question.method, question.params, question.arguments);
        if body.len() > self.limits.request {
            let most = self.limits.request;
            return Err(Failure::refused(format!("the request is larger than {most} bytes")).into());
        }
        let mut headers = self.headers(terms, question.method, question.name);
        headers.extend(question.mirrored.iter().cloned());
        let answer = self.authorized(Method::Post, &headers, body.into(), question.begun).await?;
        let session = answer.header("mcp-session-id").filter(|id| is_session(id)).map(str::to_owned);
        if !(200..300).contains(&answer.status) {
            return Err(self.refusal(terms, answer, question.begun).await);
        }
        let kind = answer.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let result = match kind.split(';').next().map(str::trim) {
            Some("application/json") => self.read_json(answer, &question).await?,
            Some("text/event-stream") => self.read_stream(terms, answer, &question).await?,
            _ => {
                let said = format!("the server answered a request with `{}`", crate::failure::quoted(&kind));
                return Err(Failure::unknown(said).into());
            }
        };
        Ok(Answered { result, session })
    }

    pub async fn tell(&self, terms: &Terms, method: &str, params: Option<Value>) -> Result<(), Failure> {
        self.post(terms, method, message::note(method, params)).await
    }

    /// Posts what wants no answer.
    async fn post(&self, terms: &Terms, method: &str, body: String) -> Result<(), Failure> {
        let headers = self.headers(terms, method, None);
        let begun = Begun::default();
        let work = self.authorized(Method::Post, &headers, body.into(), &begun);
        match within(&*self.world.clock, self.limits.opening, work).await {
            Some(Ok(_)) => Ok(()),
            Some(Err(trouble)) => Err(trouble.failure()),
            None => Err(Failure::unknown("no answer in time")),
        }
    }

    /// Gives a session back, where there is one.
    pub async fn close(&self, terms: Option<&Terms>) {
        let Some(terms) = terms.filter(|terms| terms.session.is_some()) else { return };
        let headers = self.headers(terms, "", None);
        let begun = Begun::default();
        let work = self.authorized(Method::Delete, &headers, Bytes::new(), &begun);
        let _ = within(&*self.world.clock, self.limits.connect, work).await;
    }

    fn headers(&self, terms: &Terms, method: &str, name: Option<&str>) -> Vec<(String, String)> {
        let mut headers: Vec<(String, String)> = vec![
            ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
            ("content-type".to_owned(), "application/json".to_owned()),
        ];
        let mut add = |name: &str, value: &str| headers.push((name.to_owned(), value.to_owned()));
        if terms.revision.is_stateless() {
            add("mcp-protocol-version", terms.revision.date());
            add("mcp-method", method);
            if let Some(name) = name {
                add("mcp-name", &encoded(name));
            }
        } else {
            if terms.revision.has_header() && method != "initialize" {
                add("mcp-protocol-version", terms.revision.date());
            }
            if let Some(session) = &terms.session {
                add("mcp-session-id", session);
            }
        }
        for (name, value) in &self.target.headers {
            let name = name.to_ascii_lowercase();
            let replaced = name == "authorization" && self.target.bearer.is_some();
            if !(OWN.contains(&name.as_str()) || name.starts_with("mcp-") || replaced) {
                headers.push((name, value.clone()));
            }
        }
        headers
    }

    /// Sends with a token, and again with another one where the server wants that.
    async fn authorized(
        &self,
        method: Method,
        headers: &[(String, String)],
        body: Bytes,
        begun: &Begun,
    ) -> Result<HttpAnswer, Trouble> {
        let mut token = match &self.target.bearer {
            None => None,
            Some(bearer) => bearer.current().await.map_err(Failure::not_sent)?,
        };
        let mut renewals = 0;
        loop {
            let mut headers = headers.to_vec();
            if let Some(token) = &token {
                headers.push(("authorization".to_owned(), format!("Bearer {token}")));
            }
            let url = self.target.url.clone();
            let request = HttpRequest { method, url, headers, body: body.clone(), begun: begun.clone() };
            let answer = self.carrier.send(request).await.map_err(|lost| Failure::of(lost, begun))?;
            if !matches!(answer.status, 401 | 403) {
                return Ok(answer);
            }
            let challenge = Challenge::read(answer.status, answer.header("www-authenticate"));
            // A 403 without a word about scopes is a server's own no, not a question for a token.
            if answer.status == 403 && challenge.error.is_none() && challenge.scope.is_none() {
                return Ok(answer);
            }
            begun.clear();
            drop(answer);
            token = match &self.target.bearer {
                Some(bearer) if renewals < self.limits.renewals => {
                    bearer.refused(&challenge).await.map_err(|why| unauthorized(challenge.clone(), &why))?
                }
                _ => None,
            };
            if token.is_none() {
                return Err(unauthorized(challenge, "the server wants another token").into());
            }
            renewals += 1;
        }
    }

    async fn refusal(&self, terms: &Terms, mut answer: HttpAnswer, begun: &Begun) -> Trouble {
        let status = answer.status;
        let read = async {
            let mut body = Vec::new();
            while let Ok(Some(piece)) = answer.body.next().await {
                if body.len() + piece.len() > REFUSAL {
                    break;
                }
                body.extend_from_slice(&piece);
            }
            body
        };
        let body = within(&*self.world.clock, self.limits.opening, read).await.unwrap_or_default();
        let had_session = terms.session.is_some();
        match message::read(&body) {
            Ok(Message::Answer { id, outcome: Err(error) }) => match status {
                404 if had_session && error.code != METHOD_NOT_FOUND => gone(begun, Some(error)),
                // Read by nobody who could say which request it is about: so an unknown session is refused, too.
                400 if had_session && id.is_none() => gone(begun, Some(error)),
                // Not the word of whoever had the request, or had it whole.
                _ if id.is_none() && is_doubtful(status) => Trouble::Status(status),
                _ => Trouble::Rpc(error),
            },
            _ if status == 404 && had_session => gone(begun, None),
            _ => Trouble::Status(status),
        }
    }

    /// The bytes and the values of JSON that an answer to this question may have.
    fn most(&self, question: &Question<'_>) -> (usize, usize) {
        let limits = &self.limits;
        if question.method == LIST {
            (limits.answer.min(limits.listing.saturating_add(ENVELOPE)), limits.values.min(limits.listing_values))
        } else {
            (limits.answer, limits.values)
        }
    }

    async fn read_json(&self, mut answer: HttpAnswer, question: &Question<'_>) -> Result<Value, Trouble> {
        let mut body = Vec::new();
        let (bytes, values) = self.most(question);
        while let Some(piece) = answer.body.next().await.map_err(broken)? {
            if body.len() + piece.len() > bytes {
                return Err(Failure::too_large(format!("the server's answer is larger than {bytes} bytes")).into());
            }
            body.extend_from_slice(&piece);
        }
        match reading::message(body, values).await {
            Ok(Message::Answer { id, outcome }) if id == Some(question.id) => outcome.map_err(Trouble::Rpc),
            Ok(_) => Err(Failure::unknown("the server answered another request than ours").into()),
            Err(why) => Err(Failure::unknown(format!("the server's answer is {why}")).into()),
        }
    }

    fn too_large(&self) -> Trouble {
        Failure::too_large(format!("the server's answer is larger than {} bytes", self.limits.answer)).into()
    }
}

fn gone(begun: &Begun, said: Option<RpcError>) -> Trouble {
    begun.clear();
    Trouble::Gone(said)
}

fn broken(lost: HttpLost) -> Failure {
    Failure::unknown(format!("the answer broke off: {}", lost.why))
}

fn unauthorized(challenge: Challenge, why: &str) -> Failure {
    let message = match &challenge.scope {
        Some(scope) if challenge.wants_more() => format!("{why} (scope: {})", crate::failure::quoted(scope)),
        _ => why.to_owned(),
    };
    Failure { kind: Kind::Unauthorized(Box::new(challenge)), message }
}

fn is_session(id: &str) -> bool {
    !id.is_empty() && id.len() <= SESSION && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte))
}
