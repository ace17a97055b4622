//! The simulator: seeds, and the proof that it sees what it should. A mutant is a patch of a few lines that breaks one
//! promise; each is applied to a copy of the tree, and the simulator must find it within its seeds.

use crate::{root, steps};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// Seeds in which a mutant must show.
const SEEDS: &str = "80";
/// A mutant that makes the simulator run longer than this is not caught.
const LONGEST: Duration = Duration::from_secs(180);

/// `cargo xtask sim WORDS`; true if nothing failed.
pub fn run(words: &[&str]) -> Result<bool> {
    match words {
        [] => seeds(&["--seeds", "200"]),
        ["--mutants"] => mutants(None),
        ["--mutants", only] => mutants(Some(only)),
        _ => seeds(words),
    }
}

fn seeds(words: &[&str]) -> Result<bool> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root()?).args(["run", "--quiet", "--release", "--locked", "--package", "sim", "--"]).args(words);
    steps::run(&mut cargo)
}

/// Applies every patch of `xtask/mutants` in turn, or the one of that name.
fn mutants(only: Option<&str>) -> Result<bool> {
    let root = root()?;
    let mut patches: Vec<PathBuf> = std::fs::read_dir(root.join("xtask/mutants"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    patches.retain(|path| path.extension().is_some_and(|ext| ext == "patch"));
    patches.retain(|path| only.is_none_or(|only| name(path) == only));
    patches.sort();
    if patches.is_empty() {
        bail!("there is no such mutant");
    }
    let copy = Copy::make(&root)?;
    println!("the tree as it is: {SEEDS} seeds");
    match copy.try_out()? {
        Found::Nothing => {}
        Found::Wrong(what) | Found::Unfit(what) => {
            println!("without a mutant, nothing must be wrong: {what}");
            return Ok(false);
        }
    }
    let mut survivors = 0;
    for patch in &patches {
        let start = Instant::now();
        let verdict = match copy.mutate(patch) {
            Ok(found) => found,
            Err(error) => Found::Unfit(format!("{error:#}")),
        };
        let seconds = start.elapsed().as_secs_f64();
        match verdict {
            Found::Wrong(what) => println!("{:<36} caught in {seconds:.0} s: {what}", name(patch)),
            Found::Nothing => {
                println!("{:<36} NOT CAUGHT: {SEEDS} seeds, nothing wrong", name(patch));
                survivors += 1;
            }
            Found::Unfit(why) => {
                println!("{:<36} UNFIT: {why}", name(patch));
                survivors += 1;
            }
        }
    }
    println!("{} mutants, {} caught", patches.len(), patches.len() - survivors);
    Ok(survivors == 0)
}

fn name(patch: &Path) -> String {
    patch.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// What the simulator made of a tree.
enum Found {
    Nothing,
    Wrong(String),
    /// It is not a mutant any more, or the simulator itself broke.
    Unfit(String),
}

/// A copy of the tree with a target folder of its own, and a profile that is cheap to compile.
struct Copy {
    tree: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn make(root: &Path) -> Result<Self> {
        let folder = root.join("target/mutants");
        let copy = Self { tree: folder.join("tree"), target: folder.join("target") };
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
        let listed = steps::output(&mut git)?;
        let mut there = BTreeSet::new();
        for path in listed.split('\0').filter(|path| !path.is_empty()) {
            // Deleted and not yet committed: not part of the tree.
            let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
            let to = copy.tree.join(path);
            there.insert(to.clone());
            // What is the same stays untouched, or it would be compiled again.
            if std::fs::read(&to).is_ok_and(|old| old == bytes) {
                continue;
            }
            std::fs::create_dir_all(to.parent().context("a file stands in a folder")?)?;
            std::fs::write(&to, bytes).with_context(|| format!("cannot write {}", to.display()))?;
        }
        sweep(&copy.tree, &there)?;
        Ok(copy)
    }

    /// Applies a patch, tries the tree out, and takes the patch back.
    fn mutate(&self, patch: &Path) -> Result<Found> {
        self.apply(patch, &[])?;
        let found = self.try_out();
        self.apply(patch, &["--reverse"])?;
        found
    }

    fn apply(&self, patch: &Path, more: &[&str]) -> Result<()> {
        let mut git = Command::new("git");
        // The copy lies in a folder that the repository ignores: there git would skip every file in silence.
        git.env("GIT_CEILING_DIRECTORIES", self.tree.parent().unwrap_or(&self.tree));
        let output = git.current_dir(&self.tree).arg("apply").args(more).arg(patch).output()?;
        if !output.status.success() {
            bail!("the patch does not apply any more: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    fn try_out(&self) -> Result<Found> {
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.tree).args(["build", "--quiet", "--locked", "--package", "sim"]);
        cargo.env("CARGO_TARGET_DIR", &self.target);
        // Little to optimise, nothing to debug: what counts is the time until the first wrong seed.
        cargo.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "0");
        let built = cargo.output()?;
        if !built.status.success() {
            return Ok(Found::Unfit(format!("it does not compile: {}", last_lines(&built.stderr))));
        }
        let Some(output) = finish(Command::new(self.target.join("debug/sim")).args(["--seeds", SEEDS]))? else {
            return Ok(Found::Unfit(format!("it ran longer than {} s", LONGEST.as_secs())));
        };
        let told = String::from_utf8_lossy(&output.stdout);
        let wrong = told.lines().find_map(|line| line.strip_prefix("sim: WRONG: "));
        Ok(match wrong {
            None if output.status.success() => Found::Nothing,
            None => Found::Unfit(format!("the simulator broke: {}", last_lines(&output.stderr))),
            Some(wrong) => Found::Wrong(wrong.chars().take(120).collect()),
        })
    }
}

/// Runs a command that may hang; None where it did.
fn finish(command: &mut Command) -> Result<Option<Output>> {
    use std::process::Stdio;
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut out = child.stdout.take().context("a pipe")?;
    // Read beside: a pipe that is full would hold it up.
    let reader = std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut out, &mut bytes).map(|_| bytes)
    })?;
    let end = Instant::now() + LONGEST;
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut output = child.wait_with_output()?;
    output.stdout = reader.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    Ok(Some(output))
}

fn last_lines(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("error") || line.contains("panicked")).collect();
    lines.join("; ")
}

/// Removes what is in the copy and not in the tree.
fn sweep(folder: &Path, keep: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sweep(&path, keep)?;
        } else if !keep.contains(&path) {
            std::fs::remove_file(&path)?;
        }
    }
    Ok(())
}
