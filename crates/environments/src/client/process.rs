//! What is known of one process: the newest of its output in the order of its numbers, and how it ended. Notifications
//! fill it; where one is missing, only what the executor is asked for counts until the gap is closed.

use super::plain;
use crate::machine::{Chunk, Output};
use std::collections::VecDeque;
use wire::executor::{ProcessReadings, Stream};

/// How many times more is kept of what a reader has not come to yet: it may be slower than its process for a moment.
const AWAITED: usize = 4;

/// What a chunk costs beside its bytes, so that empty ones are bounded too.
const CHUNK_COST: usize = 64;

pub(super) struct Process {
    chunks: VecDeque<Chunk>,
    /// Of all chunks, with what they cost.
    bytes: usize,
    /// What was said before them, as far as it was here.
    before: u64,
    limit: usize,
    /// Where somebody reads: the number up to which that was done.
    read: Option<u64>,
    /// The number that is expected next.
    next: u64,
    /// The highest number of a chunk that is not here any more, or never was.
    missing: u64,
    /// The executor has to be asked: notifications may not have come.
    stale: bool,
    /// The highest number that was heard of while it was stale.
    heard: u64,
    exit_seq: Option<u64>,
    exit_code: Option<i32>,
    closed_seq: Option<u64>,
    closed: bool,
    failure: Option<String>,
    /// The number up to which the output of one that is closed was dropped, when all of it had been read.
    released: u64,
    /// Its session is no more.
    gone: bool,
}

/// What a look at a process comes to.
pub(super) enum Look {
    /// Ask the executor first, then tell [`Process::settle`] this number.
    Stale {
        heard: u64,
    },
    /// Something that the reader does not know.
    News(Output),
    Nothing(Output),
    /// Nothing more will come, and how it ended is not known.
    Gone,
}

impl Process {
    pub(super) fn new(limit: usize, stale: bool) -> Self {
        Self {
            chunks: VecDeque::new(),
            bytes: 0,
            before: 0,
            limit,
            read: None,
            next: 1,
            missing: 0,
            stale,
            heard: 0,
            exit_seq: None,
            exit_code: None,
            closed_seq: None,
            closed: false,
            failure: None,
            released: 0,
            gone: false,
        }
    }

    pub(super) fn output(&mut self, seq: u64, stream: Stream, bytes: Vec<u8>) {
        if self.in_turn(seq) {
            self.push(Chunk { seq, error_stream: stream == Stream::Stderr, bytes });
        }
    }

    pub(super) fn exited(&mut self, seq: u64, code: i32) {
        if self.exit_code.is_none() {
            (self.exit_seq, self.exit_code) = (Some(seq), Some(code));
        }
        self.in_turn(seq);
    }

    pub(super) fn closed(&mut self, seq: u64) {
        self.closed_seq = self.closed_seq.or(Some(seq));
        self.closed = true;
        self.in_turn(seq);
    }

    /// Whether this is the number that is expected; if it is one ahead, what lies between has to be asked for.
    fn in_turn(&mut self, seq: u64) -> bool {
        if seq < self.next {
            return false;
        }
        if self.stale || seq > self.next {
            self.stale = true;
            self.heard = self.heard.max(seq);
            return false;
        }
        self.next = seq.saturating_add(1);
        true
    }

    /// The executor's answer to a question for what comes after [`Process::last`].
    pub(super) fn readings(&mut self, readings: ProcessReadings) {
        for chunk in readings.chunks {
            if chunk.seq < self.next {
                continue;
            }
            let between = chunk.seq - self.next;
            let known = self.ends_within(self.next, chunk.seq);
            // The exit has a number too, which an answer does not say.
            let unsaid = u64::from(readings.exited && self.exit_seq.is_none());
            if between > known + unsaid {
                self.missing = chunk.seq - 1;
            }
            self.next = chunk.seq.saturating_add(1);
            self.push(Chunk { seq: chunk.seq, error_stream: chunk.stream == Stream::Stderr, bytes: chunk.chunk.0 });
        }
        self.exit_code = self.exit_code.or(readings.exit_code);
        self.closed |= readings.closed;
        self.failure = self.failure.take().or(readings.failure.as_deref().map(plain));
        if readings.sandbox_denied && self.failure.is_none() {
            self.failure = Some("stopped by its sandbox".to_owned());
        }
    }

