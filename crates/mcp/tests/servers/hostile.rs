//! Servers that answer late, never, too much, something else or nothing: an error each time, and never more than it is
//! known that they did.

use crate::honest::{LONG, call};
use crate::stage::{Body, Reply, Request, Stage, classic, done, event, limits, modern, tool};
use mcp::{Call, Called, Failure, Kind, Limits};
use serde_json::{Map, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const MIB: usize = 1 << 20;

type Act = fn(&Request) -> Reply;

/// A call of a server that is honest until it is called.
async fn called(limits: Limits, act: Act) -> (Stage, Result<Called, Failure>) {
    let stage = Stage::start(move |request| modern(request).unwrap_or_else(|| act(request))).await;
    let done = stage.connect_with(limits).call(call("act")).await;
    (stage, done)
}

#[track_caller]
fn unknown(done: Result<Called, Failure>, says: &str) {
    let failure = done.expect_err("no answer");
    assert_eq!(failure.kind, Kind::Unknown, "{failure:?}");
    assert!(failure.message.contains(says), "{failure:?}");
}

#[tokio::test]
async fn what_is_no_answer_leaves_the_outcome_unknown() {
    let cases: [(Act, &str); 12] = [
        (|_| Reply::only(Body::HangUp), ""),
        (|_| Reply::json(b"{\"jsonrpc\"".to_vec()), "no JSON"),
        (|_| Reply::json("[".repeat(100_000).into_bytes()), "no JSON"),
        (|_| Reply::json("[".repeat(1_000_000).into_bytes()), "more than 250000 values"),
        (|_| Reply::json(b"{\"jsonrpc\":\"2.0\",\"id\":99999,\"result\":{}}".to_vec()), "another request"),
        (|_| Reply::json(b"[]".to_vec()), "no JSON-RPC"),
        (|request| request.answer(json!("x")), "none of a tool"),
        (|request| request.answer(json!({"content": "x"})), "none of a tool"),
        (|_| Reply::status(202), ""),
        (|_| Reply::status(502), "502"),
        (|_| Reply::stream(Body::Pieces(vec![b"data: {\n\n".to_vec()])), "no JSON"),
        (|_| Reply::stream(Body::Pieces(vec![event(&json!({"jsonrpc": "2.0", "id": 7777, "result": {}}))])), "another"),
    ];
    for (act, says) in cases {
        let (stage, done) = called(limits(), act).await;
        unknown(done, says);
        assert_eq!(stage.asked("tools/call").len(), 1, "never sent again");
    }
}

#[tokio::test]
async fn a_status_behind_which_the_call_may_have_been_performed_leaves_it_unknown() {
    for status in [301, 302, 303, 408, 500, 502, 503, 504, 507, 511, 520, 522, 524, 529, 599] {
        for says_more in [false, true] {
            let performed = Arc::new(AtomicUsize::new(0));
            let counted = performed.clone();
            let stage = Stage::start(move |request| {
                if let Some(reply) = modern(request) {
                    return reply;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                // What a server's frame says of a crash, to no request in particular.
                let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32603, "message": "no"}});
                let body = if says_more { error.to_string().into_bytes() } else { Vec::new() };
                Reply { status, ..Reply::json(body) }.with("location", "/elsewhere")
            })
            .await;
            unknown(stage.connect().call(call("act")).await, &status.to_string());
            assert_eq!(performed.load(Ordering::SeqCst), 1, "{status}: never sent again");
        }
    }
}

#[tokio::test]
async fn an_error_that_does_not_say_that_nothing_was_done_leaves_the_call_unknown() {
    for (code, is_refused) in
        [(-32700, true), (-32602, true), (-32601, true), (-32603, false), (-32001, false), (-32000, false), (7, false)]
    {
        let stage = Stage::start(move |request| modern(request).unwrap_or_else(|| request.error(code))).await;
        let done = stage.connect().call(call("act")).await;
        if is_refused {
            assert_eq!(done.expect_err("an error").kind, Kind::Refused(Some(code)));
        } else {
            unknown(done, &code.to_string());
        }
        assert_eq!(stage.asked("tools/call").len(), 1, "{code}: never sent again");
    }
}

