//! Open files of one connection: read and written in blocks. A file that is being replaced is written beside its place
//! and moved there when its handle is closed; a connection that ends before leaves the old one as it was.

use super::{bad, failure, open_regular, unrestricted};
use crate::world;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use wire::executor::{
    Base64, CloseFile, Failure, FileHandle, OpenFile, OpenMode, ReadBlock, ReadBytes, WriteBlock, code,
};

/// Of one connection.
const OPEN: usize = 64;
/// A read of more gives this much, and not the end.
const BLOCK: u64 = 16 * 1024 * 1024;
const ID_LENGTH: usize = 256;

#[derive(Default)]
pub struct Handles {
    open: Mutex<BTreeMap<String, Handle>>,
}

enum Handle {
    Reading(File),
    Writing(Replacement),
}

struct Replacement {
    file: File,
    beside: PathBuf,
    place: PathBuf,
    moved: bool,
}

impl Handles {
    pub fn open(&self, wanted: OpenFile) -> Result<FileHandle, Failure> {
        unrestricted(wanted.sandbox.as_ref())?;
        let id = wanted.handle_id;
        if id.is_empty() || id.len() > ID_LENGTH {
            return Err(bad("handleId must have 1 to 256 bytes"));
        }
        let mut handles = self.handles();
        if handles.contains_key(&id) {
            return Err(Failure::new(code::INVALID_REQUEST, format!("file handle `{id}` is already open")));
        }
        if handles.len() >= OPEN {
            let message = format!("at most {OPEN} files are open at one time in a connection");
            return Err(Failure::new(code::INVALID_REQUEST, message));
        }
        let handle = match wanted.mode {
            OpenMode::Read => Handle::Reading(open_regular(wanted.path.path())?.0),
            OpenMode::Replace => Handle::Writing(Replacement::begin(wanted.path.into_path())?),
        };
        handles.insert(id.clone(), handle);
        Ok(FileHandle { handle_id: id })
    }

    pub fn read(&self, wanted: &ReadBlock) -> Result<ReadBytes, Failure> {
        let handles = self.handles();
        let file = match handles.get(&wanted.handle_id) {
            Some(Handle::Reading(file)) => file,
            Some(Handle::Writing(_)) => return Err(bad("the file was opened for writing")),
            None => return Err(unknown(&wanted.handle_id)),
        };
        let length = usize::try_from(wanted.len.min(BLOCK)).unwrap_or(0);
        // One byte more tells whether it is the end.
        let mut chunk = vec![0; length + 1];
        let mut read = 0;
        while read < chunk.len() {
            let at = wanted.offset.checked_add(read as u64).ok_or_else(|| bad("offset is beyond any file"))?;
            match file.read_at(&mut chunk[read..], at) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(error)),
            }
        }
        let eof = read <= length;
        chunk.truncate(read.min(length));
        Ok(ReadBytes { chunk: Base64(chunk), eof })
    }

    pub fn write(&self, wanted: &WriteBlock) -> Result<(), Failure> {
        let handles = self.handles();
        match handles.get(&wanted.handle_id) {
            Some(Handle::Writing(replacement)) => {
                replacement.file.write_all_at(&wanted.chunk.0, wanted.offset).map_err(failure)
            }
            Some(Handle::Reading(_)) => Err(bad("the file was opened for reading")),
            None => Err(unknown(&wanted.handle_id)),
        }
    }

    pub fn close(&self, wanted: &CloseFile) -> Result<(), Failure> {
        match self.handles().remove(&wanted.handle_id) {
            Some(Handle::Writing(replacement)) => replacement.commit(),
            Some(Handle::Reading(_)) => Ok(()),
            None => Err(unknown(&wanted.handle_id)),
        }
    }

    fn handles(&self) -> MutexGuard<'_, BTreeMap<String, Handle>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Replacement {
    fn begin(place: PathBuf) -> Result<Self, Failure> {
        // A link stays a link: what it leads to is replaced.
        let place = fs::canonicalize(&place).unwrap_or(place);
        let old = fs::metadata(&place).ok();
        if old.as_ref().is_some_and(|old| !old.is_file()) {
            return Err(super::no_file());
        }
        let folder = place.parent().ok_or_else(super::no_file)?;
        let beside = folder.join(format!(".outcrop-{}.part", world::random_hex(8)?));
        let file = OpenOptions::new().write(true).create_new(true).open(&beside).map_err(failure)?;
        let replacement = Self { file, beside, place, moved: false };
        if let Some(old) = old {
            replacement.file.set_permissions(old.permissions()).map_err(failure)?;
        }
        Ok(replacement)
    }

    fn commit(mut self) -> Result<(), Failure> {
        fs::rename(&self.beside, &self.place).map_err(failure)?;
        self.moved = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.moved {
            _ = fs::remove_file(&self.beside);
        }
    }
}

fn unknown(id: &str) -> Failure {
    Failure::new(code::NOT_FOUND, format!("unknown file handle `{id}`"))
}
