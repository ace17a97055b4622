//! A client and an executor that answers as it is told: lines that end at the worst moment, sessions that are resumed or
//! not, executors that are silent, slow or lie.

use super::*;
use crate::machine::{Command, Machine, Output};
use crate::stage::{HandClock, Puppet, world};
use serde_json::{Value, json};
use std::future::Future;
use tokio::task::JoinHandle;
use types::BoxFuture;
use wire::executor::{Message, code, method};

#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Listener for Log {
    fn begun<'a>(&'a self, session: &'a str) -> BoxFuture<'a, bool> {
        self.0.lock().unwrap().push(format!("begun {session}"));
        Box::pin(async { true })
    }

    fn connected(&self) {
        self.0.lock().unwrap().push("connected".to_owned());
    }

    fn disconnected(&self) {
        self.0.lock().unwrap().push("disconnected".to_owned());
    }

    fn variables(&self) -> BTreeMap<String, String> {
        [("GIVEN", "now"), ("OWN", "given")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }
}

struct Stage {
    client: Arc<Client>,
    clock: Arc<HandClock>,
    log: Arc<Log>,
}

impl Stage {
    fn new(session: Option<&str>) -> Self {
        let ((world, clock), log) = (world(), Arc::new(Log::default()));
        let settings = Settings { processes: 3, ..Settings::default() };
        let client = Arc::new(Client::new(world, settings, log.clone(), session.map(str::to_owned)));
        Self { client, clock, log }
    }

    fn attach(&self) -> Puppet {
        let (near, far) = Line::pair();
        self.client.attach(near);
        Puppet { line: far }
    }

    async fn connected(&self, session: &str) -> Puppet {
        let mut puppet = self.attach();
        puppet.greet(session).await;
        puppet
    }

    /// Does it beside the test.
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    fn ask<T, F>(&self, ask: impl FnOnce(Arc<Client>) -> F) -> JoinHandle<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        tokio::spawn(ask(self.client.clone()))
    }

    fn start(&self, process: &str) -> JoinHandle<Result<(), Fault>> {
        let command = Command {
            process: process.to_owned(),
            argv: vec!["true".to_owned()],
            working_directory: "/w".to_owned(),
            ..Command::default()
        };
        self.ask(|client| async move { client.start(command).await })
    }

    async fn started(&self, puppet: &mut Puppet, process: &str) {
        let start = self.start(process);
        let (id, params) = puppet.asked(method::PROCESS_START).await;
        assert_eq!((&params["processId"], &params["cwd"]), (&json!(process), &json!("file:///w")));
        puppet.answer(id, json!({"processId": process, "sandboxType": "none"})).await;
        assert_eq!(start.await.unwrap(), Ok(()));
    }

    fn read(&self, after: u64, wait: u64) -> JoinHandle<Result<Output, Fault>> {
        self.ask(move |client| async move { client.read("p", after, Duration::from_secs(wait)).await })
    }

    fn said(&self) -> Vec<String> {
        self.log.0.lock().unwrap().clone()
    }
}

fn said(seq: u64) -> Value {
    json!({"processId": "p", "seq": seq, "stream": "stdout", "chunk": "eA=="})
}

fn readings(seqs: &[u64]) -> Value {
    let chunks: Vec<Value> = seqs.iter().map(|seq| json!({"seq": seq, "stream": "stdout", "chunk": "eA=="})).collect();
    json!({"chunks": chunks, "nextSeq": 1, "exited": false, "exitCode": null, "closed": false, "failure": null})
}

fn seqs(output: &Output) -> Vec<u64> {
    output.chunks.iter().map(|chunk| chunk.seq).collect()
}

#[tokio::test]
async fn a_session_is_begun_and_resumed() {
    let stage = Stage::new(None);
    let mut puppet = stage.attach();
    assert_eq!(puppet.greet("s1").await, Value::Null);
    stage.started(&mut puppet, "p").await;
    drop(puppet);
    let mut puppet = stage.attach();
    let (id, params) = puppet.asked(method::INITIALIZE).await;
    assert_eq!(params["resumeSessionId"], "s1");
    // The executor has not noticed yet that the old line is gone.
    puppet.fail(id, code::ALREADY_ATTACHED, "session s1 is already attached to another connection").await;
    assert_eq!(stage.clock.pass(puppet.greet("s1")).await, "s1");
    stage.started(&mut puppet, "q").await;
    let expected = ["begun s1", "connected", "disconnected", "begun s1", "connected"];
    assert_eq!(stage.said(), expected);
}

