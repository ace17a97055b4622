//! The token of a next page: where the last one ended, and of which list, so that it goes on with no other.

use crate::names::digest;
use crate::trouble::Trouble;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Characters of the longest token that is looked at.
const LONGEST: usize = 4096;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Digest of the list.
    of: String,
    /// The row after which the page begins.
    pub(crate) after: String,
    /// Which of the list's parts it was of: the lines of branches are read one after the other.
    #[serde(default)]
    pub(crate) part: usize,
}

impl Cursor {
    pub(crate) fn token(list: &[&str], after: &str, part: usize) -> String {
        let cursor = Self { of: digest(list), after: after.to_owned(), part };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }

    pub(crate) fn read(list: &[&str], token: Option<&str>) -> Result<Option<Self>, Trouble> {
        let Some(token) = token else { return Ok(None) };
        let bytes = (token.len() <= LONGEST).then(|| URL_SAFE_NO_PAD.decode(token).ok()).flatten();
        let cursor: Option<Self> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        cursor.filter(|cursor| cursor.of == digest(list)).map(Some).ok_or_else(unknown)
    }
}

pub(crate) fn unknown() -> Trouble {
    Trouble::wrong("nextToken", "The nextToken is not one that this list has given for this request.")
}
