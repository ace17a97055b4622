//! The whole executor over a transport in memory.

use crate::{Executor, Machine, Transport, transport::Carrier};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use wire::executor::{Message, Notification};

mod connections;
mod files;
mod inherited;
mod processes;
mod way_in;

const LONG: Duration = Duration::from_secs(3600);

fn executor(kept_detached: Duration) -> Arc<Executor> {
    let variables =
        [("PATH", "/usr/bin:/bin"), ("HOME", "/root"), ("SHELL", "/bin/sh"), ("A_TOKEN", "t"), ("OTHER", "o")];
    let variables = variables.map(|(name, value)| (name.into(), value.into())).to_vec();
    Executor::new(Machine { version: "1.2.3".into(), cwd: "/tmp".into(), variables }, kept_detached)
}

/// A client of one connection. Answers and notifications are kept apart, in the order in which they came.
struct Client {
    carrier: Carrier,
    notifications: Vec<Notification>,
    asked: i64,
}

impl Client {
    /// Connected, and nothing said yet.
    fn raw(executor: &Arc<Executor>) -> Self {
        let (transport, carrier) = Transport::pair();
        let executor = Arc::clone(executor);
        crate::world::spawn(async move { executor.serve(transport).await });
        Self { carrier, notifications: Vec::new(), asked: 0 }
    }

    async fn connect(executor: &Arc<Executor>) -> (Self, String) {
        let mut client = Self::raw(executor);
        let answer = client.ask("initialize", json!({"clientName": "test"})).await.unwrap();
        client.send(r#"{"method":"initialized"}"#).await;
        (client, answer["sessionId"].as_str().unwrap().to_owned())
    }

    async fn resume(executor: &Arc<Executor>, session: &str) -> Result<Self, (i64, String)> {
        let mut client = Self::raw(executor);
        let params = json!({"clientName": "test", "resumeSessionId": session});
        let answer = client.ask("initialize", params).await?;
        assert_eq!(answer["sessionId"], session);
        client.send(r#"{"method":"initialized","params":{}}"#).await;
        Ok(client)
    }

    async fn send(&mut self, text: &str) {
        self.carrier.inbox.push(Ok(text.into())).await.unwrap();
    }

    /// The next message; `None` when the connection was closed.
    async fn next(&mut self) -> Option<Message> {
        Some(Message::read(self.carrier.outbox.recv().await?.as_bytes()).unwrap())
    }

    async fn ask(&mut self, method: &str, params: Value) -> Result<Value, (i64, String)> {
        self.asked += 1;
        let id = wire::executor::Id::Number(self.asked);
        self.send(&Message::request(id.clone(), method, &params).text()).await;
        loop {
            match self.next().await.expect("the connection was closed") {
                Message::Notification(notification) => self.notifications.push(notification),
                Message::Response { id: answered, result } if answered == id => return Ok(result),
                Message::Failed { id: answered, error } if answered == id => return Err((error.code, error.message)),
                other => panic!("not asked for: {other:?}"),
            }
        }
    }

    /// Takes what was said of a process, until it is closed: its events without their process.
    async fn until_closed(&mut self, process: &str) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        loop {
            let notification = if self.notifications.is_empty() {
                match self.next().await.expect("the connection was closed") {
                    Message::Notification(notification) => notification,
                    other => panic!("not asked for: {other:?}"),
                }
            } else {
                self.notifications.remove(0)
            };
            if notification.params["processId"] == process {
                let closed = notification.method == "process/closed";
                events.push((notification.method, notification.params));
                if closed {
                    return events;
                }
            }
        }
    }

    async fn start(&mut self, id: &str, script: &str) -> Result<Value, (i64, String)> {
        self.ask("process/start", shell(id, script)).await
    }
}

fn shell(id: &str, script: &str) -> Value {
    json!({"processId": id, "argv": ["/bin/sh", "-c", script], "cwd": "file:///tmp", "env": {"PATH": "/usr/bin:/bin"},
        "tty": false, "arg0": null})
}

fn decoded(chunk: &Value) -> Vec<u8> {
    serde_json::from_value::<wire::executor::Base64>(chunk.clone()).unwrap().0
}

fn encoded(bytes: impl AsRef<[u8]>) -> Value {
    serde_json::to_value(wire::executor::Base64(bytes.as_ref().to_vec())).unwrap()
}

/// All output of a stream, of a list of events.
fn said(events: &[(String, Value)], stream: &str) -> String {
    let of_stream = events.iter().filter(|(_, params)| params["stream"] == stream);
    String::from_utf8(of_stream.flat_map(|(_, params)| decoded(&params["chunk"])).collect()).unwrap()
}

fn exit_code(events: &[(String, Value)]) -> i64 {
    let (_, exited) = events.iter().find(|(method, _)| method == "process/exited").unwrap();
    exited["exitCode"].as_i64().unwrap()
}
