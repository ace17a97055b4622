//! Calls that this server performs, by the very runtime: offered, called, answered; given up and heard late; taken over
//! after a crash.

#![expect(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

use models::{Entry, Model, Models, Script, Sink};
use runtime::{Handle, Start, Subscription, World};
use serde_json::{Map, json};
use sim::{MemStore, Moment, Moments, Sim};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Error, LogQuery, Store};
use tokio::sync::Notify;
use types::{
    AgentSettings, Attempt, BoxFuture, CallOutput, Class, ContextItem, Ending, EnvironmentSettings, EventBody, Input,
    Item, ItemBody, Message, ModelError, ModelFinish, ModelRequest, ModelRules, NewSession, Offer, OfferedTool,
    Progress, ProjectId, Record, RecordBody, Review, Rules, Seq, SessionId, SessionSettings, Tool, ToolOutcome,
    ToolRequest, Tools, TurnError,
};

fn project() -> ProjectId {
    ProjectId::new("default")
}

/// The script, which also remembers what it was asked.
struct Spy {
    script: Script,
    asked: Mutex<Vec<ModelRequest>>,
}

impl Model for Spy {
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        self.asked.lock().expect("unpoisoned").push(request.clone());
        self.script.call(request, sink)
    }
}

const HOW: &str = "Each tool says what it did.";

/// Tools of every class, named after it. A call whose arguments say `wait` ends when it is let go.
#[derive(Default)]
struct Workshop {
    performed: Mutex<Vec<ToolRequest>>,
    cancelled: Mutex<Vec<String>>,
    /// A call has begun.
    begun: Notify,
    let_go: Notify,
}

impl Tools for Workshop {
    fn offered<'a>(
        &'a self,
        _: &'a ProjectId,
        _: &'a SessionId,
        _: &'a SessionSettings,
        _: &'a Offer,
    ) -> BoxFuture<'a, Result<Offer, TurnError>> {
        let offer = |(name, class): (&str, Class)| OfferedTool {
            name: name.to_owned(),
            description: String::new(),
            parameters: Arc::default(),
            class,
            server_label: "workshop".to_owned(),
            ..OfferedTool::default()
        };
        let tools = [
            ("pure", Class::Pure),
            ("idempotent", Class::Idempotent),
            ("keyed", Class::Keyed),
            ("attachable", Class::Attachable),
            ("irreversible", Class::Irreversible),
        ];
        Box::pin(async move { Ok(Offer { tools: tools.map(offer).to_vec(), instructions: Some(HOW.to_owned()) }) })
    }

    fn perform<'a>(&'a self, request: &'a ToolRequest, _: &'a dyn Progress) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(async {
            self.performed.lock().expect("unpoisoned").push(request.clone());
            self.begun.notify_one();
            if request.call.arguments.contains("wait") {
                self.let_go.notified().await;
            }
            ToolOutcome::Done(CallOutput::Text(format!("{} did it", request.call.name)))
        })
    }

    fn cancel(&self, request: &ToolRequest) {
        self.cancelled.lock().expect("unpoisoned").push(request.call.name.clone());
    }
}

struct Node {
    sim: Sim,
    store: Arc<MemStore>,
    spy: Arc<Spy>,
    workshop: Arc<Workshop>,
}

impl Node {
    fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let store = MemStore::new(&sim);
        let spy = Arc::new(Spy { script: Script::new(sim.clock(), sim.entropy()), asked: Mutex::default() });
        Self { sim, store, spy, workshop: Arc::default() }
    }

    fn world(&self) -> World {
        let entry = Entry {
            model: self.spy.clone(),
            upstream_model: None,
            first_byte: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        };
        let models = BTreeMap::from([("*".to_owned(), ModelRules::default())]);
        World {
            clock: self.sim.clock(),
            entropy: self.sim.entropy(),
            spawn: self.sim.spawn(),
            store: self.store.clone(),
            models: Arc::new(Models { entries: BTreeMap::from([("*".to_owned(), entry)]) }),
            tools: self.workshop.clone(),
            rules: Arc::new(Rules { models, ..Rules::default() }),
        }
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.sim.run(work).expect("the simulation goes on")
    }

    /// Dies and forgets what was not durable.
    fn die(&self) {
        self.store.crash();
        self.sim.kill();
    }

    /// What the model was shown last: the results of its calls.
    fn told(&self) -> Vec<(String, String)> {
        let asked = self.spy.asked.lock().expect("unpoisoned");
        let context = &asked.last().expect("asked").context;
        let mut names = BTreeMap::new();
        let mut told = Vec::new();
        for item in context.iter() {
            match item {
                ContextItem::Call { call_id, name, .. } => {
                    names.insert(call_id.clone(), name.clone());
                }
                ContextItem::Output { call_id, output: CallOutput::Text(text) } => {
                    told.push((names.remove(call_id).expect("a call goes before its result"), text.clone()));
                }
                _ => {}
            }
        }
        assert!(names.is_empty(), "calls without a result: {names:?}");
        told
    }
}

