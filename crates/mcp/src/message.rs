//! JSON-RPC: what goes out, what comes in, and what a server's own questions are answered with.

use crate::failure::{Failure, Kind, quoted};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// What a server says a method or a protocol is not.
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
pub(crate) const HEADER_MISMATCH: i64 = -32020;
pub(crate) const MISSING_CAPABILITY: i64 = -32021;
pub(crate) const UNSUPPORTED_REVISION: i64 = -32022;
/// A person would have to open an address first.
const VISIT_REQUIRED: i64 = -32042;
const NO_JSON: i64 = -32700;

/// A server's own error.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    pub code: i64,
    pub message: String,
    pub data: Value,
}

impl RpcError {
    pub fn failure(&self) -> Failure {
        let message = format!("the server answered: {} ({})", quoted(&self.message), self.code);
        Failure { kind: Kind::Refused(Some(self.code)), message }
    }

    /// The same of a call. Not every code says that it was not taken up: behind an internal error, or one of a gateway's
    /// own, a server may have failed behind its work, or be at it.
    pub fn of_call(&self) -> Failure {
        let is_refusal = matches!(
            self.code,
            NO_JSON | -32602..=-32600 | HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_REVISION | VISIT_REQUIRED
        );
        let failure = self.failure();
        if is_refusal { failure } else { Failure::unknown(failure.message) }
    }
}

/// One message of a server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Message {
    /// Its id is none of ours where it is `None`.
    Answer {
        id: Option<i64>,
        outcome: Result<Value, RpcError>,
    },
    Question {
        id: Value,
        method: String,
    },
    Note {
        method: String,
        params: Value,
    },
}

/// Reads one message. What is nested too deeply is no JSON to us.
pub(crate) fn read(text: &[u8]) -> Result<Message, String> {
    let value: Value = serde_json::from_slice(text).map_err(|error| format!("no JSON: {error}"))?;
    let Value::Object(mut fields) = value else { return Err("no JSON-RPC message".to_owned()) };
    if fields.get("jsonrpc") != Some(&Value::from("2.0")) {
        return Err("no JSON-RPC message".to_owned());
    }
    let id = fields.remove("id");
    if let Some(Value::String(method)) = fields.remove("method") {
        let params = fields.remove("params").unwrap_or(Value::Null);
        return Ok(match id {
            Some(id) => Message::Question { id, method },
            None => Message::Note { method, params },
        });
    }
    let id = id.as_ref().and_then(Value::as_i64);
    match (fields.remove("result"), fields.remove("error")) {
        (Some(result), None) => Ok(Message::Answer { id, outcome: Ok(result) }),
        (None, Some(error)) => Ok(Message::Answer { id, outcome: Err(rpc_error(error)) }),
        _ => Err("a JSON-RPC answer with neither a result nor an error, or with both".to_owned()),
    }
}

fn rpc_error(error: Value) -> RpcError {
    RpcError {
        code: error["code"].as_i64().unwrap_or_default(),
        message: error["message"].as_str().unwrap_or("an error without a message").to_owned(),
        data: error.get("data").cloned().unwrap_or(Value::Null),
    }
}

/// `arguments` go into the parameters as they are written.
pub(crate) fn request(id: i64, method: &str, params: &Map<String, Value>, arguments: Option<&RawValue>) -> String {
    let mut text = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string();
    if let Some(arguments) = arguments {
        // Both objects end here, and the parameters are the last of the outer one.
        text.truncate(text.len() - 2);
        let comma = if params.is_empty() { "" } else { "," };
        text.push_str(&format!("{comma}\"arguments\":{arguments}}}}}"));
    }
    text
}

pub(crate) fn note(method: &str, params: Option<Value>) -> String {
    match params {
        Some(params) => json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string(),
        None => json!({"jsonrpc": "2.0", "method": method}).to_string(),
    }
}

/// The answer to a question of a server: alive, but with no person, no model and no files to offer.
pub(crate) fn reply(id: &Value, method: &str) -> String {
    match declined(method) {
        Some(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        None => {
            let message = format!("this client does not offer {}", quoted(method));
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": METHOD_NOT_FOUND, "message": message}})
        }
    }
    .to_string()
}

/// A result that says no, where there is one.
pub(crate) fn declined(method: &str) -> Option<Value> {
    match method {
        "ping" => Some(json!({})),
        "elicitation/create" => Some(json!({"action": "decline"})),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_told_apart() {
        let answer = read(br#"{"jsonrpc":"2.0","id":3,"result":{}}"#).unwrap();
        assert_eq!(answer, Message::Answer { id: Some(3), outcome: Ok(json!({})) });
        let question = read(br#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#).unwrap();
        assert_eq!(question, Message::Question { id: json!("a"), method: "ping".to_owned() });
        assert!(matches!(read(br#"{"jsonrpc":"2.0","method":"x"}"#), Ok(Message::Note { .. })));
        let wrong = read(br#"{"jsonrpc":"2.0","id":"3","error":{"code":-1}}"#).unwrap();
        assert!(matches!(wrong, Message::Answer { id: None, outcome: Err(_) }));
    }

    #[test]
    fn nonsense_is_an_error() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for text in ["", "{", "[]", "1", "{}", r#"{"id":1,"result":1}"#, r#"{"jsonrpc":"2.0","id":1}"#, deep.as_str()] {
            assert!(read(text.as_bytes()).is_err());
        }
        assert!(read(br#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#).is_err());
    }

    #[test]
    fn arguments_go_out_as_they_were_written() {
        let arguments = crate::Arguments::read("{\"n\": 123456789012345678901,\n \"x\": 1.10}").unwrap();
        for params in [json!({"name": "t"}), json!({})] {
            let text = request(1, "tools/call", params.as_object().unwrap(), Some(&arguments.written));
            assert!(text.contains("\"arguments\":{\"n\": 123456789012345678901,  \"x\": 1.10}}}"), "{text}");
            assert!(serde_json::from_str::<Value>(&text).is_ok() && !text.contains('\n'), "{text}");
        }
        assert!(crate::Arguments::read("[1]").is_err() && crate::Arguments::read("{} x").is_err());
    }

    #[test]
    fn questions_are_declined() {
        assert!(reply(&json!(1), "ping").contains(r#""result":{}"#));
        assert!(reply(&json!(1), "elicitation/create").contains("decline"));
        assert!(reply(&json!(1), "sampling/createMessage").contains("-32601"));
    }
}
