//! The patch format that models write: files added, deleted, updated and moved, with lines of context instead of line
//! numbers. Reading it ([`Patch::parse`]) and applying it to one text ([`apply`]) are pure; whose files they are is not
//! known here.
//!
//! ```text
//! *** Begin Patch
//! *** Add File: notes/new.txt
//! +its lines
//! *** Update File: src/main.rs
//! *** Move to: src/app.rs
//! @@ fn main() {
//!      let a = 1;
//! -    let b = 2;
//! +    let b = 3;
//! *** Delete File: old.txt
//! *** End Patch
//! ```

mod apply;
mod parse;
#[cfg(test)]
mod tests;

pub use apply::{Mismatch, apply, is_undoable};

/// Largest patch that is read.
pub const MAX_BYTES: usize = 4 << 20;
/// Most files that one patch may name.
pub const MAX_FILES: usize = 500;

/// What is to be done with some files. No path is named twice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patch {
    pub changes: Vec<Change>,
}

/// What is to be done with one file. Paths are as the patch has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    Add { path: String, text: String },
    Delete { path: String },
    Update { path: String, to: Option<String>, hunks: Vec<Hunk> },
}

impl Change {
    pub fn path(&self) -> &str {
        match self {
            Self::Add { path, .. } | Self::Delete { path } | Self::Update { path, .. } => path,
        }
    }
}

/// Neighbouring lines of a file, and what becomes of them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Hunk {
    /// The line of the patch at which it begins, counted from 1.
    pub at: usize,
    /// Lines that come before it in the file, each after the one before.
    pub anchors: Vec<String>,
    pub lines: Vec<Line>,
    /// It is the end of the file.
    pub at_end: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    Kept(String),
    Removed(String),
    Added(String),
}

impl Hunk {
    /// The one that takes this one back.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let turn = |line: &Line| match line {
            Line::Kept(text) => Line::Kept(text.clone()),
            Line::Removed(text) => Line::Added(text.clone()),
            Line::Added(text) => Line::Removed(text.clone()),
        };
        Self { lines: self.lines.iter().map(turn).collect(), ..self.clone() }
    }

    /// The lines that the file has before.
    fn old(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| match line {
            Line::Kept(text) | Line::Removed(text) => Some(text.as_str()),
            Line::Added(_) => None,
        })
    }
}

/// What is wrong with a patch, and where.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line} of the patch: {problem}")]
pub struct Malformed {
    /// Counted from 1.
    pub line: usize,
    pub problem: String,
}

impl Patch {
    /// Reads a patch. Around it there may be empty lines.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        parse::parse(text)
    }
}
