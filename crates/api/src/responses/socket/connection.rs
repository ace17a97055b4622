//! The socket of one connection. What is heard is taken while there is room for what it may make us say; what is to be
//! said is written before anything more is pulled out of a session, so that a slow reader costs one piece of memory.

use super::Client;
use super::desk::{Desk, Farewell, Step};
use crate::failure::Failure;
use axum::extract::ws::{CloseFrame, Message};
use futures_util::future::{Either, select};
use futures_util::stream::{SplitSink, SplitStream, Stream};
use futures_util::{Sink, SinkExt, StreamExt};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tungstenite::error::{CapacityError, Error as Broken, ProtocolError};
use types::{BoxFuture, Clock};

/// The longest life of a connection.
const LIFE: Duration = Duration::from_secs(60 * 60);
/// The longest silence of ours; then the key is looked at, too.
const KEEPALIVE: Duration = Duration::from_secs(30);
/// Frames that may wait to be said before nothing more is heard.
const UNSAID: usize = 64;
/// How long the other side may take to say farewell.
const LINGER: Duration = Duration::from_secs(5);
/// How long the word that it said something wrong has to reach a side that goes on sending.
const ECHO: Duration = Duration::from_secs(1);

/// What frames go through: a WebSocket, or a pair of channels in tests.
pub trait Socket:
    Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin + Send + 'static
{
}

impl<S> Socket for S where
    S: Stream<Item = Result<Message, axum::Error>> + Sink<Message, Error = axum::Error> + Unpin + Send + 'static
{
}

