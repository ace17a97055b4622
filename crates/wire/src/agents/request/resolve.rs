//! What an operator says of a call whose outcome nobody knew.

use crate::agents::words::SettledAs;
use crate::error::Fault;
use crate::reader::Object;
use serde_json::{Map, Value};

/// The longest result or error that is told, in bytes.
const MAX_TEXT: usize = 1 << 20;

/// `POST /agents/sessions/{id}/ledger/{effect}/resolve`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EffectResolve {
    /// It happened, with this result.
    Committed(String),
    /// It did not happen, or went wrong.
    Failed(String),
}

impl EffectResolve {
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(body);
        let outcome = object.required("outcome")?.word()?;
        let key = match outcome {
            SettledAs::Committed => "result",
            SettledAs::Failed => "error",
        };
        let node = object.required(key)?;
        let path = node.path().to_owned();
        let text = node.string()?;
        if text.len() > MAX_TEXT {
            let message = format!("Invalid '{path}': text too long. Expected at most {MAX_TEXT} bytes.");
            return Err(Fault::at(&path, message));
        }
        object.finish()?;
        Ok(match outcome {
            SettledAs::Committed => Self::Committed(text),
            SettledAs::Failed => Self::Failed(text),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::EffectResolve;
    use serde_json::json;

    fn read(body: serde_json::Value) -> Result<EffectResolve, crate::Fault> {
        EffectResolve::read(body.as_object().cloned().unwrap_or_default())
    }

    #[test]
    fn what_happened_has_a_result_and_what_did_not_a_reason() {
        let committed = read(json!({"outcome": "committed", "result": ""})).unwrap();
        assert_eq!(committed, EffectResolve::Committed(String::new()));
        let failed = read(json!({"outcome": "failed", "error": "it bounced"})).unwrap();
        assert_eq!(failed, EffectResolve::Failed("it bounced".to_owned()));
        for (body, param) in [
            (json!({}), "outcome"),
            (json!({"outcome": "unknown", "result": "x"}), "outcome"),
            (json!({"outcome": "committed"}), "result"),
            (json!({"outcome": "failed", "result": "x"}), "error"),
            (json!({"outcome": "failed", "error": 7}), "error"),
            (json!({"outcome": "committed", "result": "x", "error": "y"}), "error"),
            (json!({"outcome": "committed", "result": "x".repeat((1 << 20) + 1)}), "result"),
        ] {
            assert_eq!(read(body.clone()).unwrap_err().param.as_deref(), Some(param), "{body}");
        }
    }
}
