//! The socket that was handed in: what its giver connects to, whatever becomes of the connection.

use super::*;
use crate::transport::websocket::Listener;
use futures_util::{SinkExt as _, StreamExt as _};
use std::os::fd::OwnedFd;
use std::os::unix::net as blocking;
use std::path::Path;
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;

type Socket = WebSocketStream<UnixStream>;

/// Connects before anybody accepts, as a server does that has just started its sandbox.
async fn connect(path: &Path) -> Socket {
    let stream = UnixStream::connect(path).await.unwrap();
    tokio_tungstenite::client_async("ws://executor/", stream).await.unwrap().0
}

async fn ask(socket: &mut Socket, message: Value) -> Value {
    socket.send(Frame::text(message.to_string())).await.unwrap();
    loop {
        let frame = socket.next().await.unwrap().unwrap();
        let answer: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        if answer.get("id") == message.get("id") {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_was_handed_in_is_served_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("executor.sock");
    let listener = Listener::inherited(OwnedFd::from(blocking::UnixListener::bind(&path).unwrap())).unwrap();
    assert_eq!(listener.url(), None);
    let serving = crate::world::spawn(listener.serve(executor(LONG)));
    let mut first = connect(&path).await;
    let begun = ask(&mut first, json!({"id": 1, "method": "initialize", "params": {"clientName": "test"}})).await;
    let session = begun["result"]["sessionId"].as_str().unwrap().to_owned();
    first.send(Frame::text(r#"{"method":"initialized"}"#)).await.unwrap();
    let started =
        ask(&mut first, json!({"id": 2, "method": "process/start", "params": shell("p", "echo of the first")}));
    assert_eq!(started.await["result"]["processId"], "p");
    drop(first);
    // The next finds what the one before began; the old connection may still be ending.
    let resume = json!({"id": 1, "method": "initialize", "params": {"clientName": "test", "resumeSessionId": session}});
    let mut tries = 0;
    let mut second = loop {
        tries += 1;
        assert!(tries < 10_000, "the old connection does not end");
        let mut socket = connect(&path).await;
        let answer = ask(&mut socket, resume.clone()).await;
        match answer["error"]["code"].as_i64() {
            None => break socket,
            Some(code) => assert_eq!(code, -32010, "{answer}"),
        }
    };
    second.send(Frame::text(r#"{"method":"initialized"}"#)).await.unwrap();
    let read = json!({"processId": "p", "afterSeq": null, "maxBytes": null, "waitMs": 60_000});
    let answer = ask(&mut second, json!({"id": 2, "method": "process/read", "params": read})).await;
    assert_eq!(decoded(&answer["result"]["chunks"][0]["chunk"]), b"of the first\n", "{answer}");
    serving.abort();
}

#[tokio::test]
async fn what_nobody_listens_on_is_refused() {
    let (connected, _other) = blocking::UnixStream::pair().unwrap();
    let others: [OwnedFd; 4] = [
        std::fs::File::open("/dev/null").unwrap().into(),
        connected.into(),
        blocking::UnixDatagram::unbound().unwrap().into(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
    ];
    for other in others {
        assert!(Listener::inherited(other).is_err());
    }
}
