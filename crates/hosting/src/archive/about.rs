//! What an archive says of itself, and that it says the same as the request.

use super::{Flaw, Kind};
use crate::record::Archive;
use environments::skills;
use serde::Deserialize;

/// Bytes of a description.
const DESCRIPTION: usize = 1024;
const NAME: usize = 64;

/// A plugin's word for itself; the rest of it is for others.
#[derive(Deserialize)]
struct Manifest {
    name: Option<String>,
    description: Option<String>,
}

/// Where it says it, below the one folder.
pub(super) fn file(kind: Kind) -> &'static str {
    match kind {
        Kind::Skill => skills::FILE,
        Kind::Plugin => ".codex-plugin/plugin.json",
    }
}

/// A name becomes a folder's.
pub(super) fn check_name(name: &str) -> Result<(), Flaw> {
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= NAME
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if is_name {
        return Ok(());
    }
    let message = "its name must begin with a letter or digit and have at most 64 letters, digits, '.', '_' and '-'";
    Err(Flaw::new(message).at("name"))
}

pub(super) fn check(kind: Kind, manifest: &[u8], archive: &Archive) -> Result<(), Flaw> {
    let file = file(kind);
    let (name, description) = match kind {
        Kind::Skill => skills::described(manifest).map_err(|why| Flaw::new(format!("in {file}, {why}")))?,
        Kind::Plugin => {
            let read: Result<Manifest, _> = serde_json::from_slice(manifest);
            let read =
                read.map_err(|_| Flaw::new(format!("{file} is no JSON object with a name and a description")))?;
            let missing = |field| Flaw::new(format!("{file} has no {field}"));
            (read.name.ok_or_else(|| missing("name"))?, read.description.ok_or_else(|| missing("description"))?)
        }
    };
    if archive.description.len() > DESCRIPTION {
        return Err(Flaw::new(format!("its description has more than {DESCRIPTION} bytes")).at("description"));
    }
    if name != archive.name {
        return Err(Flaw::new(format!("its name in {file} is '{}'", Flaw::shown(&name))).at("name"));
    }
    if one_line(&description) != one_line(&archive.description) {
        return Err(Flaw::new(format!("its description in {file} is another")).at("description"));
    }
    Ok(())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