#[tokio::test]
async fn a_session_of_an_earlier_client_is_resumed() {
    let stage = Stage::new(Some("s0"));
    let mut puppet = stage.attach();
    assert_eq!(puppet.greet("s0").await, "s0");
    // A process that this client has not started.
    let read = stage.read(0, 100);
    let (id, params) = puppet.asked(method::PROCESS_READ).await;
    assert_eq!((&params["afterSeq"], &params["waitMs"]), (&json!(0), &json!(0)));
    puppet.answer(id, readings(&[1, 2])).await;
    let (id, params) = puppet.asked(method::PROCESS_READ).await;
    assert_eq!(params["afterSeq"], 2);
    puppet.answer(id, readings(&[])).await;
    assert_eq!(seqs(&read.await.unwrap().unwrap()), [1, 2]);
    // From here on it is heard of.
    let read = stage.read(2, 100);
    puppet.notify(method::PROCESS_OUTPUT, said(3)).await;
    assert_eq!(seqs(&read.await.unwrap().unwrap()), [3]);
}

#[tokio::test]
async fn a_session_that_is_unknown_takes_its_processes_along() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    stage.started(&mut puppet, "p").await;
    puppet.notify(method::PROCESS_OUTPUT, said(1)).await;
    let start = stage.start("q");
    puppet.asked(method::PROCESS_START).await;
    drop(puppet);
    let mut puppet = stage.attach();
    let (id, _) = puppet.asked(method::INITIALIZE).await;
    puppet.fail(id, code::INVALID_REQUEST, "unknown session id s1").await;
    assert_eq!(puppet.greet("s2").await, Value::Null);
    // It may have been started, in a session that nobody can ask: it is not started again.
    assert_eq!(start.await.unwrap(), Err(Fault::Lost));
    assert_eq!(seqs(&stage.read(0, 100).await.unwrap().unwrap()), [1]);
    assert_eq!(stage.read(1, 100).await.unwrap(), Err(Fault::Lost));
    stage.started(&mut puppet, "r").await;
}

#[tokio::test]
async fn what_may_be_asked_again_is() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    let start = stage.start("p");
    puppet.asked(method::PROCESS_START).await;
    let metadata = stage.ask(|client| async move { client.metadata("/f").await });
    puppet.asked(method::FS_GET_METADATA).await;
    let write = stage.ask(|client| async move { client.write_file("/f", b"x".to_vec()).await });
    puppet.asked(method::FS_WRITE_FILE).await;
    drop(puppet);
    let mut puppet = stage.connected("s1").await;
    for _ in 0..2 {
        match puppet.message().await {
            Some(Message::Request(again)) if again.method == method::PROCESS_START => {
                puppet.fail(again.id, code::INVALID_REQUEST, "process p already exists").await;
            }
            Some(Message::Request(again)) if again.method == method::FS_GET_METADATA => {
                let answer = json!({"isDirectory": false, "isFile": true, "isSymlink": false, "size": 5});
                puppet.answer(again.id, answer).await;
            }
            other => panic!("{other:?}"),
        }
    }
    // The first request has started it.
    assert_eq!(start.await.unwrap(), Ok(()));
    assert_eq!(metadata.await.unwrap().unwrap().bytes, 5);
    assert_eq!(write.await.unwrap(), Err(Fault::Lost));
}

