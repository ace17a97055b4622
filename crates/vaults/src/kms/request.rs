//! `Encrypt` and `Decrypt` as KMS takes them: JSON 1.1, signed.

use super::key::KmsKey;
use super::service::{Access, ServiceRequest};
use crate::owner::Owner;
use crate::secret::Secret;
use serde::Serialize;
use sigv4::{BodyHash, Head, Signer};
use types::Timestamp;
use zeroize::Zeroizing;

const SERVICE: &str = "kms";
const TYPE: &str = "application/x-amz-json-1.1";
/// More than any body needs: one that grows leaves copies of what it holds.
const BODY: usize = 16 << 10;

pub(super) enum Action<'a> {
    Wrap(Wrapping<'a>),
    Open(Opening<'a>),
}

impl Action<'_> {
    fn target(&self) -> &'static str {
        match self {
            Self::Wrap(_) => "TrentService.Encrypt",
            Self::Open(_) => "TrentService.Decrypt",
        }
    }

    /// The secret that is sent along.
    pub(super) fn plaintext(&self) -> Option<&str> {
        match self {
            Self::Wrap(wrapping) => Some(wrapping.plaintext),
            Self::Open(_) => None,
        }
    }

    fn body(&self) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
        let mut body = Zeroizing::new(Vec::with_capacity(BODY));
        match self {
            Self::Wrap(wrapping) => serde_json::to_writer(&mut *body, wrapping)?,
            Self::Open(opening) => serde_json::to_writer(&mut *body, opening)?,
        }
        Ok(body)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Wrapping<'a> {
    key_id: &'a str,
    plaintext: &'a str,
    encryption_context: Context<'a>,
}

impl<'a> Wrapping<'a> {
    pub(super) fn new(key: &'a KmsKey, plaintext: &'a str, owner: Owner<'a>) -> Self {
        Self { key_id: &key.written, plaintext, encryption_context: Context::of(owner) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Opening<'a> {
    key_id: &'a str,
    ciphertext_blob: &'a str,
    encryption_context: Context<'a>,
}

impl<'a> Opening<'a> {
    pub(super) fn new(key: &'a KmsKey, ciphertext_blob: &'a str, owner: Owner<'a>) -> Self {
        Self { key_id: &key.written, ciphertext_blob, encryption_context: Context::of(owner) }
    }
}

/// What a policy of KMS may ask for, and its log shows.
#[derive(Serialize)]
struct Context<'a> {
    #[serde(rename = "outcrop:project")]
    project: &'a str,
    #[serde(rename = "outcrop:vault")]
    vault: &'a str,
}

impl<'a> Context<'a> {
    fn of(owner: Owner<'a>) -> Self {
        Self { project: owner.project.as_str(), vault: owner.vault }
    }
}

/// The error is a sentence.
pub(super) fn signed(
    key: &KmsKey,
    endpoint: Option<&str>,
    access: &Access,
    action: &Action<'_>,
    now: Timestamp,
) -> Result<ServiceRequest, String> {
    let endpoint = endpoint.map_or_else(|| key.endpoint(), str::to_owned);
    let url = url::Url::parse(&endpoint).map_err(|error| format!("its endpoint is no URL: {error}"))?;
    let host = url.host_str().ok_or("its endpoint has no host")?;
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let body = action.body().map_err(|error| format!("the request cannot be written: {error}"))?;
    let date = sigv4::date(now.0 / 1000);
    let mut headers = vec![
        ("content-type", Secret::new(TYPE)),
        ("x-amz-date", Secret::new(&*date)),
        ("x-amz-target", Secret::new(action.target())),
    ];
    headers.extend(access.session_token.clone().map(|token| ("x-amz-security-token", token)));
    let mut said: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.reveal().as_bytes())).collect();
    said.push(("host", host.as_bytes()));
    let head = Head { method: "POST", path: url.path(), query: "", headers: &said };
    let (access_key, secret) = (access.id.as_str(), access.secret.reveal());
    let signer = Signer { access_key, secret, region: &key.region, service: SERVICE };
    let authorization = signer.authorization(&head, &BodyHash::of(&body)).map_err(|refusal| refusal.to_string())?;
    headers.push(("authorization", Secret::new(authorization)));
    Ok(ServiceRequest { url: url.into(), headers, body })
}
