//! What people read: lines on stdout for what was asked, on stderr for what goes wrong. A reader that has gone away
//! (`outcrop key list | head -1`) is no error.

use crate::configuration::Variables;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

/// A line on stdout.
pub fn say(line: impl Display) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}");
    let _ = out.flush();
}

/// Text on stdout as it comes, without a line's end.
pub fn type_out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Bytes on stdout as they are; a terminal is shown them as text, made harmless.
pub fn put(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = match out.is_terminal() {
        true => out.write_all(tame(&String::from_utf8_lossy(bytes)).as_bytes()),
        false => out.write_all(bytes),
    };
    let _ = out.flush();
}

/// A line on stderr.
pub fn warn(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Text from outside, made harmless: a terminal obeys control characters, and what is not seen turns text around or hides in it.
pub fn tame(text: &str) -> String {
    let mut before = ' ';
    let harmless = text.chars().map(|c| {
        // Many scripts and pictures are joined so.
        let joins = matches!(c, '\u{200c}' | '\u{200d}') && !before.is_ascii();
        let harms = c.is_control() && c != '\n' && c != '\t' || is_unseen(c) && !joins;
        before = c;
        if harms { '\u{fffd}' } else { c }
    });
    harmless.collect()
}

/// Format characters without a shape of their own, and the two that end lines elsewhere.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// How stdout is dressed: plainly in a pipe or where `NO_COLOR` asks for it, in colours on a terminal or where
/// `CLICOLOR_FORCE` does.
#[derive(Clone, Copy)]
pub struct Style {
    colours: bool,
}

impl Style {
    pub fn of_stdout(variables: &Variables) -> Self {
        let forced = variables.get("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        Self { colours: variables.get("NO_COLOR").is_none() && (forced || std::io::stdout().is_terminal()) }
    }

    pub fn bold(self, text: &str) -> String {
        self.dress("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.dress("2", text)
    }

    /// What went wrong, or was made to.
    pub fn red(self, text: &str) -> String {
        self.dress("31", text)
    }

    /// What went well.
    pub fn green(self, text: &str) -> String {
        self.dress("32", text)
    }

    /// Names of those who speak.
    pub fn cyan(self, text: &str) -> String {
        self.dress("36", text)
    }

    fn dress(self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::tame;

    #[test]
    fn what_moves_or_hides_is_not_shown() {
        assert_eq!(tame("a\tb\nc \u{e9}"), "a\tb\nc \u{e9}");
        for hidden in ['\u{1b}', '\u{85}', '\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{e0041}', '\u{200d}'] {
            assert_eq!(tame(&format!("a{hidden}b")), "a\u{fffd}b", "{hidden:?}");
        }
        let joined = "\u{1f468}\u{200d}\u{1f469}";
        assert_eq!(tame(joined), joined);
    }
}
