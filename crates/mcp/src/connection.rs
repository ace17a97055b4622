//! A connection to one server: the terms that were agreed upon, the tools that it listed last, and the calls. It agrees
//! anew where the server has forgotten it, and says of each call whether the server may have had it.

mod asking;
mod listing;

use crate::call::{Arguments, Call, Called};
use crate::failure::{Failure, Kind, quoted};
use crate::limits::Limits;
use crate::line::{HttpLine, Line, Terms, Trouble};
use crate::message::{HEADER_MISMATCH, UNSUPPORTED_REVISION, declined};
use crate::mirror;
use crate::negotiation::{Negotiation, instructions, say_who};
use crate::pipe::ProgramLine;
use crate::revision::Revision;
use crate::through::{Begun, HttpThrough};
use crate::{Http, Way, World};
use asking::{Asking, CALL};
pub use listing::Listing;
use serde_json::{Map, Value};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Who a server says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub revision: Revision,
    pub name: String,
    pub version: String,
    /// Its own words to whoever uses it: at most 16 KiB, and not to be trusted.
    pub instructions: Option<String>,
    /// Whether it says when its tools change.
    announces: bool,
}

impl Server {
    pub(crate) fn read(result: &Value, revision: Revision) -> Self {
        let info = match &result["serverInfo"] {
            Value::Null => &result["_meta"]["io.modelcontextprotocol/serverInfo"],
            info => info,
        };
        let announces = result["capabilities"]["tools"]["listChanged"].as_bool().unwrap_or(false);
        let field = |key: &str| quoted(info[key].as_str().unwrap_or_default());
        Self { revision, name: field("name"), version: field("version"), instructions: instructions(result), announces }
    }
}

/// Terms that stand, and the number of the negotiation that they come from.
#[derive(Clone)]
struct Standing {
    terms: Terms,
    server: Server,
    number: u64,
}

/// What went wrong with the last negotiations.
#[derive(Default)]
struct Troubles {
    count: u32,
    /// On the monotonic clock: nobody asks before.
    until: Duration,
    why: String,
}

/// One server, for one project. Cheap to share; dropping the last handle ends it.
pub struct Connection {
    line: Line,
    limits: Arc<Limits>,
    world: World,
    request_metadata: Map<String, Value>,
    standing: tokio::sync::Mutex<Option<Standing>>,
    troubles: Mutex<Troubles>,
    listing: tokio::sync::Mutex<Option<listing::Kept>>,
    /// Bytes of the listing.
    held: AtomicUsize,
    changed: Arc<AtomicBool>,
    ids: AtomicI64,
    numbers: AtomicU64,
    used: Mutex<Duration>,
}

impl Connection {
    /// Makes no connection yet: the first question does. `http` is what a service's own requests go through.
    pub fn new(way: Way, http: &Http) -> Result<Self, String> {
        let (limits, world) = (Arc::new(http.limits().clone()), http.world().clone());
        let changed = Arc::new(AtomicBool::new(false));
        let over = |target: crate::Target, carrier: Arc<dyn HttpThrough>, listens: bool| {
            let request_metadata = target.request_metadata.clone();
            let (limits, world, changed) = (limits.clone(), world.clone(), changed.clone());
            let listening = tokio::sync::watch::Sender::new(0);
            let line = HttpLine { target, carrier, limits, world, changed, listens, listening };
            (Line::Http(Arc::new(line)), request_metadata)
        };
        let (line, request_metadata) = match way {
            Way::Service(target) => over(target, Arc::new(http.apart()?), true),
            Way::Through(target, carrier) => over(target, carrier, false),
            Way::Program { opener, request_metadata } => {
                let line = ProgramLine::new(opener, limits.clone(), world.clone(), changed.clone());
                (Line::Program(line), request_metadata)
            }
        };
        let used = Mutex::new(world.clock.monotonic());
        Ok(Self {
            line,
            limits,
            world,
            request_metadata,
            standing: tokio::sync::Mutex::new(None),
            troubles: Mutex::default(),
            listing: tokio::sync::Mutex::new(None),
            held: AtomicUsize::new(0),
            changed,
            ids: AtomicI64::new(1),
            numbers: AtomicU64::new(1),
            used,
        })
    }

