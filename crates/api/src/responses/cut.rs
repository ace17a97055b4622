//! Text into the pieces in which it is streamed. Where a piece ends depends on the text alone: however a model's chunks
//! fell and however slow the reader was, and again when it is read from the log, the pieces are the same.
//!
//! A piece ends before the next word begins, and before it would have more than [`LONGEST`] bytes.

/// Bytes of the longest piece.
const LONGEST: usize = 32;

/// The text that is not yet known to be a whole piece.
#[derive(Default, Debug)]
pub struct Cut {
    open: String,
}

impl Cut {
    /// Takes the next text; gives the pieces that are whole by it.
    pub fn push(&mut self, text: &str) -> Vec<String> {
        let mut whole = Vec::new();
        for next in text.chars() {
            let word_ends = self.open.ends_with(char::is_whitespace) && !next.is_whitespace();
            if word_ends || self.open.len() + next.len_utf8() > LONGEST {
                whole.push(std::mem::take(&mut self.open));
            }
            self.open.push(next);
        }
        whole
    }

    /// No more text comes: the last piece, if there is one.
    pub fn finish(&mut self) -> Option<String> {
        let last = std::mem::take(&mut self.open);
        (!last.is_empty()).then_some(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(chunks: &[&str]) -> Vec<String> {
        let mut cut = Cut::default();
        let mut pieces: Vec<String> = chunks.iter().flat_map(|chunk| cut.push(chunk)).collect();
        pieces.extend(cut.finish());
        pieces
    }

    #[test]
    fn a_piece_is_a_word_and_the_white_after_it() {
        assert_eq!(cut(&["one two  three\n"]), ["one ", "two  ", "three\n"]);
        assert_eq!(cut(&["  x"]), ["  ", "x"]);
        assert!(cut(&[]).is_empty() && cut(&[""]).is_empty());
    }

    #[test]
    fn a_piece_has_32_bytes_at_most() {
        let long = "ä".repeat(40);
        let pieces = cut(&[&long]);
        assert_eq!(pieces.iter().map(String::len).collect::<Vec<_>>(), [32, 32, 16]);
        assert_eq!(pieces.concat(), long);
        assert_eq!(cut(&["a", &"€".repeat(11)])[0].len(), 31);
    }

    #[test]
    fn chunks_leave_no_trace() {
        let text =
            "Grüße, Welt!  Ein  Wort\tund\n\nnoch-eins-das-sehr-lang-ist-und-nicht-endet 漢字漢字漢字漢字漢字漢字 .";
        let whole = cut(&[text]);
        assert_eq!(whole.concat(), text);
        let ends: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for first in &ends {
            for second in ends.iter().filter(|end| *end >= first) {
                assert_eq!(cut(&[&text[..*first], &text[*first..*second], &text[*second..]]), whole);
            }
        }
    }
}
