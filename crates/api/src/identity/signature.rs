//! Requests that are signed as AWS's are (SigV4): whose they are, by the access key that they name and by a signature that
//! only its holder can have made. How a signature is checked is `sigv4`'s; this brings it the request, the secret and the
//! time, and says what goes wrong in this server's shape, with AWS's word as the code.

use super::only_reads;
use crate::Door;
use crate::body::Kept;
use crate::failure::Failure;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use runtime::Identity;
use sigv4::{BodyHash, Claim, Head, Payload, Policy, Refusal, SKEW, Use};
use std::sync::PoisonError;
use std::time::Duration;

/// What presigned queries of AWS's SDKs are good for where nothing else is said, in seconds.
const PRESIGNED: u64 = 3600;
/// When to come again with a signature for which there was no room.
const PAUSE: Duration = Duration::from_secs(30);
/// Signatures have a second in them: then there is another.
const NEXT_SECOND: Duration = Duration::from_secs(1);
/// By which the calls of AWS's SDKs, and their attempts, are told apart.
const MARKS: [&str; 2] = ["amz-sdk-invocation-id", "amz-sdk-request"];

/// How requests may be signed at a door.
#[derive(Clone, Copy, Debug)]
pub struct Ways {
    services: &'static [&'static str],
    unsigned_payload: bool,
    /// The longest time of a presigned query, in seconds.
    longest: u64,
    /// The largest body, in bytes.
    body: usize,
    /// Whether a signature on what changes something counts once.
    once: bool,
}

impl Ways {
    /// Executors name the default of `codex exec-server`, or one of Bedrock's services. They sign to the second and end when
    /// they are refused, so that they may say the same twice.
    pub const EXECUTORS: Self = Self {
        services: &["execute-api", "bedrock", "bedrock-mantle", "bedrock-agentcore"],
        unsigned_payload: false,
        longest: SKEW,
        body: 64 << 10,
        once: false,
    };
    /// The executors' WebSocket: there is no body.
    pub const SOCKET: Self = Self { body: 0, ..Self::EXECUTORS };

    /// Doors of AWS's services.
    pub fn of_service(door: &Door, services: &'static [&'static str]) -> Self {
        let unsigned_payload = door.aws.unsigned_payload;
        Self { services, unsigned_payload, longest: PRESIGNED, body: usize::MAX, once: true }
    }

    fn policy(&self) -> Policy<'static> {
        Policy { services: self.services, unsigned_payload: self.unsigned_payload, longest: self.longest }
    }
}

/// Who knows the secrets of access keys. Asked only for keys that there are.
pub trait AccessSecrets: Send + Sync + 'static {
    /// None where it cannot be told now; why, is in the log.
    fn secret(&self, access_key: &str) -> Option<String>;
}

/// A claim whose access key is somebody's.
struct Signer {
    claim: Claim,
    secret: String,
    identity: Identity,
}

pub fn is_signed(request: &Request) -> bool {
    with_head(request.method().as_str(), request.uri(), request.headers(), |head| head.is_signed())
}

/// Who signed the request, body and all. Where the body is part of what is signed, it is read for it, and is whole in what
/// is given back.
pub async fn check(door: &Door, request: Request, ways: &Ways) -> Result<(Identity, Request), Failure> {
    let (parts, body) = request.into_parts();
    let signer = signer(door, &parts, ways).await?;
    let body = match signer.claim.payload() {
        Payload::Unsigned => {
            signer.verify(&BodyHash::of(b""))?;
            body
        }
        Payload::Signed { stated } => {
            if let Some(stated) = &stated {
                signer.verify(stated)?;
            }
            let kept = Kept::read(door, &parts.headers, body, ways.body).await?;
            signer.verify(&BodyHash::from(kept.hash()))?;
            kept.into_body()
        }
    };
    if ways.once && !only_reads(&parts.method, &parts.headers) {
        use_up(door, &parts.headers, &signer.claim)?;
    }
    Ok((signer.identity, Request::from_parts(parts, body)))
}

/// A signature that lets something happen does so once. SDKs of AWS that ask again in the same second say so beside it;
/// others are told to sign again.
fn use_up(door: &Door, headers: &HeaderMap, claim: &Claim) -> Result<(), Failure> {
    let marks = MARKS.iter().filter_map(|name| headers.get(*name));
    let mark = marks.map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b' ');
    let mut used = door.aws.used.lock().unwrap_or_else(PoisonError::into_inner);
    match used.take(claim, &mark, door.clock.now().seconds()) {
        Use::Fresh => Ok(()),
        Use::Copied => Err(Failure { retry_after: Some(NEXT_SECOND), ..refused(Refusal::Replayed) }),
        Use::NoRoom => Err(Failure::busy("Too many signed requests. Try again later.", PAUSE)),
    }
}

async fn signer(door: &Door, parts: &Parts, ways: &Ways) -> Result<Signer, Failure> {
    let now = door.clock.now().seconds();
    let read = |head: &Head<'_>| Claim::read(head, &ways.policy(), now);
    let claim = with_head(parts.method.as_str(), &parts.uri, &parts.headers, read).map_err(refused)?;
    // This server gives out no temporary credentials: whoever did, it was somebody else.
    if claim.session_token().is_some() {
        return Err(refused(Refusal::Unrecognized));
    }
    let identity = door.catalog.access_key(claim.access_key()).await?;
    let (Some(identity), Some(secrets)) = (identity, &door.access_secrets) else {
        return Err(refused(Refusal::Unrecognized));
    };
    let secret = secrets.secret(claim.access_key());
    let secret = secret.ok_or_else(|| Failure::unavailable("Signatures cannot be checked now. Try again later."))?;
    Ok(Signer { claim, secret, identity })
}

impl Signer {
    fn verify(&self, body: &BodyHash) -> Result<(), Failure> {
        self.claim.verify(&self.secret, body).map_err(refused)
    }
}

/// Requests of HTTP/2 name their host beside the headers.
fn with_head<T>(
    method: &str,
    uri: &axum::http::Uri,
    headers: &axum::http::HeaderMap,
    act: impl FnOnce(&Head<'_>) -> T,
) -> T {
    let mut all: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    if let (false, Some(authority)) = (headers.contains_key("host"), uri.authority()) {
        all.push(("host", authority.as_str().as_bytes()));
    }
    act(&Head { method, path: uri.path(), query: uri.query().unwrap_or_default(), headers: &all })
}

/// It has to be signed, and is not.
pub fn unsigned() -> Failure {
    refused(Refusal::Missing)
}

fn refused(refusal: Refusal) -> Failure {
    let status = match refusal {
        Refusal::Incomplete(_) => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNAUTHORIZED,
    };
    Failure { status, code: Some(refusal.code()), ..Failure::unauthorized(refusal.to_string()) }
}
