//! A body as it arrives, within its time: nobody waits longer than [`IDLE`] for a byte, nor for a body that comes slower
//! than a KiB a second over a long time.

use super::{GRACE, IDLE};
use crate::failure::Failure;
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::{Either, select};
use http_body_util::BodyExt;
use std::pin::pin;
use std::time::Duration;
use types::Clock;

/// A body that is being read.
pub struct Flow<'a> {
    body: Body,
    clock: &'a dyn Clock,
    started: Duration,
    received: u64,
}

impl<'a> Flow<'a> {
    pub fn new(body: Body, clock: &'a dyn Clock) -> Self {
        Self { body, clock, started: clock.monotonic(), received: 0 }
    }

    /// Bytes that have arrived.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next bytes; None at the end. Errors: 408 where they take too long, 400 where the client went away.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let allowed = GRACE + Duration::from_secs(self.received >> 10);
            let left = allowed.saturating_sub(self.clock.monotonic().saturating_sub(self.started));
            if left.is_zero() {
                return Err(Failure::timed_out());
            }
            let frame = match select(pin!(self.body.frame()), self.clock.sleep(left.min(IDLE))).await {
                Either::Left((frame, _)) => frame,
                Either::Right(((), _)) => return Err(Failure::timed_out()),
            };
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(Failure::invalid("The request body broke off.")),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.received = self.received.saturating_add(data.len() as u64);
                    return Ok(Some(data));
                }
            }
        }
    }

    /// Waits for something of ours; that time is not the client's.
    pub async fn pause<T>(&mut self, work: impl Future<Output = T>) -> T {
        let began = self.clock.monotonic();
        let done = work.await;
        self.started += self.clock.monotonic().saturating_sub(began);
        done
    }
}
