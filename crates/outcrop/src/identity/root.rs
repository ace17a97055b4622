//! The file of root keys. Its first line is made once and never changed: from it the secrets of access keys are derived,
//! and the first key of vaults. Each later line `vaults …` is a newer key of vaults, the last one that which is used.
//! Who has the store alone has no secret, and who loses this file has lost them all.

use crate::configuration::Configuration;
use crate::configuration::vaults::root_key as bytes;
use crate::data::DataFolder;
use crate::world::KernelEntropy;
use anyhow::{Context, Result, bail};
use api::AccessSecrets;
use sigv4::{ROOT_BYTES, RootKey};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use types::Entropy;
use vaults::Ring;
use zeroize::Zeroizing;

const FILE: &str = "root.key";
/// What is longer is something else.
const LONGEST: u64 = 64 << 10;
/// Before a newer key of vaults.
const LATER: &str = "vaults ";

pub fn path(configuration: &Configuration, data: &DataFolder) -> PathBuf {
    configuration.vaults.root_key_file.clone().unwrap_or_else(|| data.path().join(FILE))
}

/// What the file holds.
pub struct Keys {
    first: [u8; ROOT_BYTES],
    /// Keys of vaults, in the order of their making.
    later: Vec<[u8; ROOT_BYTES]>,
}

impl Keys {
    /// From which secrets of access keys are derived.
    pub fn of_access_keys(&self) -> RootKey {
        RootKey::new(self.first)
    }

    /// All keys of vaults, the newest first.
    pub fn of_vaults(&self) -> Ring {
        let first = vaults::of_root(&self.first);
        Ring::new(self.later.iter().rev().copied().chain([first]), Arc::new(KernelEntropy))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.trim().lines();
        let first = bytes(lines.next()?.trim())?;
        let later = lines.map(|line| bytes(line.trim().strip_prefix(LATER)?.trim())).collect::<Option<_>>()?;
        Some(Self { first, later })
    }

    fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(types::hex(&self.first));
        text.push('\n');
        for key in &self.later {
            let _ = writeln!(text, "{LATER}{}", types::hex(key));
        }
        text
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.first);
        zeroize::Zeroize::zeroize(&mut self.later);
    }
}

