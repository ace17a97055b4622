//! What a process says, until it ends or a time is over. A machine may lie: about what is new, about how long it waited,
//! about the order. Whatever it says, this ends, and holds a bounded part of it.

use super::KEPT;
use crate::machine::{Fault, Machine, Output};
use crate::truncate::Gathered;
use std::time::Duration;
use types::Clock;

/// The longest that a machine is asked to wait for news at a time.
const READ_WAIT: Duration = Duration::from_secs(10);
/// How much longer than that an answer may take before it is asked again.
const READ_SLACK: Duration = Duration::from_secs(10);
/// Before a machine is asked again that had nothing new and did not wait.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the output of a process that ended may still come. What it started may hold it open for ever.
const AFTER_EXIT: Duration = Duration::from_secs(1);

pub(super) struct Follow<'a> {
    machine: &'a dyn Machine,
    clock: &'a dyn Clock,
    pub process: &'a str,
    /// The number of the last that was said; what comes after it is new.
    pub next: u64,
    pub said: Gathered,
    /// Output before that, which the machine does not have any more.
    pub lost: bool,
    pub exit_code: Option<i32>,
    pub closed: bool,
    pub failure: Option<String>,
    /// The machine was away when it was asked last. The process does not mind.
    is_away: bool,
}

impl<'a> Follow<'a> {
    pub(super) fn new(machine: &'a dyn Machine, clock: &'a dyn Clock, process: &'a str, next: u64) -> Self {
        let said = Gathered::new(KEPT);
        Self {
            machine,
            clock,
            process,
            next,
            said,
            lost: false,
            exit_code: None,
            closed: false,
            failure: None,
            is_away: false,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.exit_code.is_some() || self.closed || self.failure.is_some()
    }

    /// Reads until the process has ended and its output with it, or until `time` is over. Whether it has ended. A machine
    /// that goes away has that long to come back.
    pub(super) async fn read_for(&mut self, time: Duration) -> Result<bool, Fault> {
        let started = self.clock.monotonic();
        // At least one look, however short the time.
        self.look(Duration::ZERO).await?;
        let mut exited = None;
        loop {
            let now = self.clock.monotonic();
            if self.closed || self.failure.is_some() {
                return Ok(true);
            }
            let left = if self.exit_code.is_some() {
                AFTER_EXIT.saturating_sub(now.saturating_sub(*exited.get_or_insert(now)))
            } else {
                time.saturating_sub(now - started)
            };
            if left.is_zero() && self.is_away {
                return Err(Fault::Disconnected);
            }
            if left.is_zero() {
                return Ok(self.has_ended());
            }
            let wait = left.min(READ_WAIT);
            if !self.look(wait).await? {
                let waited = self.clock.monotonic().saturating_sub(now);
                self.clock.sleep(PAUSE.min(wait.saturating_sub(waited))).await;
            }
        }
    }

    /// One question. Whether there was news; an answer that does not come is none.
    async fn look(&mut self, wait: Duration) -> Result<bool, Fault> {
        tokio::select! {
            biased;
            output = self.machine.read(self.process, self.next, wait) => {
                self.is_away = matches!(output, Err(Fault::Disconnected));
                if self.is_away { Ok(false) } else { Ok(self.take(output?)) }
            }
            () = self.clock.sleep(wait + READ_SLACK) => Ok(false),
        }
    }

    fn take(&mut self, output: Output) -> bool {
        let before = (self.next, self.has_ended(), self.closed);
        for chunk in &output.chunks {
            // What was said is not said anew, whatever the machine says.
            if chunk.seq > self.next {
                self.said.push(&chunk.bytes);
                self.next = chunk.seq;
            }
        }
        self.next = self.next.max(output.next);
        self.lost |= output.lost;
        self.exit_code = self.exit_code.or(output.exit_code);
        self.closed |= output.closed;
        self.failure = self.failure.take().or(output.failure);
        before != (self.next, self.has_ended(), self.closed)
    }
}
