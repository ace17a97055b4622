//! What a program wrote for people, and how it ended, in one sentence: where it is no server at all, nothing else says why.

/// Bytes that are kept of the end of it.
const KEPT: usize = 2000;
/// Characters of it that are told: so few that the whole sentence stays whole where it is quoted.
const TOLD: usize = 200;

/// The end of what a program wrote to its standard error.
#[derive(Default)]
pub struct Complaint {
    kept: Vec<u8>,
}

impl Complaint {
    pub fn hear(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        let over = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..over);
    }

    /// `status` is how it ended, such as `exit code 1`. The last lines come behind it, at most 200 characters, in quotes;
    /// what would end a line, move a terminal or hide is escaped.
    #[must_use]
    pub fn told(&self, status: &str) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let text = text.trim();
        if text.is_empty() {
            return status.to_owned();
        }
        let from = text.char_indices().rev().nth(TOLD - 1).map_or(0, |(at, _)| at);
        let mut told = &text[from..];
        if from > 0 {
            // A line that has lost its beginning says little.
            told = told.split_once('\n').map_or(told, |(_, whole)| whole);
        }
        format!("{status}; it wrote: {told:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(wrote: &[u8]) -> String {
        let mut complaint = Complaint::default();
        wrote.chunks(7).for_each(|piece| complaint.hear(piece));
        complaint.told("exit code 1")
    }

    #[test]
    fn the_status_is_told_and_the_last_lines() {
        assert_eq!(told(b" \n"), "exit code 1");
        assert_eq!(told(b"one\ntwo\n"), r#"exit code 1; it wrote: "one\ntwo""#);
        let long = format!("{}\nError: no\n", "x".repeat(700));
        assert_eq!(told(long.as_bytes()), r#"exit code 1; it wrote: "Error: no""#);
    }

    #[test]
    fn it_is_clipped_and_escaped() {
        let long = told(&[b'\n'; 3000].map(|_| b'y'));
        assert_eq!(long.matches('y').count(), TOLD);
        assert_eq!(told("\u{1b}[31m \u{202e}".as_bytes()), r#"exit code 1; it wrote: "\u{1b}[31m \u{202e}""#);
        assert_eq!(told(b"\xff!"), "exit code 1; it wrote: \"\u{fffd}!\"");
    }
}
