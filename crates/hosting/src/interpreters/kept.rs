//! What a client is shown of an output: its beginning and its end, and between them how much was left out. Pure.

use std::collections::VecDeque;

/// Bytes of each stream: together with all that escaping may add, they fit into one frame.
const HEAD: usize = 256 << 10;
const TAIL: usize = 128 << 10;

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: usize,
    /// Some of it never came.
    has_gap: bool,
}

impl Kept {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD - self.head.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
        self.left_out += over;
    }

    pub(super) fn note_gap(&mut self) {
        self.has_gap = true;
    }

    pub(super) fn text(mut self) -> String {
        let gap = match (self.left_out, self.has_gap) {
            (0, false) => String::new(),
            (0, true) => "\n[some output is missing: it came too fast]\n".to_owned(),
            (count, _) => format!("\n[{count} bytes or more left out]\n"),
        };
        if gap.is_empty() {
            self.head.extend(self.tail);
            return String::from_utf8_lossy(&self.head).into_owned();
        }
        let (head, tail) = (String::from_utf8_lossy(&self.head), self.tail.make_contiguous());
        format!("{head}{gap}{}", String::from_utf8_lossy(tail))
    }
}
