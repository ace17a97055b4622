//! What holds for every request: the beta header, the key, the body's form, the headers and errors of answers.

use super::Row;
use crate::client::Call;
use crate::endpoint::Method::{Get, Post};
use crate::probe::Probe;
use crate::probe::Said;
use crate::trouble::Trouble;
use serde_json::json;

const BETA: &str = "To access the Agents API, set the 'OpenAI-Beta' header to 'agents=v1'.";

pub const CHECKS: &[Row] = &[
    ("transport.beta-missing", "A request without the beta header is a 400 with code invalid_beta.", "§1; observed 18"),
    ("transport.beta-wrong", "A request with another beta version is a 400 with code invalid_beta.", "§1; observed 18"),
    ("transport.beta-words", "The error about the beta header says which header to send.", "observed 18"),
    ("transport.key-missing", "A request without a key is a 401.", "§1"),
    ("transport.key-wrong", "A request with a key that nobody has is a 401.", "§1"),
    ("transport.key-scheme", "A key that is not sent as a bearer token is a 401.", "§1"),
    ("transport.key-type", "A 401 has the type invalid_request_error.", "observed 18"),
    ("transport.request-id", "A good answer carries an x-request-id.", "§1; observed 19"),
    ("transport.request-id-error", "An error carries an x-request-id too.", "§1; observed 19"),
    ("transport.request-id-form", "A request id is req_ and 32 hexadecimal digits.", "observed 19"),
    ("transport.request-id-fresh", "Two requests have different request ids.", "§1"),
    ("transport.version", "Answers carry openai-version and openai-processing-ms.", "observed 19"),
    ("transport.nosniff", "Answers forbid to guess their type.", "observed 19"),
    ("transport.json", "Answers are application/json.", "§1"),
    ("transport.error-json", "Errors are application/json.", "§1"),
    ("transport.unknown-url", "A path that nothing serves is a 404 with an error of the usual shape.", "§1"),
    ("transport.unknown-key", "An unknown query key changes nothing.", "observed 14"),
    ("transport.body-empty", "An empty body where one is needed is a 400.", "observed 20"),
    ("transport.body-broken", "A body that is no JSON is a 400.", "observed 20"),
    ("transport.body-text", "A body that is a JSON text is a 400.", "observed 20"),
    ("transport.body-number", "A body that is a JSON number is a 400.", "observed 20"),
    ("transport.body-null", "A body that is null is a 400.", "observed 20"),
    ("transport.body-twice", "A body that has a key two times is a 400.", "observed 20"),
    ("transport.body-type", "A body of another content type is a 400.", "observed 20"),
    ("transport.body-utf8", "A body that is no UTF-8 is a 400.", "observed 20"),
    ("transport.body-deep", "A body of 5,000 nested lists is a 400, and the server lives on.", "observed 20"),
    ("transport.trailing", "A body with something after its JSON is a 400.", "observed 20"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: headers, keys, beta, bodies);
}

async fn headers(probe: &mut Probe) -> Result<(), Trouble> {
    let good = probe.get("/agents?limit=1").await?;
    let again = probe.get("/agents?limit=1&colour=blue").await?;
    let bad = probe.get("/agents/agent_that_is_not_there").await?;
    let id = good.header("x-request-id").unwrap_or_default().to_owned();
    probe.that("transport.request-id", !id.is_empty(), "x-request-id", "none", &good.evidence);
    let error_id = bad.header("x-request-id").unwrap_or_default().to_owned();
    probe.that("transport.request-id-error", !error_id.is_empty(), "x-request-id", "none", &bad.evidence);
    let hex = id.strip_prefix("req_").is_some_and(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    probe.that("transport.request-id-form", hex, "req_<32 hexadecimal digits>", &id, &good.evidence);
    let other = again.header("x-request-id").unwrap_or_default();
    probe.that("transport.request-id-fresh", id != other, "two ids", &id, &again.evidence);
    let version = good.header("openai-version").is_some()
        && good.header("openai-processing-ms").is_some_and(|took| took.parse::<u64>().is_ok());
    probe.that("transport.version", version, "both headers", "not both", &good.evidence);
    let sniff = good.header("x-content-type-options").unwrap_or("(nothing)");
    probe.that("transport.nosniff", sniff == "nosniff", "nosniff", sniff, &good.evidence);
    for (id, answer) in [("transport.json", &good), ("transport.error-json", &bad)] {
        let kind = answer.header("content-type").unwrap_or("(nothing)");
        probe.that(id, kind.starts_with("application/json"), "application/json", kind, &answer.evidence);
    }
    probe.status("transport.unknown-key", &again, 200);
    let nowhere = probe.get("/agents/sessions/x/nothing/here").await?;
    let shaped = nowhere.status == 404 && nowhere.json["error"]["message"].is_string();
    probe.that("transport.unknown-url", shaped, "404 and an error", nowhere.status, &nowhere.evidence);
    Ok(())
}

async fn keys(probe: &mut Probe) -> Result<(), Trouble> {
    let call = || Call::new(Get, "/agents?limit=1");
    let missing = probe.send(call().without("authorization")).await?;
    probe.status("transport.key-missing", &missing, 401);
    let wrong = probe.send(call().with("authorization", "Bearer sk-that-nobody-has")).await?;
    probe.status("transport.key-wrong", &wrong, 401);
    let scheme = probe.send(call().with("authorization", "Basic c2s6c2s=")).await?;
    probe.status("transport.key-scheme", &scheme, 401);
    probe.value("transport.key-type", &wrong, "/error/type", &json!("invalid_request_error"));
    Ok(())
}

async fn beta(probe: &mut Probe) -> Result<(), Trouble> {
    let said = Said { code: Some("invalid_beta"), ..Said::default() };
    let missing = probe.send(Call::new(Get, "/agents?limit=1").without("openai-beta")).await?;
    probe.refused("transport.beta-missing", &missing, 400, said);
    let wrong = probe.send(Call::new(Get, "/agents?limit=1").with("openai-beta", "agents=v0")).await?;
    probe.refused("transport.beta-wrong", &wrong, 400, said);
    probe.value("transport.beta-words", &missing, "/error/message", &json!(BETA));
    Ok(())
}

async fn bodies(probe: &mut Probe) -> Result<(), Trouble> {
    let deep = format!("{{\"model\": {}{}}}", "[".repeat(5000), "]".repeat(5000));
    let bodies: [(&str, Vec<u8>); 9] = [
        ("transport.body-empty", Vec::new()),
        ("transport.body-broken", b"{\"model\": ".to_vec()),
        ("transport.body-text", b"\"text\"".to_vec()),
        ("transport.body-number", b"7".to_vec()),
        ("transport.body-null", b"null".to_vec()),
        ("transport.body-twice", b"{\"model\": \"a\", \"model\": \"b\"}".to_vec()),
        ("transport.body-utf8", b"{\"model\": \"\xff\xfe\"}".to_vec()),
        ("transport.body-deep", deep.into_bytes()),
        ("transport.trailing", b"{\"model\": \"a\"} {}".to_vec()),
    ];
    for (id, body) in bodies {
        let answer = probe.send(Call::new(Post, "/agents").raw(body)).await?;
        probe.invalid(id, &answer);
    }
    let form =
        Call::new(Post, "/agents").raw("{\"model\": \"a\"}").with("content-type", "application/x-www-form-urlencoded");
    let answer = probe.send(form).await?;
    probe.invalid("transport.body-type", &answer);
    Ok(())
}
