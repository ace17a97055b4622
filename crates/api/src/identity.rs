//! Who is asking, and whether they may: the beta header first, then the key, then its scopes. Handlers find the
//! [`Identity`] in the request's extensions; a route without one of these gates has none.
//!
//! There are two ways to be somebody: a key that is sent, and at some doors a signature made with one that is not.

mod signature;

pub use signature::{AccessSecrets, Ways, is_signed, unsigned};

use crate::Door;
use crate::failure::Failure;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use runtime::Identity;
use std::sync::Arc;

pub const READ: &str = "api.agents.read";
pub const WRITE: &str = "api.agents.write";
pub const READ_RESPONSES: &str = "api.responses.read";
pub const WRITE_RESPONSES: &str = "api.responses.write";
const EMBED: &str = "api.embeddings.write";
const READ_VAULTS: &str = "api.vaults.read";
const WRITE_VAULTS: &str = "api.vaults.write";
const READ_FILES: &str = "api.files.read";
const WRITE_FILES: &str = "api.files.write";
/// For the keys of machines that are environments.
const REGISTER: &str = "api.environments.write";
const NO_BETA: &str = "To access the Agents API, set the 'OpenAI-Beta' header to 'agents=v1'.";

/// The gate of `/v1/agents/**`.
pub async fn agents_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    if !has_beta(request.headers()) {
        return Err(Failure::invalid_as("invalid_beta", NO_BETA));
    }
    let needed = if matches!(*request.method(), Method::GET | Method::HEAD) { READ } else { WRITE };
    pass(&door, request, next, Some(needed)).await
}

/// The gate of `/v1/vaults/**`.
pub async fn vaults_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    if !has_beta(request.headers()) {
        return Err(Failure::invalid_as("invalid_beta", NO_BETA));
    }
    let needed = if matches!(*request.method(), Method::GET | Method::HEAD) { READ_VAULTS } else { WRITE_VAULTS };
    pass(&door, request, next, Some(needed)).await
}

/// The gate of `/v1/files/**` and `/v1/uploads/**`.
pub async fn files_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    let needed = if matches!(*request.method(), Method::GET | Method::HEAD) { READ_FILES } else { WRITE_FILES };
    pass(&door, request, next, Some(needed)).await
}

/// The gate of `/v1/responses/**`.
pub async fn responses_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    pass(&door, request, next, Some(if is_reading { READ_RESPONSES } else { WRITE_RESPONSES })).await
}

/// The gate of the WebSocket: a GET by which responses are made.
pub async fn socket_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    pass(&door, request, next, Some(WRITE_RESPONSES)).await
}

/// Whether who once passed the gate of the WebSocket still would: a key may be revoked meanwhile.
pub async fn still_passes(door: &Door, secret: &str) -> Result<(), Failure> {
    identify(door, secret, Some(WRITE_RESPONSES)).await.map(|_| ())
}

/// In the extensions of a request that was let through by its signature.
#[derive(Clone, Copy)]
pub struct Signed;

/// The gate where executors register. They have no beta header, and their machines need no more than this one scope. Some
/// sign what they ask instead of sending a key.
pub async fn executors_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    let (identity, request) = recognise(&door, request, &Ways::EXECUTORS).await?;
    may_register(&identity)?;
    Ok(next.run(with(request, identity)).await)
}

/// For doors that take both: the request, with who asks in it. `needed` is the scope that they need for it.
pub async fn enter(door: &Door, request: Request, ways: &Ways, needed: Option<&str>) -> Result<Request, Failure> {
    let (identity, request) = recognise(door, request, ways).await?;
    if let Some(scope) = needed
        && !allows(&identity, scope)
    {
        return Err(lacking(scope));
    }
    Ok(with(request, identity))
}

/// Whether a request changes nothing and begins nothing. The handshake of a WebSocket is a GET that begins something.
pub fn only_reads(method: &Method, headers: &HeaderMap) -> bool {
    let is_handshake =
        headers.get_all(header::UPGRADE).iter().any(|word| word.as_bytes().eq_ignore_ascii_case(b"websocket"));
    matches!(*method, Method::GET | Method::HEAD) && !is_handshake
}

/// Whether a request claims to be somebody's, rightly or not.
pub fn names_somebody(request: &Request) -> bool {
    bearer(request.headers()).is_some() || is_signed(request)
}

/// By the key that is sent, or else by the signature.
async fn recognise(door: &Door, request: Request, ways: &Ways) -> Result<(Identity, Request), Failure> {
    if let Some(secret) = bearer(request.headers()) {
        return Ok((identify(door, secret, None).await?, request));
    }
    if !is_signed(&request) {
        return Err(no_key());
    }
    let (identity, mut request) = signature::check(door, request, ways).await?;
    request.extensions_mut().insert(Signed);
    Ok((identity, request))
}

