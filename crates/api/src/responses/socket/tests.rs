//! A connection over channels, in place of a socket: what is said in what order, and what ends it.

use super::Client;
use super::connection::serve;
use crate::stage::Server;
use axum::extract::ws::Message;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;

/// The server's end.
struct Wire {
    said: Pin<Box<dyn Sink<Message, Error = axum::Error> + Send>>,
    heard: Pin<Box<dyn Stream<Item = Message> + Send>>,
}

/// The client's end.
struct Peer {
    say: mpsc::UnboundedSender<Message>,
    hear: mpsc::Receiver<Message>,
}

fn pair() -> (Wire, Peer) {
    let ((say, heard), (said, hear)) = (mpsc::unbounded_channel(), mpsc::channel(1));
    let said = futures_util::sink::unfold(said, async |said: mpsc::Sender<Message>, message| {
        said.send(message).await.map_err(axum::Error::new)?;
        Ok(said)
    });
    let heard = futures_util::stream::unfold(heard, async |mut heard: mpsc::UnboundedReceiver<Message>| {
        let message = heard.recv().await?;
        Some((message, heard))
    });
    (Wire { said: Box::pin(said), heard: Box::pin(heard) }, Peer { say, hear })
}

impl Stream for Wire {
    type Item = Result<Message, axum::Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.heard.poll_next_unpin(context).map(|message| message.map(Ok))
    }
}

impl Sink<Message> for Wire {
    type Error = axum::Error;

    fn poll_ready(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.said.poll_ready_unpin(context)
    }
    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), axum::Error> {
        self.said.start_send_unpin(message)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.said.poll_flush_unpin(context)
    }
    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<(), axum::Error>> {
        self.said.poll_close_unpin(context)
    }
}

impl Peer {
    fn say(&self, frame: &Value) {
        self.say.send(Message::Text(frame.to_string().into())).unwrap();
    }

