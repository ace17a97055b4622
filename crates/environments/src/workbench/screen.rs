//! A command's output as clients are shown it, while it comes and in the end. What was shown once stays: the text only
//! grows at its end, whatever comes later, and hangs on the bytes alone, not on the pieces in which they came.
//!
//! Its head is shown at once. Where more comes than fits, the end of it follows in the end, after a line that says how
//! much lies between. Bytes that are no UTF-8, and zeros, are shown as replacement characters; where there are too many
//! of them it is no text, and what follows is only counted.

use std::collections::VecDeque;

/// Bytes of the beginning, and of the end, that clients are shown. It is a part of the log.
const HALF: usize = 256 << 10;
/// So many bytes that are no text are forgiven, and then one in ten characters.
const FORGIVEN: u64 = 8;
const REPLACEMENT: &str = "\u{fffd}";

#[derive(Clone, Default, Debug)]
pub(super) struct Screen {
    head: String,
    /// Nothing goes into the head any more.
    is_full: bool,
    /// The newest text after the head.
    tail: VecDeque<u8>,
    /// Bytes of text between the two.
    left_out: u64,
    /// The beginning of a character.
    partial: Vec<u8>,
    characters: u64,
    replaced: u64,
    /// Bytes since it was found to be no text.
    no_text: Option<u64>,
    /// How much of the head was told already.
    told: usize,
}

impl Screen {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if let Some(count) = &mut self.no_text {
            *count += bytes.len() as u64;
            return;
        }
        if self.partial.is_empty() {
            return self.decode(bytes);
        }
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        self.decode(&all);
    }

    /// A line of our own about what is missing here.
    pub(super) fn note(&mut self, line: &str) {
        if self.no_text.is_none() {
            self.finish();
            self.add(line);
        }
    }

    /// Whether there is something to tell.
    pub(super) fn has_fresh(&self) -> bool {
        self.told < self.head.len()
    }

    /// What can be told since it was asked last.
    pub(super) fn fresh(&mut self) -> &str {
        let from = std::mem::replace(&mut self.told, self.head.len());
        &self.head[from..]
    }

    /// All of it.
    pub(super) fn text(mut self) -> String {
        self.finish();
        let mut text = self.head;
        let line = |text: &mut String, line: &str| {
            let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            text.push_str(&format!("{end}[{line}]"));
        };
        self.tail.make_contiguous();
        let tail = self.tail.as_slices().0;
        if self.left_out == 0 {
            text.push_str(&String::from_utf8_lossy(tail));
        } else {
            let begin = beginning(tail);
            line(&mut text, &format!("{} bytes left out", self.left_out + begin as u64));
            text.push('\n');
            text.push_str(&String::from_utf8_lossy(&tail[begin..]));
        }
        if let Some(count) = self.no_text.filter(|count| *count > 0) {
            line(&mut text, &format!("{count} bytes that are no text"));
        }
        text
    }

    fn decode(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        for piece in bytes.utf8_chunks() {
            rest = &rest[piece.valid().len()..];
            self.take(piece.valid(), rest.len());
            let invalid = piece.invalid();
            if invalid.is_empty() || self.no_text.is_some() {
                return;
            }
            let is_last = rest.len() == invalid.len();
            rest = &rest[invalid.len()..];
            if is_last && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none()) {
                self.partial = invalid.to_vec();
            } else {
                self.replace(rest.len());
                if self.no_text.is_some() {
                    return;
                }
            }
        }
    }

    /// Valid text, before `after` other bytes.
    fn take(&mut self, valid: &str, after: usize) {
        let mut rest = valid;
        while let Some(zero) = rest.find('\0') {
            self.add(&rest[..zero]);
            rest = &rest[zero + 1..];
            self.replace(rest.len() + after);
            if self.no_text.is_some() {
                return;
            }
        }
        self.add(rest);
    }

    /// Something that is no text, before `after` other bytes.
    fn replace(&mut self, after: usize) {
        self.replaced += 1;
        self.add(REPLACEMENT);
        if self.replaced > FORGIVEN.max(self.characters / 10) {
            self.no_text = Some(after as u64);
        }
    }

    fn add(&mut self, text: &str) {
        self.characters += text.chars().count() as u64;
        let mut rest = text;
        if !self.is_full {
            let end = rest.floor_char_boundary(HALF - self.head.len());
            self.head.push_str(&rest[..end]);
            rest = &rest[end..];
            self.is_full = !rest.is_empty();
        }
        let skipped = rest.len().saturating_sub(HALF);
        let over = (self.tail.len() + rest.len() - skipped).saturating_sub(HALF);
        self.tail.drain(..over);
        self.tail.extend(&rest.as_bytes()[skipped..]);
        self.left_out += (skipped + over) as u64;
    }

    /// No more of the character will come.
    fn finish(&mut self) {
        if !std::mem::take(&mut self.partial).is_empty() {
            self.replace(0);
        }
    }
}

