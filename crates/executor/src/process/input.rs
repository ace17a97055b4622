//! What a client writes to a process. A write under an id that was seen is not made again.

use super::side::Side;
use crate::world;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use wire::executor::{Failure, WriteStatus, code};

/// Bytes that a process has not read yet; a larger chunk has to be cut by who sends it.
const WAITING: usize = 4 * 1024 * 1024;
/// The newest ids of writes, whose repeats are known.
const REMEMBERED: usize = 1024;
const ID_LENGTH: usize = 256;

pub struct Input {
    chunks: mpsc::UnboundedSender<(Vec<u8>, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    seen: BTreeSet<String>,
    order: VecDeque<String>,
}

impl Input {
    /// `gone` ends it: no more is written to a process whose watch has ended.
    pub fn new(side: Side, mut gone: oneshot::Receiver<()>) -> Self {
        // Bounded by the permits that travel with the chunks.
        let (chunks, mut waiting) = mpsc::unbounded_channel::<(Vec<u8>, OwnedSemaphorePermit)>();
        world::spawn(async move {
            let writing = async {
                while let Some((chunk, _room)) = waiting.recv().await {
                    if side.write_all(&chunk).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                biased;
                _ = &mut gone => {}
                () = writing => {}
            }
        });
        Self { chunks, room: Arc::new(Semaphore::new(WAITING)), seen: BTreeSet::new(), order: VecDeque::new() }
    }

    pub fn write(&mut self, id: Option<String>, chunk: Vec<u8>, process: &str) -> Result<WriteStatus, Failure> {
        if id.as_ref().is_some_and(|id| id.len() > ID_LENGTH) {
            return Err(Failure::new(code::INVALID_PARAMS, "writeId must have at most 256 bytes"));
        }
        if id.as_ref().is_some_and(|id| self.seen.contains(id)) {
            return Ok(WriteStatus::Accepted);
        }
        if self.chunks.is_closed() {
            return Ok(WriteStatus::StdinClosed);
        }
        let size = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size) else {
            let message = format!("process {process} does not read its input: at most {WAITING} bytes may wait for it");
            return Err(Failure::new(code::INTERNAL, message));
        };
        if self.chunks.send((chunk, room)).is_err() {
            return Ok(WriteStatus::StdinClosed);
        }
        if let Some(id) = id {
            self.remember(id);
        }
        Ok(WriteStatus::Accepted)
    }

    fn remember(&mut self, id: String) {
        self.seen.insert(id.clone());
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }
}
