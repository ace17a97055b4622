//! The very runtime under a seed: a client talks to a session while the process dies again and again, and comes back by
//! the id of the last event that it saw. What it has seen at the end must be what the log says, each thing once.

#![expect(clippy::expect_used, clippy::panic, reason = "a test says what it expects")]

use models::{Entry, Models, Script};
use runtime::{Direction, Handle, Page, RequestKey, Start, Subscription, World};
use sim::{MemStore, Sim};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use types::{
    AgentSettings, CallOutput, EnvironmentSettings, Event, EventBody, EventId, Input, Item, ItemBody, Message,
    MicroUsd, ModelRules, NewSession, Price, ProjectId, Refusal, RefusalKind, RequiredAction, Review, Rules, SessionId,
    SessionStatus, Tool,
};

const TURNS: usize = 4;

fn project() -> ProjectId {
    ProjectId::new("default")
}

fn script(turn: usize) -> String {
    // A call, two at once, a torn answer, a refusal: whatever a model does in a week.
    match turn % 4 {
        0 => format!("call f {{\"n\":\"{turn}a\"}}\nslow 9 the answer to number {turn} is long"),
        1 => format!("call f {{\"n\":\"{turn}a\"}} & call f {{\"n\":\"{turn}b\"}}\nfail 503\nsay answer {turn}"),
        2 => format!("cut 3 the answer {turn} tears and comes whole"),
        _ => format!("call f {{broken\nslow 5 sorry about {turn}"),
    }
}

fn answer(turn: usize) -> String {
    match turn % 4 {
        0 => format!("the answer to number {turn} is long"),
        1 => format!("answer {turn}"),
        2 => format!("the answer {turn} tears and comes whole"),
        _ => format!("sorry about {turn}"),
    }
}

struct Node {
    sim: Sim,
    store: Arc<MemStore>,
    script: Arc<Script>,
    priced: bool,
}

impl Node {
    fn new(seed: u64) -> Self {
        let sim = Sim::new(seed);
        let store = MemStore::new(&sim);
        let script = Arc::new(Script::new(sim.clock(), sim.entropy()));
        Self { sim, store, script, priced: seed.is_multiple_of(2) }
    }

    fn world(&self) -> World {
        let price = if self.priced { Price { input: 500, cached_input: 50, output: 1500 } } else { Price::default() };
        let rules = ModelRules { price, attempts: 10, ..ModelRules::default() };
        let entry = Entry {
            model: self.script.clone(),
            upstream_model: None,
            first_byte: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        };
        let mut all = Rules { models: BTreeMap::from([("*".to_owned(), rules)]), ..Rules::default() };
        // Many deaths are the point here; poison has a case of its own.
        all.limits.recoveries = 1000;
        World {
            clock: self.sim.clock(),
            entropy: self.sim.entropy(),
            spawn: self.sim.spawn(),
            store: self.store.clone(),
            models: Arc::new(Models { entries: BTreeMap::from([("*".to_owned(), entry)]) }),
            tools: Arc::new(types::NoTools),
            rules: Arc::new(all),
        }
    }
}

/// What one client knows; it survives the server.
#[derive(Default)]
struct Client {
    session: Option<SessionId>,
    last: Option<EventId>,
    ids: BTreeSet<EventId>,
    /// Text by item, as it was streamed.
    texts: BTreeMap<String, String>,
    begun: BTreeSet<String>,
    dropped: BTreeSet<String>,
    done: Vec<Arc<Item>>,
    /// Calls that were shown, with how often.
    calls: BTreeMap<String, usize>,
    sent: usize,
    ended: usize,
    idle: bool,
}

impl Client {
    async fn go_on(&mut self, handle: &Handle, limit: Option<MicroUsd>) {
        if self.session.is_none() {
            self.create(handle, limit).await;
        }
        let session = self.session.clone().expect("a session");
        let start = self.last.map_or(Start::Beginning, Start::After);
        let mut events = handle.subscribe(&project(), &session, start).await.expect("a place that it was handed");
        let view = handle.session(&project(), &session).await.expect("it is there");
        for action in &view.head.required_actions {
            let RequiredAction::FunctionCall { turn, call_id, .. } = action else { continue };
            self.answer(handle, &session, turn.clone(), call_id.clone()).await;
        }
        self.maybe_send(handle, &session, view.head.status == SessionStatus::Idle && self.sent > 0).await;
        while self.ended < TURNS || !self.idle {
            let event = next(&mut events).await;
            self.see(handle, &session, event).await;
        }
    }

