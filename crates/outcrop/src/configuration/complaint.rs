//! What is wrong with the configuration: where it stands, what it is, what would be right.

use super::nearest::nearest;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One complaint. It prints as `outcrop.toml:12: what is wrong`.
#[derive(Debug)]
pub struct Complaint {
    place: Place,
    message: String,
}

#[derive(Debug)]
enum Place {
    Line {
        file: PathBuf,
        line: usize,
    },
    File(PathBuf),
    /// A variable or a flag, by its name.
    Word(&'static str),
    Nowhere,
}

impl Complaint {
    pub fn file(file: &Path, message: impl Into<String>) -> Self {
        Self { place: Place::File(file.to_owned()), message: message.into() }
    }
    pub fn word(word: &'static str, message: impl Into<String>) -> Self {
        Self { place: Place::Word(word), message: message.into() }
    }
    pub fn general(message: impl Into<String>) -> Self {
        Self { place: Place::Nowhere, message: message.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Line { file, line } => write!(f, "{}:{line}: {}", file.display(), self.message),
            Place::File(file) => write!(f, "{}: {}", file.display(), self.message),
            Place::Word(word) => write!(f, "{word}: {}", self.message),
            Place::Nowhere => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Complaint {}

/// The text that is being read, by which places become lines.
pub struct Text<'a> {
    pub file: &'a Path,
    pub content: &'a str,
}

impl Text<'_> {
    pub fn complain(&self, span: Range<usize>, message: impl Into<String>) -> Complaint {
        let before = self.content.get(..span.start.min(self.content.len())).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        Complaint { place: Place::Line { file: self.file.to_owned(), line }, message: message.into() }
    }

    pub fn slice(&self, span: Range<usize>) -> &str {
        self.content.get(span).unwrap_or("").trim()
    }

    /// Says a parser's error in our words, with the nearest right one.
    pub fn translate(&self, error: &toml::de::Error) -> Complaint {
        let message = said_better(error.message());
        match error.span() {
            Some(span) => self.complain(span, message),
            None => Complaint::file(self.file, message),
        }
    }
}

/// serde names an unknown field and all those that it knows, in backquotes; the nearest is worth more than the list.
fn said_better(message: &str) -> String {
    let message = message.lines().next().unwrap_or(message);
    if !message.starts_with("unknown field") {
        return message.to_owned();
    }
    let mut words = message.split('`').skip(1).step_by(2);
    let Some(wrong) = words.next() else { return message.to_owned() };
    let known: Vec<&str> = words.collect();
    match nearest(wrong, known.iter().copied()) {
        Some(near) => format!("unknown field `{wrong}`; did you mean `{near}`?"),
        None => format!("unknown field `{wrong}`; here may stand {}", known.join(", ")),
    }
}