    /// Who is at the other end. Connects where nothing stands yet; nothing of it has an effect on anybody.
    pub async fn server(&self) -> Result<Server, Failure> {
        Ok(self.standing().await?.server)
    }

    /// Calls a tool once, unless the server certainly did nothing of it: then again, within the call's time.
    ///
    /// What the tool itself says went wrong is no failure ([`Called::is_error`]).
    pub async fn call(&self, call: Call<'_>) -> Result<Called, Failure> {
        self.touch();
        let Call { name, arguments, meta, time, progress, cancel } = call;
        let begun = Begun::default();
        let id = AtomicI64::new(0);
        let work = self.call_rounds(name, arguments, meta, progress, &begun, &id);
        let given_up = tokio::select! {
            biased;
            done = work => {
                self.touch();
                return done;
            }
            () = cancel => "cancelled".to_owned(),
            () = self.world.clock.sleep(time) => format!("no answer within {} s", time.as_secs_f32()),
        };
        self.touch();
        if begun.is_marked() {
            self.tell_cancelled(id.load(Ordering::SeqCst), &given_up).await;
        }
        Err(Failure::lost(begun.is_marked(), given_up))
    }

    async fn call_rounds(
        &self,
        name: &str,
        arguments: Arguments,
        meta: Map<String, Value>,
        progress: Option<&(dyn Fn(crate::Progress) + Send + Sync)>,
        begun: &Begun,
        id: &AtomicI64,
    ) -> Result<Called, Failure> {
        let mut mirrored = self.mirrored(name, &arguments.fields).await?;
        let mut extra = Map::new();
        let mut listed_anew = false;
        for _ in 0..=self.limits.rounds {
            let mut params = extra.clone();
            params.insert("name".to_owned(), name.into());
            let asking = Asking {
                method: CALL,
                params,
                arguments: Some(&arguments.written),
                meta: &meta,
                name: Some(name),
                mirrored: &mirrored,
                progress,
                begun,
                id,
            };
            let result = match self.ask(asking).await {
                Err(failure) if failure.kind == Kind::Refused(Some(HEADER_MISMATCH)) && !listed_anew => {
                    // What it wants in headers may have changed since it was listed.
                    listed_anew = true;
                    begun.clear();
                    self.changed.store(true, Ordering::SeqCst);
                    mirrored = self.mirrored(name, &arguments.fields).await?;
                    continue;
                }
                result => result?,
            };
            if result["resultType"].as_str().is_some_and(|kind| kind == "input_required") {
                extra = answers(&result)?;
                continue;
            }
            return Called::read(&result)
                .ok_or_else(|| Failure::unknown("the server's answer to the call is none of a tool"));
        }
        let rounds = self.limits.rounds;
        Err(Failure::refused(format!("the server asked back {rounds} times instead of answering")))
    }

    /// The headers that the tool wants, where it is known to want any.
    async fn mirrored(&self, name: &str, arguments: &Map<String, Value>) -> Result<Vec<(String, String)>, Failure> {
        if !self.line.is_http() || !self.standing().await.map_err(before)?.terms.revision.is_stateless() {
            return Ok(Vec::new());
        }
        let listing = self.tools().await.map_err(before)?;
        let Some(tool) = listing.tools.iter().find(|tool| tool.name == name) else { return Ok(Vec::new()) };
        mirror::headers(&tool.mirrored, arguments).map_err(Failure::refused)
    }

    async fn tell_cancelled(&self, id: i64, why: &str) {
        let Some(Standing { terms, .. }) = self.standing.lock().await.clone() else { return };
        // Without sessions, the end of the exchange itself says it.
        if self.line.is_http() && terms.revision.is_stateless() {
            return;
        }
        let params = serde_json::json!({"requestId": id, "reason": why});
        let told = self.line.tell(&terms, "notifications/cancelled", Some(params));
        let _ = crate::time::within(&*self.world.clock, self.limits.connect, told).await;
    }

    /// The terms, agreed upon anew where there are none. Where that failed just now, it is not tried before a pause is over.
    async fn standing(&self) -> Result<Standing, Failure> {
        let mut standing = self.standing.lock().await;
        if let Line::Program(program) = &self.line
            && !program.is_open().await
        {
            *standing = None;
        }
        if let Some(standing) = &*standing {
            return Ok(standing.clone());
        }
        self.is_paused()?;
        // Whoever asks may lose patience in the middle, and the next one must not wait as long again.
        let mut given_up = GivenUp { connection: self, armed: true };
        let agreed = self.negotiate().await;
        given_up.armed = false;
        self.note_troubles(agreed.as_ref().err());
        let fresh = agreed?;
        *standing = Some(fresh.clone());
        Ok(fresh)
    }

