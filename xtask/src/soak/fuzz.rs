//! The fuzz targets under libFuzzer, with the toolchain that builds everything else: rustc counts edges for it, and the
//! system's C++ compiler builds libFuzzer itself. What it learns stays in `target/fuzz`; what it finds is an input that
//! goes into `fuzz/corpus` with the repair.

use crate::steps::{self, Steps};
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Edges are counted and comparisons are reported, which steers libFuzzer; sums that overflow and broken assertions
/// panic, as they do not in the product.
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cdebug-assertions",
    "-Coverflow-checks",
];
/// Longer inputs find nothing that shorter ones do not, and take longer. Bytes.
const LONGEST: u32 = 8192;
/// An input that takes longer than this is a finding, seconds.
const PATIENCE: u32 = 20;
/// More memory than this is a finding, MiB.
const MEMORY: u32 = 2048;
/// Lines of a finding that are shown.
const SHOWN: usize = 40;

/// Each target for `seconds`.
pub fn run(steps: &mut Steps, root: &Path, seconds: u64) {
    let mut built = None;
    steps.step("fuzz targets", || {
        built = build(root)?;
        Ok(built.is_some())
    });
    let Some(folder) = built else { return };
    let targets = targets(root);
    let known = targets.as_ref().is_ok_and(|found| !found.is_empty());
    steps.step("fuzz corpora", || Ok(known));
    for target in targets.unwrap_or_default() {
        steps.step(&format!("fuzz {target}"), || one(root, &folder, &target, seconds));
    }
}

/// The folder of the built targets; None where they cannot be built.
fn build(root: &Path) -> Result<Option<PathBuf>> {
    if Command::new("c++").arg("--version").output().is_err() {
        println!("there is no C++ compiler (c++): libFuzzer needs one; install g++, nothing else does");
        return Ok(None);
    }
    let told = steps::output(Command::new("rustc").arg("-vV"))?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    let folder = root.join("target/fuzz");
    let mut cargo = Command::new("cargo");
    // With a target named, build scripts and macros are built without the flags.
    cargo.args(["build", "--release", "--locked", "--package", "fuzz", "--features", "engine", "--target", host]);
    cargo.current_dir(root).env("CARGO_TARGET_DIR", &folder).env("RUSTFLAGS", FLAGS.join(" "));
    Ok(steps::run(&mut cargo)?.then(|| folder.join(host).join("release")))
}

/// Each has a folder in `fuzz/corpus`.
fn targets(root: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(root.join("fuzz/corpus")).context("fuzz/corpus")?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn one(root: &Path, folder: &Path, target: &str, seconds: u64) -> Result<bool> {
    let learned = root.join("target/fuzz/corpus").join(target);
    let found = root.join("target/fuzz/found").join(target);
    fs::create_dir_all(&learned)?;
    fs::create_dir_all(&found)?;
    let log = root.join("target/fuzz").join(format!("{target}.log"));
    let mut fuzzer = Command::new(folder.join(target));
    fuzzer.arg(format!("-max_total_time={seconds}"));
    fuzzer
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-timeout={PATIENCE}"))
        .arg(format!("-rss_limit_mb={MEMORY}"));
    fuzzer.arg(format!("-artifact_prefix={}/", found.display()));
    // What is new is kept in the first; the second is only read.
    fuzzer.arg(&learned).arg(root.join("fuzz/corpus").join(target));
    let output = File::create(&log)?;
    let ok = steps::run(fuzzer.stdout(output.try_clone()?).stderr(output))?;
    let told = fs::read(&log)?;
    let told = String::from_utf8_lossy(&told);
    if ok {
        println!("{}", told.lines().rev().find(|line| line.starts_with("Done")).unwrap_or_default());
    } else {
        let from =
            told.lines().position(|line| line.contains("panicked") || line.contains("ERROR")).unwrap_or_default();
        told.lines().skip(from).take(SHOWN).for_each(|line| println!("{line}"));
        println!("the inputs lie in {}; again: {} INPUT", found.display(), folder.join(target).display());
    }
    Ok(ok)
}
