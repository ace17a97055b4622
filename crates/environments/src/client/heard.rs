//! What an executor says, before any of it is believed: how much of it is read at all, and in which shape.

use super::{Shared, Waiting, plain};
use serde::Deserialize;
use serde_json::value::RawValue;
use wire::executor::{Envelope, Failure, FileUri, MESSAGE_LIMIT, Refusal, Shell, method};

/// A message is at most this long, in bytes, while no file is waited for.
pub(super) const SMALL: usize = 4 * 1024 * 1024;

/// The answer to `initialize`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Greeting<'a> {
    pub(super) session_id: String,
    #[serde(borrow, default)]
    pub(super) environment_info: Option<&'a RawValue>,
}

/// Of [`wire::executor::EnvironmentInfo`] what is of use here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Described {
    pub(super) shell: Option<Shell>,
    pub(super) executor_version: Option<String>,
    pub(super) cwd: Option<FileUri>,
    pub(super) user_home_dir: Option<FileUri>,
    pub(super) platform_os: Option<String>,
    pub(super) temp_dir: Option<FileUri>,
}

/// Whether it can be a session's id: at most 128 bytes of ASCII that can be seen. It is kept in a row.
pub(super) fn is_session(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The longest answer to a request of this method: a file and a page come whole, and all else in pieces.
pub(super) fn room(name: &str) -> usize {
    if matches!(name, method::FS_READ_FILE | method::HTTP_REQUEST) { MESSAGE_LIMIT } else { SMALL }
}

impl Shared {
    /// A message, or none: the line is of no more use.
    pub(super) fn heard<'a>(&self, bytes: &'a [u8]) -> Option<Envelope<'a>> {
        if bytes.len() > SMALL {
            let room = self.state().waiting.values().map(Waiting::room).max().unwrap_or(SMALL);
            if bytes.len() > room {
                tracing::warn!(bytes = bytes.len(), most = room, "an executor sends more than was asked for");
                return None;
            }
        }
        match Envelope::read(bytes) {
            Ok(envelope) => Some(envelope),
            Err(error) => {
                // The reason repeats what was found.
                tracing::warn!(error = plain(&error.0), "an executor sends what is no message");
                None
            }
        }
    }
}

/// In words that can be shown. Its data is nobody's.
pub(super) fn failure(refusal: Refusal<'_>) -> Failure {
    Failure::new(refusal.code, plain(&refusal.message))
}
