//! What an upstream's refusal is read as.

use super::*;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::json;

fn body(code: &str, message: &str) -> Vec<u8> {
    json!({"error": {"code": code, "type": "x", "message": message}}).to_string().into_bytes()
}

#[test]
fn statuses_and_codes() {
    let cases: &[(u16, &str, &str, Kind)] = &[
        (300, "", "", Kind::Invalid),
        (400, "", "bad", Kind::Invalid),
        (400, "context_length_exceeded", "", Kind::ContextLength),
        (400, "", "This model's maximum context length is 8192 tokens.", Kind::ContextLength),
        (413, "", "prompt is too long: 300000 tokens", Kind::ContextLength),
        (400, "content_policy_violation", "", Kind::Policy),
        (400, "invalid_prompt", "flagged as violating our usage policy", Kind::Policy),
        (400, "invalid_prompt", "empty", Kind::Invalid),
        (401, "invalid_api_key", "", Kind::Authentication),
        (402, "", "", Kind::Quota),
        (403, "", "", Kind::Authentication),
        (403, "content_filter", "", Kind::Policy),
        (404, "model_not_found", "", Kind::NotFound),
        (408, "", "", Kind::Timeout),
        (409, "", "", Kind::Upstream),
        (418, "", "", Kind::Invalid),
        (422, "", "", Kind::Invalid),
        (429, "rate_limit_exceeded", "", Kind::RateLimited),
        (429, "insufficient_quota", "", Kind::Quota),
        (500, "", "", Kind::Upstream),
        (500, "rate_limit_exceeded", "", Kind::Upstream),
        (502, "", "", Kind::Upstream),
        (503, "", "", Kind::Overloaded),
        (504, "", "", Kind::Upstream),
        (529, "", "", Kind::Overloaded),
        (599, "", "", Kind::Upstream),
    ];
    for (status, code, message, kind) in cases {
        let fault = Fault::of_answer(*status, &body(code, message), None);
        assert_eq!(fault.kind(), *kind, "{status} {code} {message}");
    }
}

#[test]
fn errors_within_an_answer() {
    let cases = [
        (json!({"code": "rate_limit_exceeded", "message": "m"}), Kind::RateLimited),
        (json!({"code": 429, "message": "m"}), Kind::RateLimited),
        (json!({"error": {"code": "502", "message": "m"}}), Kind::Upstream),
        (json!({"code": "server_error"}), Kind::Upstream),
        (json!({"code": "context_length_exceeded"}), Kind::ContextLength),
        (json!({"code": "insufficient_quota"}), Kind::Quota),
        (json!({"code": "bio_policy"}), Kind::Policy),
        (json!({"code": "misalignment_policy_violation"}), Kind::Policy),
        (json!({"code": "image_too_large"}), Kind::Invalid),
        (json!({"type": "overloaded_error"}), Kind::Overloaded),
        (json!({"code": "never heard of"}), Kind::Upstream),
        (json!("only words"), Kind::Upstream),
        (json!(null), Kind::Upstream),
        (json!([1, 2]), Kind::Upstream),
    ];
    for (error, kind) in cases {
        assert_eq!(Fault::of_error_object(&error).kind(), kind, "{error}");
    }
}

#[test]
fn messages_say_the_status_and_an_excerpt() {
    let message = |status, body: &[u8]| Fault::of_answer(status, body, None).into_error(&Redaction::default()).message;
    assert_eq!(message(500, &body("", "it broke")), "the upstream answered with status 500: it broke");
    assert_eq!(message(500, b"<html>10.0.0.1</html>"), "the upstream answered with status 500");
    assert_eq!(message(500, br#"{"detail":"no"}"#), "the upstream answered with status 500: no");
    assert_eq!(message(500, br#"{"error":"no"}"#), "the upstream answered with status 500: no");
    assert_eq!(message(401, &body("", "wrong key: sk-12..89")), "the upstream answered with status 401");
}

#[test]
fn retry_after_in_all_its_forms() {
    const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    type Headers = &'static [(&'static str, &'static str)];
    let cases: &[(Headers, Option<Duration>)] = &[
        (&[], None),
        (&[("retry-after", "7")], Some(Duration::from_secs(7))),
        (&[("retry-after", "0.5")], Some(Duration::from_millis(500))),
        (&[("retry-after", "-1")], None),
        (&[("retry-after", "1e300")], None),
        (&[("retry-after", "NaN")], None),
        (&[("retry-after", "soon")], None),
        (&[("retry-after-ms", "250"), ("retry-after", "9")], Some(Duration::from_millis(250))),
        (&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), DATE], Some(Duration::from_secs(30))),
        (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT"), DATE], Some(Duration::ZERO)),
        (&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], None),
    ];
    for (pairs, expected) in cases {
        let headers = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect::<HeaderMap>();
        assert_eq!(retry_after(&headers), *expected, "{pairs:?}");
    }
}
