//! What needs no sandbox: which headers go in and out.

use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
}

#[test]
fn no_key_goes_in() {
    let request = headers(&[
        ("authorization", "Bearer of this server"),
        ("x-amz-security-token", "t"),
        ("cookie", "c"),
        ("content-type", "application/json"),
        ("connection", "close"),
        ("x-amzn-bedrock-agentcore-runtime-session-id", "another"),
        ("x-amzn-bedrock-agentcore-runtime-custom-a", "1"),
        ("x-amzn-bedrock-agentcore-runtime-custom-b", "2"),
        ("baggage", "k=v"),
    ]);
    let allowed = ["X-Amzn-Bedrock-AgentCore-Runtime-Custom-A".to_owned(), "Authorization".to_owned()];
    let inward = headers::inward(&request, &allowed, "mine");
    let expected = headers(&[
        ("content-type", "application/json"),
        ("baggage", "k=v"),
        ("x-amzn-bedrock-agentcore-runtime-custom-a", "1"),
        ("host", "127.0.0.1:8080"),
        ("x-amzn-bedrock-agentcore-runtime-session-id", "mine"),
    ]);
    assert_eq!(inward, expected);
}

#[test]
fn only_what_is_for_clients_comes_out() {
    let said = headers(&[
        ("content-type", "text/event-stream"),
        ("content-length", "3"),
        ("set-cookie", "c"),
        ("x-amzn-errortype", "ValidationException"),
        ("x-amzn-requestid", "forged"),
        ("mcp-session-id", "m"),
    ]);
    let outward = headers::outward(&said);
    assert_eq!(outward, headers(&[("content-type", "text/event-stream"), ("mcp-session-id", "m")]));
}

#[test]
fn a_handshake_is_handed_through_whole() {
    let request = headers(&[
        ("connection", "Upgrade, close, x-hop"),
        ("upgrade", "websocket, h2c"),
        ("sec-websocket-key", "k"),
        ("sec-websocket-version", "13"),
        ("authorization", "Bearer of this server"),
    ]);
    let mut inward = HeaderMap::new();
    headers::handshake(&request, &mut inward);
    let websocket = [("connection", "Upgrade"), ("upgrade", "websocket")];
    let expected = headers(&[&websocket[..], &[("sec-websocket-key", "k"), ("sec-websocket-version", "13")]].concat());
    assert_eq!(inward, expected);
    let mut outward = HeaderMap::new();
    let said =
        [("sec-websocket-accept", "a"), ("server", "uvicorn"), ("connection", "close, x-hop"), ("upgrade", "h2c")];
    headers::handshaken(&headers(&said), &mut outward);
    assert_eq!(outward, headers(&[&websocket[..], &[("sec-websocket-accept", "a")]].concat()));
}
