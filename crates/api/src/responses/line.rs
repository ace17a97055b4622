//! Events of a response as they are sent: numbered, written, and left out where their reader has them.

use wire::responses::{Event, EventBody};

/// Deltas are padded to a multiple of this, in bytes, so that their size says little of their text. The padding says
/// nothing itself, so it may be the same each time: an event is equal whenever it is read.
const PADDING: &str = "abcdefghijklmnop";
/// How many events an attempt may have; those of the next are numbered beyond.
const STEP: u32 = 24;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    pub number: u64,
    /// Its `type`.
    pub name: &'static str,
    /// The whole of it.
    pub json: String,
}

impl Line {
    /// As a server-sent event, whole.
    pub fn write_frame(&self, piece: &mut Vec<u8>) {
        for part in ["event: ", self.name, "\ndata: ", &self.json, "\n\n"] {
            piece.extend_from_slice(part.as_bytes());
        }
    }
}

/// Events that wait to be sent, and the count of all.
pub struct Lines {
    ready: Vec<Line>,
    /// Attempts that were dropped.
    dropped: u64,
    /// Events so far, without those of dropped attempts.
    count: u64,
    /// The same, of what is in the log.
    durable: u64,
    after: Option<u64>,
    padded: bool,
}

impl Lines {
    pub fn new(after: Option<u64>, padded: bool) -> Self {
        Self { ready: Vec::new(), dropped: 0, count: 0, durable: 0, after, padded }
    }

    pub fn say(&mut self, body: EventBody<'_>) {
        self.write(body, None);
    }

    pub fn say_delta(&mut self, text: &str, body: EventBody<'_>) {
        let padding = PADDING.get(text.len() % PADDING.len()..);
        self.write(body, padding.filter(|_| self.padded));
    }

    fn write(&mut self, body: EventBody<'_>, obfuscation: Option<&str>) {
        let number = (self.dropped << STEP) | self.count;
        self.count += 1;
        if self.after.is_some_and(|after| number <= after) {
            return;
        }
        let name = body.name();
        match serde_json::to_string(&Event { body, sequence_number: number, obfuscation }) {
            Ok(json) => self.ready.push(Line { number, name, json }),
            Err(error) => tracing::error!(%error, name, "an event could not be written"),
        }
    }

    /// All that was said so far is in the log.
    pub fn mark(&mut self) {
        self.durable = self.count;
    }

    /// What was said after the mark never was.
    pub fn step(&mut self) {
        self.dropped += 1;
        self.count = self.durable;
    }

    pub fn take(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.ready)
    }
}
