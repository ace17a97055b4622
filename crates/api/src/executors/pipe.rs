//! Messages between one executor's WebSocket and the line that the rendezvous reads. Nothing is looked into; what one side
//! does not take holds up the other.

use crate::Door;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use environments::line::Line;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use runtime::Handle;
use std::time::Duration;
use types::Clock;

/// The longest silence of ours: whatever stands between must not take the connection for dead.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// How often a server that drains looks whether commands still run.
const LOOK: Duration = Duration::from_millis(20);
/// How long the other side may take to hear the farewell.
const LINGER: Duration = Duration::from_secs(1);

/// Returns when one of the two sides has ended it, or the server ends.
pub async fn run(door: &Door, socket: WebSocket, is_text: bool, attach: impl FnOnce(Line)) {
    let (near, mut far) = Line::pair();
    attach(near);
    let (mut mouth, mut ear) = socket.split();
    let clock = &*door.clock;
    let mut ended = Box::pin(ended(&door.handle, clock));
    let mut silence = clock.sleep(KEEPALIVE);
    loop {
        tokio::select! {
            biased;
            () = &mut ended => break,
            said = far.incoming.recv() => {
                let Some(said) = said else { break };
                let Some(message) = written(said, is_text) else { break };
                if mouth.send(message).await.is_err() {
                    return;
                }
                silence = clock.sleep(KEEPALIVE);
            }
            heard = ear.next() => {
                let bytes = match heard {
                    Some(Ok(Message::Binary(bytes))) if !is_text => Vec::from(bytes),
                    Some(Ok(Message::Text(text))) if is_text => text.as_str().as_bytes().to_vec(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                    Some(Ok(Message::Close(_))) | None => return,
                    Some(Ok(_)) => return farewell(&mut mouth, clock, 1003, "messages of this kind are not spoken here").await,
                    Some(Err(error)) => {
                        tracing::debug!(%error, "an executor's socket broke");
                        return farewell(&mut mouth, clock, 1009, "the message cannot be read").await;
                    }
                };
                if far.outgoing.send(bytes).await.is_err() {
                    break;
                }
            }
            () = &mut silence => {
                if mouth.send(Message::Ping(bytes::Bytes::new())).await.is_err() {
                    return;
                }
                silence = clock.sleep(KEEPALIVE);
            }
        }
    }
    farewell(&mut mouth, clock, 1001, "").await;
}

fn written(said: Vec<u8>, is_text: bool) -> Option<Message> {
    if !is_text {
        return Some(Message::Binary(said.into()));
    }
    Utf8Bytes::try_from(said).ok().map(Message::Text)
}

async fn farewell(mouth: &mut SplitSink<WebSocket, Message>, clock: &dyn Clock, code: u16, reason: &'static str) {
    let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    tokio::select! {
        biased;
        _ = mouth.send(close) => {}
        () = clock.sleep(LINGER) => {}
    }
}

/// The server drains, and no session has work on its machine any more.
async fn ended(handle: &Handle, clock: &dyn Clock) {
    handle.draining().await;
    while handle.activity().running_sessions > 0 {
        clock.sleep(LOOK).await;
    }
}