#[tokio::test]
async fn a_command_is_given_the_variables_of_the_moment() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    for (process, inherited, expected) in [
        ("p", vec![], json!({"GIVEN": "now", "OWN": "its own"})),
        ("q", names(&["PATH", "GIVEN"]), json!({"GIVEN": "now", "OWN": "its own"})),
        // What says which variables it takes gets no others.
        ("r", names(&["PATH"]), json!({"OWN": "its own"})),
    ] {
        let command = Command {
            process: process.to_owned(),
            argv: vec!["true".to_owned()],
            working_directory: "/w".to_owned(),
            inherited,
            variables: [("OWN".to_owned(), "its own".to_owned())].into(),
            ..Command::default()
        };
        let start = stage.ask(|client| async move { client.start(command).await });
        let (id, params) = puppet.asked(method::PROCESS_START).await;
        assert_eq!(params["env"], expected, "{process}");
        puppet.answer(id, json!({"processId": process, "sandboxType": "none"})).await;
        assert_eq!(start.await.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_process_that_is_there_is_not_started() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    let start = stage.start("p");
    let (id, _) = puppet.asked(method::PROCESS_START).await;
    puppet.fail(id, code::INVALID_REQUEST, "process p already exists").await;
    assert_eq!(start.await.unwrap(), Err(Fault::Exists("process p already exists".to_owned())));
    stage.started(&mut puppet, "q").await;
    assert_eq!(stage.start("q").await.unwrap(), Err(Fault::Exists("q".to_owned())));
}

#[tokio::test]
async fn patience_ends() {
    let stage = Stage::new(None);
    let metadata = stage.ask(|client| async move { client.metadata("/f").await });
    assert_eq!(stage.clock.pass(metadata).await.unwrap(), Err(Fault::Disconnected));
    assert_eq!(stage.clock.pass(stage.read(0, 10_000)).await.unwrap(), Err(Fault::Disconnected));
    let mut puppet = stage.connected("s1").await;
    stage.started(&mut puppet, "p").await;
    let metadata = stage.ask(|client| async move { client.metadata("/f").await });
    puppet.asked(method::FS_GET_METADATA).await;
    drop(puppet);
    assert_eq!(stage.clock.pass(metadata).await.unwrap(), Err(Fault::Lost));
    // What is still running has not been heard of for too long.
    assert_eq!(stage.clock.pass(stage.read(0, 1)).await.unwrap(), Err(Fault::Lost));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    let write = stage.ask(|client| async move { client.write_file("/f", b"x".to_vec()).await });
    let (id, _) = puppet.asked(method::FS_WRITE_FILE).await;
    // It is there, and slow.
    let alive = async {
        loop {
            match puppet.message().await {
                Some(Message::Request(ping)) => puppet.answer(ping.id, json!({"status": "ready"})).await,
                other => panic!("{other:?}"),
            }
        }
    };
    let given_up = async {
        tokio::select! { answer = write => answer.unwrap(), () = alive => unreachable!() }
    };
    assert_eq!(stage.clock.pass(given_up).await, Err(Fault::Lost));
    // Late, and nobody's any more.
    puppet.answer(id, json!({})).await;
    stage.started(&mut puppet, "p").await;
}

#[tokio::test]
async fn a_silent_line_is_questioned_and_given_up() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    let (id, _) = stage.clock.pass(puppet.asked(method::ENVIRONMENT_STATUS)).await;
    puppet.answer(id, json!({"status": "ready"})).await;
    stage.clock.pass(puppet.hangs_up()).await;
    assert_eq!(stage.said(), ["begun s1", "connected", "disconnected"]);
}

#[tokio::test]
async fn a_newer_line_closes_the_older() {
    let stage = Stage::new(None);
    let mut older = stage.connected("s1").await;
    let mut newer = stage.connected("s1").await;
    older.hangs_up().await;
    stage.started(&mut newer, "p").await;
    drop(older);
    assert!(stage.client.is_connected());
    stage.client.detach();
    newer.hangs_up().await;
    let expected = ["begun s1", "connected", "disconnected", "begun s1", "connected", "disconnected"];
    assert_eq!(stage.said(), expected);
}

