//! Servers that do what their revision says.

use crate::stage::{Body, Reply, Request, Stage, classic, done, event, modern, tool};
use mcp::{Bearer, Call, Challenge, Connection, Kind, Revision, Way};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use types::{BoxFuture, Content};

/// Long enough for any machine; no test waits for it.
pub const LONG: Duration = Duration::from_secs(60);

pub fn call(name: &str) -> Call<'_> {
    Call::new(name, Map::new(), LONG)
}

#[tokio::test]
async fn a_stateless_server_is_told_who_asks_with_every_request() {
    let stage = Stage::start(|request| modern(request).unwrap_or_else(|| request.answer(done()))).await;
    let mut target = stage.target();
    target.request_metadata.insert("tenant".to_owned(), json!("t"));
    target.headers = vec![("X-Key".to_owned(), "k".to_owned()), ("Mcp-Name".to_owned(), "forged".to_owned())];
    let connection = Connection::new(Way::Service(target), &crate::stage::http(crate::stage::limits())).expect("made");
    let called = connection.call(call("act")).await.expect("done");
    assert_eq!(called.content, [Content::Text { text: "done".to_owned() }]);
    assert_eq!(connection.server().await.expect("there").revision, Revision::R2026_07_28);
    let [asked] = &stage.asked("tools/call")[..] else { panic!("one call") };
    assert_eq!(asked.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!((asked.header("mcp-method"), asked.header("mcp-name")), (Some("tools/call"), Some("act")));
    assert_eq!(asked.header("x-key"), Some("k"));
    let meta = &asked.body["params"]["_meta"];
    assert_eq!(
        (&meta["tenant"], &meta["io.modelcontextprotocol/protocolVersion"]),
        (&json!("t"), &json!("2026-07-28"))
    );
    assert!(meta["io.modelcontextprotocol/clientCapabilities"].is_object());
}

#[tokio::test]
async fn a_server_with_sessions_gets_a_handshake_and_its_session_back() {
    let stage = Stage::start(|request| classic(request).unwrap_or_else(|| request.answer(done()))).await;
    let connection = stage.connect();
    connection.call(call("act")).await.expect("done");
    assert_eq!(connection.server().await.expect("there").revision, Revision::R2025_11_25);
    let asked = stage.asked("tools/call").remove(0);
    assert_eq!(
        (asked.header("mcp-session-id"), asked.header("mcp-protocol-version")),
        (Some("s-1"), Some("2025-11-25"))
    );
    assert_eq!(asked.header("mcp-name"), None);
    assert_eq!(stage.asked("notifications/initialized").len(), 1);
    connection.close().await;
    stage.until(|seen| seen.iter().any(|request| request.method == "DELETE")).await;
}

#[tokio::test]
async fn a_forgotten_session_is_begun_anew_and_the_call_is_done_once() {
    let sessions = Arc::new(AtomicUsize::new(0));
    let counted = sessions.clone();
    let stage = Stage::start(move |request| {
        if request.rpc() == "initialize" {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let mut reply = classic(request).expect("a handshake");
            reply.headers.retain(|(name, _)| *name != "mcp-session-id");
            return reply.with("mcp-session-id", format!("s-{number}"));
        }
        match (request.rpc(), request.header("mcp-session-id")) {
            ("tools/call", Some("s-0")) => Reply::status(404),
            ("tools/call", _) => request.answer(done()),
            _ => classic(request).expect("an answer"),
        }
    })
    .await;
    stage.connect().call(call("act")).await.expect("done");
    assert_eq!(sessions.load(Ordering::SeqCst), 2);
    let sessions: Vec<_> =
        stage.asked("tools/call").iter().map(|call| call.header("mcp-session-id").map(str::to_owned)).collect();
    assert_eq!(sessions, [Some("s-0".to_owned()), Some("s-1".to_owned())]);
}

/// A server that knows the sessions that it gave from the first on, and refuses others as official servers do.
async fn forgetful(first: usize) -> Stage {
    let given = AtomicUsize::new(0);
    Stage::start(move |request| {
        if request.rpc() == "initialize" {
            let number = given.fetch_add(1, Ordering::SeqCst);
            let mut reply = classic(request).expect("a handshake");
            reply.headers.retain(|(name, _)| *name != "mcp-session-id");
            return reply.with("mcp-session-id", format!("s-{number}"));
        }
        let session = request.header("mcp-session-id").and_then(|id| id.strip_prefix("s-")?.parse::<usize>().ok());
        match (request.rpc(), session) {
            ("tools/call", Some(number)) if number < first => {
                let error = json!({"code": -32000, "message": "Bad Request: which session?"});
                let body = json!({"jsonrpc": "2.0", "error": error, "id": null});
                Reply { status: 400, ..Reply::json(body.to_string().into_bytes()) }
            }
            ("tools/call", _) => request.answer(done()),
            _ => classic(request).expect("an answer"),
        }
    })
    .await
}

#[tokio::test]
async fn a_session_that_is_refused_without_an_id_is_begun_anew_and_never_kept() {
    let stage = forgetful(1).await;
    stage.connect().call(call("act")).await.expect("done");
    assert_eq!((stage.asked("initialize").len(), stage.asked("tools/call").len()), (2, 2));
    // Once for each question; the second refusal is told, and its session is not used again.
    let stage = forgetful(2).await;
    let connection = stage.connect();
    let failure = connection.call(call("act")).await.expect_err("refused twice");
    assert_eq!(failure.kind, Kind::Refused(Some(-32000)), "{failure:?}");
    assert_eq!(stage.asked("initialize").len(), 2);
    connection.call(call("act")).await.expect("done");
    assert_eq!((stage.asked("initialize").len(), stage.asked("tools/call").len()), (3, 3));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_taken_up_where_it_was() {
    let id = Arc::new(Mutex::new(Value::Null));
    let stage = Stage::start(move |request| {
        if request.rpc() == "tools/call" {
            *id.lock().expect("nobody panics with it") = request.body["id"].clone();
            return Reply::stream(Body::Pieces(vec![b"id: e-1\nretry: 1\ndata: \n\ndata: {\"jsonr".to_vec()]));
        }
        if request.header("last-event-id") == Some("e-1") {
            let id = id.lock().expect("nobody panics with it").clone();
            return Reply::stream(Body::Open(vec![event(&json!({"jsonrpc": "2.0", "id": id, "result": done()}))]));
        }
        classic(request).expect("an answer")
    })
    .await;
    stage.connect().call(call("act")).await.expect("done");
    assert_eq!(stage.asked("tools/call").len(), 1);
}

#[tokio::test]
async fn progress_is_told_and_questions_are_declined_on_the_way() {
    let stage = Stage::start(|request| match request.rpc() {
        "tools/call" => {
            let token = &request.body["params"]["_meta"]["progressToken"];
            let progress = json!({"progressToken": token, "progress": 1, "total": 2, "message": "half"});
            let strange = json!({"progressToken": 4711, "progress": 9});
            let question = json!({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": {}});
            Reply::stream(Body::Open(vec![
                b": comment\n\n".to_vec(),
                event(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": strange})),
                event(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})),
                event(&question),
                request.event(done()),
            ]))
        }
        _ => classic(request).expect("an answer"),
    })
    .await;
    let told = Mutex::new(Vec::new());
    let hear = |progress: mcp::Progress| told.lock().expect("nobody panics with it").push(progress);
    let mut asked = call("act");
    asked.progress = Some(&hear);
    stage.connect().call(asked).await.expect("done");
    let told = told.into_inner().expect("nobody panics with it");
    let [progress] = &told[..] else { panic!("told once: {told:?}") };
    assert_eq!((progress.progress, progress.total, progress.message.as_deref()), (1.0, Some(2.0), Some("half")));
    let answers = stage.seen.lock().expect("nobody panics with it").clone();
    let answer = answers.iter().find(|seen| seen.body["id"] == "q").expect("it was answered");
    assert_eq!(answer.body["result"]["action"], "decline");
}

#[tokio::test]
async fn a_call_that_is_cancelled_is_unknown_and_the_server_hears_of_it() {
    let stage = Stage::start(|request| match request.rpc() {
        "tools/call" => Reply::only(Body::Silence),
        _ => classic(request).expect("an answer"),
    })
    .await;
    let connection = stage.connect();
    let mut asked = call("act");
    let watched = stage.clone();
    asked.cancel = Box::pin(async move { watched.until(|seen| seen.iter().any(|it| it.rpc() == "tools/call")).await });
    let failure = connection.call(asked).await.expect_err("cancelled");
    assert_eq!(failure.kind, Kind::Unknown);
    let told = stage.asked("notifications/cancelled").remove(0);
    assert_eq!(told.body["params"]["requestId"], stage.asked("tools/call")[0].body["id"]);
}

#[tokio::test]
async fn all_pages_are_listed_and_what_is_of_no_use_is_left_out() {
    let stage = Stage::start(|request| match (request.rpc(), request.body["params"]["cursor"].as_str()) {
        ("tools/list", None) => {
            request.answer(json!({"tools": [tool("a"), tool("b"), {"name": "bad"}], "nextCursor": "2"}))
        }
        ("tools/list", Some("2")) => request.answer(json!({"tools": [tool("a"), tool("c")]})),
        _ => modern(request).expect("an answer"),
    })
    .await;
    let connection = stage.connect();
    let listing = connection.tools().await.expect("listed");
    let names: Vec<_> = listing.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let left_out: Vec<_> = listing.left_out.iter().map(|left_out| left_out.name.as_str()).collect();
    assert_eq!(left_out, ["bad", "a"]);
    connection.tools().await.expect("kept");
    assert_eq!(stage.asked("tools/list").len(), 2);
}

#[tokio::test]
async fn a_changed_list_is_asked_for_again() {
    let stage = Stage::start(|request| match (request.method.as_str(), request.rpc()) {
        ("GET", _) => {
            let note = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
            Reply::stream(Body::Open(vec![event(&note)]))
        }
        (_, "tools/call") => request.answer(done()),
        _ => classic(request).expect("an answer"),
    })
    .await;
    let connection = stage.connect();
    // Each look finds the list changed or not; from the note on, one look asks again.
    let mut before = 0;
    for _ in 0..3_000 {
        connection.tools().await.expect("listed");
        before = stage.asked("tools/list").len();
        if before > 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(before, 2);
}

#[tokio::test]
async fn a_server_that_is_gone_keeps_the_tools_that_it_had() {
    let gone = Arc::new(AtomicUsize::new(0));
    let is_gone = gone.clone();
    let stage = Stage::start(move |request| match is_gone.load(Ordering::SeqCst) {
        0 => modern(request).unwrap_or_else(|| request.answer(done())),
        _ => Reply::only(Body::HangUp),
    })
    .await;
    let connection = stage.connect();
    assert!(connection.tools().await.expect("listed").stale.is_none());
    gone.store(1, Ordering::SeqCst);
    connection.refresh();
    let listing = connection.tools().await.expect("kept");
    assert!(listing.stale.is_some() && listing.tools.len() == 1);
    gone.store(0, Ordering::SeqCst);
    assert!(connection.tools().await.expect("listed").stale.is_none());
    connection.call(call("act")).await.expect("done");
}

#[tokio::test]
async fn arguments_are_mirrored_and_a_tool_that_changed_is_listed_again() {
    let listed = Arc::new(AtomicUsize::new(0));
    let stage = Stage::start(move |request| match request.rpc() {
        "tools/list" => {
            let header = if listed.fetch_add(1, Ordering::SeqCst) == 0 { "Old" } else { "New" };
            let schema = json!({"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": header}}});
            request.answer(json!({"tools": [{"name": "act", "inputSchema": schema}]}))
        }
        "tools/call" if request.header("mcp-param-new") == Some("x y") => request.answer(done()),
        "tools/call" => Reply { status: 400, ..request.error(-32020) },
        _ => modern(request).expect("an answer"),
    })
    .await;
    let arguments = json!({"a": "x y"}).as_object().cloned().expect("an object");
    stage.connect().call(Call::new("act", arguments, LONG)).await.expect("done");
    let asked = stage.asked("tools/call");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].header("mcp-param-old"), Some("x y"));
}

