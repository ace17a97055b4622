//! From the text of a patch to what it asks for. What it cannot read it names by line, and it guesses nothing: half a
//! patch is none.

use super::{Change, Hunk, Line, MAX_BYTES, MAX_FILES, Malformed, Patch};
use std::collections::BTreeSet;

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const ADD: &str = "*** Add File: ";
const DELETE: &str = "*** Delete File: ";
const UPDATE: &str = "*** Update File: ";
const MOVE: &str = "*** Move to: ";
const END_OF_FILE: &str = "*** End of File";
/// As long as paths are on most machines.
const MAX_PATH: usize = 4096;

struct Reader<'a> {
    lines: Vec<&'a str>,
    next: usize,
}

pub(super) fn parse(text: &str) -> Result<Patch, Malformed> {
    if text.len() > MAX_BYTES {
        return Err(Malformed { line: 1, problem: format!("a patch has at most {MAX_BYTES} bytes") });
    }
    let mut lines: Vec<&str> = text.split('\n').collect();
    // A patch that came with CRLF throughout; otherwise the sign belongs to the lines of the file.
    let body = &lines[..lines.len() - 1];
    if !body.is_empty() && body.iter().all(|line| line.ends_with('\r')) {
        lines = lines.iter().map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
    }
    let mut reader = Reader { lines, next: 0 };
    reader.skip_empty();
    if reader.peek().is_none_or(|line| line.trim() != BEGIN) {
        return Err(reader.wrong(format!("a patch begins with {BEGIN:?}")));
    }
    reader.next += 1;
    let changes = reader.changes()?;
    reader.next += 1;
    reader.skip_empty();
    if reader.peek().is_some() {
        return Err(reader.wrong(format!("nothing comes after {END:?}")));
    }
    Ok(Patch { changes })
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.lines.get(self.next).copied()
    }

    fn skip_empty(&mut self) {
        while self.peek().is_some_and(|line| line.trim().is_empty()) {
            self.next += 1;
        }
    }

    /// About the line that is next, or the last.
    fn wrong(&self, problem: impl Into<String>) -> Malformed {
        Malformed { line: (self.next + 1).min(self.lines.len()), problem: problem.into() }
    }

    /// Up to the line that ends the patch.
    fn changes(&mut self) -> Result<Vec<Change>, Malformed> {
        let mut changes = Vec::new();
        let mut named = BTreeSet::new();
        loop {
            let Some(line) = self.peek() else { return Err(self.wrong(format!("a patch ends with {END:?}"))) };
            if line.trim_end() == END {
                if changes.is_empty() {
                    return Err(self.wrong("the patch changes nothing"));
                }
                return Ok(changes);
            }
            if changes.len() == MAX_FILES {
                return Err(self.wrong(format!("a patch changes at most {MAX_FILES} files")));
            }
            let at = self.next + 1;
            let change = self.change(line)?;
            let also = match &change {
                Change::Update { to, .. } => to.as_deref(),
                Change::Add { .. } | Change::Delete { .. } => None,
            };
            for path in [Some(change.path()), also].into_iter().flatten() {
                if !named.insert(path.to_owned()) {
                    let problem = format!("{path} is named twice; put all that happens to one file into one section");
                    return Err(Malformed { line: at, problem });
                }
            }
            changes.push(change);
        }
    }

    fn change(&mut self, line: &'a str) -> Result<Change, Malformed> {
        if let Some(path) = line.strip_prefix(ADD) {
            let path = self.path(path)?;
            Ok(Change::Add { path, text: self.added() })
        } else if let Some(path) = line.strip_prefix(DELETE) {
            Ok(Change::Delete { path: self.path(path)? })
        } else if let Some(path) = line.strip_prefix(UPDATE) {
            let path = self.path(path)?;
            self.update(path)
        } else {
            let sections = [ADD, DELETE, UPDATE].map(str::trim_end).join("\", \"");
            Err(self.wrong(format!("expected \"{sections}\" or {END:?}, found {:?}", excerpt(line))))
        }
    }

    /// The path of the line that is next, which is passed.
    fn path(&mut self, path: &str) -> Result<String, Malformed> {
        let path = path.trim();
        if path.is_empty() || path.len() > MAX_PATH || path.contains('\0') {
            return Err(self.wrong("that is no path"));
        }
        self.next += 1;
        Ok(path.to_owned())
    }

    fn added(&mut self) -> String {
        let mut text = String::new();
        while let Some(line) = self.peek().and_then(|line| line.strip_prefix('+')) {
            text.push_str(line);
            text.push('\n');
            self.next += 1;
        }
        text
    }

    fn update(&mut self, path: String) -> Result<Change, Malformed> {
        let mut to = None;
        if let Some(target) = self.peek().and_then(|line| line.strip_prefix(MOVE)) {
            to = Some(self.path(target)?);
        }
        let mut hunks: Vec<Hunk> = Vec::new();
        while let Some(line) = self.peek().filter(|line| !is_heading(line)) {
            // Some models part hunks by an empty line: it is one of context only if more lines follow.
            if line.is_empty() && self.is_gap() {
                self.skip_empty();
                continue;
            }
            let hunk = self.hunk()?;
            if hunks.last().is_some_and(|last| last.at_end) {
                return Err(Malformed { line: hunk.at, problem: "nothing comes after the end of the file".to_owned() });
            }
            hunks.push(hunk);
        }
        if hunks.is_empty() && to.is_none() {
            return Err(self.wrong(format!("{path} is to be updated, but no lines follow")));
        }
        Ok(Change::Update { path, to, hunks })
    }

    /// Whether only empty lines stand before the next heading or the next `@@`.
    fn is_gap(&self) -> bool {
        let rest = &self.lines[self.next..];
        rest.iter().find(|line| !line.is_empty()).is_none_or(|line| is_heading(line) || line.starts_with("@@"))
    }

    fn hunk(&mut self) -> Result<Hunk, Malformed> {
        let mut hunk = Hunk { at: self.next + 1, ..Hunk::default() };
        while let Some(anchor) = self.peek().and_then(|line| line.strip_prefix("@@")) {
            hunk.anchors.extend(anchor_of(anchor));
            self.next += 1;
        }
        while let Some(line) = self.peek().filter(|line| !is_heading(line) && !line.starts_with("@@")) {
            if line.is_empty() && self.is_gap() {
                break;
            }
            if line.trim_end() == END_OF_FILE {
                hunk.at_end = true;
                self.next += 1;
                break;
            }
            hunk.lines.push(match line.chars().next() {
                None => Line::Kept(String::new()),
                Some(' ') => Line::Kept(line[1..].to_owned()),
                Some('-') => Line::Removed(line[1..].to_owned()),
                Some('+') => Line::Added(line[1..].to_owned()),
                Some(_) => {
                    let problem =
                        "a line of an update begins with a space (kept), \"-\" (removed), \"+\" (added) or \"@@\"";
                    return Err(self.wrong(format!("{problem}; found {:?}", excerpt(line))));
                }
            });
            self.next += 1;
        }
        if hunk.lines.iter().all(|line| matches!(line, Line::Kept(_))) {
            return Err(Malformed { line: hunk.at, problem: "this part changes no line".to_owned() });
        }
        Ok(hunk)
    }
}

/// Whether a line ends the section before it.
fn is_heading(line: &str) -> bool {
    line.starts_with("*** ") && line.trim_end() != END_OF_FILE
}

/// What comes after `@@`. Numbers of lines, as other formats have them, say nothing here.
fn anchor_of(text: &str) -> Option<String> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    let numbers = text.trim().strip_suffix("@@").unwrap_or(text).trim();
    let is_number = |word: &str| {
        word.len() > 1 && word.starts_with(['-', '+']) && word[1..].chars().all(|c| c.is_ascii_digit() || c == ',')
    };
    let is_place = numbers.split_whitespace().all(is_number);
    (!is_place).then(|| text.to_owned())
}

/// The beginning of a line, for an error.
pub(super) fn excerpt(line: &str) -> String {
    let mut start: String = line.chars().take(120).collect();
    if start.len() < line.len() {
        start.push('…');
    }
    start
}
