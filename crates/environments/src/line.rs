//! What a client and an executor talk over: a pair of queues of whole messages. Whoever owns the socket behind it moves
//! bytes between the two; a line is over when its other side drops its half.

mod noise;

pub(crate) use noise::secure;

use tokio::sync::mpsc;

/// Messages, or frames, that may wait in one direction. A message may have 64 MiB.
const WAITING: usize = 4;

/// One end. What is sent into `outgoing` comes out of the other end's `incoming`.
pub struct Line {
    pub outgoing: mpsc::Sender<Vec<u8>>,
    pub incoming: mpsc::Receiver<Vec<u8>>,
}

impl Line {
    /// Both ends.
    pub fn pair() -> (Self, Self) {
        let (there, from_here) = mpsc::channel(WAITING);
        let (here, from_there) = mpsc::channel(WAITING);
        (Self { outgoing: there, incoming: from_there }, Self { outgoing: here, incoming: from_here })
    }
}
