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

/// A line on stderr.
pub fn warn(line: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Text from outside, made harmless: a terminal obeys control characters.
pub fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
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
