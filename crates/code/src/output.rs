//! What a program prints, up to a limit: the beginning is kept, and what is over it counted.

use monty_types::{MontyException, PrintWriterCallback};
use std::borrow::Cow;

pub struct Output {
    text: String,
    /// Bytes that may still be kept.
    left: usize,
    /// Bytes that were not.
    cut: usize,
}

impl Output {
    /// `left` and `cut` are of the steps before.
    pub fn new(left: usize, cut: usize) -> Self {
        Self { text: String::new(), left, cut }
    }

    pub fn left(&self) -> usize {
        self.left
    }

    pub fn cut(&self) -> usize {
        self.cut
    }

    /// What this step printed.
    pub fn into_text(self) -> String {
        self.text
    }

    /// As `into_text` of a program's last step: says what was cut, in this one or before.
    pub fn into_last(mut self) -> String {
        if self.cut > 0 {
            let line = if self.text.is_empty() || self.text.ends_with('\n') { "" } else { "\n" };
            self.text.push_str(&format!("{line}[{} more bytes of output are left out]\n", self.cut));
        }
        self.text
    }

    fn add(&mut self, text: &str) {
        // Once something was left out, all that follows is: a text with holes would mislead.
        let kept = if self.cut > 0 { "" } else { beginning(text, self.left) };
        self.text.push_str(kept);
        self.left -= kept.len();
        self.cut = self.cut.saturating_add(text.len() - kept.len());
    }
}

/// At most so many bytes of a text, whole characters.
pub fn beginning(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

impl PrintWriterCallback for Output {
    fn stdout_write(&mut self, output: Cow<'_, str>) -> Result<(), MontyException> {
        self.add(&output);
        Ok(())
    }

    fn stdout_push(&mut self, end: char) -> Result<(), MontyException> {
        self.add(end.encode_utf8(&mut [0; 4]));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_kept_in_whole_characters_and_the_rest_is_counted() {
        let mut output = Output::new(5, 0);
        output.add("äöü");
        output.add("x");
        assert_eq!((output.left(), output.cut()), (1, 3));
        assert_eq!(output.into_last(), "äö\n[3 more bytes of output are left out]\n");
    }

    #[test]
    fn a_later_step_goes_on_where_an_earlier_one_stood() {
        let mut output = Output::new(3, 0);
        output.add("ab");
        let mut next = Output::new(output.left(), output.cut());
        next.add("cd");
        assert_eq!(next.into_text(), "c");
        let last = Output::new(0, 1);
        assert_eq!(last.into_last(), "[1 more bytes of output are left out]\n");
        assert_eq!(Output::new(3, 0).into_last(), "");
    }
}
