//! One text, some hunks, and the text that comes of it. Lines are looked for from top to bottom, first to the letter, then
//! without the blanks at their ends, then without those at their beginnings; what stays of the file stays to the letter.

use super::parse::excerpt;
use super::{Hunk, Line};

/// How many lines are compared at most, so that a strange patch for a large file cannot keep a thread.
const MAX_COMPARED: u64 = 50_000_000;

/// Why a hunk has no place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the part at line {at} of the patch does not fit: {problem}")]
pub struct Mismatch {
    /// The line of the patch, counted from 1.
    pub at: usize,
    pub problem: String,
}

/// How much alike two lines must be.
#[derive(Clone, Copy)]
enum Tier {
    Letter,
    End,
    Both,
}

const TIERS: [Tier; 3] = [Tier::Letter, Tier::End, Tier::Both];

fn alike(tier: Tier, a: &str, b: &str) -> bool {
    match tier {
        Tier::Letter => a == b,
        Tier::End => a.trim_end() == b.trim_end(),
        Tier::Both => a.trim() == b.trim(),
    }
}

/// Applies hunks in their order. Line ends stay as the file has them; a file that ended without one still does.
pub fn apply(text: &str, hunks: &[Hunk]) -> Result<String, Mismatch> {
    let mut lines: Vec<&str> = text.split('\n').collect();
    // An empty file has no line that lacks its end.
    let ended = text.is_empty() || text.ends_with('\n');
    if ended {
        lines.pop();
    }
    let ends_with_return = lines.first().is_some_and(|line| line.ends_with('\r'));
    // The last line gets the end that it lacks, for it may not stay the last.
    let completed = lines.last().filter(|_| !ended && ends_with_return).map(|line| format!("{line}\r"));
    if let (Some(last), Some(completed)) = (lines.last_mut(), &completed) {
        *last = completed;
    }
    let mut search = Search { lines: &lines, cursor: 0, left: MAX_COMPARED };
    let mut result: Vec<String> = Vec::with_capacity(lines.len());
    let mut copied = 0;
    for hunk in hunks {
        let place = search.place(hunk)?;
        result.extend(lines[copied..place].iter().map(|line| (*line).to_owned()));
        copied = place;
        for line in &hunk.lines {
            match line {
                Line::Kept(_) => {
                    result.push(lines[copied].to_owned());
                    copied += 1;
                }
                Line::Removed(_) => copied += 1,
                Line::Added(text) if ends_with_return && !text.ends_with('\r') => result.push(format!("{text}\r")),
                Line::Added(text) => result.push(text.clone()),
            }
        }
        search.cursor = copied;
    }
    result.extend(lines[copied..].iter().map(|line| (*line).to_owned()));
    let mut text = result.join("\n");
    if ended && !result.is_empty() {
        text.push('\n');
    } else if completed.is_some() && text.ends_with('\r') {
        text.pop();
    }
    Ok(text)
}

/// Whether the hunks could be taken back: they, or something that looks the same, are in the text. A hunk that leaves no
/// line behind leaves no trace either: it counts as there.
pub fn is_undoable(text: &str, hunks: &[Hunk]) -> bool {
    let leaves_trace = |hunk: &&Hunk| hunk.lines.iter().any(|line| !matches!(line, Line::Removed(_)));
    let inverse: Vec<Hunk> = hunks.iter().filter(leaves_trace).map(Hunk::inverse).collect();
    apply(text, &inverse).is_ok()
}

struct Search<'a> {
    lines: &'a [&'a str],
    /// What is before it is done with.
    cursor: usize,
    left: u64,
}

impl Search<'_> {
    /// The line before which the hunk's first line is, counted from 0.
    fn place(&mut self, hunk: &Hunk) -> Result<usize, Mismatch> {
        let wrong = |problem: String| Mismatch { at: hunk.at, problem };
        let mut from = self.cursor;
        let mut last_anchor = None;
        for anchor in &hunk.anchors {
            let found = self.find(&[anchor], from).map_err(wrong)?;
            let place = found.ok_or_else(|| wrong(format!("no line {:?} after line {from}", excerpt(anchor))))?;
            (from, last_anchor) = (place + 1, Some(place));
        }
        let old: Vec<&str> = hunk.old().collect();
        if hunk.at_end {
            let end = self.lines.len().checked_sub(old.len()).filter(|place| *place >= from);
            let fits = |place: &usize| TIERS.iter().any(|tier| starts(*tier, &self.lines[*place..], &old) == old.len());
            return end.filter(fits).ok_or_else(|| wrong("the file does not end with its lines".to_owned()));
        }
        if old.is_empty() {
            return Ok(if last_anchor.is_some() { from } else { self.lines.len() });
        }
        if let Some(place) = self.find(&old, from).map_err(wrong)? {
            return Ok(place);
        }
        // The line after `@@` may be the hunk's own first line.
        if let Some(anchor) = last_anchor
            && starts(Tier::Both, &self.lines[anchor..], &old) == old.len()
        {
            return Ok(anchor);
        }
        Err(wrong(self.nearest(&old, from)))
    }

    /// The first place from `from` on where the lines stand; the likest kind of alike goes first.
    fn find(&mut self, wanted: &[impl AsRef<str>], from: usize) -> Result<Option<usize>, String> {
        let Some(last) = self.lines.len().checked_sub(wanted.len()) else { return Ok(None) };
        for tier in TIERS {
            for place in from..=last {
                let same = starts(tier, &self.lines[place..], wanted);
                if same == wanted.len() {
                    return Ok(Some(place));
                }
                self.left = self.left.saturating_sub(same as u64 + 1);
                if self.left == 0 {
                    return Err("looking for its lines takes too long; use fewer or rarer lines of context".to_owned());
                }
            }
        }
        Ok(None)
    }

    /// Where most of the lines stand, for whoever must write the patch anew.
    fn nearest(&self, old: &[&str], from: usize) -> String {
        let (mut best, mut length, mut left) = (None, 0, self.left);
        for place in from..self.lines.len() {
            let same = starts(Tier::Both, &self.lines[place..], old);
            left = left.saturating_sub(same as u64 + 1);
            if left == 0 {
                break;
            }
            if same > length {
                (best, length) = (Some(place), same);
            }
        }
        let Some(place) = best else {
            let first = excerpt(old.first().copied().unwrap_or_default());
            let before = (0..from).find(|place| starts(Tier::Both, &self.lines[*place..], old) == old.len());
            return match before {
                Some(place) => {
                    format!("its lines stand at line {}, before the part that comes earlier in the patch", place + 1)
                }
                None => format!("the file has no line {first:?} after line {from}"),
            };
        };
        let wanted = excerpt(old.get(length).copied().unwrap_or_default());
        match self.lines.get(place + length) {
            Some(line) => {
                format!("it expects {wanted:?} at line {}, where the file has {:?}", place + length + 1, excerpt(line))
            }
            None => format!("it expects {wanted:?} after line {}, where the file ends", place + length),
        }
    }
}

/// How many of the wanted lines stand at the beginning of `lines`, one after the other.
fn starts(tier: Tier, lines: &[&str], wanted: &[impl AsRef<str>]) -> usize {
    lines.iter().zip(wanted).take_while(|(line, wanted)| alike(tier, line, wanted.as_ref())).count()
}
