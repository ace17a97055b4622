//! What can go wrong at any upstream, for both wires.

use crate::chat::chunks;
use crate::mock::{End, Mock, Reply};
use crate::responses::{completed, text_delta};
use crate::{KEY, ask, ask_raw, hello, providers, text, upstream_at};
use models::{Model, OpenaiChat, Secret, Upstream, upstream};
use serde_json::{Value, json};
use std::time::Duration;
use types::{ModelErrorKind as Kind, ModelEvent};

fn error(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "type": "t", "param": null}})
}

/// A good answer on each wire, in several chunks.
fn good(wire: &str) -> Reply {
    match wire {
        "chat" => {
            let delta = |text: &str| json!({"choices": [{"delta": {"content": text}}]});
            chunks(&[
                delta("one "),
                delta("two "),
                json!({"choices": [{"delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}}]}),
                json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}),
                json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
            ])
        }
        _ => Reply::events(&[
            text_delta("one "),
            text_delta("two "),
            json!({"type": "response.output_item.done", "item": {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}}),
            completed(Value::Null),
        ]),
    }
}

#[tokio::test]
async fn every_status_has_its_kind() {
    let cases = [
        (400, "", "bad", Kind::Invalid),
        (400, "context_length_exceeded", "too long", Kind::ContextLength),
        (400, "content_policy_violation", "no", Kind::Policy),
        (401, "invalid_api_key", "wrong key", Kind::Authentication),
        (403, "", "not you", Kind::Authentication),
        (404, "model_not_found", "no such model", Kind::NotFound),
        (408, "", "", Kind::Timeout),
        (409, "", "", Kind::Upstream),
        (413, "", "", Kind::Invalid),
        (422, "", "", Kind::Invalid),
        (429, "rate_limit_exceeded", "slow down", Kind::RateLimited),
        (429, "insufficient_quota", "pay", Kind::Quota),
        (500, "", "", Kind::Upstream),
        (502, "", "", Kind::Upstream),
        (503, "", "", Kind::Overloaded),
        (529, "", "", Kind::Overloaded),
    ];
    let mock = Mock::start(good("chat")).await;
    let mut asked = 0;
    for (wire, model) in providers(&mock.base_url) {
        for (status, code, message, kind) in &cases {
            mock.reply(Reply::json(*status, &error(code, message)));
            let (events, end) = ask(&*model, &hello()).await;
            let end = end.unwrap_err();
            assert_eq!((events, end.kind), (vec![], *kind), "{wire} {status} {code}");
            assert!(end.message.contains(&status.to_string()), "{}", end.message);
            asked += 1;
            assert_eq!(mock.asked().len(), asked, "a provider never asks twice");
        }
    }
}

#[tokio::test]
async fn retry_after_is_passed_on() {
    let mock = Mock::start(good("chat")).await;
    let model = OpenaiChat::new(upstream_at(&mock.base_url));
    let seconds = Reply::json(429, &error("", "")).header("retry-after", "7");
    let date = Reply::json(503, &error("", ""))
        .header("date", "Sun, 06 Nov 1994 08:49:37 GMT")
        .header("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT");
    let milliseconds = Reply::json(429, &error("", "")).header("retry-after-ms", "1500").header("retry-after", "2");
    for (reply, expected) in [(seconds, 7_000), (date, 60_000), (milliseconds, 1_500)] {
        mock.reply(reply);
        let end = ask(&model, &hello()).await.1.unwrap_err();
        assert_eq!(end.retry_after, Some(Duration::from_millis(expected)));
    }
}

#[tokio::test]
async fn messages_hold_no_key_and_no_address() {
    let mock = Mock::start(good("chat")).await;
    let host = mock.base_url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
    let leak = format!("key {KEY} was refused by {host}");
    let within = json!({"error": {"message": leak}});
    for (wire, model) in providers(&mock.base_url) {
        for reply in [
            Reply::json(400, &error("", &leak)),
            Reply::events(std::slice::from_ref(&within)),
            Reply::json(200, &within),
        ] {
            mock.reply(reply);
            let message = ask(&*model, &hello()).await.1.unwrap_err().message;
            assert!(message.ends_with("key [key] was refused by [upstream]"), "{wire}: {message}");
        }
    }
    let nobody = format!("http://{}/v1", closed_port().await);
    for (wire, model) in providers(&nobody) {
        let end = ask(&*model, &hello()).await.1.unwrap_err();
        assert_eq!((end.kind, end.message.as_str()), (Kind::Connect, "the upstream refused the connection"), "{wire}");
    }
    let settings = upstream::Settings {
        base_url: "http://x/".into(),
        api_key: Some(Secret::new(KEY)),
        connect_timeout: Duration::from_secs(1),
    };
    assert!(!format!("{settings:?}").contains(KEY));
}

/// An address at which nobody listens.
async fn closed_port() -> std::net::SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_torn_wherever_it_breaks() {
    let mock = Mock::start(good("chat")).await;
    for (wire, model) in providers(&mock.base_url) {
        let whole = good(wire);
        let ends = [End::Clean, End::Cut];
        for (end, kept) in ends.iter().flat_map(|end| (0..whole.chunks.len()).map(move |kept| (*end, kept))) {
            let mut reply = whole.clone().end(end);
            reply.chunks.truncate(kept);
            mock.reply(reply);
            let result = ask(&*model, &hello()).await.1;
            assert_eq!(result.map_err(|error| error.kind), Err(Kind::Torn), "{wire}, {end:?} after {kept} chunks");
        }
        // In the middle of an event.
        let mut reply = whole.clone();
        let last = reply.chunks.pop().unwrap();
        reply.chunks.push(last[..last.len() / 2].to_vec());
        mock.reply(reply);
        assert_eq!(
            ask(&*model, &hello()).await.1.map_err(|error| error.kind),
            Err(Kind::Torn),
            "{wire}, half an event"
        );
        mock.reply(whole);
        let (events, end) = ask(&*model, &hello()).await;
        assert!(end.is_ok(), "{wire}: the same answer, whole");
        assert_eq!(text(&events), "one two ");
    }
}

#[tokio::test]
async fn what_cannot_be_understood() {
    let mock = Mock::start(good("chat")).await;
    let html = Reply { headers: vec![("content-type", "text/html".into())], ..Reply::stream(&["<html>"]) };
    let garbage = Reply { headers: vec![("content-type", "application/json".into())], ..Reply::stream(&["{nope"]) };
    let deep = format!("data: {}\n\n", "[".repeat(100_000));
    let cases = [
        ("garbage in the stream", Reply::stream(&["data: {nope\n\n"])),
        ("invalid UTF-8", Reply::stream(&[b"data: \"\xff\xfe\"\n\n"])),
        ("too deep", Reply::stream(&[deep])),
        ("a page", html),
        ("garbage in one piece", garbage),
    ];
    for (wire, model) in providers(&mock.base_url) {
        for (name, reply) in &cases {
            mock.reply(reply.clone());
            let result = ask(&*model, &hello()).await.1;
            assert_eq!(result.map_err(|error| error.kind), Err(Kind::Protocol), "{wire}: {name}");
        }
        for odd in [json!(null), json!(7), json!([]), json!({"choices": 3, "output": {}, "type": ["x"]})] {
            mock.reply(Reply::json(200, &odd));
            assert!(ask(&*model, &hello()).await.1.is_err(), "{wire}: {odd} in one piece");
            mock.reply(Reply::events(std::slice::from_ref(&odd)));
            assert!(ask(&*model, &hello()).await.1.is_err(), "{wire}: {odd} in the stream");
        }
    }
}

#[tokio::test]
async fn an_answer_is_bounded() {
    let mock = Mock::start(good("chat")).await;
    let block = vec![b'x'; 1 << 20];
    let event = [b"data: ".as_slice(), &vec![block.clone(); 17].concat()].concat();
    let comment = [b": ".as_slice(), &block, b"\n"].concat();
    for (wire, model) in providers(&mock.base_url) {
        for reply in [Reply::stream(&[&event]), Reply::stream(&vec![&comment; 66])] {
            mock.reply(reply.end(End::Hang));
            let result = ask(&*model, &hello()).await.1;
            assert_eq!(result.map_err(|error| error.kind), Err(Kind::Protocol), "{wire}");
        }
        mock.reply(Reply { status: 500, ..Reply::stream(&[&block]).end(End::Hang) });
        let result = ask(&*model, &hello()).await.1;
        assert_eq!(result.map_err(|error| error.kind), Err(Kind::Upstream), "{wire}: an endless error");
    }
}

#[tokio::test]
async fn every_chunk_is_a_sign_of_life() {
    let mock = Mock::start(Reply::stream(&[": wait\n\n", ": wait\n\n"])).await;
    for (wire, model) in providers(&mock.base_url) {
        let (events, _) = ask_raw(&*model, &hello()).await;
        assert!(events.len() >= 2 && events.iter().all(|event| *event == ModelEvent::Alive), "{wire}: {events:?}");
    }
}

#[tokio::test]
async fn a_dropped_call_closes_its_connection() {
    let mock = Mock::start(good("chat")).await;
    for (wire, model) in providers(&mock.base_url) {
        let mut reply = good(wire).end(End::Hang);
        reply.chunks.truncate(1);
        mock.reply(reply);
        let gone = mock.gone();
        let (heard, hears) = tokio::sync::oneshot::channel();
        let mut heard = Some(heard);
        let mut sink = |event| {
            if matches!(event, ModelEvent::Text { .. })
                && let Some(heard) = heard.take()
            {
                heard.send(()).unwrap();
            }
        };
        let request = hello();
        tokio::select! {
            biased;
            result = model.call(&request, &mut sink) => panic!("{wire}: it cannot end: {result:?}"),
            heard = hears => heard.unwrap(),
        }
        gone.await.unwrap();
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let mock = Mock::start(good("chat")).await;
    let elsewhere = Mock::start(good("chat")).await;
    for (wire, model) in providers(&mock.base_url) {
        mock.reply(Reply { status: 307, ..Reply::stream(&[""]) }.header("location", elsewhere.base_url.clone()));
        assert_eq!(ask(&*model, &hello()).await.1.map_err(|error| error.kind), Err(Kind::Invalid), "{wire}");
    }
    assert_eq!(elsewhere.asked().len(), 0, "the key would have gone with it");
}

#[tokio::test]
async fn a_query_of_the_base_is_kept_and_no_key_is_no_header() {
    let mock = Mock::start(good("chat")).await;
    let settings = upstream::Settings {
        base_url: format!("{}?api-version=3", mock.base_url.trim_end_matches('/')),
        api_key: None,
        connect_timeout: Duration::from_secs(5),
    };
    ask(&OpenaiChat::new(Upstream::new(settings).unwrap()) as &dyn Model, &hello()).await.1.unwrap();
    let asked = mock.asked();
    assert_eq!(asked[0].path, "/v1/chat/completions?api-version=3");
    assert!(!asked[0].headers.contains_key("authorization"));
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |base_url: &str, key: &str| {
        let settings = upstream::Settings {
            base_url: base_url.into(),
            api_key: Some(Secret::new(key)),
            connect_timeout: Duration::from_secs(1),
        };
        Upstream::new(settings).err().map(|error| error.to_string()).unwrap_or_default()
    };
    assert!(refused("not a url", "k").starts_with("base_url is not a URL"));
    assert!(refused("ftp://x/", "k").contains("http://"));
    assert!(refused("http://user:secret@x/", "k").contains("api_key_env"));
    assert!(refused("http://x/", "line\nbreak").contains("header"));
    assert_eq!(refused("http://x/", "k"), "");
}