#[tokio::test]
async fn gaps_are_asked_for() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    stage.started(&mut puppet, "p").await;
    let read = stage.read(0, 100);
    puppet.notify(method::PROCESS_OUTPUT, said(2)).await;
    let (id, _) = puppet.asked(method::PROCESS_READ).await;
    puppet.answer(id, readings(&[1, 2])).await;
    let (id, _) = puppet.asked(method::PROCESS_READ).await;
    puppet.answer(id, readings(&[])).await;
    assert_eq!(seqs(&read.await.unwrap().unwrap()), [1, 2]);
    drop(puppet);
    // Nothing is said of what happened in between: only a question can tell.
    let mut puppet = stage.connected("s1").await;
    let read = stage.read(2, 100);
    let (id, params) = puppet.asked(method::PROCESS_READ).await;
    assert_eq!(params["afterSeq"], 2);
    let mut closed = readings(&[]);
    (closed["exited"], closed["exitCode"], closed["closed"]) = (json!(true), json!(9), json!(true));
    puppet.answer(id, closed).await;
    let output = read.await.unwrap().unwrap();
    assert_eq!((output.exit_code, output.closed, output.lost), (Some(9), true, false));
}

#[tokio::test]
async fn an_executor_that_lies_harms_nobody() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    for (method, params) in [
        (method::PROCESS_OUTPUT, said(1)),
        (method::PROCESS_OUTPUT, json!({"processId": 5})),
        (method::PROCESS_CLOSED, Value::Null),
        ("no/such", json!([])),
    ] {
        puppet.notify(method, params).await;
    }
    puppet.answer(wire::executor::Id::Number(999), json!({})).await;
    puppet.answer(wire::executor::Id::Text("x".to_owned()), json!({})).await;
    puppet.say(Message::request(wire::executor::Id::Number(1), "network/policyRequest", &json!({}))).await;
    let Some(Message::Failed { error, .. }) = puppet.message().await else { panic!("no refusal") };
    assert_eq!(error.code, code::METHOD_NOT_FOUND);
    // Its words are shown to a model.
    let metadata = stage.ask(|client| async move { client.metadata("/f").await });
    let (id, _) = puppet.asked(method::FS_GET_METADATA).await;
    puppet.fail(id, code::INTERNAL, &format!("no\n{}", "x".repeat(10_000))).await;
    let Err(Fault::Refused(words)) = metadata.await.unwrap() else { panic!("no refusal") };
    assert!(words.starts_with("no x") && words.len() == 1024, "{words}");
    // An answer of the wrong shape is this request's failure alone.
    let metadata = stage.ask(|client| async move { client.metadata("/f").await });
    let (id, _) = puppet.asked(method::FS_GET_METADATA).await;
    puppet.answer(id, json!({"isFile": "yes\n".repeat(10_000)})).await;
    let Err(Fault::Refused(words)) = metadata.await.unwrap() else { panic!("no refusal") };
    assert!(words.starts_with("the executor's answer is unreadable") && words.len() <= 1024, "{words}");
    puppet.line.outgoing.send(b"{\"neither\": 1}".to_vec()).await.unwrap();
    puppet.hangs_up().await;
}

/// As long as it is asked for, and no longer.
#[tokio::test]
async fn only_a_file_that_is_read_may_be_long() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    let read = stage.ask(|client| async move { client.read_file("/f", u64::MAX).await });
    let (id, _) = puppet.asked(method::FS_GET_METADATA).await;
    puppet.answer(id, json!({"isDirectory": false, "isFile": true, "isSymlink": false})).await;
    let (id, _) = puppet.asked(method::FS_READ_FILE).await;
    puppet.answer(id, json!({"dataBase64": "YWJj".repeat(heard::SMALL / 4)})).await;
    assert_eq!(read.await.unwrap().unwrap().len(), heard::SMALL / 4 * 3);

    // What is as long as it may be is heard.
    let mut said = Message::notification("x", &json!([])).text().into_bytes();
    said.resize(heard::SMALL, b' ');
    puppet.line.outgoing.send(said.clone()).await.unwrap();
    stage.started(&mut puppet, "p").await;
    said.push(b' ');
    puppet.line.outgoing.send(said).await.unwrap();
    puppet.hangs_up().await;
}

