//! How the next token is chosen, in the words that both OpenAI wires share.

use serde_json::{Map, Value, json};
use types::Sampling;

/// Says what the request says, and nothing else.
pub fn insert(sampling: &Sampling, body: &mut Map<String, Value>) {
    for (name, number) in [("temperature", sampling.temperature), ("top_p", sampling.top_p)] {
        if let Some(number) = number {
            // By its digits: 0.7 must not become 0.699999988079071.
            body.insert(name.into(), json!(number.to_string().parse::<f64>().unwrap_or(number.into())));
        }
    }
}
