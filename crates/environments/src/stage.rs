//! The world of unit tests: a clock that a test moves, and an executor that says what a test lets it say.

use crate::client::World;
use crate::line::Line;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use types::{BoxFuture, Clock, Entropy, Spawn, Task, Timestamp};
use wire::executor::{Failure, Id, Message};

#[derive(Default)]
pub struct HandClock {
    now: watch::Sender<Duration>,
}

impl HandClock {
    /// Lets time pass until the future is done.
    pub async fn pass<T>(&self, future: impl Future<Output = T>) -> T {
        let passing = async {
            loop {
                self.now.send_modify(|now| *now += Duration::from_millis(50));
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
        };
        tokio::select! {
            biased;
            value = future => value,
            () = passing => unreachable!("time does not end"),
        }
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn monotonic(&self) -> Duration {
        *self.now.borrow()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut now = self.now.subscribe();
        let end = *now.borrow() + duration;
        Box::pin(async move {
            if now.wait_for(|now| *now >= end).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

/// Counts, so that no two draws are alike.
#[derive(Default)]
struct Counter(std::sync::atomic::AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        for byte in bytes {
            let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            *byte = (count ^ count >> 8) as u8;
        }
    }
}

struct Tasks;

impl Spawn for Tasks {
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    fn spawn(&self, _: &'static str, task: Task) {
        tokio::spawn(task);
    }
}

pub fn world() -> (World, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    (World { clock: clock.clone(), entropy: Arc::new(Counter::default()), spawn: Arc::new(Tasks) }, clock)
}

/// The executor's end of a line.
pub struct Puppet {
    pub line: Line,
}

impl Puppet {
    /// The next request, which has to be of this method. Whether it is there may be asked at any time.
    pub async fn asked(&mut self, method: &str) -> (Id, Value) {
        loop {
            match self.message().await {
                Some(Message::Request(request)) if request.method == method => return (request.id, request.params),
                Some(Message::Request(request)) if request.method == "environment/status" => {}
                other => panic!("not {method}: {other:?}"),
            }
        }
    }

    pub async fn message(&mut self) -> Option<Message> {
        let bytes = self.line.incoming.recv().await?;
        Some(Message::read(&bytes).expect("a message"))
    }

    pub async fn say(&self, message: Message) {
        let _ = self.line.outgoing.send(message.text().into_bytes()).await;
    }

    pub async fn answer(&self, id: Id, result: Value) {
        self.say(Message::response(id, &result)).await;
    }

    pub async fn fail(&self, id: Id, code: i64, text: &str) {
        self.say(Message::failed(id, Failure::new(code, text))).await;
    }

    pub async fn notify(&self, method: &str, params: Value) {
        self.say(Message::notification(method, &params)).await;
    }

    /// A greeting that ends in this session; gives the session that was asked for.
    pub async fn greet(&mut self, session: &str) -> Value {
        let (id, params) = self.asked("initialize").await;
        self.answer(id, json!({ "sessionId": session })).await;
        self.begun().await;
        params["resumeSessionId"].clone()
    }

    pub async fn begun(&mut self) {
        match self.message().await {
            Some(Message::Notification(said)) if said.method == "initialized" => {}
            other => panic!("not initialized: {other:?}"),
        }
    }

    /// The line is given up from the other side.
    pub async fn hangs_up(&mut self) {
        while let Some(message) = self.message().await {
            let Message::Request(request) = message else { continue };
            assert_eq!(request.method, "environment/status");
        }
    }
}
