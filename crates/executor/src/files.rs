//! Files and folders, with the executor's own rights. Everything here blocks.

mod copy;
mod handles;
mod walk;

pub use handles::Handles;

use crate::connection::{answer, read};
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;
use wire::executor::{
    Base64, CanonicalPath, CreateDirectory, DirectoryEntry, Entries, Failure, FileData, FileUri, MESSAGE_LIMIT,
    Metadata, PathOnly, Remove, Sandbox, WriteFile, code, method,
};

/// What `fs/readFile` reads: as much as fits into an answer as base64. What is larger is read in blocks.
const WHOLE_FILE: u64 = (MESSAGE_LIMIT as u64 - 64 * 1024) / 4 * 3;
/// Entries of one folder.
const ENTRIES: usize = 100_000;

pub fn knows(name: &str) -> bool {
    matches!(
        name,
        method::FS_READ_FILE
            | method::FS_WRITE_FILE
            | method::FS_OPEN
            | method::FS_READ_BLOCK
            | method::FS_WRITE_BLOCK
            | method::FS_CLOSE
            | method::FS_CREATE_DIRECTORY
            | method::FS_GET_METADATA
            | method::FS_CANONICALIZE
            | method::FS_READ_DIRECTORY
            | method::FS_WALK
            | method::FS_REMOVE
            | method::FS_COPY
    )
}

pub fn perform(name: &str, params: Value, handles: &Handles) -> Result<Value, Failure> {
    match name {
        method::FS_READ_FILE => answer(read_file(&read(params)?)?),
        method::FS_WRITE_FILE => done(write_file(&read(params)?)),
        method::FS_OPEN => answer(handles.open(read(params)?)?),
        method::FS_READ_BLOCK => answer(handles.read(&read(params)?)?),
        method::FS_WRITE_BLOCK => done(handles.write(&read(params)?)),
        method::FS_CLOSE => done(handles.close(&read(params)?)),
        method::FS_CREATE_DIRECTORY => done(create_directory(&read(params)?)),
        method::FS_GET_METADATA => answer(metadata(&read(params)?)?),
        method::FS_CANONICALIZE => answer(canonicalize(&read(params)?)?),
        method::FS_READ_DIRECTORY => answer(read_directory(&read(params)?)?),
        method::FS_WALK => answer(walk::walk(&read(params)?)?),
        method::FS_REMOVE => done(remove(&read(params)?)),
        _ => done(copy::copy(&read(params)?)),
    }
}

fn done(done: Result<(), Failure>) -> Result<Value, Failure> {
    done.map(|()| json!({}))
}

fn read_file(wanted: &PathOnly) -> Result<FileData, Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let (file, size) = open_regular(wanted.path.path())?;
    let too_large =
        || bad(format!("the file has more than the {WHOLE_FILE} bytes that fit into one answer: read it in blocks"));
    if size > WHOLE_FILE {
        return Err(too_large());
    }
    let mut data = Vec::new();
    // A file may grow, and one in /proc does not say its size.
    file.take(WHOLE_FILE + 1).read_to_end(&mut data).map_err(failure)?;
    if data.len() as u64 > WHOLE_FILE {
        return Err(too_large());
    }
    Ok(FileData { data_base64: Base64(data) })
}

fn write_file(wanted: &WriteFile) -> Result<(), Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).custom_flags(no_wait());
    let mut file = options.open(wanted.path.path()).map_err(failure)?;
    if !file.metadata().map_err(failure)?.is_file() {
        return Err(no_file());
    }
    file.set_len(0).and_then(|()| file.write_all(&wanted.data_base64.0)).map_err(failure)
}

fn create_directory(wanted: &CreateDirectory) -> Result<(), Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let path = wanted.path.path();
    if wanted.recursive { fs::create_dir_all(path) } else { fs::create_dir(path) }.map_err(failure)
}

fn metadata(wanted: &PathOnly) -> Result<Metadata, Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let path = wanted.path.path();
    let itself = fs::symlink_metadata(path).map_err(failure)?;
    let metadata = if itself.is_symlink() { fs::metadata(path).map_err(failure)? } else { itself.clone() };
    Ok(Metadata {
        is_directory: metadata.is_dir(),
        is_file: metadata.is_file(),
        is_symlink: itself.is_symlink(),
        size: metadata.len(),
        created_at_ms: metadata.created().map_or(0, milliseconds),
        modified_at_ms: metadata.modified().map_or(0, milliseconds),
    })
}

fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn canonicalize(wanted: &PathOnly) -> Result<CanonicalPath, Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let path = fs::canonicalize(wanted.path.path()).map_err(failure)?;
    let path = FileUri::from_path(path).ok_or_else(|| bad("the path is not absolute"))?;
    Ok(CanonicalPath { path })
}

fn read_directory(wanted: &PathOnly) -> Result<Entries, Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let mut entries = Vec::new();
    for entry in fs::read_dir(wanted.path.path()).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        if entries.len() == ENTRIES {
            return Err(bad(format!("the folder has more than {ENTRIES} entries: walk it with a limit")));
        }
        // A link is what it leads to; one that leads nowhere is neither.
        let kind = fs::metadata(entry.path()).map(|metadata| (metadata.is_dir(), metadata.is_file()));
        let (is_directory, is_file) = kind.unwrap_or((false, false));
        let file_name = entry.file_name().to_string_lossy().into_owned();
        entries.push(DirectoryEntry { file_name, is_directory, is_file });
    }
    entries.sort_by(|one, other| one.file_name.cmp(&other.file_name));
    Ok(Entries { entries })
}

fn remove(wanted: &Remove) -> Result<(), Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let path = wanted.path.path();
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_dir() => fs::remove_file(path),
        Ok(_) if wanted.recursive => fs::remove_dir_all(path),
        Ok(_) => fs::remove_dir(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if wanted.force && error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(failure),
    }
}

/// Opens what is a file and nothing else: a pipe or a device would keep us waiting.
fn open_regular(path: &Path) -> Result<(File, u64), Failure> {
    let file = OpenOptions::new().read(true).custom_flags(no_wait()).open(path).map_err(failure)?;
    let metadata = file.metadata().map_err(failure)?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(no_file()) }
}

fn no_wait() -> i32 {
    rustix::fs::OFlags::NONBLOCK.bits().cast_signed()
}

fn no_file() -> Failure {
    Failure::new(code::INVALID_REQUEST, "not a regular file")
}

/// Nobody must believe that an access is held to something that it is not held to.
fn unrestricted(sandbox: Option<&Sandbox>) -> Result<(), Failure> {
    match sandbox {
        Some(sandbox) if sandbox.restricts() => {
            Err(bad("this executor has no sandbox: it cannot hold an access to one"))
        }
        _ => Ok(()),
    }
}

fn bad(message: impl Into<String>) -> Failure {
    Failure::new(code::INVALID_PARAMS, message)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn failure(error: std::io::Error) -> Failure {
    let code = match error.kind() {
        ErrorKind::NotFound => code::NOT_FOUND,
        ErrorKind::InvalidInput | ErrorKind::PermissionDenied => code::INVALID_REQUEST,
        _ => code::INTERNAL,
    };
    Failure::new(code, error.to_string())
}