fn with(mut request: Request, identity: Identity) -> Request {
    request.extensions_mut().insert(identity);
    request
}

/// The gate of the executors' WebSocket, which its token opens: who signs as well must have signed well.
pub async fn rendezvous_gate(
    State(door): State<Arc<Door>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if is_signed(&request) {
        let (identity, read) = signature::check(&door, request, &Ways::SOCKET).await?;
        may_register(&identity)?;
        request = with(read, identity);
    }
    Ok(next.run(request).await)
}

fn may_register(identity: &Identity) -> Result<(), Failure> {
    if allows(identity, REGISTER) || allows(identity, WRITE) { Ok(()) } else { Err(lacking(REGISTER)) }
}

/// The gate of `/v1/embeddings`.
pub async fn embeddings_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    pass(&door, request, next, Some(EMBED)).await
}

/// The gate of what every key may read.
pub async fn key_gate(State(door): State<Arc<Door>>, request: Request, next: Next) -> Result<Response, Failure> {
    pass(&door, request, next, None).await
}

async fn pass(door: &Door, request: Request, next: Next, needed: Option<&str>) -> Result<Response, Failure> {
    let Some(secret) = bearer(request.headers()) else { return Err(no_key()) };
    let identity = identify(door, secret, needed).await?;
    Ok(next.run(with(request, identity)).await)
}

async fn identify(door: &Door, secret: &str, needed: Option<&str>) -> Result<Identity, Failure> {
    let identity = door.catalog.authenticate(secret).await?;
    let identity = identity.ok_or_else(|| Failure::unauthorized("Incorrect API key provided."))?;
    if let Some(scope) = needed
        && !allows(&identity, scope)
    {
        return Err(lacking(scope));
    }
    Ok(identity)
}

fn no_key() -> Failure {
    Failure::unauthorized(
        "You did not provide an API key. Send it in the Authorization header: 'Authorization: Bearer YOUR_KEY'.",
    )
}

fn lacking(scope: &str) -> Failure {
    Failure::forbidden(format!("Your API key lacks the scope '{scope}' that this request needs."))
}

fn allows(identity: &Identity, scope: &str) -> bool {
    identity.scopes.is_empty() || identity.scopes.iter().any(|granted| granted == scope)
}

/// The header may stand several times and name several betas.
fn has_beta(headers: &HeaderMap) -> bool {
    let values = headers.get_all("openai-beta").iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|beta| beta.trim() == "agents=v1")
}

/// The key that a request brings. Of two headers that say who asks, neither counts: who stands in front may have read the
/// other one.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, secret) = value.to_str().ok()?.trim().split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_beta_header_may_name_several() {
        for good in ["agents=v1", "assistants=v2, agents=v1"] {
            assert!(has_beta(&headers(&[("openai-beta", good)])), "{good}");
        }
        for bad in ["", "agents=v2", "agents", "xagents=v1"] {
            assert!(!has_beta(&headers(&[("openai-beta", bad)])), "{bad}");
        }
        assert!(!has_beta(&HeaderMap::new()));
    }

    #[test]
    fn only_bearer_keys_are_read() {
        assert_eq!(bearer(&headers(&[("authorization", "Bearer sk-1")])), Some("sk-1"));
        assert_eq!(bearer(&headers(&[("authorization", "bearer  sk-1 ")])), Some("sk-1"));
        for bad in ["", "Bearer", "Bearer ", "Basic sk-1", "sk-1"] {
            assert_eq!(bearer(&headers(&[("authorization", bad)])), None, "{bad}");
        }
    }

    #[test]
    fn of_two_headers_neither_counts() {
        let mut twice = headers(&[("authorization", "Bearer sk-1")]);
        twice.append("authorization", HeaderValue::from_static("Bearer sk-1"));
        assert_eq!(bearer(&twice), None);
    }

    #[test]
    fn a_handshake_does_not_only_read() {
        for (upgrade, expected) in [("websocket", false), ("WebSocket", false), ("h2c", true)] {
            assert_eq!(only_reads(&Method::GET, &headers(&[("upgrade", upgrade)])), expected, "{upgrade}");
        }
        assert!(only_reads(&Method::HEAD, &HeaderMap::new()) && !only_reads(&Method::POST, &HeaderMap::new()));
    }

    #[test]
    fn no_scopes_means_all() {
        let identity = |scopes: &[&str]| Identity {
            project: "p".into(),
            key: "k".into(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        };
        assert!(allows(&identity(&[]), WRITE));
        assert!(allows(&identity(&[READ, WRITE]), WRITE));
        assert!(!allows(&identity(&[READ]), WRITE));
        assert!(!allows(&identity(&["api.vaults.read"]), READ));
    }
}
