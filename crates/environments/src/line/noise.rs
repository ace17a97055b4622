//! A line of messages made from a line of relay frames: the handshake, then two tasks that carry. It ends with the
//! frames' line, with its own, or with the first frame that breaks the protocol; the executor then comes back by itself.

use super::Line;
use relay::{Body, Channel, Fault, Frame, Keys, PROTOCOL_RESET, Place, PublicKeys};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc;
use types::Spawn;

/// The harness's side. Resolves when the executor has answered the handshake; the caller limits the time.
pub(crate) async fn secure(
    mut socket: Line,
    place: &Place,
    peer: &PublicKeys,
    (own, authorization): (&Keys, &str),
    spawn: &dyn Spawn,
) -> Result<Line, Fault> {
    let (mut channel, frames) = Channel::initiate(place, own, peer, authorization.as_bytes())?;
    for frame in frames {
        socket.outgoing.send(frame.encode()).await.map_err(|_| Fault::NotOpen)?;
    }
    while !channel.is_open() {
        let bytes = socket.incoming.recv().await.ok_or(Fault::NotOpen)?;
        let frame = Frame::decode(&bytes)?;
        if frame.stream == place.stream {
            channel.receive(frame.body)?;
        }
    }
    let (near, far) = Line::pair();
    let channel = Arc::new(Mutex::new(channel));
    let (reader, writer) = (channel.clone(), channel);
    let (to_socket, answers) = (socket.outgoing.clone(), socket.outgoing);
    spawn.spawn("noise reader", Box::pin(read(reader, socket.incoming, far.outgoing, answers)));
    spawn.spawn("noise writer", Box::pin(write(writer, far.incoming, to_socket)));
    Ok(near)
}

/// Frames in, messages on.
async fn read(
    channel: Arc<Mutex<Channel>>,
    mut frames: mpsc::Receiver<Vec<u8>>,
    messages: mpsc::Sender<Vec<u8>>,
    answers: mpsc::Sender<Vec<u8>>,
) {
    let fault = loop {
        let bytes = tokio::select! {
            biased;
            () = messages.closed() => return,
            bytes = frames.recv() => bytes,
        };
        let Some(bytes) = bytes else { return };
        let taken = Frame::decode(&bytes).and_then(|frame| take(&channel, frame));
        let whole = match taken {
            Ok(whole) => whole,
            Err(fault) => break fault,
        };
        for message in whole {
            if messages.send(message).await.is_err() {
                return;
            }
        }
    };
    tracing::warn!(%fault, "an executor's stream ends");
    if !matches!(fault, Fault::Reset(_)) {
        let reset = channel.lock().unwrap_or_else(PoisonError::into_inner).reset(PROTOCOL_RESET);
        let _ = answers.send(reset.encode()).await;
    }
}

fn take(channel: &Mutex<Channel>, frame: Frame) -> Result<Vec<Vec<u8>>, Fault> {
    let mut channel = channel.lock().unwrap_or_else(PoisonError::into_inner);
    if frame.stream != channel.stream() || matches!(frame.body, Body::Unknown) {
        return Ok(Vec::new());
    }
    channel.receive(frame.body)
}

/// Messages in, frames on.
async fn write(channel: Arc<Mutex<Channel>>, mut messages: mpsc::Receiver<Vec<u8>>, socket: mpsc::Sender<Vec<u8>>) {
    while let Some(message) = messages.recv().await {
        let frames = channel.lock().unwrap_or_else(PoisonError::into_inner).send(&message);
        let Ok(frames) = frames else { return };
        for frame in frames {
            if socket.send(frame.encode()).await.is_err() {
                return;
            }
        }
    }
    let closed = channel.lock().unwrap_or_else(PoisonError::into_inner).reset("closed");
    let _ = socket.send(closed.encode()).await;
}
