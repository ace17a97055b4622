//! Copying a file, a link or a whole tree.

use super::{bad, failure, no_file, unrestricted};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use wire::executor::{Copy, Failure};

/// Files and folders of one copy.
const ENTRIES: usize = 200_000;

pub fn copy(wanted: &Copy) -> Result<(), Failure> {
    unrestricted(wanted.sandbox.as_ref())?;
    let (source, destination) = (wanted.source_path.path(), wanted.destination_path.path());
    let metadata = fs::symlink_metadata(source).map_err(failure)?;
    if !metadata.is_dir() {
        return copy_one(source, destination, &metadata);
    }
    if !wanted.recursive {
        return Err(bad("copying a folder needs recursive: true"));
    }
    let real = fs::canonicalize(source).map_err(failure)?;
    // The first folder above that is there says where the copy would be.
    let there = destination.ancestors().find_map(|above| fs::canonicalize(above).ok());
    if there.is_some_and(|there| there.starts_with(&real)) {
        return Err(bad("a folder cannot be copied into itself"));
    }
    copy_tree(source, destination)
}

fn copy_tree(source: &Path, destination: &Path) -> Result<(), Failure> {
    let mut folders: Vec<(PathBuf, PathBuf)> = vec![(source.to_owned(), destination.to_owned())];
    let mut copied = 0;
    while let Some((from, to)) = folders.pop() {
        if !to.is_dir() {
            fs::create_dir(&to).map_err(failure)?;
        }
        for entry in fs::read_dir(&from).map_err(failure)? {
            let entry = entry.map_err(failure)?;
            copied += 1;
            if copied > ENTRIES {
                return Err(bad(format!("one copy has at most {ENTRIES} entries")));
            }
            let (inner, target) = (entry.path(), to.join(entry.file_name()));
            let metadata = fs::symlink_metadata(&inner).map_err(failure)?;
            if metadata.is_dir() {
                folders.push((inner, target));
            } else {
                copy_one(&inner, &target, &metadata)?;
            }
        }
    }
    Ok(())
}

fn copy_one(source: &Path, destination: &Path, metadata: &fs::Metadata) -> Result<(), Failure> {
    if metadata.is_symlink() {
        let leads_to = fs::read_link(source).map_err(failure)?;
        return symlink(leads_to, destination).map_err(failure);
    }
    // Reading a pipe or a device could last for ever.
    if !metadata.is_file() {
        return Err(no_file());
    }
    // Opening the copy for writing would empty the original.
    let there = fs::metadata(destination).ok();
    if there.is_some_and(|there| (there.dev(), there.ino()) == (metadata.dev(), metadata.ino())) {
        return Err(bad("a file cannot be copied onto itself"));
    }
    fs::copy(source, destination).map(drop).map_err(failure)
}