    async fn create(&mut self, handle: &Handle, limit: Option<MicroUsd>) {
        // The server may have died before it answered: then the session is there.
        let page = Page { after: None, limit: 10, direction: Direction::Descending };
        let there = handle.sessions(&project(), runtime::SessionFilter::default(), page).await.expect("a list");
        if let Some(view) = there.data.first() {
            self.session = Some(view.head.session.clone());
            self.sent = 1;
            return;
        }
        let mut agent = AgentSettings::new("any");
        agent.tools.push(Tool::Function {
            name: "f".to_owned(),
            description: String::new(),
            parameters: Default::default(),
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
            spend_limit: limit,
            metadata: BTreeMap::new(),
            aws: None,
            input: vec![Message::text(script(0))],
        };
        let view = handle.create(&project(), new).await.expect("created");
        self.session = Some(view.head.session.clone());
        self.sent = 1;
    }

    /// The message of the next turn; under a key, so that a repeat after a crash is none.
    async fn maybe_send(&mut self, handle: &Handle, session: &SessionId, idle: bool) {
        if !idle || self.sent >= TURNS && self.ended >= TURNS {
            return;
        }
        let turn = self.ended.max(1);
        if turn >= TURNS {
            return;
        }
        let key = RequestKey { key: format!("turn-{turn}"), body_hash: format!("{turn}") };
        let input = vec![Input::Message(vec![Message::text(script(turn))])];
        taken(handle.submit(&project(), session, input, Some(key)).await);
        self.sent = turn + 1;
        self.idle = false;
    }

    async fn answer(&self, handle: &Handle, session: &SessionId, turn: types::TurnId, call_id: types::CallId) {
        let output = Some(CallOutput::Text(format!("result of {call_id}")));
        let input = vec![Input::ToolResult { turn, call_id, success: true, output, error: None }];
        taken(handle.submit(&project(), session, input, None).await);
    }

    async fn see(&mut self, handle: &Handle, session: &SessionId, event: Event) {
        assert!(self.ids.insert(event.id), "event {:?} came twice", event.id);
        self.last = Some(event.id);
        self.idle = matches!(event.body, EventBody::SessionIdle(_));
        match event.body {
            EventBody::DraftAdded { item, .. } => {
                assert!(self.begun.insert(item.to_string()), "item {item} began twice");
            }
            EventBody::DraftDropped { item, .. } => {
                assert!(self.dropped.insert(item.to_string()), "item {item} was dropped twice");
            }
            EventBody::Delta { item, text, .. } => {
                assert!(self.begun.contains(item.as_str()), "text of {item} before it began");
                self.texts.entry(item.to_string()).or_default().push_str(&text);
            }
            EventBody::ItemAdded(item) => {
                assert!(self.begun.insert(item.id.to_string()), "item {} began twice", item.id);
                if let ItemBody::FunctionCall { call_id, arguments, .. } = &item.body {
                    *self.calls.entry(arguments.clone()).or_default() += 1;
                    self.answer(handle, session, item.turn.clone(), call_id.clone()).await;
                }
            }
            EventBody::ItemDone(item) => self.done.push(item),
            EventBody::TurnCompleted(_) => self.ended += 1,
            EventBody::TurnFailed(turn) => panic!("turn failed: {:?}", turn.error),
            EventBody::SessionIdle(_) => self.maybe_send(handle, session, true).await,
            _ => {}
        }
    }
}

async fn next(events: &mut Subscription) -> Event {
    events.next().await.expect("the stream goes on")
}

/// The client was told that it is taken, or that somebody else asked for the same.
fn taken(answer: Result<(), Refusal>) {
    if let Err(refusal) = answer {
        assert!(
            matches!(refusal.kind, RefusalKind::Conflict | RefusalKind::Unavailable),
            "refused: {:?} {refusal}",
            refusal.kind
        );
    }
}

/// Runs a client over a server that dies `deaths` times.
fn run(seed: u64, deaths: usize) -> (Client, Vec<Arc<Item>>) {
    let node = Node::new(seed);
    let mut client = Client::default();
    let limit = node.priced.then_some(MicroUsd(1_000_000_000));
    for death in 0..=deaths {
        let last = death == deaths;
        let life = Duration::from_millis((seed.wrapping_mul(31).wrapping_add(death as u64 * 97)) % 700 + 3);
        let clock = node.sim.clock();
        let (world, client) = (node.world(), &mut client);
        let lived = node.sim.run(async move {
            let work = async {
                let (handle, _) = runtime::start(world).await.expect("started");
                client.go_on(&handle, limit).await;
            };
            tokio::select! {
                biased;
                () = clock.sleep(if last { Duration::from_secs(36_000) } else { life }) => !last,
                () = work => true,
            }
        });
        assert!(lived.expect("the simulation goes on"), "seed {seed}: the last life did not end");
        node.store.crash();
        node.sim.kill();
    }
    let session = client.session.clone().expect("a session");
    let (world, store) = (node.world(), node.store.clone());
    let items = node.sim.run(async move {
        let (handle, _) = runtime::start(world).await.expect("started");
        let page = Page { after: None, limit: 1000, direction: Direction::Ascending };
        let items = handle.items(&project(), &session, None, page).await.expect("items").data;
        let view = handle.session(&project(), &session).await.expect("session");
        assert_eq!(view.head.status, SessionStatus::Idle);
        store.verify(&project(), &session).await.expect("the chain holds");
        let account = store.account(&project(), &format!("session:{session}")).await.expect("an account");
        if let Some(account) = account {
            assert_eq!(account.reserved, MicroUsd::ZERO, "seed {seed}: every reservation was settled");
            assert_eq!(account.spent, view.head.spent, "seed {seed}: the account and the log agree");
        }
        items
    });
    (client, items.expect("the simulation ends"))
}

fn check(seed: u64, client: &Client, items: &[Arc<Item>]) {
    let of = |wanted: fn(&ItemBody) -> Option<String>| items.iter().filter_map(|item| wanted(&item.body)).collect();
    let said: Vec<String> = of(|body| match body {
        ItemBody::AssistantMessage { text, .. } => Some(text.clone()),
        _ => None,
    });
    assert_eq!(said, (0..TURNS).map(answer).collect::<Vec<_>>(), "seed {seed}: every answer whole, once, in order");
    let asked: Vec<String> = of(|body| match body {
        ItemBody::UserMessage { content, .. } => Some(format!("{content:?}")),
        _ => None,
    });
    assert_eq!(asked.len(), TURNS, "seed {seed}: no input lost, none twice");
    let calls: Vec<String> = of(|body| match body {
        ItemBody::FunctionCall { call_id, .. } => Some(call_id.to_string()),
        _ => None,
    });
    let mut results: Vec<String> = of(|body| match body {
        ItemBody::FunctionCallOutput { call_id, .. } => Some(call_id.to_string()),
        _ => None,
    });
    results.sort();
    let mut sorted = calls.clone();
    sorted.sort();
    assert_eq!(sorted, results, "seed {seed}: calls and results pair");
    assert!(client.calls.values().all(|times| *times == 1), "seed {seed}: each call was asked for once");
    // What was streamed is what is listed.
    for item in items {
        if let ItemBody::AssistantMessage { text, .. } = &item.body {
            assert_eq!(client.texts.get(item.id.as_str()), Some(text), "seed {seed}: the stream of {}", item.id);
        }
    }
    let done: BTreeSet<_> = client.done.iter().map(|item| item.id.to_string()).collect();
    assert_eq!(done.len(), client.done.len(), "seed {seed}: nothing is done twice");
    for id in client.texts.keys() {
        assert!(done.contains(id) != client.dropped.contains(id), "seed {seed}: {id} was closed, one way");
    }
}

#[test]
fn a_session_without_deaths() {
    for seed in 1..=4 {
        let (client, items) = run(seed, 0);
        check(seed, &client, &items);
    }
}

#[test]
fn a_session_that_dies_again_and_again() {
    let mut torn = 0;
    for seed in 1..=300 {
        let (client, items) = run(seed, 8);
        check(seed, &client, &items);
        torn += client.dropped.len();
    }
    // Deaths in the middle of a word are what this is about.
    assert!(torn > 300, "only {torn} items were torn");
}

#[test]
fn one_seed_decides_everything() {
    let of = |seed| {
        let (client, items) = run(seed, 3);
        (client.ids, items)
    };
    assert_eq!(of(7), of(7));
}
