//! Paths of a machine: made absolute without asking it, and, where a station is confined, held inside the workspace by
//! asking it where links lead. Between the question and the writing a command could put a link in the way: the tools
//! keep an agent to its workspace, a wall against a hostile command is the sandbox.

use super::{Problem, Station};
use crate::machine::{Fault, FileKind, Machine, Metadata};

/// How many directories above a file may be missing.
const MAX_MISSING: usize = 64;

/// Whether paths below this one are as Windows has them.
fn is_windows(directory: &str) -> bool {
    let bytes = directory.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':')
}

/// An absolute path without `.` and `..`; what is relative is so to `directory`, which is absolute.
pub(crate) fn absolute(directory: &str, path: &str) -> String {
    let windows = is_windows(directory);
    let separators: &[char] = if windows { &['/', '\\'] } else { &['/'] };
    let own_root = path.starts_with(separators) || (windows && is_windows(path));
    let whole = if own_root { path.to_owned() } else { format!("{directory}/{path}") };
    let (drive, rest) = if windows && is_windows(&whole) {
        whole.split_at(2)
    } else if windows && own_root {
        (&directory[..2], whole.as_str())
    } else {
        ("", whole.as_str())
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split(separators) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let separator = if windows { "\\" } else { "/" };
    format!("{drive}{separator}{}", parts.join(separator))
}

/// The directory above an absolute path, and the name below it; `None` for the root.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let separators: &[char] = if is_windows(path) { &['/', '\\'] } else { &['/'] };
    let at = path.rfind(separators)?;
    let (above, name) = (&path[..at], &path[at + 1..]);
    if name.is_empty() {
        return None;
    }
    // The root keeps its separator.
    let is_root = above.is_empty() || (is_windows(above) && above.len() == 2);
    Some((if is_root { &path[..=at] } else { above }, name))
}

/// The directory above an absolute path; `None` for the root.
pub(crate) fn above(path: &str) -> Option<&str> {
    split(path).map(|(above, _)| above)
}

/// A name below an absolute directory.
pub(crate) fn join(directory: &str, name: &str) -> String {
    let separator = if is_windows(directory) { '\\' } else { '/' };
    format!("{}{separator}{name}", directory.trim_end_matches(['/', separator]))
}

/// Whether an absolute path is the directory or below it.
fn is_within(directory: &str, path: &str) -> bool {
    let directory = directory.trim_end_matches(['/', '\\']);
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '\\']))
}

/// The absolute path of a file that is to be written; an error where the station does not allow that.
pub(super) async fn writable(station: &Station, path: &str) -> Result<String, Problem> {
    check(path)?;
    let path = absolute(&station.workspace_directory, path);
    if !station.confined {
        return Ok(path);
    }
    let machine = &*station.machine;
    let looking = |fault: Fault| Problem::looking(&path, &fault);
    let root = machine.canonicalize(&station.workspace_directory).await.map_err(looking)?;
    let place = place_of(machine, &path).await?;
    if is_within(&root, &place) {
        return Ok(path);
    }
    Err(Problem::Failed(format!(
        "{path} is outside of the workspace ({}); nothing was written",
        station.workspace_directory
    )))
}

/// After a file was made: whether it is where it was meant to be. Where a link that led nowhere led it out, it goes again;
/// there was nothing in its place.
pub(super) async fn stayed_inside(station: &Station, path: &str) -> Result<(), Fault> {
    if !station.confined {
        return Ok(());
    }
    let root = station.machine.canonicalize(&station.workspace_directory).await?;
    let place = station.machine.canonicalize(path).await?;
    if is_within(&root, &place) {
        return Ok(());
    }
    station.machine.remove(&place, false).await?;
    Err(Fault::Refused("it is a link that leads out of the workspace".to_owned()))
}

/// The absolute path of a file that is to be read.
pub(super) fn readable(station: &Station, path: &str) -> Result<String, Problem> {
    check(path)?;
    Ok(absolute(&station.workspace_directory, path))
}

