//! Everything below a folder, within limits: breadth first, names in order.

use super::{failure, unrestricted};
use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use wire::executor::{Failure, FileUri, Walk, WalkEntry, WalkError, WalkKind, WalkOptions, Walked};

/// Whatever is asked for.
const ENTRIES: u64 = 200_000;
const ERRORS: usize = 1000;

pub fn walk(wanted: &Walk) -> Result<Walked, Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let root = fs::canonicalize(wanted.path.path()).map_err(failure)?;
    let metadata = fs::metadata(&root).map_err(failure)?;
    if !metadata.is_dir() {
        return Err(failure(io::ErrorKind::NotADirectory.into()));
    }
    let mut walking = Walking {
        options: WalkOptions { max_entries: wanted.options.max_entries.min(ENTRIES), ..wanted.options },
        found: Walked::default(),
        folders: VecDeque::from([(wanted.path.path().to_owned(), 0)]),
        opened: 0,
        seen: BTreeSet::from([identity(&metadata)]),
    };
    while let Some((folder, depth)) = walking.folders.pop_front() {
        if !walking.open(&folder, depth) {
            walking.found.truncated = true;
            break;
        }
    }
    Ok(walking.found)
}

struct Walking {
    options: WalkOptions,
    found: Walked,
    folders: VecDeque<(PathBuf, u64)>,
    opened: u64,
    /// Folders by device and number: a link that leads back up is not followed twice.
    seen: BTreeSet<(u64, u64)>,
}

impl Walking {
    /// Whether the limits let it go on.
    fn open(&mut self, folder: &Path, depth: u64) -> bool {
        if self.opened >= self.options.max_directories {
            return false;
        }
        self.opened += 1;
        let mut paths = Vec::new();
        let entries = fs::read_dir(folder).and_then(|entries| {
            for entry in entries {
                paths.push(entry?.path());
                // Enough to know that there is more than may be told.
                if paths.len() as u64 > self.options.max_entries {
                    break;
                }
            }
            Ok(())
        });
        if let Err(error) = entries {
            self.note(folder, &error);
        }
        paths.sort();
        paths.into_iter().all(|path| self.meet(path, depth + 1))
    }

    fn meet(&mut self, path: PathBuf, depth: u64) -> bool {
        if self.found.entries.len() as u64 >= self.options.max_entries {
            return false;
        }
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.note(&path, &error);
                return true;
            }
        };
        let followed = if metadata.is_symlink() && self.options.follow_directory_symlinks {
            fs::metadata(&path).ok().filter(Metadata::is_dir)
        } else {
            None
        };
        let metadata = followed.unwrap_or(metadata);
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => WalkKind::Directory,
            kind if kind.is_file() => WalkKind::File,
            _ => WalkKind::Other,
        };
        if let Some(uri) = FileUri::from_path(&path) {
            self.found.entries.push(WalkEntry { path: uri, kind });
        }
        if kind == WalkKind::Directory && self.seen.insert(identity(&metadata)) {
            if depth < self.options.max_depth {
                self.folders.push_back((path, depth));
            } else {
                self.found.truncated = true;
            }
        }
        true
    }

    fn note(&mut self, path: &Path, error: &io::Error) {
        if let (true, Some(path)) = (self.found.errors.len() < ERRORS, FileUri::from_path(path)) {
            self.found.errors.push(WalkError { path, message: error.to_string() });
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}
