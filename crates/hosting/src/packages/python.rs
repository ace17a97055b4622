//! Python packages, by this machine's pip, for the Python that is in the sandbox. Only wheels are taken: they are unpacked,
//! and nothing in them runs.

use super::tool::{self, Surroundings, Trouble};
use crate::setup::{Log, Ran, Runner, SetupFailed};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::Clock;

const KIND: &str = "Python";
/// The ways to a pip, best first.
const PROGRAMS: [&str; 2] = ["python3", "python"];
/// Says which Python it is.
const QUESTION: &str = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.executable)";
const ANSWERED: Duration = Duration::from_secs(60);
/// Starts pip in a Python that can start no process any more. pip itself needs none for wheels; a requirement that some
/// package has by URL would otherwise be cloned and built, and building runs what is in it.
const PIP: &str = r#"
import runpy, sys
def refuse(event, _):
    if event in ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "pty.spawn"):
        raise PermissionError("nothing is built here: only packages that come as wheels can be installed")
sys.addaudithook(refuse)
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"#;
/// What a machine without pip, or with one that is too old, does not get through.
const IS_THERE: &str = "import sys, pip; sys.addaudithook";
/// Programs that are looked at; a script is never longer.
const SCRIPT: u64 = 1 << 20;

/// The Python inside.
#[derive(PartialEq, Eq, Debug)]
struct Python {
    version: String,
    program: String,
}

/// The folder that the packages were put into.
pub(super) async fn fetch(
    clock: &dyn Clock,
    tools: &Surroundings,
    runner: &mut Runner<'_>,
    log: &Log,
    workshop: &Path,
    names: &[String],
) -> Result<PathBuf, SetupFailed> {
    let python = inside(runner).await?;
    let target = workshop.join("python");
    let program = pip(clock, tools, log, workshop).await.map_err(|trouble| trouble.failed(KIND, "pip"))?;
    let shown = target.to_string_lossy();
    let mut arguments = vec!["-c", PIP, "install", "--only-binary=:all:", "--implementation", "cp"];
    arguments.extend(["--python-version", &python.version, "--no-compile", "--no-warn-script-location", "--no-input"]);
    // What lies elsewhere would not be weighed.
    arguments.push("--no-cache-dir");
    arguments.extend(["--disable-pip-version-check", "--progress-bar", "off", "--target", &shown, "--"]);
    arguments.extend(names.iter().map(String::as_str));
    let fetched = tool::run(clock, tools, workshop, program, &arguments, log).await;
    fetched.map_err(|trouble| trouble.failed(KIND, "pip"))?;
    let unplaced = |error: io::Error| {
        tracing::warn!(%error, "Python packages cannot be put in place");
        SetupFailed::internal("The Python packages could not be put in place.")
    };
    if let Some(name) = stranger(&target).map_err(unplaced)? {
        let message = format!("The {KIND} packages could not be fetched: {name} does not come from the index.");
        return Err(SetupFailed::new(message));
    }
    point_at(&target.join("bin"), &python.program).map_err(unplaced)?;
    Ok(target)
}

/// The program whose pip it is.
async fn pip(clock: &dyn Clock, tools: &Surroundings, log: &Log, workshop: &Path) -> Result<&'static str, Trouble> {
    for program in PROGRAMS {
        if tool::run(clock, tools, workshop, program, &["-c", IS_THERE], log).await.is_ok() {
            return Ok(program);
        }
    }
    Err(Trouble::Missing)
}

async fn inside(runner: &mut Runner<'_>) -> Result<Python, SetupFailed> {
    let argv = ["/usr/bin/env", "python3", "-I", "-S", "-c", QUESTION].map(str::to_owned);
    let said = match runner.run(argv.into(), "/", ANSWERED).await? {
        Ran { exit_code: Some(0), said } => said,
        _ => return Err(SetupFailed::new("The base has no python3, so it cannot have Python packages.")),
    };
    let said = String::from_utf8_lossy(&said);
    read(said.trim())
        .ok_or_else(|| SetupFailed::new("The base's python3 is none that Python packages are fetched for."))
}

/// `cpython 3.11 /usr/bin/python3`.
fn read(said: &str) -> Option<Python> {
    let mut words = said.split(' ');
    let (name, version, program) = (words.next()?, words.next()?, words.next()?);
    let is_version = version.split('.').count() == 2 && version.chars().all(|c| c.is_ascii_digit() || c == '.');
    // A first line of a script is not read further.
    let is_program = program.starts_with('/') && program.len() < 120 && !program.contains(char::is_control);
    (name == "cpython" && is_version && is_program && words.next().is_none())
        .then(|| Python { version: version.to_owned(), program: program.to_owned() })
}

/// A package that another one named by a URL, a file of this machine perhaps: pip notes that beside it.
fn stranger(target: &Path) -> io::Result<Option<String>> {
    for entry in std::fs::read_dir(target)? {
        let entry = entry?;
        if entry.path().join("direct_url.json").exists() {
            let name = entry.file_name().to_string_lossy().into_owned();
            return Ok(Some(name.split('-').next().unwrap_or_default().to_owned()));
        }
    }
    Ok(None)
}

/// Programs begin with the Python that installed them, which is not the one that will run them.
fn point_at(scripts: &Path, python: &str) -> io::Result<()> {
    if !scripts.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(scripts)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if !metadata.is_file() || metadata.len() > SCRIPT {
            continue;
        }
        let bytes = std::fs::read(entry.path())?;
        if let Some(rest) = after_shebang(&bytes) {
            let mut script = format!("#!{python}\n").into_bytes();
            script.extend_from_slice(rest);
            std::fs::write(entry.path(), script)?;
        }
    }
    Ok(())
}

/// What comes after the words that say which Python it is; None where it is no script of Python's. A path that is too long
/// for a first line is written as a shell's command in the first three.
fn after_shebang(script: &[u8]) -> Option<&[u8]> {
    let line = |from: usize| script[from..].iter().position(|&byte| byte == b'\n').map(|end| from + end + 1);
    let first = script.starts_with(b"#!").then(|| line(0)).flatten()?;
    if script[first..].starts_with(b"'''exec' ") {
        return Some(&script[line(line(first)?)?..]);
    }
    let words = String::from_utf8_lossy(&script[..first]);
    words.contains("python").then(|| &script[first..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_says_which_it_is() {
        let read = |said| read(said).map(|python| (python.version, python.program));
        assert_eq!(read("cpython 3.11 /usr/bin/python3"), Some(("3.11".into(), "/usr/bin/python3".into())));
        for odd in [
            "",
            "pypy 3.10 /usr/bin/pypy",
            "cpython 3 /p",
            "cpython 3.x /p",
            "cpython 3.11 p",
            "cpython 3.11 /a b",
            "cpython 3.11 /a\n",
        ] {
            assert_eq!(read(odd), None, "{odd:?}");
        }
    }

    #[test]
    fn scripts_begin_with_the_python_that_runs_them() {
        for (script, rest) in [
            ("#!/opt/python/bin/python3.11\nimport a\n", Some("import a\n")),
            ("#!/bin/sh\n'''exec' \"/very long/python\" \"$0\" \"$@\"\n' '''\nimport a\n", Some("import a\n")),
            ("#!/bin/sh\necho\n", None),
            ("\x7fELF\n", None),
            ("#!python", None),
            ("#!/bin/sh\n'''exec' x", None),
        ] {
            assert_eq!(after_shebang(script.as_bytes()), rest.map(str::as_bytes), "{script:?}");
        }
    }
}
