//! What a model is shown of something long: its beginning and its end, and between them a line that says how much is
//! left out. [`Gathered`] takes output of any length in bounded memory. What bytes mean is decided here once: invalid
//! UTF-8 is replaced, and what is no text at all is only counted.

use std::collections::VecDeque;

/// How much of a text is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Of the text, without the line about what is left out.
    pub bytes: usize,
    pub lines: usize,
}

/// Cuts the middle out of a text that is too long; `None` where it is short enough. The cut is between lines where the
/// lines are not too long for that, and never within a character.
pub fn middle(text: &str, limit: Limit) -> Option<String> {
    joined(text, 0, text, limit)
}

/// A text of which the middle is missing already: `missing` bytes between `head` and `tail`; where none is missing, both
/// are the whole.
fn joined(head: &str, missing: u64, tail: &str, limit: Limit) -> Option<String> {
    let whole = missing == 0;
    if whole && head.len() <= limit.bytes && lines(head) <= limit.lines {
        return None;
    }
    let half = Limit { bytes: limit.bytes / 2, lines: limit.lines / 2 };
    let (first, last) = (beginning(head, half), ending(tail, half));
    // Of a whole text both ends are counted once, and they never meet: each has at most half of what was too much.
    let total = if whole { head.len() as u64 } else { head.len() as u64 + missing + tail.len() as u64 };
    let bytes = total - (first.len() + last.len()) as u64;
    let gap = if whole {
        let lines = lines(&head[first.len()..head.len() - last.len()]);
        format!("[{lines} lines, {bytes} bytes left out]")
    } else {
        format!("[{bytes} bytes left out]")
    };
    let before = if first.is_empty() || first.ends_with('\n') { "" } else { "\n" };
    Some(format!("{first}{before}{gap}\n{last}"))
}

fn lines(text: &str) -> usize {
    text.split_inclusive('\n').count()
}

fn beginning(text: &str, limit: Limit) -> &str {
    let mut end = text.len();
    if end > limit.bytes {
        end = text.floor_char_boundary(limit.bytes);
        // A whole line, unless that would cost more than half of the place.
        if let Some(line) = text[..end].rfind('\n').filter(|line| *line >= end / 2) {
            end = line + 1;
        }
    }
    let kept: usize = text[..end].split_inclusive('\n').take(limit.lines).map(str::len).sum();
    &text[..kept]
}

fn ending(text: &str, limit: Limit) -> &str {
    let mut start = 0;
    if text.len() > limit.bytes {
        start = text.ceil_char_boundary(text.len() - limit.bytes);
        if let Some(line) = text[start..].find('\n').filter(|line| *line < (text.len() - start) / 2) {
            start += line + 1;
        }
    }
    let kept: usize = text[start..].split_inclusive('\n').rev().take(limit.lines).map(str::len).sum();
    &text[text.len() - kept..]
}

/// The text of some bytes; `None` where they are none: they hold zeros, or much of them is no UTF-8.
pub fn text_of(bytes: &[u8]) -> Option<String> {
    if bytes.contains(&0) {
        return None;
    }
    let text = String::from_utf8_lossy(bytes);
    let replaced = text.matches('\u{fffd}').count();
    (replaced * 10 <= text.chars().count()).then(|| text.into_owned())
}

/// Output of any length: its beginning and its end are kept, between them it is only counted.
#[derive(Clone, Debug)]
pub struct Gathered {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    /// Of `head`, and of `tail`.
    most: usize,
    /// Bytes between the two that are not kept.
    missing: u64,
}

impl Gathered {
    /// Keeps at most about `bytes`.
    pub fn new(bytes: usize) -> Self {
        Self { head: Vec::new(), tail: VecDeque::new(), most: bytes / 2, missing: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at((self.most - self.head.len()).min(bytes.len()));
        self.head.extend_from_slice(first);
        let skipped = rest.len().saturating_sub(self.most);
        let over = (self.tail.len() + rest.len() - skipped).saturating_sub(self.most);
        self.tail.drain(..over);
        self.tail.extend(&rest[skipped..]);
        self.missing += (skipped + over) as u64;
    }

    /// So much was said that is not there to be kept.
    pub fn pass(&mut self, bytes: u64) {
        self.missing += bytes;
    }

    /// Of all that was said, kept or not.
    pub fn total(&self) -> u64 {
        (self.head.len() + self.tail.len()) as u64 + self.missing
    }

    /// Bytes that are not kept.
    pub fn missing(&self) -> u64 {
        self.missing
    }

    /// What is kept, without a word about what is not.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        bytes.extend(&self.tail);
        bytes
    }