#[tokio::test]
async fn a_stream_that_ends_early_is_not_asked_for_again_where_it_cannot_be() {
    let (_, done) = called(limits(), |_| Reply::stream(Body::Pieces(vec![b"id: 1\ndata: \n\n".to_vec()]))).await;
    unknown(done, "ended without an answer");
    let stage = Stage::start(|request| match request.rpc() {
        "tools/call" => Reply::stream(Body::Pieces(vec![b"id: 1\nretry: 1\ndata: \n\n".to_vec()])),
        _ => classic(request).expect("an answer"),
    })
    .await;
    unknown(stage.connect().call(call("act")).await, "405");
}

#[tokio::test]
async fn a_server_that_never_answers_costs_the_time_of_the_call_and_no_more() {
    let stage = Stage::start(|request| modern(request).unwrap_or_else(|| Reply::only(Body::Silence))).await;
    let short = Call::new("act", Map::new(), Duration::from_millis(300));
    unknown(stage.connect().call(short).await, "no answer within");
}

#[tokio::test]
async fn a_server_that_kept_somebody_waiting_keeps_the_next_one_waiting_less() {
    let stage = Stage::start(|_| Reply::only(Body::Silence)).await;
    let patient = Limits { pause: LONG, longest_pause: LONG, ..limits() };
    let connection = stage.connect_with(patient);
    let asked = || tokio::time::timeout(Duration::from_millis(300), connection.tools());
    asked().await.expect_err("nobody answers");
    let failure = asked().await.expect("at once").expect_err("not asked again yet");
    assert_eq!(failure.kind, Kind::NotSent);
    assert_eq!(stage.seen.lock().expect("nobody panics with it").len(), 1);
}

#[tokio::test]
async fn progress_extends_nothing() {
    let stage = Stage::start(|request| match request.rpc() {
        "tools/call" => {
            let note = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1}});
            Reply::stream(Body::Open(vec![event(&note); 50]))
        }
        _ => modern(request).expect("an answer"),
    })
    .await;
    let short = Call::new("act", Map::new(), Duration::from_millis(300));
    unknown(stage.connect().call(short).await, "no answer within");
}

#[tokio::test]
async fn a_hundred_megabytes_are_cut_off_on_the_way() {
    let floods: [fn(&Request) -> Reply; 3] = [
        |_| Reply::only(Body::Flood(b"{".to_vec(), 100 * MIB)),
        |_| Reply::stream(Body::Flood(b"data: ".to_vec(), 100 * MIB)),
        |_| Reply { status: 400, ..Reply::only(Body::Flood(b"{".to_vec(), 100 * MIB)) },
    ];
    for (number, flood) in floods.into_iter().enumerate() {
        let (stage, done) = called(limits(), flood).await;
        let failure = done.expect_err("too large");
        let expected = if number == 2 { Kind::Refused(None) } else { Kind::TooLarge };
        assert_eq!(failure.kind, expected, "{failure:?}");
        let poured = *stage.poured.lock().expect("nobody panics with it");
        assert!(poured < 50 * MIB, "{poured} bytes were taken");
    }
}

#[tokio::test]
async fn a_second_answer_changes_nothing() {
    let (_, done) = called(limits(), |request| {
        let other = json!({"content": [{"type": "text", "text": "other"}]});
        Reply::stream(Body::Pieces(vec![request.event(done()), request.event(other)]))
    })
    .await;
    assert_eq!(done.expect("done").content.len(), 1);
}

