//! Which headers go in to a program, and which of its own come out. Pure.

use super::{SESSION, name};
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};

pub(super) const REQUEST: HeaderName = name("x-amzn-bedrock-agentcore-runtime-request-id");

/// Those that every program is given.
const INWARD: [HeaderName; 11] = [
    ACCEPT,
    CONTENT_TYPE,
    name("x-amzn-bedrock-agentcore-runtime-user-id"),
    name("mcp-session-id"),
    name("mcp-protocol-version"),
    name("mcp-method"),
    name("mcp-name"),
    name("x-amzn-trace-id"),
    name("traceparent"),
    name("tracestate"),
    name("baggage"),
];
const OUTWARD: [HeaderName; 7] = [
    CONTENT_TYPE,
    name("mcp-session-id"),
    name("mcp-protocol-version"),
    name("x-amzn-trace-id"),
    name("traceparent"),
    name("tracestate"),
    name("baggage"),
];
const HANDSHAKE: [HeaderName; 4] =
    [SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS];
const HANDSHAKEN: [HeaderName; 3] = [SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_EXTENSIONS];

/// `allowed`: those that the runtime asks for beside. What says who asks is this server's, and handed on to nobody.
pub(super) fn inward(of_request: &HeaderMap, allowed: &[String], session: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    copy(&INWARD, of_request, &mut headers);
    let allowed: Vec<HeaderName> = allowed.iter().filter_map(|name| name.parse().ok()).collect();
    copy(&allowed, of_request, &mut headers);
    headers.remove(AUTHORIZATION);
    headers.insert(HOST, HeaderValue::from_static("127.0.0.1:8080"));
    if let Ok(session) = HeaderValue::from_str(session) {
        headers.insert(name(SESSION), session);
    }
    headers
}

pub(super) fn outward(of_program: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    copy(&OUTWARD, of_program, &mut headers);
    headers
}

pub(super) fn handshake(of_request: &HeaderMap, headers: &mut HeaderMap) {
    copy(&HANDSHAKE, of_request, headers);
    upgrade(headers);
}

pub(super) fn handshaken(of_program: &HeaderMap, headers: &mut HeaderMap) {
    copy(&HANDSHAKEN, of_program, headers);
    upgrade(headers);
}

/// What is said of the connection is this server's to say, to both: it is a WebSocket and nothing else.
fn upgrade(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

fn copy(names: &[HeaderName], from: &HeaderMap, to: &mut HeaderMap) {
    for name in names {
        for value in from.get_all(name) {
            to.append(name, value.clone());
        }
    }
}
