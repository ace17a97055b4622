//! Skills and plugins that a request brings as ZIP archives: what they must be, and their files one after the other.
//!
//! An archive is somebody else's word. It is looked at whole when it comes (every file is unpacked and let go again), and
//! again at each setup; nothing of it is believed that was not measured: sizes, names, checksums.

mod about;
mod bundle;
mod zip;

pub(crate) use bundle::Bundle;

use crate::record::Archive;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::{Semaphore, SemaphorePermit};
use zip::{Member, Zip};

/// Bytes of an archive, and of all that is in it.
const PACKED: usize = 10 << 20;
const UNPACKED: u64 = 50 << 20;
const ENTRIES: usize = 2000;
/// How deep folders lie in one another.
const DEPTH: usize = 32;
/// Bytes of a path, and of a name in it.
const PATH: usize = 1024;
const NAME: usize = 255;
/// Archives that are unpacked at one time: each may take as much memory as it unpacks to.
static UNPACKING: Semaphore = Semaphore::const_new(AT_ONCE as usize);
const AT_ONCE: u32 = 2;
/// Left behind by those who pack on another system: no part of what was packed.
const LITTER: &str = "__MACOSX";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Skill,
    Plugin,
}

impl Kind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Plugin => "plugin",
        }
    }

    /// Where those of this kind are, each in a folder of its name.
    pub(crate) fn home(self) -> &'static str {
        match self {
            Self::Skill => "/workspace/.codex/skills",
            Self::Plugin => "/workspace/.codex/plugins",
        }
    }
}

/// Why an archive cannot be taken: the rest of a sentence that begins with its name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Flaw {
    message: String,
    param: &'static str,
}

impl Flaw {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), param: "source.data" }
    }

    fn at(self, param: &'static str) -> Self {
        Self { param, ..self }
    }

    /// The field at fault.
    pub(crate) fn param(&self) -> &'static str {
        self.param
    }

    /// A client's word as an error may repeat it.
    pub(crate) fn shown(text: &str) -> String {
        text.chars().take(64).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
    }
}

/// An archive in which all is as it must be.
pub(crate) struct Package {
    zip: Zip,
    /// By its path below the one folder: which member it is.
    files: BTreeMap<String, usize>,
}

/// A file of an archive.
pub(crate) struct Unpacked {
    /// Below the archive's one folder; clean.
    pub path: String,
    pub is_executable: bool,
    pub bytes: Vec<u8>,
}

impl Package {
    pub(crate) fn open(kind: Kind, archive: &Archive) -> Result<Self, Flaw> {
        about::check_name(&archive.name)?;
        // Base64 is longer by a third than what it stands for.
        let too_large = || Flaw::new(format!("it has more than {} MiB", PACKED >> 20));
        if archive.zip.len() / 4 * 3 > PACKED + 4 {
            return Err(too_large());
        }
        let bytes = STANDARD.decode(&archive.zip).map_err(|_| Flaw::new("it is no standard base64"))?;
        if bytes.len() > PACKED {
            return Err(too_large());
        }
        let package = Self::of(Zip::read(bytes, ENTRIES)?)?;
        let mut manifest = None;
        for (path, index) in &package.files {
            let member = package.member(*index)?;
            if path == about::file(kind) {
                manifest = Some(package.zip.unpack(member)?);
            } else {
                package.zip.look_over(member)?;
            }
        }
        let manifest = manifest.ok_or_else(|| Flaw::new(format!("it has no {}", about::file(kind))))?;
        about::check(kind, &manifest, archive)?;
        Ok(package)
    }

    /// Its files by their paths, each unpacked as it is asked for.
    pub(crate) fn files(&self) -> impl Iterator<Item = Result<Unpacked, Flaw>> {
        self.files.iter().map(|(path, index)| {
            let member = self.member(*index)?;
            let bytes = self.zip.unpack(member)?;
            Ok(Unpacked { path: path.clone(), is_executable: member.is_executable, bytes })
        })
    }

    fn member(&self, index: usize) -> Result<&Member, Flaw> {
        self.zip.members.get(index).ok_or_else(|| Flaw::new("it has changed"))
    }

    /// Everything lies in one folder, every name leads down, no name stands for two things, and all of it is not too much.
    fn of(zip: Zip) -> Result<Self, Flaw> {
        let (mut folder, mut size) = (None, 0_u64);
        let (mut files, mut folders) = (BTreeMap::new(), BTreeSet::new());
        for (index, member) in zip.members.iter().enumerate() {
            let path = clean(member)?;
            let (top, rest) = path.split_once('/').unwrap_or((path, ""));
            if top == LITTER {
                continue;
            }
            if *folder.get_or_insert(top) != top || (rest.is_empty() && !member.is_folder) {
                return Err(Flaw::new("it must have one folder in which everything is"));
            }
            size = size.saturating_add(member.size);
            if size > UNPACKED {
                return Err(Flaw::new(format!("it unpacks to more than {} MiB", UNPACKED >> 20)));
            }
            folders.extend(rest.match_indices('/').map(|(end, _)| rest[..end].to_owned()));
            if member.is_folder {
                folders.insert(rest.to_owned());
            } else if files.insert(rest.to_owned(), index).is_some() {
                return Err(Flaw::new(format!("it has '{}' twice", Flaw::shown(rest))));
            }
        }
        match files.keys().find(|path| folders.contains(*path)) {
            Some(path) => Err(Flaw::new(format!("'{}' is a file and a folder", Flaw::shown(path)))),
            None => Ok(Self { zip, files }),
        }
    }
}

/// Until it is this one's turn to unpack, which lasts until what is returned is dropped.
pub(crate) async fn turn() -> Option<SemaphorePermit<'static>> {
    // It is never closed.
    UNPACKING.acquire().await.ok()
}

/// The name without a folder's slash. It leads nowhere but down.
fn clean(member: &Member) -> Result<&str, Flaw> {
    let path = member.name.strip_suffix('/').unwrap_or(&member.name);
    let is_part = |part: &str| !["", ".", ".."].contains(&part) && part.len() <= NAME;
    let is_clean = path.len() <= PATH
        && !path.contains(|c: char| c.is_control() || c == '\\')
        && path.split('/').all(is_part)
        && path.split('/').count() <= DEPTH;
    if is_clean { Ok(path) } else { Err(Flaw::new(format!("'{}' is no path below its folder", Flaw::shown(path)))) }
}

#[cfg(test)]
pub(crate) mod tests;