/// The half that says.
enum Mouth<S> {
    Free(SplitSink<S, Message>),
    Speaking(BoxFuture<'static, Result<SplitSink<S, Message>, axum::Error>>),
    Gone,
}

enum Happening {
    Heard(Option<Result<Message, axum::Error>>),
    Step(Box<Step>),
    /// Whether what was said has arrived at the kernel.
    Said(bool),
    Draining,
    Silent,
    Aged,
}

/// Why a connection ended.
enum End {
    Gone,
    /// They said farewell.
    Theirs,
    Ours(Farewell),
    /// What they sent cannot be read on.
    Broken(Farewell),
}

struct Connection<S> {
    desk: Desk,
    ear: SplitStream<S>,
    mouth: Mouth<S>,
    clock: Arc<dyn Clock>,
    /// None once it has come.
    draining: Option<BoxFuture<'static, ()>>,
    silence: BoxFuture<'static, ()>,
    age: BoxFuture<'static, ()>,
}

/// Serves a client until one of the two sides ends it.
pub async fn serve<S: Socket>(client: Client, socket: S) {
    let clock = Arc::clone(&client.door.clock);
    let draining = Some(client.door.handle.draining());
    let (mouth, ear) = socket.split();
    let (silence, age) = (clock.sleep(KEEPALIVE), clock.sleep(LIFE));
    let desk = Desk::new(client);
    let mut connection = Connection { desk, ear, mouth: Mouth::Free(mouth), clock, draining, silence, age };
    let end = connection.run().await;
    connection.end(end).await;
    // What is being opened is opened to its end, so that what is in memory only is not left there.
    let mut openings = std::mem::take(&mut connection.desk.openings);
    while openings.next().await.is_some() {}
}

impl<S: Socket> Connection<S> {
    async fn run(&mut self) -> End {
        loop {
            self.desk.start();
            self.speak();
            if matches!(self.mouth, Mouth::Free(_)) {
                if let Some(farewell) = self.desk.farewell {
                    return End::Ours(farewell);
                }
                if self.draining.is_none() && self.desk.is_idle() {
                    return End::Ours((1001, "The server is shutting down."));
                }
            }
            match poll_fn(|context| self.poll(context)).await {
                Happening::Heard(None) | Happening::Said(false) => return End::Gone,
                Happening::Heard(Some(Err(error))) => return broken(error),
                Happening::Heard(Some(Ok(Message::Close(_)))) => return End::Theirs,
                Happening::Heard(Some(Ok(Message::Text(text)))) => self.desk.hear(text.as_str()),
                Happening::Heard(Some(Ok(Message::Binary(_)))) => {
                    self.desk.refuse(None, &Failure::invalid("Frames must be text: each is one JSON object."));
                }
                Happening::Heard(Some(Ok(Message::Ping(_) | Message::Pong(_)))) | Happening::Said(true) => {}
                Happening::Step(step) => self.desk.step(*step),
                Happening::Draining => self.draining = None,
                Happening::Silent => self.keep_alive(),
                // Who reads nothing is not waited for.
                Happening::Aged if self.desk.farewell.is_some() => return End::Gone,
                Happening::Aged => {
                    let message = "The connection has reached its limit of 60 minutes. Open another one to go on.";
                    self.desk.refuse(None, &Failure::invalid_as("websocket_connection_limit_reached", message));
                    self.desk.farewell = Some((1001, "The connection has reached its limit of 60 minutes."));
                }
            }
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Happening> {
        if let Mouth::Speaking(speaking) = &mut self.mouth
            && let Poll::Ready(said) = speaking.as_mut().poll(context)
        {
            let arrived = said.is_ok();
            self.mouth = said.map_or(Mouth::Gone, Mouth::Free);
            return Poll::Ready(Happening::Said(arrived));
        }
        if self.age.as_mut().poll(context).is_ready() {
            self.age = self.clock.sleep(LINGER);
            return Poll::Ready(Happening::Aged);
        }
        if self.draining.as_mut().is_some_and(|draining| draining.as_mut().poll(context).is_ready()) {
            return Poll::Ready(Happening::Draining);
        }
        if let Poll::Ready(Some(step)) = self.desk.openings.poll_next_unpin(context) {
            return Poll::Ready(Happening::Step(Box::new(step)));
        }
        if self.desk.out.len() < UNSAID
            && self.desk.farewell.is_none()
            && let Poll::Ready(heard) = self.ear.poll_next_unpin(context)
        {
            return Poll::Ready(Happening::Heard(heard));
        }
        if matches!(self.mouth, Mouth::Free(_))
            && let Poll::Ready(Some(step)) = self.desk.tellings.poll_next_unpin(context)
        {
            return Poll::Ready(Happening::Step(Box::new(step)));
        }
        self.silence.as_mut().poll(context).map(|()| Happening::Silent)
    }

    /// Begins to say what is to be said.
    fn speak(&mut self) {
        if !self.desk.out.is_empty() {
            let frames = std::mem::take(&mut self.desk.out);
            match std::mem::replace(&mut self.mouth, Mouth::Gone) {
                Mouth::Free(mouth) => {
                    let frames = frames.into_iter().map(|text| Message::Text(text.into())).collect();
                    self.mouth = Mouth::Speaking(Box::pin(say(mouth, frames)));
                }
                busy => {
                    self.mouth = busy;
                    self.desk.out = frames;
                }
            }
        }
    }

    fn keep_alive(&mut self) {
        self.silence = self.clock.sleep(KEEPALIVE);
        self.desk.look_at_key();
        match std::mem::replace(&mut self.mouth, Mouth::Gone) {
            Mouth::Free(mouth) => {
                let ping = VecDeque::from([Message::Ping(bytes::Bytes::new())]);
                self.mouth = Mouth::Speaking(Box::pin(say(mouth, ping)));
            }
            busy => self.mouth = busy,
        }
    }

    async fn end(&mut self, end: End) {
        let farewell = match end {
            End::Gone => return,
            End::Theirs => None,
            End::Ours(farewell) | End::Broken(farewell) => Some(farewell),
        };
        let is_broken = matches!(end, End::Broken(_));
        let clock = Arc::clone(&self.clock);
        let leave = async {
            let mouth = match std::mem::replace(&mut self.mouth, Mouth::Gone) {
                Mouth::Free(mouth) => Some(mouth),
                Mouth::Speaking(speaking) => speaking.await.ok(),
                Mouth::Gone => None,
            };
            if let (Some(mut mouth), Some((code, reason))) = (mouth, farewell) {
                let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
                if mouth.send(close).await.is_err() {
                    return;
                }
            }
            // Hears the farewell of the other side, or sends the one that is due.
            while let Some(Ok(_)) = self.ear.next().await {}
            if is_broken {
                clock.sleep(ECHO).await;
            }
        };
        let late = self.clock.sleep(LINGER);
        if let Either::Right(_) = select(pin!(leave), late).await {
            tracing::debug!("a socket was closed without the other side's farewell");
        }
    }
}

/// Owned, so that nothing cuts a frame in two.
async fn say<S: Socket>(
    mut mouth: SplitSink<S, Message>,
    frames: VecDeque<Message>,
) -> Result<SplitSink<S, Message>, axum::Error> {
    for frame in frames {
        mouth.feed(frame).await?;
    }
    mouth.flush().await?;
    Ok(mouth)
}

/// What is told to a side whose bytes make no frames.
fn broken(error: axum::Error) -> End {
    let Ok(error) = error.into_inner().downcast::<Broken>() else { return End::Gone };
    match *error {
        Broken::Capacity(CapacityError::MessageTooLong { .. }) => End::Broken((1009, "The message is too large.")),
        Broken::Utf8(_) => End::Broken((1007, "The text is not UTF-8.")),
        Broken::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::Gone,
        Broken::Protocol(_) => End::Broken((1002, "The frames do not follow RFC 6455.")),
        _ => End::Gone,
    }
}
