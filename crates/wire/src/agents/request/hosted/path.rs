//! Paths in an environment: absolute, and saying themselves where they lead.

use crate::error::Fault;
use crate::reader::Node;

/// The longest path, in bytes, and the longest name in one.
const MAX_PATH: usize = 4096;
const MAX_NAME: usize = 255;
/// Capability directories of one environment.
const MAX_DIRECTORIES: usize = 64;
/// What belongs to the server and to artifacts; the second stands for all that begin so.
const RESERVED: [&str; 3] = [".codex", ".managed-agents", "outputs"];

/// A list of absolute directories.
pub fn directories(node: Node) -> Result<Vec<String>, Fault> {
    let nodes = node.sized_array("an array of strings", 0, MAX_DIRECTORIES)?;
    nodes.into_iter().map(directory).collect()
}

/// An absolute path that says itself where it leads.
pub fn directory(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let name = path.rsplit('.').next().unwrap_or_default().to_owned();
    let directory = node.short_text(MAX_PATH)?;
    let is_clean = !directory.contains('\0') && directory.split('/').all(|part| part != "." && part != "..");
    if directory.starts_with('/') && is_clean {
        return Ok(directory);
    }
    Err(Fault::at(&path, format!("{name} must be an absolute POSIX path without '.' or '..' in it")))
}

/// Where a file may be put: below the workspace, not in what is reserved there.
pub fn destination(node: Node) -> Result<String, Fault> {
    let at = node.path().to_owned();
    let path = node.short_text(MAX_PATH)?;
    let Some(within) = path.strip_prefix("/workspace/").filter(|within| path.len() <= MAX_PATH && is_clean(within))
    else {
        return Err(Fault::at(&at, "path must be an absolute POSIX path inside /workspace"));
    };
    let top = within.split('/').next().unwrap_or_default();
    if top == RESERVED[0] || top.starts_with(RESERVED[1]) || top == RESERVED[2] {
        let message = format!("path must not be in /workspace/{top}: what is there is not a client's to write");
        return Err(Fault::at(&at, message));
    }
    Ok(path)
}

/// A relative path of names alone.
fn is_clean(path: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part != "." && part != ".." && part.len() <= MAX_NAME;
    !path.contains('\0') && path.split('/').all(is_name)
}