async fn create(handle: &Handle, script: &str) -> SessionId {
    let mut agent = AgentSettings::new("any");
    agent.tools.push(Tool::Function {
        name: "f".to_owned(),
        description: String::new(),
        parameters: Map::new(),
        defer_loading: false,
        is_async: None,
        strict: None,
    });
    let new = NewSession {
        id: None,
        agent_id: None,
        agent_name: None,
        agent,
        environment: EnvironmentSettings::None,
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::None,
        spend_limit: None,
        metadata: BTreeMap::new(),
        aws: None,
        input: vec![Message::text(script)],
    };
    handle.create(&project(), new).await.expect("created").head.session.clone()
}

async fn from_the_beginning(handle: &Handle, session: &SessionId) -> Subscription {
    handle.subscribe(&project(), session, Start::Beginning).await.expect("a stream")
}

/// Answers functions; returns what became of the tool calls when the turn is over, in the order of their outcomes.
async fn follow(handle: &Handle, session: &SessionId) -> Vec<(String, ToolOutcome)> {
    let mut events = from_the_beginning(handle, session).await;
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    loop {
        match events.next().await.expect("the stream goes on").body {
            EventBody::ItemAdded(item) => match &item.body {
                ItemBody::ToolCall(_) => begun.push(item.id.clone()),
                ItemBody::FunctionCall { call_id, .. } => {
                    let (turn, call_id) = (item.turn.clone(), call_id.clone());
                    let output = Some(CallOutput::Text("answered".to_owned()));
                    let input = Input::ToolResult { turn, call_id, success: true, output, error: None };
                    handle.submit(&project(), session, vec![input], None).await.expect("taken");
                }
                _ => {}
            },
            EventBody::ItemDone(item) => {
                if let ItemBody::ToolOutcome { call, outcome, .. } = &item.body {
                    assert!(begun.contains(&item.id), "an outcome of what was never shown");
                    ended.push((call.name.clone(), outcome.clone()));
                }
            }
            EventBody::SessionIdle(_) => return ended,
            _ => {}
        }
    }
}

/// The first record that fits, when it is there.
async fn record<T>(node: &Node, session: &SessionId, fits: impl Fn(&RecordBody) -> Option<T>) -> T {
    for _ in 0..10_000 {
        let log = node.store.log(&project(), session, LogQuery::after(Seq(0))).await.expect("a log");
        let mut bodies = log.iter().map(|stored| Record::decode(&stored.record).expect("readable").body);
        if let Some(found) = bodies.find_map(|body| fits(&body)) {
            return found;
        }
        node.sim.clock().sleep(Duration::from_millis(10)).await;
    }
    panic!("no such record came");
}

#[test]
fn calls_of_every_class_and_of_a_function_come_back_to_the_model() {
    for seed in 1..=20 {
        let node = Node::new(seed);
        let ended = node.run(async {
            let (handle, _) = runtime::start(node.world()).await.expect("started");
            let all = "call pure {} & call idempotent {} & call f {} & call keyed {} & call attachable {} & call irreversible {}";
            let session = create(&handle, &format!("{all}\nsay done")).await;
            follow(&handle, &session).await
        });
        let mut names: Vec<_> = ended.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["attachable", "idempotent", "irreversible", "keyed", "pure"]);
        let mut told = node.told();
        told.sort();
        let did = |name: &str| (name.to_owned(), format!("{name} did it"));
        let answered = ("f".to_owned(), "answered".to_owned());
        assert_eq!(
            told,
            [did("attachable"), answered, did("idempotent"), did("irreversible"), did("keyed"), did("pure")]
        );
        let performed = node.workshop.performed.lock().expect("unpoisoned");
        assert_eq!(performed.len(), 5, "seed {seed}: each was performed once");
        assert!(performed.iter().all(|request| request.key.is_some() == (request.call.class == Class::Keyed)));
        let asked = node.spy.asked.lock().expect("unpoisoned");
        let offered: Vec<_> = asked[0].tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(asked[0].instructions.as_deref(), Some(HOW));
        assert_eq!(offered, ["f", "pure", "idempotent", "keyed", "attachable", "irreversible"]);
    }
}

