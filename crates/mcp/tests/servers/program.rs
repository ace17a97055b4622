//! Servers that are programs, as far as a pipe goes: the other end is a task that answers lines.

use crate::honest::{LONG, call};
use crate::stage::{done, http, limits, tool};
use mcp::{Call, Connection, Kind, Opener, Owner, Pipe, Revision, Servers, Way};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use types::{BoxFuture, ProjectId};

type Lines = mpsc::UnboundedSender<String>;
type Act = dyn Fn(&Value, &Lines) -> bool + Send + Sync;

/// Runs `act` for each line; where that is false the program ends.
struct Program {
    act: Arc<Act>,
    opened: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<Value>>>,
}

struct Ends {
    act: Arc<Act>,
    heard: Arc<Mutex<Vec<Value>>>,
    out: Mutex<Option<Lines>>,
    lines: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Opener for Program {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Pipe>, String>> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let (sender, receiver) = mpsc::unbounded_channel();
        let pipe = Ends {
            act: self.act.clone(),
            heard: self.heard.clone(),
            out: Mutex::new(Some(sender)),
            lines: tokio::sync::Mutex::new(receiver),
        };
        Box::pin(async move { Ok(Arc::new(pipe) as Arc<dyn Pipe>) })
    }
}

impl Pipe for Ends {
    fn send<'a>(&'a self, line: &'a str) -> BoxFuture<'a, Result<(), String>> {
        assert!(!line.contains('\n'));
        let message: Value = serde_json::from_str(line).expect("a message");
        self.heard.lock().expect("nobody panics with it").push(message.clone());
        let mut out = self.out.lock().expect("nobody panics with it");
        let runs = out.as_ref().is_some_and(|lines| (self.act)(&message, lines));
        if !runs {
            out.take();
        }
        Box::pin(async { Ok(()) })
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async { Ok(self.lines.lock().await.recv().await) })
    }

    fn close(&self) {
        self.out.lock().expect("nobody panics with it").take();
    }
}

fn say(lines: &Lines, message: Value) {
    let _ = lines.send(message.to_string());
}

fn answer(lines: &Lines, to: &Value, result: Value) {
    say(lines, json!({"jsonrpc": "2.0", "id": to["id"], "result": result}));
}

/// What an older program says to all but a call.
fn ordinary(message: &Value, lines: &Lines) -> bool {
    match message["method"].as_str().unwrap_or_default() {
        "server/discover" => {
            let error = json!({"code": -32601, "message": "what?"});
            say(lines, json!({"jsonrpc": "2.0", "id": message["id"], "error": error}));
        }
        "initialize" => {
            let info = json!({"name": "program", "version": "1"});
            answer(lines, message, json!({"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": info}));
        }
        "tools/list" => answer(lines, message, json!({"tools": [tool("act")]})),
        _ => {}
    }
    true
}

struct Started {
    connection: Arc<Connection>,
    opened: Arc<AtomicUsize>,
    heard: Arc<Mutex<Vec<Value>>>,
}

fn start(act: impl Fn(&Value, &Lines) -> bool + Send + Sync + 'static) -> Started {
    let (opened, heard) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<Value>>>::default());
    let opener = Arc::new(Program { act: Arc::new(act), opened: opened.clone(), heard: heard.clone() });
    let way = Way::Program { opener, request_metadata: Map::new() };
    let connection = Arc::new(Connection::new(way, &http(limits())).expect("a client"));
    Started { connection, opened, heard }
}