#[tokio::test]
async fn what_a_server_refuses_was_not_done() {
    for act in [
        (|_: &Request| Reply::status(501)) as fn(&Request) -> Reply,
        |_| Reply::status(505),
        |_| Reply::status(429),
        |_| Reply::status(403),
        |request| request.error(-32602),
        |request| Reply { status: 400, ..request.error(-32602) },
        |request| request.answer(json!({"resultType": "input_required"})),
        |request| {
            let wanted = json!({"k": {"method": "sampling/createMessage"}});
            request.answer(json!({"resultType": "input_required", "inputRequests": wanted}))
        },
        |request| request.answer(json!({"resultType": "input_required", "requestState": "again"})),
    ] {
        let (_, done) = called(limits(), act).await;
        let failure = done.expect_err("refused");
        assert!(matches!(failure.kind, Kind::Refused(_)), "{failure:?}");
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let stage = Stage::start(|_| Reply::status(500)).await;
    // A port that was free a moment ago.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it has one").port();
    drop(listener);
    let mut target = stage.target();
    target.url.set_port(Some(port)).expect("a port");
    let http = crate::stage::http(limits());
    let connection = mcp::Connection::new(mcp::Way::Service(target), &http).expect("a client");
    let failure = connection.call(call("act")).await.expect_err("nobody is there");
    assert_eq!(failure.kind, Kind::NotSent, "{failure:?}");
}

#[tokio::test]
async fn a_handshake_that_fails_means_that_the_call_was_not_sent() {
    for act in [
        (|_: &Request| Reply::only(Body::HangUp)) as fn(&Request) -> Reply,
        |_| Reply::json(b"{}".to_vec()),
        |request| request.answer(json!({"protocolVersion": "1999-01-01"})),
        |request| request.answer(json!({"supportedVersions": ["1999-01-01"]})),
    ] {
        let stage = Stage::start(act).await;
        let failure = stage.connect().call(call("act")).await.expect_err("no terms");
        assert!(matches!(failure.kind, Kind::NotSent | Kind::Refused(_)), "{failure:?}");
        assert!(stage.asked("tools/call").is_empty());
    }
}

#[tokio::test]
async fn lists_without_an_end_end() {
    let narrow = || Limits { tools: 10, pages: 5, listing: 4096, ..limits() };
    for act in [
        (|request: &Request| {
            let number = request.body["id"].to_string();
            request.answer(json!({"tools": [], "nextCursor": number}))
        }) as fn(&Request) -> Reply,
        |request| request.answer(json!({"tools": [], "nextCursor": "same"})),
        |request| request.answer(json!({"tools": vec![tool("a"); 11]})),
        |request| request.answer(json!({"tools": [], "noise": "x".repeat(5000)})),
        |request| request.answer(json!({"tools": "none"})),
    ] {
        let stage = Stage::start(move |request| match request.rpc() {
            "tools/list" => act(request),
            _ => modern(request).expect("an answer"),
        })
        .await;
        let failure = stage.connect_with(narrow()).tools().await.expect_err("no list");
        assert!(matches!(failure.kind, Kind::Refused(_) | Kind::TooLarge | Kind::NotSent), "{failure:?}");
    }
}

#[tokio::test]
async fn a_list_of_many_small_values_is_refused_however_few_bytes_it_has() {
    let stage = Stage::start(|request| match request.rpc() {
        "tools/list" => {
            let properties: serde_json::Map<_, _> = (0..60_000).map(|n| (format!("{n:x}"), json!({}))).collect();
            request.answer(json!({"tools": [{"name": "a", "inputSchema": {"properties": properties}}]}))
        }
        _ => modern(request).expect("an answer"),
    })
    .await;
    let failure = stage.connect().tools().await.expect_err("too many values");
    assert!(failure.message.contains("50000 values"), "{failure:?}");
}

#[tokio::test]
async fn a_request_that_is_too_large_is_not_sent() {
    let stage = Stage::start(|request| modern(request).unwrap_or_else(|| request.answer(done()))).await;
    let connection = stage.connect_with(Limits { request: 2000, ..limits() });
    let arguments = json!({"a": "x".repeat(3000)}).as_object().cloned().expect("an object");
    let failure = connection.call(Call::new("act", arguments, LONG)).await.expect_err("too large");
    assert!(matches!(failure.kind, Kind::Refused(None)), "{failure:?}");
    assert!(stage.asked("tools/call").is_empty());
}
