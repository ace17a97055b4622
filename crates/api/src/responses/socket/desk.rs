//! What the frames of one connection mean. A request waits until its lane is free and one of the places for responses
//! that are made at a time; then it is opened, and its events are told one after the other. Nothing here knows the socket:
//! frames come as text, and what is to be said stands in `out`.

use super::Client;
use super::kept::Kept;
use super::opening::{Opened, open};
use super::steering::{self, Accepted, Teller, Waiting};
use crate::body::Held;
use crate::failure::Failure;
use crate::identity;
use crate::responses::stream::Stream;
use crate::sse::Source;
use futures_util::FutureExt;
use futures_util::stream::FuturesUnordered;
use runtime::{Lease, Subscription};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use types::{BoxFuture, Event, Stamp};
use wire::responses::request::{Create, Frame, ResponseCreate, Steer};
use wire::responses::{ErrorFrame, FrameKind, RequiredInput, Steered, lane_of};

/// Responses that are made at one time.
const ACTIVE: usize = 16;
/// Lanes with a name.
const NAMES: usize = 32;
/// Requests that wait.
const WAITING: usize = 64;
/// What is told at once, bytes; a piece that is larger takes no further event.
const PIECE: usize = 16 << 10;
const PAUSE: Duration = Duration::from_secs(1);

type Lane = Option<String>;