#[test]
fn f20_a_call_that_ignores_its_cancel_is_heard_late_and_never_told() {
    for name in ["idempotent", "keyed", "attachable", "irreversible"] {
        let node = Node::new(5);
        let (ended, late) = node.run(async {
            let (handle, _) = runtime::start(node.world()).await.expect("started");
            let session = create(&handle, &format!("call {name} {}", json!({ "wait": true }))).await;
            node.workshop.begun.notified().await;
            handle.submit(&project(), &session, vec![Input::Cancel], None).await.expect("taken");
            let ended = follow(&handle, &session).await;
            node.workshop.let_go.notify_one();
            let late = record(&node, &session, |body| match body {
                RecordBody::Late(late) => Some(late.outcome.clone()),
                _ => None,
            });
            let late = late.await;
            let again = vec![Input::Message(vec![Message::text("say hi")])];
            handle.submit(&project(), &session, again, None).await.expect("taken");
            let mut events = from_the_beginning(&handle, &session).await;
            while !matches!(events.next().await.expect("goes on").body, EventBody::TurnCompleted(_)) {}
            (ended, late)
        });
        let unknown = matches!(name, "keyed" | "irreversible");
        assert_eq!(matches!(ended[0].1, ToolOutcome::Unknown(_)), unknown, "{name}");
        assert_eq!(late, ToolOutcome::Done(CallOutput::Text(format!("{name} did it"))));
        let told = node.told();
        let prefix = if unknown { "outcome unknown: " } else { "error: " };
        assert!(told.len() == 1 && told[0].1.starts_with(prefix), "{name}: {told:?}");
        assert_eq!(*node.workshop.cancelled.lock().expect("unpoisoned"), [name], "it was told that nobody waits");
    }
}

#[test]
fn f20_a_call_that_hangs_for_ever_ends_by_its_own_time_and_the_turn_goes_on() {
    for name in ["pure", "idempotent", "keyed", "attachable", "irreversible"] {
        let node = Node::new(6);
        let ended = node.run(async {
            let (handle, _) = runtime::start(node.world()).await.expect("started");
            let session = create(&handle, &format!("call {name} {}\nsay so", json!({ "wait": true }))).await;
            follow(&handle, &session).await
        });
        let unknown = matches!(name, "keyed" | "irreversible");
        assert_eq!(matches!(ended[0].1, ToolOutcome::Unknown(_)), unknown, "{name}");
        let told = node.told();
        let prefix = if unknown { "outcome unknown: " } else { "error: " };
        assert!(told.len() == 1 && told[0].1.starts_with(prefix), "{name}: {told:?}");
    }
}

#[test]
fn f01_a_crash_in_the_middle_of_a_call_is_judged_by_its_class() {
    for name in ["pure", "idempotent", "keyed", "attachable", "irreversible"] {
        let node = Node::new(7);
        let session = node.run(async {
            let (handle, _) = runtime::start(node.world()).await.expect("started");
            let session = create(&handle, &format!("call {name} {}\nsay so", json!({ "wait": true }))).await;
            node.workshop.begun.notified().await;
            session
        });
        node.die();
        let ended = node.run(async {
            let (handle, _) = runtime::start(node.world()).await.expect("started");
            if name != "irreversible" {
                node.workshop.begun.notified().await;
                node.workshop.let_go.notify_one();
            }
            follow(&handle, &session).await
        });
        let performed = node.workshop.performed.lock().expect("unpoisoned");
        let attempts: Vec<_> = performed.iter().map(|request| (request.attempt, request.attach)).collect();
        let (first, second) = ((Attempt(1), false), (Attempt(2), false));
        match name {
            "irreversible" => {
                assert_eq!(attempts, [first], "it is never performed again");
                assert!(matches!(&ended[0].1, ToolOutcome::Unknown(_)));
                assert!(node.told()[0].1.starts_with("outcome unknown: "));
            }
            "attachable" => assert_eq!(attempts, [first, (Attempt(1), true)]),
            _ => assert_eq!(attempts, [first, second], "{name}"),
        }
        assert!(performed.iter().all(|request| request.key == performed[0].key), "one call has one key");
    }
}

/// The store of a node that hangs when it is about to write a tool call's intent, and fails when it is let go.
struct Hanging {
    disk: Arc<MemStore>,
    hung: std::sync::atomic::AtomicBool,
    hangs: Notify,
    let_go: Notify,
}