    /// What is kept; a line says how much is not.
    pub fn whole(&self) -> Vec<u8> {
        if self.missing == 0 {
            return self.bytes();
        }
        let mut bytes = self.head.clone();
        bytes.extend(format!("\n[{} bytes left out]\n", self.missing).into_bytes());
        bytes.extend(&self.tail);
        bytes
    }

    /// What fits into the limit, as text.
    pub fn shown(&self, limit: Limit) -> String {
        let binary = || format!("[{} bytes that are no text]", self.total());
        if self.missing == 0 {
            let Some(text) = text_of(&self.bytes()) else { return binary() };
            return middle(&text, limit).unwrap_or(text);
        }
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        let (Some(head), Some(tail)) = (text_of(&self.head), text_of(&tail)) else { return binary() };
        joined(&head, self.missing, &tail, limit).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { bytes: 40, lines: 6 };

    #[test]
    fn what_is_short_stays() {
        for text in ["", "a", "a\nb\nc\n", "1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\n5\n6", &"x".repeat(40)] {
            assert_eq!(middle(text, LIMIT), None, "{text:?}");
        }
    }

    #[test]
    fn the_middle_goes_and_is_counted() {
        let lines = "1\n2\n3\n4\n5\n6\n7\n8\n";
        assert_eq!(middle(lines, LIMIT).unwrap(), "1\n2\n3\n[2 lines, 4 bytes left out]\n6\n7\n8\n");
        let long = format!("{}{}", "a".repeat(50), "b".repeat(50));
        let expected = format!("{}\n[1 lines, 60 bytes left out]\n{}", "a".repeat(20), "b".repeat(20));
        assert_eq!(middle(&long, LIMIT).unwrap(), expected);
    }

    #[test]
    fn characters_stay_whole_and_the_count_is_true_wherever_the_cut_falls() {
        for unit in ["ä", "ab", "€\n", "a𝄞b\n", "\n"] {
            for times in 0..90 {
                for bytes in 0..24 {
                    let text = unit.repeat(times);
                    let Some(cut) = middle(&text, Limit { bytes, lines: 8 }) else { continue };
                    let (first, rest) = cut.split_once('[').unwrap();
                    let (counts, last) = rest.split_once("]\n").unwrap();
                    let left_out: usize = counts.split(' ').nth(2).unwrap().parse().unwrap();
                    // The line end before the gap may be the text's own, or may have been put there.
                    let is_true = |first: &str| {
                        text.starts_with(first)
                            && text.ends_with(last)
                            && first.len() + left_out + last.len() == text.len()
                            && first.len() + last.len() <= bytes
                            && lines(first) + lines(last) <= 8
                    };
                    assert!(is_true(first) || first.strip_suffix('\n').is_some_and(is_true), "{text:?} {cut:?}");
                }
            }
        }
    }

    #[test]
    fn gathered_output_is_the_same_in_any_pieces() {
        let said: Vec<u8> = (0..1000u32).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let shown = |piece: usize, most: usize| {
            let mut gathered = Gathered::new(most);
            for part in said.chunks(piece) {
                gathered.push(part);
                assert!(gathered.head.len() + gathered.tail.len() <= most);
            }
            assert_eq!(gathered.total(), said.len() as u64);
            assert_eq!(gathered.bytes().len() as u64 + gathered.missing(), gathered.total());
            gathered.shown(Limit { bytes: 60, lines: 4 })
        };
        assert_eq!(shown(1, 100), shown(said.len(), 100));
        assert_eq!(shown(1, 100), shown(7, 100));
        assert_eq!(shown(64, 100), "line 0\nline 1\n[8858 bytes left out]\nline 998\nline 999\n");
        assert_eq!(shown(64, 1 << 20), "line 0\nline 1\n[996 lines, 8858 bytes left out]\nline 998\nline 999\n");
    }

    #[test]
    fn what_is_no_text_is_only_counted() {
        let mut gathered = Gathered::new(100);
        gathered.push(&[0x7f, b'E', b'L', b'F', 0, 0]);
        assert_eq!(gathered.shown(LIMIT), "[6 bytes that are no text]");
        let mut gathered = Gathered::new(100);
        gathered.push(b"one bad byte \xff among good ones");
        assert_eq!(gathered.shown(LIMIT), "one bad byte \u{fffd} among good ones");
        assert_eq!(text_of(&[0xff; 10]), None);
    }
}