#[tokio::test]
async fn calls_of_one_program_are_answered_in_any_order() {
    let waiting = Mutex::new(Vec::new());
    let started = start(move |message, lines| {
        if message["method"] != "tools/call" {
            let _ = lines.send("Listening on stdio!".to_owned());
            return ordinary(message, lines);
        }
        let mut waiting = waiting.lock().expect("nobody panics with it");
        waiting.push(message.clone());
        if waiting.len() == 3 {
            while let Some(call) = waiting.pop() {
                let text = call["params"]["name"].clone();
                answer(lines, &call, json!({"content": [{"type": "text", "text": text}]}));
                // A second answer to the same call finds nobody.
                answer(lines, &call, done());
            }
        }
        true
    });
    let one = |name: &'static str| {
        let connection = started.connection.clone();
        async move { (name, connection.call(call(name)).await.expect("done").content) }
    };
    let (a, b, c) = tokio::join!(one("a"), one("b"), one("c"));
    for (name, content) in [a, b, c] {
        assert_eq!(content, [types::Content::Text { text: name.to_owned() }]);
    }
    assert_eq!(started.connection.server().await.expect("there").revision, Revision::R2025_06_18);
    assert_eq!(started.opened.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_program_that_ends_in_a_call_leaves_it_unknown_and_is_started_again() {
    let calls = AtomicUsize::new(0);
    let started = start(move |message, lines| {
        if message["method"] != "tools/call" {
            return ordinary(message, lines);
        }
        if calls.fetch_add(1, Ordering::SeqCst) == 0 {
            return false;
        }
        answer(lines, message, done());
        true
    });
    let failure = started.connection.call(call("act")).await.expect_err("it ended");
    assert_eq!(failure.kind, Kind::Unknown, "{failure:?}");
    started.connection.call(call("act")).await.expect("done");
    assert_eq!(started.opened.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_program_hears_that_a_call_was_given_up_and_is_answered_itself() {
    let started = start(|message, lines| {
        if message["method"] == "tools/call" {
            say(lines, json!({"jsonrpc": "2.0", "id": "q", "method": "roots/list"}));
            say(lines, json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}));
            return true;
        }
        ordinary(message, lines)
    });
    let heard = started.heard.clone();
    let answered = move |id: &str| heard.lock().expect("nobody panics with it").iter().any(|line| line["id"] == id);
    let asked = Call {
        cancel: Box::pin(async move {
            while !(answered("q") && answered("p")) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }),
        ..Call::new("act", Map::new(), LONG)
    };
    let failure = started.connection.call(asked).await.expect_err("cancelled");
    assert_eq!(failure.kind, Kind::Unknown);
    let heard = started.heard.lock().expect("nobody panics with it").clone();
    let find = |id: &str| heard.iter().find(|line| line["id"] == id).expect("answered").clone();
    assert_eq!((&find("q")["error"]["code"], &find("p")["result"]), (&json!(-32601), &json!({})));
    assert!(heard.iter().any(|line| line["method"] == "notifications/cancelled"));
}

#[tokio::test]
async fn a_program_that_only_makes_noise_is_given_up() {
    let started = start(|_, lines| {
        for _ in 0..1_100 {
            let _ = lines.send("warning: nothing".to_owned());
        }
        true
    });
    let failure = started.connection.call(call("act")).await.expect_err("noise");
    assert_eq!(failure.kind, Kind::NotSent, "{failure:?}");
}

/// Takes no input and says at its end why, but not before somebody wrote to it.
#[derive(Default)]
struct Refusing(tokio::sync::Notify);

impl Opener for Refusing {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Pipe>, String>> {
        Box::pin(async { Ok(Arc::new(Self::default()) as Arc<dyn Pipe>) })
    }
}

impl Pipe for Refusing {
    fn send<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), String>> {
        self.0.notify_one();
        Box::pin(async { Err("broken".to_owned()) })
    }

    fn next(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        Box::pin(async {
            self.0.notified().await;
            Err("exit code 1; it wrote: \"no key\"".to_owned())
        })
    }

    fn close(&self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_program_that_ends_at_once_is_quoted() {
    let way = Way::Program { opener: Arc::new(Refusing::default()), request_metadata: Map::new() };
    let connection = Connection::new(way, &http(limits())).expect("a client");
    let failure = connection.call(call("act")).await.expect_err("it ended");
    assert_eq!(failure.kind, Kind::NotSent);
    assert_eq!(failure.message, "the program ended: exit code 1; it wrote: \"no key\"");
}

#[tokio::test]
async fn programs_at_rest_are_ended_and_one_at_work_is_not() {
    let act = |message: &Value, lines: &Lines| message["method"] == "tools/call" || ordinary(message, lines);
    let servers = Servers::new(http(limits()));
    let open = |place: &str| {
        let owner = Owner { project: ProjectId::new("p"), place: place.to_owned() };
        let (opened, heard) = (Arc::default(), Arc::<Mutex<Vec<Value>>>::default());
        let opener = Arc::new(Program { act: Arc::new(act), opened, heard: heard.clone() });
        let way = Way::Program { opener, request_metadata: Map::new() };
        (servers.connection(&owner, way).expect("a connection"), heard)
    };
    let ((resting, _), (working, heard)) = (open("a"), open("b"));
    let closed = Arc::downgrade(&resting);
    resting.tools().await.expect("tools");
    drop(resting);
    let work = working.call(call("act"));
    let asked = async {
        while !heard.lock().expect("nobody panics with it").iter().any(|line| line["method"] == "tools/call") {
            tokio::task::yield_now().await;
        }
        servers.end_programs().await;
    };
    tokio::select! {
        biased;
        done = work => panic!("nobody answers: {done:?}"),
        () = asked => {}
    }
    assert!(closed.upgrade().is_none());
    let (same, _) = open("b");
    assert!(Arc::ptr_eq(&same, &working));
}
