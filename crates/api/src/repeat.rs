//! Requests that may be sent again: under the same key the same body is the same request.

use crate::Door;
use crate::body::{self, Held};
use crate::failure::Failure;
use axum::extract::Request;
use axum::http::HeaderMap;
use runtime::RepeatKey;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use wire::Fault;

/// What a request of `route` wants, under which key it may be sent again, and the memory that its body has.
pub async fn keyed<W>(
    door: &Door,
    route: &str,
    request: Request,
    read: fn(Map<String, Value>) -> Result<W, Fault>,
) -> Result<(W, Option<RepeatKey>, Held), Failure> {
    let (parts, content) = request.into_parts();
    let key = idempotency_key(&parts.headers)?;
    let (bytes, held) = body::bytes(door, &parts.headers, content).await?;
    let wanted = read(body::parse(&parts.headers, &bytes)?)?;
    Ok((wanted, key.map(|key| RepeatKey { route: route.to_owned(), key, body_hash: hash(&bytes) }), held))
}

/// 1 to 256 characters, if it is there.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    match value.to_str() {
        Ok(key) if (1..=256).contains(&key.chars().count()) => Ok(Some(key.to_owned())),
        _ => {
            Err(Failure::invalid("Invalid 'Idempotency-Key' header. Expected 1 to 256 characters.")
                .at("Idempotency-Key"))
        }
    }
}

/// SHA-256, hex.
pub fn hash(bytes: &[u8]) -> String {
    types::hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderValue, StatusCode};

    #[test]
    fn idempotency_keys_have_1_to_256_characters() {
        let key = |value: &str| {
            let headers = HeaderMap::from_iter([(
                "idempotency-key".parse().unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            )]);
            idempotency_key(&headers).map_err(|failure| failure.status)
        };
        assert_eq!(idempotency_key(&HeaderMap::new()), Ok(None));
        assert_eq!(key("k"), Ok(Some("k".to_owned())));
        assert!(key(&"k".repeat(256)).is_ok());
        for bad in ["", &"k".repeat(257), "schlüssel"] {
            assert_eq!(key(bad), Err(StatusCode::BAD_REQUEST), "{bad}");
        }
    }

    #[test]
    fn the_hash_of_a_body_is_sha_256() {
        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
