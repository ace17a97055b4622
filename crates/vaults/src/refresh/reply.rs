//! What a token endpoint says, read. Pure. Of a refusal only its code is kept, which is a word of the specification: a
//! description may quote what was sent.

use super::endpoint::Answer;
use crate::limits;
use crate::secret::Secret;
use serde::Deserialize;
use zeroize::Zeroizing;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Token(Token),
    /// The code. It would say the same another time.
    Refused(String),
    /// Neither: perhaps another time.
    Nothing(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) access: Secret,
    /// A new one, where the old one is used up.
    pub(super) refresh: Option<Secret>,
    /// How long it lives.
    pub(super) seconds: Option<u64>,
}

#[derive(Deserialize)]
struct Good {
    access_token: Zeroizing<String>,
    #[serde(default)]
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<serde_json::Value>,
    #[serde(default)]
    refresh_token: Option<Zeroizing<String>>,
}

#[derive(Deserialize)]
struct Bad {
    error: String,
}

pub(super) fn read(answer: &Answer) -> Reply {
    match answer.status {
        200 => good(&answer.body),
        400..=499 if answer.status != 408 && answer.status != 429 => {
            match serde_json::from_slice::<Bad>(&answer.body) {
                Ok(bad) => Reply::Refused(word(&bad.error)),
                Err(_) => Reply::Refused(format!("status {}", answer.status)),
            }
        }
        status => Reply::Nothing(format!("it answers with status {status}")),
    }
}

fn good(body: &[u8]) -> Reply {
    let Ok(good) = serde_json::from_slice::<Good>(body) else {
        return Reply::Nothing("its answer holds no access token".to_owned());
    };
    if good.token_type.is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Reply::Refused("its tokens are no bearer tokens".to_owned());
    }
    let is_token =
        |text: &str| (1..=limits::SECRET).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if !is_token(&good.access_token) {
        return Reply::Refused("its access token could not stand in a header".to_owned());
    }
    let refresh = good.refresh_token.filter(|text| (1..=limits::SECRET).contains(&text.len()));
    let seconds = good.expires_in.and_then(|value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole seconds; a negative time is none"
        )]
        value => value.as_u64().or_else(|| value.as_f64().map(|seconds| seconds as u64)),
    });
    Reply::Token(Token {
        access: Secret::new(&**good.access_token),
        refresh: refresh.map(|text| Secret::new(&**text)),
        seconds,
    })
}

/// As far as it is one.
fn word(code: &str) -> String {
    let word: String =
        code.chars().take(64).filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).collect();
    if word.is_empty() { "no code".to_owned() } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: u16, body: &str) -> Reply {
        read(&Answer { status, body: Zeroizing::new(body.as_bytes().to_vec()) })
    }

    fn token(access: &str, refresh: Option<&str>, seconds: Option<u64>) -> Reply {
        Reply::Token(Token { access: Secret::new(access), refresh: refresh.map(Secret::new), seconds })
    }

    #[test]
    fn tokens_and_refusals() {
        assert_eq!(
            said(200, r#"{"access_token":"a","token_type":"bearer","expires_in":60}"#),
            token("a", None, Some(60))
        );
        assert_eq!(
            said(200, r#"{"access_token":"a","expires_in":"60","refresh_token":"r","x":1}"#),
            token("a", Some("r"), Some(60))
        );
        assert_eq!(said(200, r#"{"access_token":"a","expires_in":59.9}"#), token("a", None, Some(59)));
        assert_eq!(said(200, r#"{"access_token":"a","expires_in":-5}"#), token("a", None, Some(0)));
        assert_eq!(
            said(400, r#"{"error":"invalid_grant","error_description":"rt-1 is used"}"#),
            Reply::Refused("invalid_grant".into())
        );
        assert_eq!(said(401, r#"{"error":"invalid client <b>"}"#), Reply::Refused("invalidclientb".into()));
        assert_eq!(said(404, "<html>"), Reply::Refused("status 404".into()));
        for (status, body) in
            [(200, "{}"), (200, "x"), (500, ""), (503, r#"{"error":"x"}"#), (429, ""), (302, ""), (201, "")]
        {
            assert!(matches!(said(status, body), Reply::Nothing(_)), "{status} {body}");
        }
        for body in
            [r#"{"access_token":"a\r\nb"}"#, r#"{"access_token":""}"#, r#"{"access_token":"a","token_type":"mac"}"#]
        {
            assert!(matches!(said(200, body), Reply::Refused(_)), "{body}");
        }
    }
}
