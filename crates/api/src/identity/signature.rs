//! Requests that are signed as AWS's are (SigV4): whose they are, by the access key that they name and by a signature that
//! only its holder can have made. How a signature is checked is `sigv4`'s; this brings it the request, the secret and the
//! time, and says what goes wrong in this server's shape, with AWS's word as the code.

use crate::failure::Failure;
use crate::{Door, body};
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::request::Parts;
use runtime::Identity;
use sigv4::{BodyHash, Claim, Head, Policy, Refusal, SKEW};

/// The services that signatures of executors name: the default of `codex exec-server`, and Bedrock's.
const SERVICES: [&str; 4] = ["execute-api", "bedrock", "bedrock-mantle", "bedrock-agentcore"];
const POLICY: Policy<'_> = Policy { services: &SERVICES, unsigned_payload: false, longest: SKEW };
/// What executors say is small.
const BODY: usize = 64 << 10;

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

/// Who signed the request, body and all. The body is read for it, and is whole in what is given back.
pub async fn check(door: &Door, request: Request) -> Result<(Identity, Request), Failure> {
    let (parts, body) = request.into_parts();
    let signer = signer(door, &parts).await?;
    let (bytes, _held) = body::within(door, &parts.headers, body, BODY).await?;
    let identity = signer.verify(&BodyHash::of(&bytes))?;
    Ok((identity, Request::from_parts(parts, Body::from(bytes))))
}

/// Who signed a request that has no body.
pub async fn check_empty(door: &Door, request: Request) -> Result<(Identity, Request), Failure> {
    let (parts, body) = request.into_parts();
    let identity = signer(door, &parts).await?.verify(&BodyHash::of(b""))?;
    Ok((identity, Request::from_parts(parts, body)))
}

async fn signer(door: &Door, parts: &Parts) -> Result<Signer, Failure> {
    let now = door.clock.now().seconds();
    let read = |head: &Head<'_>| Claim::read(head, &POLICY, now);
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
    fn verify(self, body: &BodyHash) -> Result<Identity, Failure> {
        self.claim.verify(&self.secret, body).map_err(refused)?;
        Ok(self.identity)
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
