//! The memory that all bodies share. A body takes its place piece by piece as it arrives, so that announcing much costs
//! the others nothing, and holds it until the request is answered: what is read out of a body is as large as itself.

use crate::failure::Failure;
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::Clock;

/// All bodies together, in KiB.
const SIZE: u32 = 256 << 10;
/// When a client for whose body there was no room may ask again.
const PAUSE: Duration = Duration::from_secs(5);

/// What is free of it.
#[derive(Debug)]
pub struct Room {
    /// KiB.
    free: Arc<Semaphore>,
    size: u32,
}

/// What one body has of it; given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    free: Arc<Semaphore>,
    size: u32,
    permit: Option<OwnedSemaphorePermit>,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(SIZE)
    }
}

impl Room {
    /// A room of `size` KiB.
    pub fn new(size: u32) -> Self {
        Self { free: Arc::new(Semaphore::new(size as usize)), size }
    }

    /// The place of a body that has not begun.
    pub fn enter(&self) -> Held {
        Held { free: Arc::clone(&self.free), size: self.size, permit: None }
    }
}

impl Held {
    /// Makes it `bytes` large, and waits for that as long as `patience` if it must; then 429. A body larger than the
    /// whole room (its own limit says whether there are any) is read alone.
    ///
    /// Bodies that wait for each other's memory end with the first whose patience ends.
    pub async fn grow(&mut self, bytes: usize, patience: Duration, clock: &dyn Clock) -> Result<(), Failure> {
        let wanted = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX).min(self.size);
        let more = wanted.saturating_sub(self.size());
        if more == 0 {
            return Ok(());
        }
        let free = Arc::clone(&self.free).acquire_many_owned(more);
        let permit = match select(pin!(free), clock.sleep(patience)).await {
            Either::Left((Ok(permit), _)) => permit,
            Either::Left((Err(_), _)) | Either::Right(_) => {
                return Err(Failure::busy("Too many request bodies are being received.", PAUSE));
            }
        };
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        Ok(())
    }

    /// Gives back what is more than `bytes` need.
    pub fn shrink(&mut self, bytes: usize) {
        let needed = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let more = usize::try_from(self.size().saturating_sub(needed)).unwrap_or(usize::MAX);
        if let Some(permit) = &mut self.permit {
            drop(permit.split(more));
        }
    }

    /// KiB.
    fn size(&self) -> u32 {
        self.permit.as_ref().map_or(0, |permit| u32::try_from(permit.num_permits()).unwrap_or(u32::MAX))
    }
}
