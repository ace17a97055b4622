//! What a process says, until it ends or a time is over. A machine may lie: about what is new, about how long it waited,
//! about the order. Whatever it says, this ends, and holds a bounded part of it.

use super::KEPT;
use super::screen::Screen;
use crate::machine::{Fault, Machine, Output};
use crate::truncate::Gathered;
use std::time::Duration;
use types::{Clock, Progress};

/// The longest that a machine is asked to wait for news at a time.
const READ_WAIT: Duration = Duration::from_secs(10);
/// How much longer than that an answer may take before it is asked again.
const READ_SLACK: Duration = Duration::from_secs(10);
/// Before a machine is asked again that had nothing new and did not wait.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the output of a process that ended may still come. What it started may hold it open for ever.
const AFTER_EXIT: Duration = Duration::from_secs(1);
/// What a process says all the time is told once in so long, after so many times at once.
const PACE: Duration = Duration::from_millis(50);
const AT_ONCE: u32 = 8;
/// Between two looks at such a process. Not for long: a machine keeps only so much of what nobody has read. One that says
/// more than this at a time is looked at again at once.
const BREATH: Duration = Duration::from_millis(5);
const MUCH: u64 = 64 << 10;

pub(super) struct Follow<'a> {
    machine: &'a dyn Machine,
    clock: &'a dyn Clock,
    progress: &'a dyn Progress,
    pub process: &'a str,
    /// The number of the last that was said; what comes after it is new.
    pub next: u64,
    pub said: Gathered,
    /// The same as clients are shown it.
    screen: Screen,
    /// Bytes that the machine had said up to `next`, as far as it counted them.
    place: Option<u64>,
    /// Output before that, which the machine does not have any more.
    pub lost: bool,
    pub exit_code: Option<i32>,
    pub closed: bool,
    pub failure: Option<String>,
    /// The machine was away when it was asked last. The process does not mind.
    is_away: bool,
    pace: Pace,
}

/// How often something may be told at once.
struct Pace {
    left: u32,
    /// When the last was gained.
    since: Duration,
}

impl<'a> Follow<'a> {
    pub(super) fn new(
        machine: &'a dyn Machine,
        clock: &'a dyn Clock,
        progress: &'a dyn Progress,
        process: &'a str,
        next: u64,
    ) -> Self {
        let said = Gathered::new(KEPT);
        Self {
            machine,
            clock,
            progress,
            process,
            next,
            said,
            screen: Screen::default(),
            place: None,
            lost: false,
            exit_code: None,
            closed: false,
            failure: None,
            is_away: false,
            pace: Pace { left: AT_ONCE, since: clock.monotonic() },
        }
    }

    /// All that clients are shown of it.
    pub(super) fn shown(self) -> String {
        self.screen.text()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.exit_code.is_some() || self.closed || self.failure.is_some()
    }

    /// Reads until the process has ended and its output with it, or until `time` is over. Whether it has ended. A machine
    /// that goes away has that long to come back.
    pub(super) async fn read_for(&mut self, time: Duration) -> Result<bool, Fault> {
        let ended = self.read(time).await;
        self.tell();
        ended
    }

    async fn read(&mut self, time: Duration) -> Result<bool, Fault> {
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
            let mut wait = left.min(READ_WAIT);
            if self.screen.has_fresh() {
                match self.pace.after(now) {
                    Duration::ZERO => self.tell(),
                    pause => wait = wait.min(pause),
                }
            }
            let before = self.said.total();
            if !self.look(wait).await? {
                let waited = self.clock.monotonic().saturating_sub(now);
                self.clock.sleep(PAUSE.min(wait.saturating_sub(waited))).await;
            } else if self.pace.left == 0 && !self.has_ended() && self.said.total() - before < MUCH {
                self.clock.sleep(BREATH.min(left)).await;
            }
        }
    }

    fn tell(&mut self) {
        if self.screen.has_fresh() {
            self.progress.printed(self.screen.fresh());
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
        if output.lost {
            self.screen.note("[output that is not kept any more is missing here]\n");
            self.said.pass(output.place.saturating_sub(self.place.unwrap_or(output.place)));
        }
        let fresh: usize = output.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        self.place = Some(output.place + fresh as u64);
        for chunk in &output.chunks {
            // What was said is not said anew, whatever the machine says.
            if chunk.seq > self.next {
                self.said.push(&chunk.bytes);
                self.screen.push(&chunk.bytes);
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

impl Pace {
    /// How long until something may be told again. Where that is now, it counts as told.
    fn after(&mut self, now: Duration) -> Duration {
        let passed = now.saturating_sub(self.since).as_nanos() / PACE.as_nanos();
        let gained = u32::try_from(passed).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(gained).min(AT_ONCE);
        self.since += PACE * gained;
        if self.left == AT_ONCE {
            self.since = now;
        }
        if self.left == 0 {
            return (self.since + PACE).saturating_sub(now);
        }
        self.left -= 1;
        Duration::ZERO
    }
}
