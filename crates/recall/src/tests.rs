//! A memory over a store that is kept in memory, with a clock that is moved by hand.

use crate::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::memory::MemoryStore;
use store::{KeyRow, Store};
use types::{BoxFuture, Clock, Entropy, KeyId, ProjectId, Spawn, Task, Timestamp};

const DAY: u64 = 24 * 60 * 60 * 1000;

/// Bytes that differ each time.
#[derive(Default)]
struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            let next = self.0.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
            piece.copy_from_slice(&next[..piece.len()]);
        }
    }
}

struct Hand(AtomicU64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Nothing runs by itself: a deleted memory stays for the next sweep.
struct Nobody;

impl Spawn for Nobody {
    fn spawn(&self, _: &'static str, task: Task) {
        drop(task);
    }
}

struct Stage {
    recall: Recall,
    clock: Arc<Hand>,
    store: Arc<MemoryStore>,
    project: ProjectId,
    memory: String,
}

impl Stage {
    async fn new() -> Self {
        let clock = Arc::new(Hand(AtomicU64::new(1_800_000_000_000)));
        let store = Arc::new(MemoryStore::new(1 << 30));
        for name in ["p", "q"] {
            let key = KeyRow {
                id: KeyId::new(format!("key_{name}")),
                project: ProjectId::from(name),
                hash: name.to_owned(),
                hint: String::new(),
                scopes: Vec::new(),
                created_at: Timestamp(0),
                revoked_at: None,
            };
            store.put_key(key).await.unwrap();
        }
        let recall = Recall::new(Around {
            clock: clock.clone(),
            entropy: Arc::new(Counting::default()),
            spawn: Arc::new(Nobody),
            store: store.clone(),
        });
        let project = ProjectId::from("p");
        let new = NewMemory { name: "Mine".to_owned(), days: 7, ..NewMemory::default() };
        let memory = recall.create(&project, new).await.unwrap().id;
        Self { recall, clock, store, project, memory }
    }

    fn place(&self) -> Place {
        Place { memory: self.memory.clone(), actor: "a".to_owned(), session: "s".to_owned() }
    }

    fn pass(&self, milliseconds: u64) {
        self.clock.0.fetch_add(milliseconds, Ordering::Relaxed);
    }

    fn new_event(&self, text: &str) -> NewEvent {
        NewEvent {
            memory: self.memory.clone(),
            actor: "a".to_owned(),
            session: Some("s".to_owned()),
            at: Timestamp(1000),
            payload: vec![json!({ "blob": text })],
            branch: None,
            metadata: BTreeMap::new(),
            unextracted: false,
            token: None,
        }
    }

    async fn say(&self, text: &str, change: impl FnOnce(&mut NewEvent)) -> Event {
        let mut new = self.new_event(text);
        change(&mut new);
        self.recall.record(&self.project, new).await.unwrap()
    }

    /// The texts of a page, and the token of the next one.
    async fn page(&self, wanted: &Wanted) -> (Vec<String>, Option<String>) {
        let listed = self.recall.events(&self.project, &self.place(), wanted).await.unwrap();
        (listed.data.iter().map(text).collect(), listed.next)
    }

    /// The texts of all pages of `limit`; each but the last is full, and the last is not empty.
    async fn all(&self, wanted: &Wanted) -> Vec<String> {
        let (mut all, mut wanted) = (Vec::new(), wanted.clone());
        loop {
            let (texts, next) = self.page(&wanted).await;
            assert!(next.is_none() || texts.len() == wanted.limit, "{texts:?}");
            assert!(wanted.token.is_none() || !texts.is_empty());
            all.extend(texts);
            wanted.token = next;
            if wanted.token.is_none() {
                return all;
            }
        }
    }
}

fn text(event: &Event) -> String {
    event.payload.as_ref().unwrap()[0]["blob"].as_str().unwrap().to_owned()
}

fn wanted(limit: usize) -> Wanted {
    Wanted { branch: None, conditions: Vec::new(), payloads: true, limit, token: None }
}

fn branch(name: &str, root: Option<&str>) -> Option<Branch> {
    Some(Branch { name: name.to_owned(), root: root.map(str::to_owned) })
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

fn reason(trouble: Trouble) -> Reason {
    let Trouble::Wrong { reason, .. } = trouble else { panic!("{trouble:?}") };
    reason
}

#[tokio::test]
async fn events_stand_by_their_time_and_then_as_they_came() {
    let stage = Stage::new().await;
    for (text, at) in [("b", 2000), ("a1", 1000), ("a2", 1000), ("c", 3000), ("a3", 1000)] {
        stage.say(text, |new| new.at = Timestamp(at)).await;
    }
    for limit in [1, 2, 3, 5, 100] {
        assert_eq!(stage.all(&wanted(limit)).await, ["c", "b", "a3", "a2", "a1"]);
    }
}

#[tokio::test]
async fn writers_at_once_lose_nothing_and_keep_their_order() {
    let stage = Arc::new(Stage::new().await);
    let write = |who: &'static str| {
        let stage = Arc::clone(&stage);
        async move {
            for number in 0..50 {
                stage.say(&format!("{who}{number:02}"), |_| {}).await;
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(write("x"), write("y"));
    let all = stage.all(&wanted(7)).await;
    assert_eq!(all.len(), 100);
    for who in ["x", "y"] {
        let own: Vec<&String> = all.iter().filter(|text| text.starts_with(who)).collect();
        assert!(own.is_sorted_by(|newer, older| newer > older), "{own:?}");
    }
}

#[tokio::test]
async fn a_token_names_one_event() {
    let stage = Stage::new().await;
    let with_token = |new: &mut NewEvent| new.token = Some("t".to_owned());
    let first = stage.say("one", with_token).await;
    assert_eq!(stage.say("one", with_token).await, first);
    let mut other = stage.new_event("two");
    with_token(&mut other);
    assert_eq!(reason(stage.recall.record(&stage.project, other).await.unwrap_err()), Reason::Repeated);
    assert_eq!(stage.all(&wanted(10)).await, ["one"]);
    // In another memory it is another token.
    let new = NewMemory { name: "Other".to_owned(), days: 7, ..NewMemory::default() };
    let memory = stage.recall.create(&stage.project, new).await.unwrap().id;
    let elsewhere = stage.say("one", |new| (new.memory, new.token) = (memory, Some("t".to_owned()))).await;
    assert_ne!(elsewhere.id, first.id);
    stage.recall.remove(&stage.project, &stage.place(), &first.id).await.unwrap();
    let mut again = stage.new_event("one");
    with_token(&mut again);
    assert_eq!(reason(stage.recall.record(&stage.project, again).await.unwrap_err()), Reason::Conflict);
}

#[tokio::test]
async fn filters_show_what_holds() {
    let stage = Stage::new().await;
    for (text, metadata) in [
        ("none", vec![]),
        ("session", vec![pair("state", "SESSION")]),
        ("agent", vec![pair("state", "AGENT"), pair("id", "1")]),
        ("other", vec![pair("state", "AGENT"), pair("id", "2")]),
        ("empty", vec![pair("id", "")]),
    ] {
        stage.say(text, |new| new.metadata = metadata.into_iter().collect()).await;
    }
    let equals = |key: &str, value: &str| Condition::Equals(key.to_owned(), value.to_owned());
    let (exists, lacks) = (|key: &str| Condition::Exists(key.to_owned()), |key: &str| Condition::Lacks(key.to_owned()));
    for (conditions, found) in [
        (vec![equals("state", "SESSION")], vec!["session"]),
        (vec![equals("state", "AGENT")], vec!["other", "agent"]),
        (vec![equals("state", "AGENT"), equals("id", "1")], vec!["agent"]),
        (vec![equals("id", "")], vec!["empty"]),
        (vec![equals("state", "agent")], vec![]),
        (vec![exists("id")], vec!["empty", "other", "agent"]),
        (vec![exists("id"), lacks("state")], vec!["empty"]),
        (vec![lacks("id")], vec!["session", "none"]),
        (vec![lacks("id"), lacks("state")], vec!["none"]),
        (vec![lacks("nothing")], vec!["empty", "other", "agent", "session", "none"]),
    ] {
        for limit in [1, 2, 10] {
            let wanted = Wanted { conditions: conditions.clone(), ..wanted(limit) };
            assert_eq!(stage.all(&wanted).await, found, "{conditions:?}");
        }
    }
}

#[tokio::test]
async fn branches_begin_at_events_and_go_on() {
    let stage = Stage::new().await;
    let (_, m2) = (stage.say("m1", |_| {}).await, stage.say("m2", |_| {}).await);
    let b1 = stage.say("b1", |new| new.branch = branch("b", Some(&m2.id))).await;
    stage.say("m3", |_| {}).await;
    let b2 = stage.say("b2", |new| new.branch = branch("b", None)).await;
    assert_eq!(b2.branch, branch("b", Some(&m2.id)), "a branch is shown with its root");
    stage.say("c1", |new| new.branch = branch("c", Some(&b1.id))).await;
    stage.say("m4", |new| new.branch = branch("main", None)).await;
    let of = |name: &str, parents: bool| {
        let filter = BranchFilter { name: name.to_owned(), parents };
        Wanted { branch: Some(filter), ..wanted(2) }
    };
    assert_eq!(stage.all(&wanted(3)).await, ["m4", "c1", "b2", "m3", "b1", "m2", "m1"]);
    for (name, parents, found) in [
        ("main", false, vec!["m4", "m3", "m2", "m1"]),
        ("main", true, vec!["m4", "m3", "m2", "m1"]),
        ("b", false, vec!["b2", "b1"]),
        ("b", true, vec!["b2", "b1", "m2", "m1"]),
        ("c", false, vec!["c1"]),
        ("c", true, vec!["c1", "b1", "m2", "m1"]),
        ("none", true, vec![]),
    ] {
        assert_eq!(stage.all(&of(name, parents)).await, found, "{name} {parents}");
    }
    let with_metadata = Wanted { conditions: vec![Condition::Lacks("k".to_owned())], ..of("c", true) };
    assert_eq!(stage.all(&with_metadata).await, ["c1", "b1", "m2", "m1"]);
    // What a branch begins at may go; the rest stays.
    stage.recall.remove(&stage.project, &stage.place(), &m2.id).await.unwrap();
    assert_eq!(stage.all(&of("c", true)).await, ["c1", "b1", "m1"]);
    for (wrong, why) in [
        (branch("d", None), Reason::Field),
        (branch("d", Some("0#0")), Reason::Elsewhere),
        (branch("d", Some(&m2.id)), Reason::Elsewhere),
        (branch("b", Some(&b1.id)), Reason::Conflict),
        (branch("main", Some(&b1.id)), Reason::Field),
    ] {
        let new = NewEvent { branch: wrong.clone(), ..stage.new_event("x") };
        assert_eq!(reason(stage.recall.record(&stage.project, new).await.unwrap_err()), why, "{wrong:?}");
    }
}

#[tokio::test]
async fn a_list_goes_on_where_it_was() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(stage.say(&number.to_string(), |_| {}).await.id);
    }
    let (texts, next) = stage.page(&wanted(2)).await;
    assert_eq!(texts, ["4", "3"]);
    // What was shown is deleted meanwhile, and something new comes.
    stage.recall.remove(&stage.project, &stage.place(), &ids[3]).await.unwrap();
    stage.say("5", |_| {}).await;
    let rest = Wanted { token: next.clone(), ..wanted(2) };
    assert_eq!(stage.page(&rest).await.0, ["2", "1"]);
    assert_eq!(stage.all(&wanted(10)).await, ["5", "4", "2", "1", "0"]);
    // A token is good for its own list.
    let other_list = Wanted { conditions: vec![Condition::Lacks("k".to_owned())], token: next, ..wanted(2) };
    // One that somebody made up: a part that the list does not have.
    let list = ["events", stage.project.as_str(), &stage.memory, "a", "s", "[null,[]]"];
    let forged = Wanted { token: Some(crate::cursor::Cursor::token(&list, &ids[2], 7)), ..wanted(2) };
    for wrong in [other_list, forged, Wanted { token: Some("x".to_owned()), ..wanted(2) }] {
        let trouble = stage.recall.events(&stage.project, &stage.place(), &wrong).await.unwrap_err();
        assert_eq!(reason(trouble), Reason::Field);
    }
}

#[tokio::test]
async fn long_payloads_are_kept_and_pages_bounded() {
    let stage = Stage::new().await;
    let long = "x".repeat(3 << 20);
    for _ in 0..4 {
        stage.say(&long, |new| new.metadata = [pair("k", "v")].into()).await;
    }
    let (texts, next) = stage.page(&wanted(100)).await;
    assert_eq!(texts.iter().map(String::len).collect::<Vec<_>>(), [3 << 20; 3]);
    let (rest, none) = stage.page(&Wanted { token: next, ..wanted(100) }).await;
    assert_eq!((rest.len(), none), (1, None));
    let unpaid = Wanted { payloads: false, ..wanted(100) };
    let listed = stage.recall.events(&stage.project, &stage.place(), &unpaid).await.unwrap();
    assert!(listed.data.iter().all(|event| event.payload.is_none()) && listed.data.len() == 4);
    let id = &listed.data[0].id;
    assert_eq!(text(&stage.recall.event(&stage.project, &stage.place(), id).await.unwrap()), long);
    let new = NewEvent { payload: vec![json!("x".repeat(limits::PAYLOAD))], ..stage.new_event("") };
    assert_eq!(reason(stage.recall.record(&stage.project, new).await.unwrap_err()), Reason::Field);
}

#[tokio::test]
async fn events_go_when_their_time_is_over() {
    let stage = Stage::new().await;
    // Its own time says nothing of how long it is kept.
    let old = stage.say("old", |new| (new.at, new.metadata) = (Timestamp(9_000), [pair("k", "v")].into())).await;
    let other = stage.say("gone", |new| new.actor = "b".to_owned()).await;
    stage.say("branched", |new| new.branch = branch("b", Some(&old.id))).await;
    stage.pass(3 * DAY);
    stage.say("new", |_| {}).await;
    stage.pass(4 * DAY - 1);
    assert_eq!(stage.recall.sweep().await.unwrap(), 0);
    assert_eq!(stage.all(&wanted(10)).await.len(), 3);
    stage.pass(1);
    // Before the sweep and after it.
    for swept in [3, 0] {
        assert_eq!(stage.all(&wanted(1)).await, ["new"]);
        let found = stage.recall.event(&stage.project, &stage.place(), &old.id).await;
        assert!(matches!(found, Err(Trouble::Missing(_))), "{found:?}");
        let place = Place { actor: "b".to_owned(), ..stage.place() };
        let removed = stage.recall.remove(&stage.project, &place, &other.id).await;
        assert!(matches!(removed, Err(Trouble::Missing(_))), "{removed:?}");
        assert_eq!(stage.recall.sweep().await.unwrap(), swept);
    }
    // Whoever is left with nothing is gone.
    assert_eq!(stage.recall.actors(&stage.project, &stage.memory, 10, None).await.unwrap().data, ["a"]);
    let change = MemoryChange { days: Some(4), ..MemoryChange::default() };
    stage.recall.update(&stage.project, &stage.memory, change).await.unwrap();
    assert!(stage.all(&wanted(10)).await.is_empty());
    assert_eq!(stage.recall.sweep().await.unwrap(), 1);
    assert!(stage.recall.actors(&stage.project, &stage.memory, 10, None).await.unwrap().data.is_empty());
}

#[tokio::test]
async fn nothing_stays_of_a_deleted_memory() {
    let stage = Stage::new().await;
    stage.recall.delete(&stage.project, &stage.memory).await.unwrap();
    stage.recall.sweep().await.unwrap();
    let empty = stage.store.bytes();
    let new = NewMemory { name: "Mine".to_owned(), days: 7, token: Some("t".to_owned()), ..NewMemory::default() };
    let memory = stage.recall.create(&stage.project, new.clone()).await.unwrap();
    assert_eq!(stage.recall.create(&stage.project, new.clone()).await.unwrap(), memory);
    let renamed = NewMemory { name: "Mine2".to_owned(), ..new.clone() };
    assert_eq!(reason(stage.recall.create(&stage.project, renamed).await.unwrap_err()), Reason::Repeated);
    let taken = NewMemory { token: None, ..new };
    assert_eq!(reason(stage.recall.create(&stage.project, taken).await.unwrap_err()), Reason::Conflict);
    let root = stage.say("x", |new| new.memory.clone_from(&memory.id)).await;
    let long = "x".repeat(20_000);
    for number in 0..150 {
        let full = stage.say(&long, |new| {
            new.memory.clone_from(&memory.id);
            new.session = None;
            new.actor = format!("actor{number}");
            new.metadata = [pair("k", "v")].into();
        });
        let event = full.await;
        if number % 2 == 0 {
            let place = Place { memory: memory.id.clone(), actor: event.actor, session: event.session };
            stage.recall.remove(&stage.project, &place, &event.id).await.unwrap();
        }
    }
    stage.say("b", |new| (new.memory, new.branch) = (memory.id.clone(), branch("b", Some(&root.id)))).await;
    stage.recall.delete(&stage.project, &memory.id).await.unwrap();
    let found = stage.recall.memory(&stage.project, &memory.id).await;
    assert!(matches!(found, Err(Trouble::Missing(_))), "{found:?}");
    assert_eq!(stage.recall.sweep().await.unwrap(), 152);
    assert_eq!(stage.store.bytes(), empty);
}

#[tokio::test]
async fn another_project_sees_nothing() {
    let stage = Stage::new().await;
    let event = stage.say("secret", |_| {}).await;
    let (other, place) = (ProjectId::from("q"), stage.place());
    let nowhere = Place { memory: "Mine-0123456789".to_owned(), ..place.clone() };
    let told = |place: &Place, trouble: Trouble| {
        assert!(matches!(trouble, Trouble::Missing(_)), "{trouble:?}");
        trouble.to_string().replace(&place.memory, "ID")
    };
    let mut texts = Vec::new();
    for place in [&place, &nowhere] {
        let (recall, memory) = (&stage.recall, place.memory.as_str());
        let new = NewEvent { memory: place.memory.clone(), ..stage.new_event("x") };
        texts.push([
            told(place, recall.event(&other, place, &event.id).await.unwrap_err()),
            told(place, recall.remove(&other, place, &event.id).await.unwrap_err()),
            told(place, recall.events(&other, place, &wanted(1)).await.unwrap_err()),
            told(place, recall.record(&other, new).await.unwrap_err()),
            told(place, recall.sessions(&other, (memory, "a"), false, 1, None).await.unwrap_err()),
            told(place, recall.actors(&other, memory, 1, None).await.unwrap_err()),
            told(place, recall.memory(&other, memory).await.unwrap_err()),
            told(place, recall.update(&other, memory, MemoryChange::default()).await.unwrap_err()),
            told(place, recall.delete(&other, memory).await.unwrap_err()),
        ]);
    }
    assert_eq!(texts[0], texts[1]);
    assert!(stage.recall.memories(&other, 10, None).await.unwrap().data.is_empty());
    assert_eq!(stage.all(&wanted(1)).await, ["secret"]);
}

#[tokio::test]
async fn actors_and_sessions_are_listed() {
    let stage = Stage::new().await;
    let mut last = None;
    for number in 0..5 {
        stage.pass(1);
        let session = Some(format!("s{number}"));
        last = Some(stage.say("x", |new| new.session = session).await);
        stage.say("y", |new| (new.actor, new.session) = (format!("actor{number}"), None)).await;
    }
    let last = last.unwrap();
    let place = Place { session: last.session.clone(), ..stage.place() };
    stage.recall.remove(&stage.project, &place, &last.id).await.unwrap();
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let page = stage.recall.actors(&stage.project, &stage.memory, 4, token.as_deref()).await.unwrap();
        found.extend(page.data);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, ["actor4", "actor3", "actor2", "actor1", "actor0", "a"]);
    for (with_events, expected) in [(false, vec!["s4", "s3", "s2", "s1", "s0"]), (true, vec!["s3", "s2", "s1", "s0"])] {
        let (mut found, mut token): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let whose = (stage.memory.as_str(), "a");
            let page = stage.recall.sessions(&stage.project, whose, with_events, 2, token.as_deref()).await.unwrap();
            found.extend(page.data.into_iter().map(|session| session.id));
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(found, expected);
    }
    let whose = (stage.memory.as_str(), "nobody");
    assert!(stage.recall.sessions(&stage.project, whose, false, 2, None).await.unwrap().data.is_empty());
}

#[tokio::test]
async fn documents_come_back_as_they_were() {
    let stage = Stage::new().await;
    let payload = vec![json!({"blob": {"z": [1, 2.5, null, "ü\u{0}"], "a": {"": true}}}), json!({"blob": Value::Null})];
    let new = NewEvent { payload: payload.clone(), ..stage.new_event("") };
    let event = stage.recall.record(&stage.project, new).await.unwrap();
    let found = stage.recall.event(&stage.project, &stage.place(), &event.id).await.unwrap();
    assert_eq!(found.payload, Some(payload));
    assert_eq!(found, event);
}
