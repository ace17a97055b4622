//! A query as it is signed: every name and value decoded and encoded again in the one way, in the order of their bytes.

use crate::Refusal;
use crate::canonical::{decode, encode};

const PARAMETERS: usize = 256;

/// Names and values, encoded, sorted.
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() >= PARAMETERS {
                return Err(Refusal::Incomplete("the query has too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((again(name)?, again(value)?));
        }
        pairs.sort_unstable();
        Ok(Self(pairs))
    }

    /// The decoded value of a parameter that stands there once, or not at all.
    pub fn once(&self, name: &str) -> Result<Option<String>, Refusal> {
        let mut values = self.0.iter().filter(|(own, _)| own == name).map(|(_, value)| value);
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                let decoded = decode(value).and_then(|bytes| String::from_utf8(bytes).ok());
                decoded.map(Some).ok_or(Refusal::Incomplete("a parameter of the query cannot be read"))
            }
            _ => Err(Refusal::Incomplete("a parameter that is part of it stands there twice")),
        }
    }

    /// As it is signed: all but the signature itself.
    pub fn canonical(&self) -> String {
        let pairs = self.0.iter().filter(|(name, _)| name != "X-Amz-Signature");
        pairs.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    }
}

/// A plus sign stays one: it is neither a space nor `%2B`, so that a signature for one of the three is good for no other.
fn again(text: &str) -> Result<String, Refusal> {
    let parts: Option<Vec<String>> = text.split('+').map(|part| Some(encode(&decode(part)?, false))).collect();
    Ok(parts.ok_or(Refusal::Incomplete("the query has a percent sign that encodes nothing"))?.join("+"))
}