#[tokio::test]
async fn processes_are_bounded() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    for process in ["p", "q", "r"] {
        stage.started(&mut puppet, process).await;
    }
    assert!(matches!(stage.start("s").await.unwrap(), Err(Fault::Refused(_))));
    puppet.notify(method::PROCESS_EXITED, json!({"processId": "p", "seq": 1, "exitCode": 0})).await;
    puppet.notify(method::PROCESS_CLOSED, json!({"processId": "p", "seq": 2})).await;
    assert!(stage.read(1, 100).await.unwrap().unwrap().closed);
    stage.started(&mut puppet, "s").await;
}

#[tokio::test]
async fn output_that_was_read_to_its_end_is_not_kept() {
    let stage = Stage::new(None);
    let mut puppet = stage.connected("s1").await;
    stage.started(&mut puppet, "p").await;
    puppet.notify(method::PROCESS_OUTPUT, said(1)).await;
    puppet.notify(method::PROCESS_OUTPUT, said(2)).await;
    puppet.notify(method::PROCESS_EXITED, json!({"processId": "p", "seq": 3, "exitCode": 5})).await;
    puppet.notify(method::PROCESS_CLOSED, json!({"processId": "p", "seq": 4})).await;
    assert!(stage.read(3, 100).await.unwrap().unwrap().closed);
    let closed = |seqs: &[u64]| {
        let mut closed = readings(seqs);
        (closed["exited"], closed["exitCode"], closed["closed"]) = (json!(true), json!(5), json!(true));
        closed
    };
    // The executor has it still.
    for _ in 0..2 {
        let read = stage.read(0, 100);
        let (id, params) = puppet.asked(method::PROCESS_READ).await;
        assert_eq!(params["afterSeq"], 0);
        puppet.answer(id, closed(&[1, 2])).await;
        let (id, _) = puppet.asked(method::PROCESS_READ).await;
        puppet.answer(id, closed(&[])).await;
        let output = read.await.unwrap().unwrap();
        assert_eq!((seqs(&output), output.exit_code, output.closed, output.lost), (vec![1, 2], Some(5), true, false));
    }
    // And now it has not.
    let read = stage.read(0, 100);
    let (id, _) = puppet.asked(method::PROCESS_READ).await;
    puppet.fail(id, code::INVALID_REQUEST, "unknown process id p").await;
    let output = read.await.unwrap().unwrap();
    assert_eq!((seqs(&output), output.exit_code, output.closed, output.lost), (vec![], Some(5), true, true));
}

#[tokio::test]
async fn a_refused_greeting_closes_the_line() {
    let stage = Stage::new(None);
    let mut puppet = stage.attach();
    let (id, _) = puppet.asked(method::INITIALIZE).await;
    puppet.fail(id, code::INTERNAL, "no").await;
    puppet.hangs_up().await;
    assert_eq!(stage.said(), [""; 0]);
}

#[tokio::test]
async fn a_session_has_a_short_and_plain_name() {
    let (longest, longer) = ("x".repeat(128), "x".repeat(129));
    for session in ["", "a b", "a\n", "é", &longer] {
        let stage = Stage::new(None);
        let mut puppet = stage.attach();
        let (id, _) = puppet.asked(method::INITIALIZE).await;
        puppet.answer(id, json!({ "sessionId": session })).await;
        puppet.hangs_up().await;
        assert_eq!(stage.said(), [""; 0], "{session}");
    }
    let stage = Stage::new(None);
    let mut puppet = stage.connected(&longest).await;
    stage.started(&mut puppet, "p").await;
}

#[tokio::test]
async fn what_an_executor_says_of_itself_is_bounded() {
    let stage = Stage::new(None);
    let mut puppet = stage.attach();
    let (id, _) = puppet.asked(method::INITIALIZE).await;
    let info = json!({"shell": {"name": "sh", "path": "/".repeat(4097)}, "cwd": format!("file:///{}", "x".repeat(4096)),
        "tempDir": "file:///t", "capabilities": [[], "of any shape"]});
    puppet.answer(id, json!({"sessionId": "s1", "environmentInfo": info})).await;
    puppet.begun().await;
    let info = stage.client.info().await.unwrap();
    assert_eq!((info.shell, info.working_directory, info.temporary), (None, None, Some("/t".to_owned())));
}
