//! What consent is bound to: a digest of the server, the tool and the arguments of a call. The arguments count by what
//! they say, not by how they are written: keys are sorted and space is left out. Numbers stand as the model wrote them,
//! because what a server makes of them is not ours to know.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use types::{EffectId, RequestId, SessionId, ToolCall, hex};

/// SHA-256, hex.
pub(crate) fn of(call: &ToolCall) -> String {
    let mut hash = Sha256::new();
    // Each part says how long it is, so that no two calls come to the same bytes.
    for part in [call.server_label.as_str(), call.shown_name(), &canonical(&call.arguments)] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// The name of the request for consent to this effect of this session.
pub(crate) fn request(session: &SessionId, effect: EffectId, digest: &str) -> RequestId {
    let hash = Sha256::digest(format!("{session}/{}/{digest}", effect.0));
    RequestId::new(format!("mcpr_{}", hex(&hash[..12])))
}

/// What is no JSON stands as it is.
fn canonical(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => write(&mut out, value.get()),
        Err(_) => out.push_str(text),
    }
    out
}

/// The text was read as JSON before; whatever cannot be read after all stands as it is.
fn write(out: &mut String, text: &str) {
    match text.as_bytes().first() {
        Some(b'{') => match serde_json::from_str::<BTreeMap<String, &RawValue>>(text) {
            Ok(fields) => {
                out.push('{');
                for (index, (key, value)) in fields.into_iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    out.push_str(&serde_json::Value::String(key).to_string());
                    out.push(':');
                    write(out, value.get());
                }
                out.push('}');
            }
            Err(_) => out.push_str(text),
        },
        Some(b'[') => match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) => {
                out.push('[');
                for (index, value) in items.into_iter().enumerate() {
                    out.push_str(if index == 0 { "" } else { "," });
                    write(out, value.get());
                }
                out.push(']');
            }
            Err(_) => out.push_str(text),
        },
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(string) => out.push_str(&serde_json::Value::String(string).to_string()),
            Err(_) => out.push_str(text),
        },
        _ => out.push_str(text),
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    #[test]
    fn the_same_is_said_in_one_way() {
        for (text, expected) in [
            (r#"{ "b": 1, "a": [ true , null ] }"#, r#"{"a":[true,null],"b":1}"#),
            (r#"{"a":{"z":"\u00e9","y":"\/"}}"#, r#"{"a":{"y":"/","z":"é"}}"#),
            // Numbers are as they were written.
            (r#"{"n":1.0,"m":1e2,"k":123456789012345678901}"#, r#"{"k":123456789012345678901,"m":1e2,"n":1.0}"#),
            ("{}", "{}"),
        ] {
            assert_eq!(canonical(text), expected);
        }
        assert_ne!(canonical(r#"{"n":1}"#), canonical(r#"{"n":1.0}"#));
    }

    #[test]
    fn a_digest_is_of_all_three_parts() {
        use types::{Class, EffectId, OfferedTool};
        let call = |label: &str, name: &str, arguments: &str| {
            let tool = OfferedTool { name: name.to_owned(), server_label: label.to_owned(), ..OfferedTool::default() };
            assert_eq!(tool.class, Class::Irreversible);
            super::of(&tool.called(EffectId(1), "c".into(), arguments.to_owned()))
        };
        let one = call("mail", "send", r#"{"to":"a","n":1}"#);
        assert_eq!(one, call("mail", "send", r#"{"n":1, "to":"a"}"#));
        for other in [
            call("mails", "end", r#"{"to":"a","n":1}"#),
            call("mail", "sendt", r#"{"to":"a","n":1}"#),
            call("mail", "send", r#"{"to":"a","n":2}"#),
        ] {
            assert_ne!(one, other);
        }
    }
}
