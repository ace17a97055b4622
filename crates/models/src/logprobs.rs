//! Log probabilities in the words that both OpenAI wires share: an array of tokens, each with its likeliest rivals.

use serde_json::Value;
use types::TokenLogprob;

/// More rivals of one token than any server tells.
const MAX_TOP: usize = 20;

pub(crate) fn read(tokens: &Value) -> Vec<TokenLogprob> {
    tokens.as_array().into_iter().flatten().filter_map(token).collect()
}

fn token(value: &Value) -> Option<TokenLogprob> {
    let mut token = alone(value)?;
    let rivals = value["top_logprobs"].as_array().into_iter().flatten();
    token.top = rivals.take(MAX_TOP).filter_map(alone).collect();
    Some(token)
}

fn alone(value: &Value) -> Option<TokenLogprob> {
    let byte = |byte: &Value| byte.as_u64().and_then(|byte| u8::try_from(byte).ok());
    Some(TokenLogprob {
        token: value["token"].as_str()?.to_owned(),
        logprob: value["logprob"].as_f64()?,
        bytes: value["bytes"].as_array().and_then(|bytes| bytes.iter().map(byte).collect()),
        top: Vec::new(),
    })
}