/// None where there is no such file.
pub fn read(path: &Path) -> Result<Option<Keys>> {
    let read = || -> std::io::Result<Zeroizing<String>> {
        let mut text = Zeroizing::default();
        File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => match Keys::parse(&text) {
            Some(keys) => Ok(Some(keys)),
            None => bail!("{} is no root key: that is 64 hexadecimal digits", path.display()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("the root key {} cannot be read", path.display())),
    }
}

/// Puts a new one in place, mode 0600, whole, unless another process was faster: then it is that one's.
pub fn make(path: &Path) -> Result<Keys> {
    let keys = Keys { first: drawn(), later: Vec::new() };
    let put = || -> std::io::Result<()> {
        let new = written(path, &keys)?;
        let linked = std::fs::hard_link(&new, path);
        std::fs::remove_file(&new)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        File::open(folder(path))?.sync_all()
    };
    put().with_context(|| format!("the root key {} cannot be made", path.display()))?;
    read(path)?.with_context(|| format!("the root key {} is gone", path.display()))
}

/// A new key of vaults, which counts from now on. The others stay.
pub fn add(path: &Path) -> Result<()> {
    change(path, |keys| keys.later.push(drawn()))
}

/// Drops the keys of vaults whose ids are not named, but for the newest. The first line stays: access keys need it.
pub fn keep(path: &Path, needed: &[String]) -> Result<()> {
    change(path, |keys| {
        let newest = keys.later.last().copied();
        keys.later.retain(|key| {
            let ids = Ring::new([*key], Arc::new(KernelEntropy)).ids();
            Some(*key) == newest || ids.iter().any(|id| needed.contains(id))
        });
    })
}

/// While the file may not change: whoever wraps something holds it until that is written.
pub fn shared(path: &Path) -> std::io::Result<File> {
    let lock = File::open(folder(path))?;
    lock.lock_shared()?;
    Ok(lock)
}

/// One process at a time, and none while another wraps something with what is there.
fn change(path: &Path, change: impl FnOnce(&mut Keys)) -> Result<()> {
    let lock = File::open(folder(path)).and_then(|lock| lock.lock().map(|()| lock));
    let _lock = lock.with_context(|| format!("{} cannot be locked", folder(path).display()))?;
    let mut keys = read(path)?.with_context(|| format!("the root key {} is not there", path.display()))?;
    change(&mut keys);
    let put = || -> std::io::Result<()> {
        std::fs::rename(written(path, &keys)?, path)?;
        File::open(folder(path))?.sync_all()
    };
    put().with_context(|| format!("the root key {} cannot be changed", path.display()))
}

/// Beside the file, whole and durable; its name.
fn written(path: &Path, keys: &Keys) -> std::io::Result<OsString> {
    let mut new = OsString::from(path);
    new.push(format!(".{}", std::process::id()));
    // What a crash left here may have other rights.
    let _ = std::fs::remove_file(&new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(keys.text().as_bytes())?;
    file.sync_all()?;
    Ok(new)
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn drawn() -> [u8; ROOT_BYTES] {
    let mut bytes = [0_u8; ROOT_BYTES];
    KernelEntropy.fill(&mut bytes);
    bytes
}

/// The secrets that a running server checks signatures with. Its root key may be made after its start, by whoever makes
/// the first access key, and is read at the first signature.
pub struct Secrets {
    path: PathBuf,
    root: OnceLock<RootKey>,
}

impl Secrets {
    pub fn new(configuration: &Configuration, data: &DataFolder) -> Self {
        Self { path: path(configuration, data), root: OnceLock::new() }
    }

    fn root(&self) -> Option<&RootKey> {
        if let Some(root) = self.root.get() {
            return Some(root);
        }
        match read(&self.path) {
            Ok(Some(keys)) => Some(self.root.get_or_init(|| keys.of_access_keys())),
            Ok(None) => {
                tracing::error!(file = %self.path.display(), "signatures cannot be checked: the root key is not there");
                None
            }
            Err(error) => {
                tracing::error!("signatures cannot be checked: {error:#}");
                None
            }
        }
    }
}

impl AccessSecrets for Secrets {
    fn secret(&self, access_key: &str) -> Option<String> {
        Some(self.root()?.secret(access_key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn secret(keys: &Keys) -> String {
        keys.of_access_keys().secret("AKIA")
    }

    #[test]
    fn a_root_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        assert!(read(&path).unwrap().is_none());
        let first = secret(&make(&path).unwrap());
        assert_eq!(secret(&make(&path).unwrap()), first);
        assert_eq!(secret(&read(&path).unwrap().unwrap()), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_root_key_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let good = "0".repeat(64);
        for wrong in [
            String::new(),
            "0".repeat(63),
            "0".repeat(65),
            "g".repeat(64),
            "ä".repeat(32),
            format!("{good}\n{good}"),
            format!("{good}\nvaults 00"),
        ] {
            std::fs::write(&path, &wrong).unwrap();
            assert!(read(&path).is_err(), "{wrong}");
        }
        std::fs::write(&path, format!("{}\n", "aB".repeat(32))).unwrap();
        assert_eq!(secret(&read(&path).unwrap().unwrap()), RootKey::new([0xab; 32]).secret("AKIA"));
    }

    #[test]
    fn newer_keys_of_vaults_come_and_go_and_the_first_line_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        let first = secret(&make(&path).unwrap());
        let ids = || read(&path).unwrap().unwrap().of_vaults().ids();
        let oldest = ids();
        add(&path).unwrap();
        let middle = ids();
        assert_eq!((middle.len(), &middle[1..]), (2, &*oldest));
        add(&path).unwrap();
        assert_eq!(ids()[1..], *middle);
        keep(&path, &middle[..1]).unwrap();
        assert_eq!(ids().len(), 3, "what is needed stays");
        keep(&path, &[]).unwrap();
        assert_eq!((ids().len(), &ids()[1..]), (2, &*oldest));
        assert_eq!(secret(&read(&path).unwrap().unwrap()), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