/// Where the tail's first line begins, or its first character where the line is too long.
fn beginning(tail: &[u8]) -> usize {
    let line = tail.iter().take(tail.len() / 2).position(|byte| *byte == b'\n');
    let character = || tail.iter().position(|byte| byte & 0b1100_0000 != 0b1000_0000);
    line.map(|line| line + 1).or_else(character).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8], piece: usize) -> String {
        let mut screen = Screen::default();
        let mut told = String::new();
        for part in bytes.chunks(piece) {
            screen.push(part);
            told.push_str(screen.fresh());
        }
        let text = screen.text();
        assert!(text.starts_with(&told), "{told:?} is not how {text:?} begins");
        text
    }

    /// In pieces of any size.
    fn always(bytes: &[u8]) -> String {
        let text = shown(bytes, bytes.len().max(1));
        for piece in 1..bytes.len().min(9) {
            assert_eq!(shown(bytes, piece), text, "pieces of {piece}");
        }
        text
    }

    #[test]
    fn text_is_shown_as_it_is() {
        for text in ["", "a", "Grüße\n", "𝄞𝄞𝄞", "\u{1b}[31mred\r\n"] {
            assert_eq!(always(text.as_bytes()), text);
        }
    }

    #[test]
    fn what_is_no_text_is_replaced_and_then_counted() {
        assert_eq!(always(b"Gr\xfc\xdfe"), "Gr\u{fffd}\u{fffd}e");
        assert_eq!(always(b"a\0b\0"), "a\u{fffd}b\u{fffd}");
        assert_eq!(always(b"cut off \xf0\x9d\x84"), "cut off \u{fffd}");
        let binary = [b"\x7fELF".as_slice(), &[0; 20], b"text again"].concat();
        assert_eq!(always(&binary), format!("\u{7f}ELF{}\n[21 bytes that are no text]", REPLACEMENT.repeat(9)));
        // In a long text, more is forgiven.
        let long = format!("{}\0", "0123456789 ".repeat(5)).repeat(12);
        assert_eq!(always(long.as_bytes()), long.replace('\0', REPLACEMENT));
    }

    #[test]
    fn too_much_is_shown_with_its_beginning_and_its_end() {
        let lines: String = (0..200_000).map(|n| format!("{n}\n")).collect();
        let text = shown(lines.as_bytes(), 4096);
        assert_eq!(shown(lines.as_bytes(), 999_983), text);
        let (head, rest) = text.split_once("\n[").unwrap();
        let (count, tail) = rest.split_once(" bytes left out]\n").unwrap();
        assert!(lines.starts_with(head) && lines.ends_with(tail) && tail.starts_with(|c: char| c.is_ascii_digit()));
        assert_eq!(head.len(), HALF);
        assert_eq!(head.len() + tail.len() + count.parse::<usize>().unwrap(), lines.len());
        // The cut is between characters.
        let wide = "€".repeat(400_000);
        let text = shown(wide.as_bytes(), 1000);
        assert!(!text.contains(REPLACEMENT) && text.starts_with("€€") && text.ends_with("€€"));
        // What fits is whole.
        let fits = "x".repeat(2 * HALF);
        assert_eq!(shown(fits.as_bytes(), 7777), fits);
    }

    #[test]
    fn a_note_stands_where_something_is_missing() {
        let mut screen = Screen::default();
        screen.push(b"one \xe2\x82");
        screen.note("[gap]\n");
        screen.push(b"two");
        assert_eq!(screen.fresh(), "one \u{fffd}[gap]\ntwo");
        assert_eq!(screen.text(), "one \u{fffd}[gap]\ntwo");
    }
}
