//! Taking a tree away, whatever is in it. A folder that holds folders is first made flat: they are moved up to the top,
//! one after the other, so that neither memory nor descriptors grow with how deep or how wide it is.

use super::Error;
use super::beneath::{folder, top};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, RenameFlags, fchmod, renameat_with, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::path::Path;

/// Entries after which somebody must be making new ones.
const MOST: u64 = 100_000_000;

/// Removes a folder with everything in it; where nothing is, that is well. Whoever could write into it has ended.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let top = match top(path) {
        Err(Errno::NOENT) => return Ok(()),
        opened => opened?,
    };
    unlock(&top);
    let mut work = Removal { top, lifted: 0, done: 0, left: MOST };
    while work.pass()? {}
    drop(work);
    match std::fs::remove_dir(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

struct Removal {
    top: OwnedFd,
    /// The last number that a folder was moved up under, and the last of those that were seen to. What comes is between.
    lifted: u64,
    done: u64,
    left: u64,
}

impl Removal {
    /// Once over what the top holds. False where that is nothing.
    fn pass(&mut self) -> Result<bool, Error> {
        let mut any = false;
        for entry in Dir::read_from(&self.top)? {
            let entry = entry?;
            if is_itself(entry.file_name()) {
                continue;
            }
            any = true;
            self.take(entry.file_name())?;
            while self.done < self.lifted {
                self.done += 1;
                let name = CString::new(self.done.to_string()).map_err(|_| Error::Irregular)?;
                self.take(&name)?;
            }
        }
        Ok(any)
    }

    fn take(&mut self, name: &CStr) -> Result<(), Error> {
        if !gone(self.top.as_fd(), name)? {
            self.lift(name)?;
            // What came into it since waits for the next pass.
            gone(self.top.as_fd(), name)?;
        }
        self.count()
    }

    /// Empties a folder of the top: its own folders that are not empty become the top's.
    fn lift(&mut self, name: &CStr) -> Result<(), Error> {
        let within = match folder(&self.top, name.to_bytes()) {
            Err(Errno::NOENT) => return Ok(()),
            opened => opened?,
        };
        unlock(&within);
        for entry in Dir::read_from(&within)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_itself(name) {
                continue;
            }
            if !gone(within.as_fd(), name)? {
                // A folder can only be moved by who may write into it.
                unlock(&folder(&within, name.to_bytes())?);
                self.raise(&within, name)?;
            }
            self.count()?;
        }
        Ok(())
    }

    fn raise(&mut self, within: &OwnedFd, name: &CStr) -> Result<(), Error> {
        loop {
            self.lifted += 1;
            let raised = self.lifted.to_string();
            match renameat_with(within, name, &self.top, raised, RenameFlags::NOREPLACE) {
                Err(Errno::EXIST) => self.count()?,
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn count(&mut self) -> Result<(), Error> {
        self.left = self.left.checked_sub(1).ok_or(Error::TooMany)?;
        Ok(())
    }
}

/// Takes away a file, a link or an empty folder. False for a folder that is not empty.
fn gone(folder: BorrowedFd<'_>, name: &CStr) -> Result<bool, Error> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    match unlinkat(folder, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Lets its owner take things out of it: one that can be read may still be closed to changes. Where that is refused, so is
/// what needs it, and says so.
fn unlock(folder: &OwnedFd) {
    let _ = fchmod(folder, Mode::from_raw_mode(0o700));
}

fn is_itself(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}
