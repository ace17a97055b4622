//! How the next token is chosen, in the words that both OpenAI wires share.

use serde_json::{Map, Value, json};
use types::Sampling;

/// Says what the request says of temperature and share, and nothing else.
pub fn insert(sampling: &Sampling, body: &mut Map<String, Value>) {
    insert_numbers(&[("temperature", sampling.temperature), ("top_p", sampling.top_p)], body);
}

/// What the Chat Completions wire knows beside those.
pub fn insert_more(sampling: &Sampling, body: &mut Map<String, Value>) {
    let penalties =
        [("presence_penalty", sampling.presence_penalty), ("frequency_penalty", sampling.frequency_penalty)];
    insert_numbers(&penalties, body);
    if let Some(seed) = sampling.seed {
        // This wire's seeds have a sign; ours are the same 64 bits.
        body.insert("seed".into(), json!(seed.cast_signed()));
    }
    if !sampling.stop.is_empty() {
        body.insert("stop".into(), json!(sampling.stop));
    }
}

fn insert_numbers(numbers: &[(&str, Option<f32>)], body: &mut Map<String, Value>) {
    for (name, number) in numbers {
        if let Some(number) = number {
            // By its digits: 0.7 must not become 0.699999988079071.
            body.insert((*name).to_owned(), json!(number.to_string().parse::<f64>().unwrap_or((*number).into())));
        }
    }
}