/// Gives `first`, and then `second`.
struct Two(Mutex<Vec<Challenge>>);

impl Bearer for Two {
    fn current(&self) -> BoxFuture<'_, Result<Option<String>, String>> {
        let refused = self.0.lock().expect("nobody panics with it").len();
        let token = if refused == 0 { "first" } else { "second" };
        Box::pin(async move { Ok(Some(token.to_owned())) })
    }

    fn refused<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<Option<String>, String>> {
        self.0.lock().expect("nobody panics with it").push(challenge.clone());
        Box::pin(async { Ok(Some("second".to_owned())) })
    }
}

fn guarded(request: &Request) -> Reply {
    if request.header("authorization") != Some("Bearer second") {
        return Reply::status(401).with("www-authenticate", r#"Bearer error="invalid_token", scope="s""#);
    }
    modern(request).unwrap_or_else(|| request.answer(done()))
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_and_the_call_goes_on() {
    let stage = Stage::start(guarded).await;
    let tokens = Arc::new(Two(Mutex::default()));
    let mut target = stage.target();
    target.headers = vec![("Authorization".to_owned(), "Bearer of the headers".to_owned())];
    target.bearer = Some(tokens.clone());
    let connection = Connection::new(Way::Service(target), &crate::stage::http(crate::stage::limits())).expect("made");
    connection.call(call("act")).await.expect("done");
    let refused = tokens.0.lock().expect("nobody panics with it").clone();
    assert_eq!(refused.len(), 1);
    assert_eq!((refused[0].status, refused[0].scope.as_deref()), (401, Some("s")));
}

#[tokio::test]
async fn without_a_token_the_caller_is_told_what_is_wanted() {
    let stage = Stage::start(guarded).await;
    let failure = stage.connect().call(call("act")).await.expect_err("refused");
    let Kind::Unauthorized(challenge) = failure.kind else { panic!("{failure:?}") };
    assert_eq!(challenge.scope.as_deref(), Some("s"));
}
