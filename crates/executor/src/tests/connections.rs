//! Connections: the handshake, broken messages, order, and sessions that outlive them.

use super::*;
use wire::executor::{Failure, Id};

#[tokio::test]
async fn the_handshake_comes_first_and_once() {
    let executor = executor(LONG);
    let mut client = Client::raw(&executor);
    let early = client.ask("process/terminate", json!({"processId": "p"})).await.unwrap_err();
    assert_eq!(early, (-32600, "client must call initialize before using exec methods".into()));
    let answer = client.ask("initialize", json!({"clientName": "test"})).await.unwrap();
    assert_eq!(answer["sessionId"].as_str().unwrap().len(), 36);
    let info = &answer["environmentInfo"];
    assert_eq!((&info["cwd"], &info["userHomeDir"]), (&json!("file:///tmp"), &json!("file:///root")));
    assert_eq!(info["shell"], json!({"name": "sh", "path": "/bin/sh"}));
    let early = client.ask("fs/readFile", json!({"path": "file:///"})).await.unwrap_err();
    assert_eq!(early, (-32600, "client must send initialized before using filesystem methods".into()));
    client.send(r#"{"method":"initialized"}"#).await;
    assert_eq!(client.ask("environment/status", Value::Null).await.unwrap(), json!({"status": "ready"}));
    assert_eq!(client.ask("environment/info", json!({})).await.unwrap(), *info);
    let again = client.ask("initialize", json!({"clientName": "test"})).await.unwrap_err();
    assert_eq!(again, (-32600, "initialize may only be sent once per connection".into()));
    assert_eq!(Client::raw(&executor).ask("initialize", json!({})).await.unwrap_err().1, "missing field `clientName`");
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_what_is_unknown_too() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    for broken in ["nonsense", "{}", "[1]", r#"{"id":1}"#] {
        client.send(broken).await;
        let Some(Message::Failed { id: Id::NONE, error: Failure { code: -32600, .. } }) = client.next().await else {
            panic!("{broken}");
        };
    }
    client.carrier.inbox.push(Ok(b"{\"method\":\"\xff\"}".to_vec())).await.unwrap();
    assert!(matches!(client.next().await, Some(Message::Failed { id: Id::NONE, .. })));
    client.carrier.inbox.push(Err("too long".into())).await.unwrap();
    assert!(matches!(client.next().await, Some(Message::Failed { id: Id::NONE, .. })));
    client.send(r#"{"id":"a","method":"x/y","params":[]}"#).await;
    let Some(Message::Failed { id: Id::Text(id), error }) = client.next().await else { panic!() };
    assert_eq!((id.as_str(), error.code), ("a", -32601));
    assert_eq!(error.message, "exec-server stub does not implement `x/y` yet");
    client.send(r#"{"id":1,"result":{}}"#).await;
    client.ask("environment/status", json!({})).await.unwrap();
    client.send(r#"{"method":"foo/bar"}"#).await;
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn requests_are_answered_in_their_order_while_notifications_pass() {
    let executor = executor(LONG);
    let (mut client, _) = Client::connect(&executor).await;
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    client
        .start("p", &format!("echo first; until test -e {}; do sleep 0.01; done; echo last", gate.display()))
        .await
        .unwrap();
    let mut params = json!({"processId": "p", "afterSeq": null, "maxBytes": 100, "waitMs": 60000});
    let first = client.ask("process/read", params.clone()).await.unwrap();
    params["afterSeq"] = first["chunks"][0]["seq"].clone();
    client.notifications.clear();
    client.send(&Message::request(Id::Number(100), "process/read", &params).text()).await;
    client.send(r#"{"id":101,"method":"environment/status"}"#).await;
    std::fs::write(&gate, "").unwrap();
    let mut order = Vec::new();
    while order.len() < 2 {
        if let Some(Message::Response { id, result }) = client.next().await {
            order.push((id, result));
        }
    }
    assert_eq!((&order[0].0, &order[1].0), (&Id::Number(100), &Id::Number(101)));
    assert_eq!(decoded(&order[0].1["chunks"][0]["chunk"]), b"last\n");
}

#[tokio::test]
async fn a_session_outlives_its_connection() {
    let executor = executor(LONG);
    let (mut client, session) = Client::connect(&executor).await;
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let script = format!("echo before; until test -e {}; do sleep 0.01; done; echo after; exit 4", gate.display());
    client.start("p", &script).await.unwrap();
    let taken = Client::resume(&executor, &session).await.err().unwrap();
    assert_eq!(taken, (-32010, format!("session {session} is already attached to another connection")));
    drop(client);
    std::fs::write(&gate, "").unwrap();
    // The end of the first connection is seen in its own time.
    let mut client = loop {
        match Client::resume(&executor, &session).await {
            Ok(client) => break client,
            Err((code, _)) => assert_eq!(code, -32010),
        }
    };
    let mut heard = Vec::new();
    let mut after = 0;
    loop {
        let read = json!({"processId": "p", "afterSeq": after, "maxBytes": 1000, "waitMs": 60000});
        let read = client.ask("process/read", read).await.unwrap();
        for chunk in read["chunks"].as_array().unwrap() {
            heard.extend(decoded(&chunk["chunk"]));
            after = chunk["seq"].as_u64().unwrap();
        }
        if read["closed"] == true {
            assert_eq!(read["exitCode"], 4);
            break;
        }
    }
    assert_eq!(String::from_utf8(heard).unwrap(), "before\nafter\n");
    let nobody = Client::resume(&executor, "no-such").await.err().unwrap();
    assert_eq!(nobody, (-32600, "unknown session id no-such".into()));
}

#[tokio::test]
async fn a_session_that_nobody_comes_back_to_is_ended_with_its_processes() {
    let executor = executor(Duration::ZERO);
    let (mut client, session) = Client::connect(&executor).await;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    client.start("p", &format!("exec sleep 600 > {}", pipe.display())).await.unwrap();
    let end = crate::world::blocking(move || {
        // The pipe ends when nobody holds it any more, and not before.
        Ok(std::fs::read(pipe).unwrap())
    });
    drop(client);
    assert_eq!(end.await.unwrap(), b"");
    loop {
        match Client::resume(&executor, &session).await {
            Err((-32600, _)) => break,
            Err((code, _)) => assert_eq!(code, -32010),
            Ok(_) => {}
        }
    }
}
