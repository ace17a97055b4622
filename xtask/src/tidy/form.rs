//! Names and openings of Rust files: no `mod.rs`, no names that say nothing, and prose at the top of every module.

use super::File;
use crate::source;

/// Names under which anything could hide.
const EMPTY_NAMES: [&str; 9] = ["util", "utils", "common", "helper", "helpers", "manager", "misc", "v1", "v2"];
/// The same, at the end of a type's name.
const EMPTY_ENDINGS: [&str; 6] = ["Util", "Utils", "Helper", "Helpers", "Manager", "V2"];

pub fn check(rust: &[&File]) -> Vec<String> {
    rust.iter().flat_map(|file| names(file).chain(opening(file)).chain(types(file))).collect()
}

fn names(file: &File) -> impl Iterator<Item = String> {
    let parts = file.path.trim_end_matches(".rs").split('/');
    let empty = parts
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|part| format!("{}: `{part}` says nothing; name it after what it owns", file.path));
    let module = file.path.ends_with("/mod.rs").then(|| format!("{}: no mod.rs; `foo.rs` beside `foo/`", file.path));
    empty.chain(module)
}

fn opening(file: &File) -> Option<String> {
    let opens = file.text.starts_with("//!");
    (!opens).then(|| format!("{}: opens without `//!`: what does it own, what does it never do?", file.path))
}

fn types(file: &File) -> Vec<String> {
    let code = String::from_utf8_lossy(&source::blank(&file.text)).into_owned();
    let words: Vec<&str> = code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
    let declared = words.windows(2).filter(|pair| ["struct", "enum", "trait", "type"].contains(&pair[0]));
    declared
        .filter(|pair| EMPTY_ENDINGS.iter().any(|ending| pair[1].ends_with(ending)))
        .map(|pair| format!("{}: `{}` says nothing; name it after what it owns", file.path, pair[1]))
        .collect()
}

#[cfg(test)]
mod tests {
    //! One file, its complaints.
    use super::*;

    fn complaints(path: &str, text: &str) -> usize {
        check(&[&File { path: path.to_owned(), text: text.to_owned() }]).len()
    }

    #[test]
    fn each_fault_is_found() {
        assert_eq!(complaints("crates/a/src/journal.rs", "//! Owns.\nstruct Journal;"), 0);
        assert_eq!(complaints("crates/a/src/journal/mod.rs", "//! Owns.\n"), 1);
        assert_eq!(complaints("crates/a/src/utils.rs", "//! Owns.\n"), 1);
        assert_eq!(complaints("crates/common/src/lib.rs", "//! Owns.\n"), 1);
        assert_eq!(complaints("crates/a/src/journal.rs", "use x;\n"), 1);
        assert_eq!(complaints("crates/a/src/journal.rs", "//! Owns.\npub struct JournalManager {}"), 1);
        assert_eq!(complaints("crates/a/src/journal.rs", "//! Owns.\n// struct JournalManager"), 0);
    }
}
