//! A file for what reads files only: one a thread, written anew each time.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use tempfile::NamedTempFile;

thread_local! {
    static FILE: NamedTempFile = NamedTempFile::new().expect("a place for a temporary file");
}

/// Calls `work` with the path of a file that holds `data`.
pub fn with_file<T>(data: &[u8], work: impl FnOnce(&Path) -> T) -> T {
    FILE.with(|file| {
        let mut writer = file.as_file();
        writer.set_len(0).expect("a file that can be cut");
        writer.seek(SeekFrom::Start(0)).expect("a file with a beginning");
        writer.write_all(data).expect("a file that can be written");
        work(file.path())
    })
}
