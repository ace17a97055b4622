//! The door's own small parts; what it does as a whole is tested with a real client.

use super::*;

#[test]
fn a_refusals_path_is_this_wires() {
    for (path, expected) in [
        ("agent.tools[0].parameters.properties.x.pattern", "tools[0].function.parameters.properties.x.pattern"),
        ("tools[12].format", "tools[12].custom.format"),
        ("agent.text.format.schema.not", "response_format.json_schema.schema.not"),
        ("agent.model", "model"),
        ("input", "messages"),
        ("top_logprobs", "logprobs"),
        ("stop", "stop"),
    ] {
        assert_eq!(param(path), expected);
    }
}

#[test]
fn choices_have_keys_of_their_own() {
    let key = RepeatKey { route: ROUTE.into(), key: "k".into(), body_hash: "h".into() };
    assert_eq!(of_choice(&key, 0), key);
    assert_ne!(of_choice(&key, 1).key, of_choice(&key, 2).key);
    assert_eq!(of_choice(&key, 1).body_hash, "h");
}
