//! The lock file of a data folder: one server at a time. The kernel holds the lock for the process, so that it is gone
//! with it, however it ends.

use crate::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// Held for as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the folder, or says who has it.
    pub(super) fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("lock");
        let failed = |error: std::io::Error| Error::Failed(format!("{}: {error}", path.display()));
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                Err(Error::Failed(format!("another outcrop serves {}: stop it first", folder.display())))
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }
}
