//! The root key: 32 random bytes in a file of their own, from which the secrets of access keys are derived. Who has the
//! store alone has no secret, and who loses this file has lost them all. It is made once and never changed.

use crate::configuration::Configuration;
use crate::data::DataFolder;
use crate::world::KernelEntropy;
use anyhow::{Context, Result, bail};
use api::AccessSecrets;
use sigv4::{ROOT_BYTES, RootKey};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use types::Entropy;

const FILE: &str = "root.key";
/// What is longer is something else.
const LONGEST: u64 = 1024;

pub fn path(configuration: &Configuration, data: &DataFolder) -> PathBuf {
    configuration.root_key_file.clone().unwrap_or_else(|| data.path().join(FILE))
}

/// None where there is no such file.
pub fn read(path: &Path) -> Result<Option<RootKey>> {
    let read = || -> std::io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(LONGEST).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) => match bytes(text.trim()) {
            Some(bytes) => Ok(Some(RootKey::new(bytes))),
            None => bail!("{} is no root key: that is 64 hexadecimal digits", path.display()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("the root key {} cannot be read", path.display())),
    }
}

/// Puts a new one in place, mode 0600, whole, unless another process was faster: then it is that one's.
pub fn make(path: &Path) -> Result<RootKey> {
    let mut drawn = [0_u8; ROOT_BYTES];
    KernelEntropy.fill(&mut drawn);
    let text: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
    let put = || -> std::io::Result<()> {
        let mut new = OsString::from(path);
        new.push(format!(".{}", std::process::id()));
        // What a crash left here may have other rights.
        let _ = std::fs::remove_file(&new);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&new, path);
        std::fs::remove_file(&new)?;
        match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    };
    put().with_context(|| format!("the root key {} cannot be made", path.display()))?;
    read(path)?.with_context(|| format!("the root key {} is gone", path.display()))
}

fn bytes(text: &str) -> Option<[u8; ROOT_BYTES]> {
    let mut bytes = [0; ROOT_BYTES];
    if text.len() != 2 * ROOT_BYTES || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(digit(digits[0])? << 4 | digit(digits[1])?).ok()?;
    }
    Some(bytes)
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
            Ok(Some(root)) => Some(self.root.get_or_init(|| root)),
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

    #[test]
    fn a_root_key_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        assert!(read(&path).unwrap().is_none());
        let first = make(&path).unwrap().secret("AKIA");
        assert_eq!(make(&path).unwrap().secret("AKIA"), first);
        assert_eq!(read(&path).unwrap().unwrap().secret("AKIA"), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_root_key_is_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("root.key");
        for wrong in [String::new(), "0".repeat(63), "0".repeat(65), "g".repeat(64), "ä".repeat(32)] {
            std::fs::write(&path, &wrong).unwrap();
            assert!(read(&path).is_err(), "{wrong}");
        }
        std::fs::write(&path, format!("{}\n", "aB".repeat(32))).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().secret("AKIA"), RootKey::new([0xab; 32]).secret("AKIA"));
    }
}