    async fn negotiate(&self) -> Result<Standing, Failure> {
        if let Line::Program(program) = &self.line {
            program.open().await?;
        }
        let next_id = || self.ids.fetch_add(1, Ordering::SeqCst);
        let negotiation = Negotiation {
            line: &self.line,
            clock: &*self.world.clock,
            time: self.limits.opening,
            patience: self.limits.patience,
            next_id: &next_id,
        };
        let (terms, server) = negotiation.run().await?;
        self.line.listen(&terms, server.announces, next_id()).await;
        Ok(Standing { terms, server, number: self.numbers.fetch_add(1, Ordering::SeqCst) })
    }

    fn is_paused(&self) -> Result<(), Failure> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        if self.world.clock.monotonic() < troubles.until {
            return Err(Failure::not_sent(format!("{}; it is asked again later", troubles.why)));
        }
        Ok(())
    }

    fn note_troubles(&self, failure: Option<&Failure>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(failure) = failure.filter(|failure| !matches!(failure.kind, Kind::Unauthorized(_))) else {
            *troubles = Troubles::default();
            return;
        };
        let pause = self.limits.pause.saturating_mul(1 << troubles.count.min(16)).min(self.limits.longest_pause);
        troubles.count += 1;
        troubles.until = self.world.clock.monotonic() + pause;
        troubles.why.clone_from(&failure.message);
    }

    /// Forgets terms that do not hold any more, unless somebody agreed upon new ones meanwhile.
    async fn forget(&self, number: u64) {
        let mut standing = self.standing.lock().await;
        if standing.as_ref().is_some_and(|standing| standing.number == number) {
            *standing = None;
        }
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = self.world.clock.monotonic();
    }

    /// Whether it is a program that nobody waits for.
    pub(crate) fn is_program_at_rest(&self) -> bool {
        matches!(&self.line, Line::Program(program) if !program.is_busy())
    }

    /// How long nobody has used it.
    pub(crate) fn idle(&self) -> Duration {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        self.world.clock.monotonic().saturating_sub(used)
    }

    /// Gives a session back and ends a program. A connection that is used again afterwards begins anew.
    pub async fn close(&self) {
        let standing = self.standing.lock().await.take();
        if let Line::Http(line) = &self.line {
            line.listening.send_modify(|number| *number += 1);
        }
        self.line.close(standing.as_ref().map(|standing| &standing.terms)).await;
    }
}

/// Notes a negotiation that nobody waited for any more.
struct GivenUp<'a> {
    connection: &'a Connection,
    armed: bool,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.connection.note_troubles(Some(&Failure::not_sent("the server did not answer in time")));
        }
    }
}

/// Of what comes before a call, nothing has an effect: the call itself was not sent.
fn before(failure: Failure) -> Failure {
    match failure.kind {
        Kind::Unknown | Kind::TooLarge => Failure { kind: Kind::NotSent, ..failure },
        _ => failure,
    }
}

/// What a server that asks back instead of answering is told: no, as far as there is a way to say it.
fn answers(result: &Value) -> Result<Map<String, Value>, Failure> {
    let mut answers = Map::new();
    for (key, request) in result["inputRequests"].as_object().into_iter().flatten() {
        let method = request["method"].as_str().unwrap_or_default();
        let answer = declined(method).ok_or_else(|| {
            Failure::refused(format!("the server asks for {}, which is not offered here", quoted(method)))
        })?;
        answers.insert(key.clone(), answer);
    }
    let mut extra = Map::new();
    let state = result.get("requestState").filter(|state| !state.is_null());
    if answers.is_empty() && state.is_none() {
        return Err(Failure::refused("the server asks back, and does not say for what"));
    }
    if !answers.is_empty() {
        extra.insert("inputResponses".to_owned(), Value::Object(answers));
    }
    if let Some(state) = state {
        extra.insert("requestState".to_owned(), state.clone());
    }
    Ok(extra)
}
