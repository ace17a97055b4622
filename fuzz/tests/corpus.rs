//! Every input that is kept holds: the seeds, and what was found and mended.
#![expect(clippy::expect_used, clippy::panic, reason = "a test says what does not hold by panicking")]

use std::path::{Path, PathBuf};

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    files.sort();
    files
}

/// Runs the target over its corpus.
fn replay(name: &str) {
    let target = fuzz::TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target);
    let target = target.expect("a target of that name");
    let files = corpus(name);
    assert!(!files.is_empty(), "no corpus for {name}");
    for file in files {
        let data = std::fs::read(&file).expect("an input can be read");
        let outcome = std::panic::catch_unwind(|| target(&data));
        assert!(outcome.is_ok(), "{} does not hold", file.display());
    }
}

macro_rules! replays {
    ($($name:ident)*) => {
        $(#[test] fn $name() { replay(stringify!($name)); })*

        #[test]
        fn every_target_is_replayed() {
            let names: Vec<&str> = fuzz::TARGETS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

replays! { body chat configuration door gguf log place relay responses schema }