    /// The next frame that is no ping; None where the server has said farewell.
    async fn hear(&mut self) -> Option<Value> {
        loop {
            match self.hear.recv().await? {
                Message::Text(text) => return serde_json::from_str(&text).ok(),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    async fn code(&mut self) -> String {
        self.hear().await.unwrap()["error"]["code"].as_str().unwrap().to_owned()
    }
}

fn client(server: &Server) -> Client {
    let (door, secret) = server.door();
    Client { door, project: types::ProjectId::new("default"), secret: secret.into() }
}

/// Runs a client's part against a connection; true if the server ended it by itself.
fn meet<T>(server: &Server, part: impl AsyncFnOnce(&mut Peer) -> T) -> T {
    let (wire, mut peer) = pair();
    let client = client(server);
    server.run(async {
        let serving = serve(client, wire);
        let playing = async {
            let done = part(&mut peer).await;
            drop(peer);
            done
        };
        let ((), done) = futures_util::future::join(serving, playing).await;
        done
    })
}

#[test]
fn what_is_wrong_is_told_on_its_lane_and_the_connection_goes_on() {
    let server = Server::new(1);
    meet(&server, async |peer| {
        for (text, code, param) in [
            ("nothing", "invalid_request_error", Value::Null),
            ("[1]", "invalid_request_error", Value::Null),
            ("{}", "invalid_request_error", json!("type")),
            (r#"{"type":"response.cancel"}"#, "invalid_request_error", json!("type")),
            (r#"{"type":"response.create","stream_id":"ü"}"#, "invalid_stream_id", json!("stream_id")),
            (r#"{"type":"response.create","stream_id":""}"#, "invalid_stream_id", json!("stream_id")),
            (r#"{"type":"response.steer"}"#, "invalid_request_error", json!("previous_response_id")),
        ] {
            peer.say.send(Message::Text(text.into())).unwrap();
            let frame = peer.hear().await.unwrap();
            assert_eq!((&frame["type"], &frame["status"]), (&json!("error"), &json!(400)), "{text}");
            assert_eq!((&frame["error"]["code"], &frame["error"]["param"]), (&json!(code), &param), "{text}");
            assert_eq!(frame.get("stream_id"), None, "{text}");
        }
        for (key, value) in [("stream", false), ("stream_options", true), ("background", true)] {
            peer.say(&json!({ "type": "response.create", "stream_id": "a.b", "model": "m", "input": "x", key: value }));
            let frame = peer.hear().await.unwrap();
            assert_eq!((&frame["error"]["param"], &frame["stream_id"]), (&json!(key), &json!("a.b")));
        }
        peer.say.send(Message::Binary(vec![0, 1].into())).unwrap();
        assert_eq!(peer.code().await, "invalid_request_error");
    });
}

#[test]
fn a_connection_has_thirty_two_names() {
    let server = Server::new(2);
    meet(&server, async |peer| {
        for number in 0..32 {
            peer.say(&json!({ "type": "response.create", "stream_id": format!("s{number}") }));
            assert_eq!(peer.code().await, "invalid_request_error");
        }
        peer.say(&json!({ "type": "response.create", "stream_id": "s32" }));
        assert_eq!(peer.code().await, "websocket_stream_limit_reached");
        peer.say(&json!({ "type": "response.create", "stream_id": "s31" }));
        assert_eq!(peer.code().await, "invalid_request_error");
    });
}

#[test]
fn a_warm_up_is_there_to_be_continued_and_asks_nobody() {
    let server = Server::new(3);
    meet(&server, async |peer| {
        let warm = json!({ "type": "response.create", "model": "m", "input": "x", "generate": false, "store": false });
        peer.say(&warm);
        let mut seen = Vec::new();
        let last = loop {
            let event = peer.hear().await.unwrap();
            seen.push(event["type"].as_str().unwrap().to_owned());
            if seen.last().is_some_and(|name| name == "response.completed") {
                break event;
            }
        };
        assert_eq!(seen, ["response.created", "response.in_progress", "response.completed"]);
        assert_eq!(last["response"]["output"], json!([]));
        // What it made can be steered no more, is known here, and can be gone on from.
        let id = &last["response"]["id"];
        peer.say(&json!({ "type": "response.steer", "previous_response_id": id, "input": "y" }));
        let failed = peer.hear().await.unwrap();
        assert_eq!(failed["type"], "response.steer.failed");
        assert_eq!(failed["error"]["code"], "response_already_completed");
        assert_eq!(failed["steer"], json!({ "previous_response_id": id, "input": "y" }));
        let next = json!({ "type": "response.create", "model": "m", "input": "z", "generate": false, "store": false,
            "previous_response_id": id });
        peer.say(&next);
        let created = peer.hear().await.unwrap();
        assert_eq!(created["response"]["previous_response_id"], *id);
    });
}

#[test]
fn a_refused_continuation_takes_its_parent_with_it_on_its_own_lane_only() {
    let server = Server::new(4);
    meet(&server, async |peer| {
        let warm = json!({ "type": "response.create", "model": "m", "input": "x", "generate": false, "store": false,
            "stream_id": "one" });
        peer.say(&warm);
        let id = loop {
            let event = peer.hear().await.unwrap();
            assert_eq!(event["stream_id"], "one");
            if event["type"] == "response.completed" {
                break event["response"]["id"].clone();
            }
        };
        let wrong = |lane: &str| {
            json!({ "type": "response.create", "model": "m", "store": false, "stream_id": lane,
                "previous_response_id": id,
                "input": [{ "type": "function_call_output", "call_id": "call_x", "output": "?" }] })
        };
        let mut codes = Vec::new();
        for lane in ["two", "one", "one"] {
            peer.say(&wrong(lane));
            codes.push(peer.code().await);
        }
        assert_eq!(codes, ["invalid_request_error", "invalid_request_error", "previous_response_not_found"]);
    });
}

#[test]
fn a_connection_lives_for_an_hour() {
    let server = Server::new(5);
    let began = server.run(async { server.door().0.clock.monotonic() });
    meet(&server, async |peer| {
        assert_eq!(peer.code().await, "websocket_connection_limit_reached");
        assert_eq!(peer.hear().await, None);
    });
    let ended = server.run(async { server.door().0.clock.monotonic() });
    assert!(ended - began >= Duration::from_secs(3600));
}
