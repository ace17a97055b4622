//! What KMS answers: an outcome, or which kind of failure. Whatever else it says is for the operator's log.

use super::key::KmsKey;
use super::request::Action;
use super::service::Answer;
use crate::root::KeyError;
use serde::Deserialize;
use zeroize::Zeroizing;

/// Words by which KMS says that the same question may go well another time, beside every 5xx and 429.
const PASSING: [&str; 6] = [
    "ThrottlingException",
    "RequestLimitExceeded",
    "KMSInternalException",
    "DependencyTimeoutException",
    "KeyUnavailableException",
    "ServiceUnavailableException",
];
/// And that what is wrapped does not open: under this key, for this owner.
const DAMAGED: [&str; 2] = ["InvalidCiphertextException", "IncorrectKeyException"];
/// The most that is told of a code, and of a message.
const CODE: usize = 64;
const MESSAGE: usize = 300;

/// An outcome, of which nothing is believed yet.
#[derive(Deserialize)]
pub(super) struct Said {
    #[serde(rename = "KeyId")]
    pub(super) key: String,
    #[serde(rename = "CiphertextBlob")]
    pub(super) ciphertext: Option<String>,
    #[serde(rename = "Plaintext")]
    pub(super) plaintext: Option<Zeroizing<String>>,
}

#[derive(Default, Deserialize)]
struct Trouble {
    #[serde(rename = "__type")]
    kind: Option<String>,
    #[serde(alias = "Message")]
    message: Option<String>,
}

pub(super) fn read(key: &KmsKey, action: &Action<'_>, answer: &Answer) -> Result<Said, KeyError> {
    let root = key.id();
    if answer.status == 200 {
        // What the parser complains of may quote a secret.
        return serde_json::from_slice(&answer.body)
            .map_err(|_| KeyError::Odd { root, why: "it is not what KMS answers".to_owned() });
    }
    let trouble: Trouble = serde_json::from_slice(&answer.body).unwrap_or_default();
    let code = trouble.kind.as_deref().unwrap_or_default();
    let code = code.rsplit_once('#').map_or(code, |(_, code)| code);
    if DAMAGED.contains(&code) {
        return Err(KeyError::Damaged(root));
    }
    let shown = Some(code).filter(|code| code.len() <= CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let mut why = format!("it answers {} {}", answer.status, shown.unwrap_or_default()).trim_end().to_owned();
    if let Some(message) = trouble.message.map(|message| told(&message)).filter(|message| !message.is_empty()) {
        why = format!("{why}: {message}");
    }
    if action.plaintext().is_some_and(|secret| why.contains(secret)) {
        why = format!("it answers {}, and says the secret that it was given", answer.status);
    }
    match answer.status {
        429 | 500.. => Err(KeyError::Away { root, why }),
        _ if PASSING.contains(&code) => Err(KeyError::Away { root, why }),
        _ => Err(KeyError::Refused { root, why }),
    }
}

fn told(message: &str) -> String {
    message.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ').take(MESSAGE).collect()
}
