//! How messages come and go: a pair of streams, whatever carries them. A transport knows no method; it hands over
//! whole messages as bytes and takes whole messages as text.

pub mod stdio;
mod way_in;
pub mod websocket;

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use wire::executor::MESSAGE_LIMIT;

/// What may wait to be read by the connection, so that the end of a line is seen while a request still runs.
const WAITING_MESSAGES: usize = 256;
/// In KiB, over all that wait: a message of full size, and some.
const WAITING_SIZE: usize = MESSAGE_LIMIT / 1024 + 16 * 1024;
/// Answers and notifications that wait for a slow reader; then processes wait too.
const OUTGOING_MESSAGES: usize = 64;

/// One connection. It ends when either side is dropped.
pub struct Transport {
    pub(crate) incoming: mpsc::Receiver<Incoming>,
    pub(crate) outgoing: mpsc::Sender<String>,
}

/// The other end of a [`Transport`], for who carries its messages.
pub struct Carrier {
    pub inbox: Inbox,
    /// What is to be sent. Drop it when nothing can be sent any more.
    pub outbox: mpsc::Receiver<String>,
}

pub struct Inbox {
    messages: mpsc::Sender<Incoming>,
    size: Arc<Semaphore>,
}

pub(crate) struct Incoming {
    /// Or why there is no message.
    pub message: Result<Vec<u8>, String>,
    _size: OwnedSemaphorePermit,
}

/// The connection takes no more messages.
#[derive(Debug)]
pub struct Ended;

impl Transport {
    #[must_use]
    pub fn pair() -> (Self, Carrier) {
        let (messages, incoming) = mpsc::channel(WAITING_MESSAGES);
        let (outgoing, outbox) = mpsc::channel(OUTGOING_MESSAGES);
        let inbox = Inbox { messages, size: Arc::new(Semaphore::new(WAITING_SIZE)) };
        (Self { incoming, outgoing }, Carrier { inbox, outbox })
    }
}

impl Inbox {
    /// Hands over a message, or why there is none. Waits while much waits already.
    ///
    /// # Errors
    /// The connection has ended.
    pub async fn push(&self, message: Result<Vec<u8>, String>) -> Result<(), Ended> {
        let size = message.as_ref().map_or(0, Vec::len) / 1024 + 1;
        let size = u32::try_from(size.min(WAITING_SIZE)).unwrap_or(u32::MAX);
        let permit = tokio::select! {
            biased;
            () = self.messages.closed() => return Err(Ended),
            permit = Arc::clone(&self.size).acquire_many_owned(size) => permit.map_err(|_| Ended)?,
        };
        self.messages.send(Incoming { message, _size: permit }).await.map_err(|_| Ended)
    }
}