    /// The executor had no more, when it was asked after `heard` was heard of: what lies before it is lost. Whether
    /// nothing newer was heard of in the meantime.
    pub(super) fn settle(&mut self, heard: u64) -> bool {
        if self.heard > heard {
            return false;
        }
        self.stale = false;
        if heard >= self.next {
            let numbers = heard - self.next + 1;
            if numbers > self.ends_within(self.next, heard.saturating_add(1)) {
                self.missing = heard;
            }
            self.next = heard.saturating_add(1);
        }
        true
    }

    /// How many of the exit's and the closing's numbers lie there.
    fn ends_within(&self, from: u64, to: u64) -> u64 {
        let ends = [self.exit_seq, self.closed_seq];
        ends.into_iter().flatten().filter(|seq| (from..to).contains(seq)).count() as u64
    }

    fn push(&mut self, chunk: Chunk) {
        self.bytes += chunk.bytes.len() + CHUNK_COST;
        self.chunks.push_back(chunk);
        while let Some(oldest) = self.chunks.front() {
            let is_awaited = self.read.is_some_and(|read| oldest.seq > read);
            if self.bytes <= if is_awaited { AWAITED * self.limit } else { self.limit } {
                return;
            }
            let Some(oldest) = self.chunks.pop_front() else { return };
            self.bytes -= oldest.bytes.len() + CHUNK_COST;
            self.before += oldest.bytes.len() as u64;
            self.missing = self.missing.max(oldest.seq);
        }
    }

    /// Somebody reads on from there. What is not here any more, the executor is asked for again.
    pub(super) fn read_on(&mut self, after: u64) {
        self.read = Some(after);
        if after < self.released {
            (self.next, self.missing, self.before, self.stale) = (1, 0, 0, true);
            self.heard = std::mem::take(&mut self.released);
        }
    }

    /// All of it was read: where nothing more will come, it is kept by the executor alone.
    pub(super) fn release(&mut self) {
        if self.closed
            && !self.stale
            && let Some(last) = self.chunks.back()
        {
            self.released = last.seq;
            (self.chunks, self.bytes) = (VecDeque::new(), 0);
        }
    }

    /// The number after which the executor is to be asked.
    pub(super) fn last(&self) -> u64 {
        self.next - 1
    }

    pub(super) fn is_over(&self) -> bool {
        self.closed || self.gone
    }

    /// A line was taken up again: what was said in between was not heard.
    pub(super) fn interrupted(&mut self) {
        self.stale |= !self.is_over();
    }

    pub(super) fn lose(&mut self) {
        self.gone |= !self.closed;
        // Nobody has it any more.
        if self.closed && self.stale {
            self.settle(self.heard);
        }
        self.stale = false;
    }

    pub(super) fn look(&self, after: u64) -> Look {
        if self.stale {
            return Look::Stale { heard: self.heard };
        }
        let known = self.chunks.partition_point(|chunk| chunk.seq <= after);
        let read: usize = self.chunks.range(..known).map(|chunk| chunk.bytes.len()).sum();
        let chunks: Vec<Chunk> = self.chunks.range(known..).cloned().collect();
        let last = chunks.last().map_or(after, |chunk| chunk.seq);
        let news = !chunks.is_empty() || self.closed || self.exit_seq.is_some_and(|seq| seq > after);
        if self.gone && !news {
            return Look::Gone;
        }
        let output = Output {
            chunks,
            next: last.max(self.exit_seq.unwrap_or(0)).max(after),
            place: self.before + read as u64,
            lost: self.missing > after,
            exit_code: self.exit_code,
            closed: self.closed,
            failure: self.failure.clone(),
        };
        if news { Look::News(output) } else { Look::Nothing(output) }
    }
}

#[cfg(test)]
mod tests;