/// Why a connection is ended: the code and a reason.
pub type Farewell = (u16, &'static str);

pub struct Desk {
    pub client: Client,
    /// Frames to be sent.
    pub out: VecDeque<String>,
    /// Set where nothing more will be taken.
    pub farewell: Option<Farewell>,
    /// Requests that are being opened, and keys that are looked at.
    pub openings: FuturesUnordered<BoxFuture<'static, Step>>,
    /// The next event of each response that is told.
    pub tellings: FuturesUnordered<BoxFuture<'static, Step>>,
    names: BTreeSet<String>,
    jobs: VecDeque<Job>,
    running: BTreeMap<Lane, Running>,
    kept: Kept,
    waiting: Waiting,
    teller: Teller,
}

/// What happened to a lane.
pub enum Step {
    Opened(Lane, Result<Box<Opened>, Failure>),
    Told(Lane, Box<Subscription>, Box<Option<Event>>),
    KeyLooked(Result<(), Failure>),
}

/// A request that waits, right or wrong: errors keep their place, too.
struct Job {
    lane: Lane,
    previous: Option<String>,
    create: Result<Create, Failure>,
    /// What it is the successor for.
    steers: Vec<Accepted>,
    _held: Option<Held>,
}

/// A response that is opened or told.
struct Running {
    previous: Option<String>,
    /// A successor is nobody's request.
    is_successor: bool,
    /// Steerings that are committed with it.
    commits: Vec<Accepted>,
    /// The request, for a successor.
    pattern: Create,
    told: Option<Told>,
}

struct Told {
    id: String,
    stream: Stream,
    lease: Option<Arc<Lease>>,
    in_conversation: bool,
    calls: Vec<RequiredInput>,
    steers: Vec<Accepted>,
}

impl Desk {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            out: VecDeque::new(),
            farewell: None,
            openings: FuturesUnordered::new(),
            tellings: FuturesUnordered::new(),
            names: BTreeSet::new(),
            jobs: VecDeque::new(),
            running: BTreeMap::new(),
            kept: Kept::default(),
            waiting: Waiting::default(),
            teller: Teller::default(),
        }
    }

    /// Whether nothing is made and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.jobs.is_empty()
    }

    // ---- in

    /// A frame of text.
    pub fn hear(&mut self, text: &str) {
        if let Err(failure) = self.take(text) {
            self.refuse(None, &failure);
        }
    }

    fn take(&mut self, text: &str) -> Result<(), Failure> {
        let held = self.hold(text.len())?;
        let mut frame = Frame::read(wire::body::parse(Some("application/json"), text.as_bytes())?)?;
        if frame.kind == FrameKind::Steer {
            self.steer(frame.steer()?, held);
            return Ok(());
        }
        let as_stream = |fault| Failure { code: Some("invalid_stream_id"), ..Failure::from(fault) };
        let lane = frame.lane().map_err(as_stream)?;
        if let Err(failure) = self.enter(lane.as_deref()) {
            self.refuse(lane.as_deref(), &failure);
            return Ok(());
        }
        let previous = frame.previous.clone();
        let create = frame.create().map_err(Failure::from);
        self.jobs.push_back(Job { lane, previous, create, steers: Vec::new(), _held: Some(held) });
        Ok(())
    }

    /// A place for so many bytes, if there is one now.
    fn hold(&self, bytes: usize) -> Result<Held, Failure> {
        let door = &self.client.door;
        let mut held = door.traffic.bodies.enter();
        let grown = held.grow(bytes, Duration::ZERO, &*door.clock).now_or_never();
        grown.unwrap_or_else(|| Err(Failure::busy("Too many request bodies are being received.", PAUSE)))?;
        Ok(held)
    }

    /// Whether the lane may take one more request.
    fn enter(&mut self, lane: Option<&str>) -> Result<(), Failure> {
        if let Some(name) = lane.filter(|name| !self.names.contains(*name)) {
            if self.names.len() >= NAMES {
                let message = format!(
                    "This connection has {NAMES} named streams already. Use one of them or another connection."
                );
                return Err(Failure::invalid_as("websocket_stream_limit_reached", message).at("stream_id"));
            }
            self.names.insert(name.to_owned());
        }
        if self.jobs.len() >= WAITING {
            let message = format!("Too many requests wait on this connection. At most {WAITING} may.");
            return Err(Failure::busy(message, PAUSE));
        }
        Ok(())
    }

    fn steer(&mut self, steer: Steer, held: Held) {
        let Steer { target, input, messages } = steer;
        let mut running = self.running.iter_mut().filter_map(|(lane, running)| Some((lane, running.told.as_mut()?)));
        let found = running.find(|(_, told)| told.id == target);
        let lane = found.as_ref().and_then(|(lane, _)| (*lane).clone());
        let problem = match (found, messages) {
            (None, _) if self.kept.knows(&target) => {
                ("response_already_completed", "The response has ended already.".to_owned())
            }
            (None, _) => ("response_not_found", "The response is not being made on this connection.".to_owned()),
            (Some(_), Err(fault)) => ("invalid_input", fault.message),
            (Some((_, told)), Ok(_)) if told.in_conversation => {
                ("steering_not_supported", "A response of a conversation cannot be steered.".to_owned())
            }
            (Some((_, told)), Ok(_)) if told.steers.len() >= steering::MOST => {
                ("too_many_pending_steers", format!("At most {} may wait for one response.", steering::MOST))
            }
            (Some((_, told)), Ok(messages)) => {
                let door = &self.client.door;
                let id = Stamp::new(door.clock.now(), &*door.entropy).id("steer");
                let steer = Accepted { id, target, input, messages, _held: held };
                self.out.push_back(self.teller.accepted(&steer, lane.as_deref()));
                told.steers.push(steer);
                return;
            }
        };
        let steer = Steered { id: None, previous_response_id: &target, input: Some(&input) };
        self.out.push_back(self.teller.failed(steer, (problem.0, &problem.1), lane.as_deref()));
    }

    /// Looks whether the key still counts.
    pub fn look_at_key(&mut self) {
        let client = self.client.clone();
        let look = async move { Step::KeyLooked(identity::still_passes(&client.door, &client.secret).await) };
        self.openings.push(Box::pin(look));
    }

    // ---- on

    /// Begins what can be begun.
    pub fn start(&mut self) {
        while self.running.len() < ACTIVE && self.farewell.is_none() {
            let free = self.jobs.iter().position(|job| !self.running.contains_key(&job.lane));
            let Some(job) = free.and_then(|place| self.jobs.remove(place)) else { return };
            match job.create {
                Ok(create) => self.begin(job.lane, job.previous, create, job.steers),
                Err(failure) => self.failed(&job.lane, job.previous.as_deref(), &failure),
            }
        }
    }

    fn begin(&mut self, lane: Lane, previous: Option<String>, mut create: Create, steers: Vec<Accepted>) {
        let is_successor = !steers.is_empty();
        let mut commits = steers;
        if let Some(id) = &previous {
            commits.extend(self.waiting.take(id));
        }
        let input = std::mem::take(&mut create.request.input);
        let pattern = Create { generate: true, ..create.clone() };
        create.request.input = input;
        steering::lead(&mut create.request.input, &commits);
        let before = previous.as_deref().and_then(|id| self.kept.lease(id));
        let (client, on) = (self.client.clone(), lane.clone());
        let opening = async move { Step::Opened(on, open(client, create, before).await.map(Box::new)) };
        self.openings.push(Box::pin(opening));
        self.running.insert(lane, Running { previous, is_successor, commits, pattern, told: None });
    }

    pub fn step(&mut self, step: Step) {
        match step {
            Step::Opened(lane, Ok(opened)) => self.opened(lane, *opened),
            Step::Opened(lane, Err(failure)) => self.not_opened(&lane, &failure),
            Step::Told(lane, subscription, event) => self.told(lane, subscription, *event),
            Step::KeyLooked(Err(failure)) if is_shut_out(&failure) => {
                self.refuse(None, &failure);
                self.shut_out();
            }
            Step::KeyLooked(_) => {}
        }
    }

    fn opened(&mut self, lane: Lane, opened: Opened) {
        let Opened { id, stream, subscription, lease, in_conversation } = opened;
        if let Some(running) = self.running.get_mut(&lane) {
            running.commits.clear();
            let (calls, steers) = (Vec::new(), Vec::new());
            running.told = Some(Told { id, stream, lease, in_conversation, calls, steers });
            self.tellings.push(tell(lane, subscription));
        }
    }

    fn not_opened(&mut self, lane: &Lane, failure: &Failure) {
        let Some(running) = self.running.remove(lane) else { return };
        if !running.is_successor {
            self.failed(lane, running.previous.as_deref(), failure);
        }
        let problem = ("successor_creation_failed", failure.message.as_str());
        self.give_back(&running.commits, problem, lane.as_deref());
        if is_shut_out(failure) {
            self.shut_out();
        }
    }

    /// A request was refused, and with it what it went on from.
    fn failed(&mut self, lane: &Lane, previous: Option<&str>, failure: &Failure) {
        self.refuse(lane.as_deref(), failure);
        if let Some(id) = previous {
            self.kept.refused(id, lane.as_deref());
        }
    }

    fn told(&mut self, lane: Lane, mut subscription: Box<Subscription>, event: Option<Event>) {
        let Some(running) = self.running.get_mut(&lane) else { return };
        let (Some(told), Some(mut event)) = (&mut running.told, event) else {
            // The server ends.
            self.running.remove(&lane);
            return;
        };
        let (mut bytes, mut last) = (0, "");
        loop {
            let lines = if told.stream.is_behind() {
                told.stream.read_on()
            } else {
                told.calls.extend(steering::required(&event.body));
                told.stream.read_first(&event.body)
            };
            for line in lines {
                bytes += line.json.len();
                last = line.name;
                self.out.push_back(lane_of(line.json, lane.as_deref()));
            }
            if told.stream.is_over() {
                return self.ended(lane, last == "response.completed");
            }
            let next = if told.stream.is_behind() { Some(event) } else { subscription.at_hand() };
            event = match next {
                Some(event) if bytes < PIECE => event,
                Some(event) => {
                    let next = async move { Step::Told(lane, subscription, Box::new(Some(event))) };
                    return self.tellings.push(Box::pin(next));
                }
                None => return self.tellings.push(tell(lane, *subscription)),
            };
        }
    }

    /// The response on this lane has ended, and its last event is told.
    fn ended(&mut self, lane: Lane, is_completed: bool) {
        let Some(Running { pattern, told: Some(told), .. }) = self.running.remove(&lane) else { return };
        let Told { id, lease, calls, steers, .. } = told;
        self.kept.put(id.clone(), lane.clone(), lease);
        if steers.is_empty() {
            return;
        }
        if !is_completed {
            let problem = ("response_not_active", "The response ended before it could be steered.");
            self.give_back(&steers, problem, lane.as_deref());
        } else if calls.is_empty() {
            let request = ResponseCreate { previous_response_id: Some(id.clone()), ..pattern.request };
            let create = Ok(Create { request, ..pattern });
            self.jobs.push_front(Job { lane, previous: Some(id), create, steers, _held: None });
        } else {
            for steer in &steers {
                self.out.push_back(self.teller.pending(steer, &calls, lane.as_deref()));
            }
            let rest = self.waiting.put(id, steers);
            let problem = ("too_many_pending_steers", "Too many responses wait for the results of calls.");
            self.give_back(&rest, problem, lane.as_deref());
        }
    }

    // ---- out

    fn give_back(&mut self, steers: &[Accepted], problem: (&'static str, &str), lane: Option<&str>) {
        for steer in steers {
            self.out.push_back(self.teller.failed(steer.steered(), problem, lane));
        }
    }

    pub fn refuse(&mut self, lane: Option<&str>, failure: &Failure) {
        let error = failure.envelope().error;
        let frame = ErrorFrame { status: failure.status.as_u16(), error, stream_id: lane };
        match serde_json::to_string(&frame) {
            Ok(json) => self.out.push_back(json),
            Err(error) => tracing::error!(%error, "an error could not be written"),
        }
    }

    fn shut_out(&mut self) {
        self.farewell = Some((1008, "The API key is not accepted any more."));
    }
}

fn is_shut_out(failure: &Failure) -> bool {
    matches!(failure.status.as_u16(), 401 | 403)
}

fn tell(lane: Lane, subscription: Subscription) -> BoxFuture<'static, Step> {
    Box::pin(async move {
        let (subscription, event) = subscription.pull().await;
        Step::Told(lane, Box::new(subscription), Box::new(event))
    })
}