impl Moments for Hanging {
    fn pass(&self, moment: Moment) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let calls = |kept: &sim::Kept| kept.records.last().is_some_and(|last| last.record.kind == "committed");
            if moment != Moment::Asked || !self.disk.kept().iter().any(calls) {
                return Ok(());
            }
            if self.hung.swap(true, std::sync::atomic::Ordering::Relaxed) {
                return Ok(());
            }
            self.hangs.notify_one();
            self.let_go.notified().await;
            Err(Error::Failed("the disk was away".to_owned()))
        })
    }
}

#[test]
fn f10_an_old_node_that_reads_the_log_anew_performs_nothing_under_a_newer_ones_intent() {
    for name in ["idempotent", "keyed", "attachable", "irreversible"] {
        for seed in 1..=5 {
            let node = Node::new(seed);
            let (hangs, let_go, hung) = (Notify::new(), Notify::new(), false.into());
            let hanging = Arc::new(Hanging { disk: node.store.clone(), hung, hangs, let_go });
            let old_store = node.store.reopen(&node.sim.fate(), Some(hanging.clone()));
            let ended = node.run(async {
                let world = World { store: old_store, ..node.world() };
                let (old, _) = runtime::start(world).await.expect("started");
                let session = create(&old, &format!("call {name} {}\nsay so", json!({ "wait": true }))).await;
                hanging.hangs.notified().await;
                let (new, _) = runtime::start(node.world()).await.expect("started");
                node.workshop.begun.notified().await;
                hanging.let_go.notify_one();
                node.sim.clock().sleep(Duration::from_secs(30)).await;
                node.workshop.let_go.notify_one();
                follow(&new, &session).await
            });
            assert!(matches!(ended[0].1, ToolOutcome::Done(_)), "{name}, seed {seed}: {ended:?}");
            let performed = node.workshop.performed.lock().expect("unpoisoned");
            assert_eq!(performed.len(), 1, "{name}, seed {seed}: {performed:?}");
        }
    }
}

/// A day that a clock skips is no day of work: the turn has all its time when it goes on.
#[test]
fn f08_a_clock_that_jumps_while_a_turn_works_takes_nothing_of_its_time() {
    const DAY: i64 = 24 * 3600 * 1000;
    for jump in [DAY, -DAY] {
        let node = Node::new(8);
        let ending = node.run(async {
            let (handle, _) = runtime::start(node.world()).await.expect("started");
            let script = format!("call idempotent {} & call f {{}}\nslow 50 so and so", json!({ "wait": true }));
            let session = create(&handle, &script).await;
            node.workshop.begun.notified().await;
            node.sim.fate().jump_clock(jump);
            node.workshop.let_go.notify_one();
            // Then only the caller is waited for, and the time that was worked is added up.
            let is_outcome = |item: &Item| matches!(item.body, ItemBody::ToolOutcome { .. });
            record(&node, &session, |body| match body {
                RecordBody::Item(item) if is_outcome(item) => Some(()),
                _ => None,
            })
            .await;
            follow(&handle, &session).await;
            record(&node, &session, |body| match body {
                RecordBody::TurnEnded(ended) => Some(ended.ending.clone()),
                _ => None,
            })
            .await
        });
        assert_eq!(ending, Ending::Completed, "{jump}");
    }
}

/// Sessions whose node died twice are taken for what kills it, one after the other, and still none waits for long.
#[test]
fn f15_many_suspects_are_all_woken_before_long() {
    const SESSIONS: usize = 60;
    let node = Node::new(9);
    let performed = |times: usize| {
        let node = &node;
        async move {
            while node.workshop.performed.lock().expect("unpoisoned").len() < times * SESSIONS {
                node.sim.clock().sleep(Duration::from_millis(100)).await;
            }
        }
    };
    node.run(async {
        let (handle, _) = runtime::start(node.world()).await.expect("started");
        for _ in 0..SESSIONS {
            create(&handle, &format!("call pure {}", json!({ "wait": true }))).await;
        }
        performed(1).await;
    });
    for death in 2..=4 {
        node.die();
        let took = node.run(async {
            let begun = node.sim.clock().monotonic();
            let (_handle, _) = runtime::start(node.world()).await.expect("started");
            performed(death).await;
            node.sim.clock().monotonic() - begun
        });
        assert!(took < Duration::from_secs(180), "start {death} took {took:?} of the world's time");
    }
}
