//! A walk over everything on a disk, folders before what is in them, in the disk's own order. It needs as much memory as
//! the tree is deep, however many entries there are, and few descriptors: of folders far down only the place is kept at
//! which it goes on. What changes meanwhile may be missed or seen as it was; the walk never leaves the disk.

use super::beneath::{Root, folder};
use super::{Error, place};
use rustix::fd::BorrowedFd;
use rustix::fs::{AtFlags, Dir, FileType, Stat, statat};
use rustix::io::Errno;

/// Folders that are kept open, one in another.
const OPEN: usize = 24;

/// Goes over a disk. `next` says what comes; `descend` after a folder goes on in it.
pub(super) struct Walk<'a> {
    root: &'a Root,
    /// Of what came last, from the top.
    path: Vec<u8>,
    /// From the top down to the folder that is read now.
    levels: Vec<Level>,
}

struct Level {
    /// Bytes of its path.
    length: usize,
    /// None where it is opened anew when its turn comes again, there.
    open: Option<Dir>,
    at: i64,
}

/// What comes.
pub(super) enum Step {
    Found(Found),
    /// Everything in the folder that the walk stands at now was seen.
    Left,
}

pub(super) struct Found {
    pub(super) kind: FileType,
    pub(super) status: Stat,
}

impl<'a> Walk<'a> {
    /// Over a folder by its path from the top.
    pub(super) fn new(root: &'a Root, path: &[u8]) -> Result<Self, Error> {
        let open = Dir::new(root.folder(path)?)?;
        let level = Level { length: path.len(), open: Some(open), at: 0 };
        Ok(Self { root, path: path.to_vec(), levels: vec![level] })
    }

    /// Of what came last, from the top.
    pub(super) fn path(&self) -> &[u8] {
        &self.path
    }

    /// The name of what came last.
    pub(super) fn name(&self) -> &[u8] {
        self.path.rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    /// The folder in which what came last is, where it is open.
    pub(super) fn above(&self) -> Option<BorrowedFd<'_>> {
        self.levels.last()?.open.as_ref()?.fd().ok()
    }

    /// None at the end. What is gone before it was looked at is passed over.
    pub(super) fn next(&mut self) -> Option<Result<Step, Error>> {
        loop {
            let root = self.root;
            let level = self.levels.last_mut()?;
            self.path.truncate(level.length);
            let entry = match level.open(root, &self.path) {
                Ok(open) => open.read(),
                // The folder was taken away in the middle.
                Err(_) => None,
            };
            let entry = match entry {
                Some(Ok(entry)) => entry,
                Some(Err(error)) => return Some(Err(error.into())),
                None => {
                    self.levels.pop();
                    return Some(Ok(Step::Left));
                }
            };
            level.at = entry.offset();
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let status = level.open.as_ref().map(|open| statat(open.fd()?, name, AtFlags::SYMLINK_NOFOLLOW));
            let status = match status {
                Some(Ok(status)) => status,
                Some(Err(Errno::NOENT)) | None => continue,
                Some(Err(error)) => return Some(Err(error.into())),
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name.to_bytes());
            return Some(Ok(Step::Found(Found { kind: FileType::from_raw_mode(status.st_mode), status })));
        }
    }

    /// Goes on in the folder that came last. `TooDeep` where its path is longer than a path can be.
    pub(super) fn descend(&mut self) -> Result<(), Error> {
        if self.path.len() > place::REACH {
            return Err(Error::TooDeep);
        }
        let open = match self.above() {
            Some(above) => folder(above, self.name())?,
            None => self.root.folder(&self.path)?,
        };
        if self.levels.len() > OPEN
            && let Some(level) = self.levels.last_mut()
        {
            level.open = None;
        }
        self.levels.push(Level { length: self.path.len(), open: Some(Dir::new(open)?), at: 0 });
        Ok(())
    }
}

impl Level {
    fn open(&mut self, root: &Root, path: &[u8]) -> Result<&mut Dir, Error> {
        if self.open.is_none() {
            let mut again = Dir::new(root.folder(path)?)?;
            again.seek(self.at)?;
            self.open = Some(again);
        }
        self.open.as_mut().ok_or(Error::Irregular)
    }
}
