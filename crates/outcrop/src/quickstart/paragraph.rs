//! Text that comes in pieces, set in lines of readable width.

/// Columns, indentation included.
const WIDTH: usize = 88;

/// One paragraph of one speaker: his name stands before its first line.
pub struct Paragraph {
    indent: usize,
    column: usize,
    /// The end of what came, up to its last space: it may go on.
    word: String,
    is_new_line: bool,
}

impl Paragraph {
    /// Begins behind a name that takes `indent` columns.
    pub fn new(indent: usize) -> Self {
        Self { indent, column: indent, word: String::new(), is_new_line: true }
    }

    /// What can be shown of it now.
    pub fn push(&mut self, piece: &str) -> String {
        let mut out = String::new();
        for c in piece.chars() {
            match c {
                '\n' => {
                    self.flush(&mut out);
                    self.break_line(&mut out);
                }
                c if c.is_whitespace() => self.flush(&mut out),
                // A word without an end is shown in pieces.
                c => {
                    self.word.push(c);
                    if self.word.chars().count() >= WIDTH - self.indent {
                        self.flush(&mut out);
                    }
                }
            }
        }
        out
    }

    /// What is left.
    pub fn end(mut self) -> String {
        let mut out = String::new();
        self.flush(&mut out);
        out
    }

    fn flush(&mut self, out: &mut String) {
        if self.word.is_empty() {
            return;
        }
        let length = self.word.chars().count();
        if !self.is_new_line && self.column + 1 + length > WIDTH {
            self.break_line(out);
        }
        if !self.is_new_line {
            out.push(' ');
            self.column += 1;
        }
        out.push_str(&self.word);
        self.word.clear();
        self.column += length;
        self.is_new_line = false;
    }

    fn break_line(&mut self, out: &mut String) {
        out.push('\n');
        out.push_str(&" ".repeat(self.indent));
        self.column = self.indent;
        self.is_new_line = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pieces: &[&str]) -> String {
        let mut paragraph = Paragraph::new(4);
        let shown: String = pieces.iter().map(|piece| paragraph.push(piece)).collect();
        shown + &paragraph.end()
    }

    #[test]
    fn words_are_not_torn_and_lines_not_too_long() {
        let words = "seven words that are said in turn ".repeat(20);
        let pieces: Vec<String> = words.chars().map(String::from).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let text = set(&pieces);
        assert_eq!(text, set(&[&words]), "pieces do not matter");
        assert!(text.lines().count() > 5 && text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        let back: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(back.join(" "), words.trim_end());
    }

    #[test]
    fn lines_end_where_the_text_says() {
        assert_eq!(set(&["one\n", "\ntwo  three"]), "one\n    \n    two three");
        assert!(set(&[&"x".repeat(500)]).lines().all(|line| line.chars().count() <= WIDTH));
    }
}
