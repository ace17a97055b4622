//! What was said while an environment was set up, for the operator: a file beside its disk that only the server's user
//! reads. It may hold what is confidential.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Mutex;

const NAME: &str = "setup.log";
/// Bytes of all of it.
const MOST: usize = 4 << 20;

/// A log that cannot be written is none; the setup goes on.
pub(crate) struct Log(Mutex<Option<(File, usize)>>);

impl Log {
    /// A new one, in the place of that of an earlier setup.
    pub(crate) fn begin(folder: &Path) -> Self {
        let path = folder.join(NAME);
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        match opened {
            Ok(file) => Self(Mutex::new(Some((file, MOST)))),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "no log is kept of the setup");
                Self(Mutex::new(None))
            }
        }
    }

    /// A line of ours, and what was said to it.
    pub(crate) fn add(&self, title: &str, said: &[u8]) {
        let mut open = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some((file, left)) = open.as_mut() else { return };
        let mut text = format!("== {title}\n").into_bytes();
        text.extend_from_slice(said);
        if !text.ends_with(b"\n") {
            text.push(b'\n');
        }
        text.truncate(*left);
        *left -= text.len();
        if file.write_all(&text).is_err() {
            *open = None;
        }
    }
}
