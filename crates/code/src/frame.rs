//! What goes between this process and a worker: one request, one answer. Each is a length and JSON, then a length and
//! the bytes of a snapshot.

use crate::step::{Call, Function, Limits};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

#[derive(Serialize, Deserialize)]
pub struct Request {
    pub limits: Limits,
    pub step: Asked,
}

#[derive(Serialize, Deserialize)]
pub enum Asked {
    Begin {
        code: String,
        functions: Vec<Function>,
    },
    /// From the snapshot that comes with it.
    Resume {
        results: Vec<(u32, Result<Value, String>)>,
    },
}

#[derive(Serialize, Deserialize)]
pub enum Answer {
    Done {
        value: Option<String>,
        printed: String,
    },
    Raised {
        traceback: String,
        printed: String,
    },
    /// At the snapshot that comes with it.
    Paused {
        printed: String,
        calls: Vec<Call>,
    },
    Stale,
    Damaged(String),
}

pub fn write(head: &impl Serialize, snapshot: &[u8]) -> Result<Vec<u8>, String> {
    let head = serde_json::to_vec(head).map_err(|error| error.to_string())?;
    let mut bytes = Vec::with_capacity(8 + head.len() + snapshot.len());
    for part in [head.as_slice(), snapshot] {
        let length = u32::try_from(part.len()).map_err(|error| error.to_string())?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(part);
    }
    Ok(bytes)
}

/// `None` if these bytes are not one whole message.
pub fn read<H: DeserializeOwned>(bytes: &[u8]) -> Option<(H, &[u8])> {
    let (head, rest) = part(bytes)?;
    let (snapshot, rest) = part(rest)?;
    rest.is_empty().then_some(())?;
    Some((serde_json::from_slice(head).ok()?, snapshot))
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_whole_or_none() {
        let bytes = write(&Answer::Stale, b"xyz").expect("written");
        let (answer, snapshot) = read::<Answer>(&bytes).expect("whole");
        assert!(matches!(answer, Answer::Stale));
        assert_eq!(snapshot, b"xyz");
        for end in 0..bytes.len() {
            assert!(read::<Answer>(&bytes[..end]).is_none(), "{end}");
        }
        assert!(read::<Answer>(&[bytes, vec![0]].concat()).is_none());
    }
}
