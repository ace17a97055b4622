//! The code of an agent runtime as a ZIP archive: any tree of files, unpacked into a folder of the server's own.

use super::zip::{Member, Zip};
use super::{Flaw, clean};
use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// Bytes of all that is in it.
const UNPACKED: u64 = 750 << 20;
/// More than an archive of the ordinary kind can have.
const ENTRIES: usize = 65_534;
/// A few entries name many folders, each of which has its place on the disk.
const FOLDERS: usize = ENTRIES;
const FILE: u32 = 0o644;
const PROGRAM: u32 = 0o755;

pub(crate) struct Bundle(Zip);

impl Bundle {
    /// Every name leads down, and all of it is not too much.
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, Flaw> {
        let zip = Zip::read(bytes, ENTRIES)?;
        let (mut size, mut folders) = (0_u64, BTreeSet::new());
        for member in &zip.members {
            let path = clean(member)?;
            size = size.saturating_add(member.size);
            folders.extend(path.match_indices('/').map(|(end, _)| &path[..end]));
            if folders.len() > FOLDERS {
                return Err(Flaw::new(format!("it has more than {FOLDERS} folders")));
            }
        }
        if size > UNPACKED {
            return Err(Flaw::new(format!("it unpacks to more than {} MiB", UNPACKED >> 20)));
        }
        Ok(Self(zip))
    }

    /// Blocks. The folder is made. What cannot be written is an error of the machine's; whatever is left is the caller's to
    /// remove.
    pub(crate) fn unpack_into(&self, folder: &Path) -> io::Result<Result<(), Flaw>> {
        make(folder)?;
        for member in &self.0.members {
            let path = match clean(member) {
                Ok(path) => folder.join(path),
                Err(flaw) => return Ok(Err(flaw)),
            };
            let folder = if member.is_folder { Some(path.as_path()) } else { path.parent() };
            match folder.map_or(Ok(()), make) {
                Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory) => {
                    return Ok(Err(Flaw::new(format!("'{}' lies in a file", Flaw::shown(&member.name)))));
                }
                made => made?,
            }
            if !member.is_folder
                && let Err(flaw) = self.write(member, &path)?
            {
                return Ok(Err(flaw));
            }
        }
        Ok(Ok(()))
    }

    /// Piece by piece: a file may be as large as all of it.
    fn write(&self, member: &Member, path: &Path) -> io::Result<Result<(), Flaw>> {
        let mode = if member.is_executable { PROGRAM } else { FILE };
        let mut file = match std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Err(Flaw::new(format!("it has '{}' twice", Flaw::shown(&member.name)))));
            }
            Err(error) => return Err(error),
        };
        let mut written = Ok(());
        let passed = self.0.pass(member, |piece| {
            if written.is_ok() {
                written = file.write_all(piece);
            }
        });
        written?;
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(passed)
    }
}

/// As those of a sandbox may read it, who are another user, whatever mask this process has.
fn make(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(PROGRAM))
}