/// The length of a file that can be read and written like one; `None` where there is nothing. What is no file is an error
/// here and not on the machine, which may wait for ever for the other end of a pipe, or read a device without end.
pub(super) async fn length(machine: &dyn Machine, path: &str) -> Result<Option<u64>, Fault> {
    let mut found = machine.metadata(path).await;
    if matches!(&found, Ok(metadata) if metadata.kind == FileKind::Link) {
        let place = machine.canonicalize(path).await?;
        found = machine.metadata(&place).await;
    }
    match found {
        Ok(Metadata { kind: FileKind::File, bytes, .. }) => Ok(Some(bytes)),
        Ok(Metadata { kind: FileKind::Directory, .. }) => Err(Fault::Refused("it is a directory".to_owned())),
        Ok(_) => Err(Fault::Refused("it is no regular file".to_owned())),
        Err(Fault::Missing(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// A whole regular file.
pub(super) async fn whole(machine: &dyn Machine, path: &str, limit: u64) -> Result<Vec<u8>, Fault> {
    match length(machine, path).await? {
        None => Err(Fault::Missing(path.to_owned())),
        Some(bytes) if bytes > limit => Err(Fault::TooLarge(path.to_owned())),
        Some(_) => machine.read_file(path, limit).await,
    }
}

fn check(path: &str) -> Result<(), Problem> {
    if path.is_empty() || path.contains('\0') || path.len() > 4096 {
        return Err(Problem::Failed("that is no path".to_owned()));
    }
    Ok(())
}

/// Where links really lead, of a file that may not be there yet: the place of what is there above it.
async fn place_of(machine: &dyn Machine, path: &str) -> Result<String, Problem> {
    let mut there = path;
    for _ in 0..MAX_MISSING {
        match machine.canonicalize(there).await {
            Ok(place) => return Ok(place),
            Err(Fault::Missing(_)) => {}
            Err(fault) => return Err(Problem::looking(path, &fault)),
        }
        // A link to nothing is there all the same, and writing would follow it. Executors that do not tell of such a link
        // are found out by [`stayed_inside`].
        if matches!(machine.metadata(there).await, Ok(metadata) if metadata.kind == FileKind::Link) {
            return Err(Problem::Failed(format!("{there} is a link that leads nowhere")));
        }
        let Some((above, _)) = split(there) else { break };
        there = above;
    }
    Err(Problem::Failed(format!("{path} is below nothing that is there")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute() {
        for (directory, path, expected) in [
            ("/workspace", "a/b", "/workspace/a/b"),
            ("/workspace/", "./a//b/", "/workspace/a/b"),
            ("/workspace", "../a", "/a"),
            ("/workspace", "../../../a", "/a"),
            ("/workspace", "/etc/passwd", "/etc/passwd"),
            ("/workspace", ".", "/workspace"),
            ("/workspace", "a\\b", "/workspace/a\\b"),
            ("C:\\w", "a/b", "C:\\w\\a\\b"),
            ("C:\\w", "D:\\a", "D:\\a"),
            ("C:\\w", "\\a\\..\\b", "C:\\b"),
        ] {
            assert_eq!(absolute(directory, path), expected, "{directory} {path}");
        }
    }

    #[test]
    fn a_path_has_a_directory_and_a_name() {
        assert_eq!(split("/a/b"), Some(("/a", "b")));
        assert_eq!(split("/a"), Some(("/", "a")));
        assert_eq!(split("/"), None);
        assert_eq!(split("C:\\a\\b"), Some(("C:\\a", "b")));
        assert_eq!(split("C:\\a"), Some(("C:\\", "a")));
    }

    #[test]
    fn a_neighbour_with_a_longer_name_is_outside() {
        assert!(is_within("/workspace", "/workspace"));
        assert!(is_within("/workspace", "/workspace/a"));
        assert!(is_within("/", "/a"));
        assert!(!is_within("/workspace", "/workspaces/a"));
        assert!(!is_within("/workspace", "/"));
    }
}
