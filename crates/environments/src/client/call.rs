//! One request and its answer, over as many lines as that takes.

use super::{Open, Said, Shared, Waiting, heard, plain};
use crate::machine::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::time::Duration;
use tokio::sync::oneshot;
use wire::executor::{Failure, Id, MESSAGE_LIMIT, Message, code};

/// A request that lost so many lines is given up.
const LINES: usize = 8;

/// Whether a request is sent again, if its line is lost before its answer came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repeat {
    /// It changes nothing, or twice does what once does.
    Always,
    /// The session knows it by an id.
    SameSession,
    Never,
}

/// What the executor said.
pub(super) struct Answer {
    pub(super) result: Said,
    /// It may be the second to be asked.
    pub(super) repeated: bool,
}

impl Answer {
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Fault> {
        let value = self.result.map_err(fault)?;
        serde_json::from_str(value.get())
            .map_err(|error| Fault::Refused(plain(&format!("the executor's answer is unreadable: {error}"))))
    }
}

impl Shared {
    pub(super) async fn call(&self, method: &str, params: &impl Serialize, repeat: Repeat) -> Result<Answer, Fault> {
        let params = serde_json::to_value(params).map_err(|error| Fault::Refused(error.to_string()))?;
        let _place = self.places.acquire().await.map_err(|_| Fault::Disconnected)?;
        let mut sent_in = None;
        for _ in 0..LINES {
            let before = if sent_in.is_some() { Fault::Lost } else { Fault::Disconnected };
            let open = self.line().await.ok_or(before)?;
            match (sent_in, repeat) {
                (Some(_), Repeat::Never) => return Err(Fault::Lost),
                (Some(era), Repeat::SameSession) if era != open.era => return Err(Fault::Lost),
                _ => {}
            }
            let Some((id, answer)) = self.register(&open, heard::room(method)) else { continue };
            let message = Message::request(Id::Number(id), method, &params).text().into_bytes();
            if message.len() > MESSAGE_LIMIT {
                self.state().waiting.remove(&id);
                return Err(Fault::TooLarge("the request".to_owned()));
            }
            let repeated = sent_in.is_some();
            let exchange = async {
                open.outgoing.send(message).await.map_err(|_| false)?;
                answer.await.map_err(|_| true)
            };
            match self.within(self.settings.answer, exchange).await {
                Some(Ok(result)) => return Ok(Answer { result, repeated }),
                Some(Err(sent)) => sent_in = if sent { Some(open.era) } else { sent_in },
                None => {
                    self.state().waiting.remove(&id);
                    return Err(Fault::Lost);
                }
            }
        }
        Err(if sent_in.is_some() { Fault::Lost } else { Fault::Disconnected })
    }

    /// A line to use, within the time for which one is waited.
    async fn line(&self) -> Option<Open> {
        let mut changes = self.changes.subscribe();
        let found = async {
            loop {
                changes.borrow_and_update();
                let (open, abandoned) = {
                    let state = self.state();
                    (state.open.clone(), state.abandoned)
                };
                if open.is_some() || abandoned {
                    return open;
                }
                changes.changed().await.ok()?;
            }
        };
        self.within(self.settings.patience, found).await.flatten()
    }

    /// A number for a request, unless the line has gone.
    fn register(&self, open: &Open, room: usize) -> Option<(i64, oneshot::Receiver<Said>)> {
        let mut state = self.state();
        if state.open.as_ref().is_none_or(|now| now.line != open.line) {
            return None;
        }
        let id = state.next_request;
        state.next_request += 1;
        let (answer, receiver) = oneshot::channel();
        state.waiting.insert(id, Waiting { answer, room });
        Some((id, receiver))
    }

    pub(super) async fn within<T>(&self, time: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            value = future => Some(value),
            () = self.world.clock.sleep(time) => None,
        }
    }
}

/// In the words of a machine.
pub(super) fn fault(failure: Failure) -> Fault {
    let text = failure.message;
    match failure.code {
        code::NOT_FOUND => Fault::Missing(text),
        code::INVALID_REQUEST if text.contains("already exists") => Fault::Exists(text),
        _ if is_unknown_process(&text) => Fault::Missing(text),
        _ => Fault::Refused(text),
    }
}

fn is_unknown_process(text: &str) -> bool {
    text.starts_with("unknown process")
}
