//! Reading, writing and listing files, as text and with limits.

use super::path::{join, length, readable, split, stayed_inside, whole, writable};
use super::{FOR_MODEL, Problem, Station, arguments, said};
use crate::machine::{Fault, FileKind};
use crate::truncate::text_of;
use std::fmt::Write;
use types::ToolOutcome;

/// Largest file of which lines are read.
pub(super) const MAX_FILE: u64 = 16 << 20;
const MAX_CONTENT: usize = 4 << 20;
const LINES: u64 = 800;
/// What is shown of one line, in bytes.
const LINE: usize = 2000;
const MAX_ENTRIES: usize = 1000;
const MAX_DEPTH: u32 = 6;
/// Listed, but not what is in it, unless it is asked for.
const CLOSED: [&str; 3] = [".git", "node_modules", "target"];

pub(super) async fn read(station: &Station, asked: arguments::ReadFile) -> Result<ToolOutcome, Problem> {
    let path = readable(station, &asked.path)?;
    let bytes = match whole(&*station.machine, &path, MAX_FILE).await {
        Ok(bytes) => bytes,
        Err(Fault::TooLarge(_)) => {
            let advice = "look at parts of it with shell, by head, tail or sed -n";
            return Err(Problem::Failed(format!("{path} has more than {MAX_FILE} bytes: {advice}")));
        }
        Err(fault) => return Err(Problem::looking(&format!("{path} was not read"), &fault)),
    };
    let Some(text) = text_of(&bytes) else {
        return Err(Problem::Failed(format!("{path} is no text: it has {} bytes", bytes.len())));
    };
    let first = asked.offset.unwrap_or(1).max(1);
    let most = asked.limit.unwrap_or(LINES);
    said(excerpt(&path, &text, first, most))
}

/// Lines from `first` on, which is counted from 1, as far as there is place.
fn excerpt(path: &str, text: &str, first: u64, most: u64) -> String {
    let total = text.lines().count() as u64;
    let mut shown = String::new();
    let mut last = first - 1;
    let skip = usize::try_from(first - 1).unwrap_or(usize::MAX);
    for line in text.lines().skip(skip).take(usize::try_from(most).unwrap_or(usize::MAX)) {
        let start = &line[..line.floor_char_boundary(LINE)];
        if shown.len() + start.len() > FOR_MODEL.bytes {
            break;
        }
        shown.push_str(start);
        if start.len() < line.len() {
            // Writing to a string cannot fail.
            let _ = write!(shown, " [{} bytes left out]", line.len() - start.len());
        }
        shown.push('\n');
        last += 1;
    }
    if last < first {
        return format!("{path} has {total} lines; none is shown");
    }
    let more = if last < total { format!("; go on with offset={}", last + 1) } else { String::new() };
    format!("lines {first} to {last} of {total} of {path}{more}\n{shown}")
}

pub(super) async fn write(station: &Station, asked: arguments::WriteFile) -> Result<ToolOutcome, Problem> {
    if asked.content.len() > MAX_CONTENT {
        return Err(Problem::Failed(format!("content has at most {MAX_CONTENT} bytes; nothing was written")));
    }
    let path = writable(station, &asked.path).await?;
    let (bytes, lines) = (asked.content.len(), asked.content.lines().count());
    put(station, &path, asked.content.into_bytes())
        .await
        .map_err(|fault| Problem::changing(&format!("{path} was not written"), &fault))?;
    said(format!("wrote {path}: {lines} lines, {bytes} bytes"))
}

/// Writes a whole file, with the directories above it.
pub(super) async fn put(station: &Station, path: &str, bytes: Vec<u8>) -> Result<(), Fault> {
    let is_new = length(&*station.machine, path).await?.is_none();
    if is_new
        && let Some((above, _)) = split(path)
        && matches!(station.machine.metadata(above).await, Err(Fault::Missing(_)))
    {
        station.machine.create_directory(above).await?;
    }
    station.machine.write_file(path, bytes).await?;
    if is_new { stayed_inside(station, path).await } else { Ok(()) }
}

pub(super) async fn list(station: &Station, asked: arguments::ListFiles) -> Result<ToolOutcome, Problem> {
    let top = readable(station, asked.path.as_deref().unwrap_or("."))?;
    let depth = asked.depth.unwrap_or(1).clamp(1, MAX_DEPTH);
    let mut lines = Vec::new();
    // Those that are still to be read, the next one last: names below it, its path, its level.
    let mut waiting = vec![(String::new(), top.clone(), 1)];
    let mut is_cut = false;
    while let Some((prefix, directory, level)) = waiting.pop() {
        let mut entries = match station.machine.list(&directory).await {
            Ok(entries) => entries,
            Err(fault) if prefix.is_empty() => {
                return Err(Problem::looking(&format!("{directory} was not listed"), &fault));
            }
            Err(Fault::Disconnected | Fault::Lost) => {
                return Err(Problem::Failed(format!("the connection was lost while {top} was listed")));
            }
            Err(fault) => {
                lines.push(format!("{prefix} [{fault}]"));
                continue;
            }
        };
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let left = MAX_ENTRIES - lines.len();
        is_cut |= entries.len() > left;
        entries.truncate(left);
        let mut below = Vec::new();
        for entry in entries {
            let sign = match entry.kind {
                FileKind::Directory => "/",
                FileKind::Link => "@",
                FileKind::File | FileKind::Other => "",
            };
            lines.push(format!("{prefix}{}{sign}", entry.name));
            if entry.kind == FileKind::Directory && level < depth && !CLOSED.contains(&entry.name.as_str()) {
                let path = join(&directory, &entry.name);
                below.push((format!("{prefix}{}/", entry.name), path, level + 1));
            }
        }
        if lines.len() == MAX_ENTRIES {
            is_cut |= !below.is_empty() || !waiting.is_empty();
            break;
        }
        waiting.extend(below.into_iter().rev());
    }
    let note = if is_cut {
        format!("\n[cut after {MAX_ENTRIES} entries; list a directory further down]")
    } else {
        String::new()
    };
    let all = if lines.is_empty() { "(empty)".to_owned() } else { lines.join("\n") };
    let shown =
        crate::truncate::middle(&all, crate::truncate::Limit { lines: MAX_ENTRIES, ..FOR_MODEL }).unwrap_or(all);
    said(format!("{top}\n{shown}{note}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_says_what_it_is_and_where_to_go_on() {
        let text = "a\nb\nc\n";
        assert_eq!(excerpt("f", text, 1, 800), "lines 1 to 3 of 3 of f\na\nb\nc\n");
        assert_eq!(excerpt("f", text, 2, 1), "lines 2 to 2 of 3 of f; go on with offset=3\nb\n");
        assert_eq!(excerpt("f", text, 4, 1), "f has 3 lines; none is shown");
        assert_eq!(excerpt("f", text, u64::MAX, u64::MAX), "f has 3 lines; none is shown");
        assert_eq!(excerpt("f", "", 1, 1), "f has 0 lines; none is shown");
    }

    #[test]
    fn long_lines_and_many_of_them_are_cut() {
        let line = format!("{}\n", "ä".repeat(1500));
        let shown = excerpt("f", &line.repeat(100), 1, 800);
        assert!(shown.len() < FOR_MODEL.bytes + 2000);
        assert!(shown.contains(" [1000 bytes left out]\n"));
        let next: u64 = shown.split("offset=").nth(1).unwrap().split('\n').next().unwrap().parse().unwrap();
        assert_eq!(next - 1, shown.matches("left out").count() as u64);
    }
}
