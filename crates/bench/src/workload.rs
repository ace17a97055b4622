//! W1, the conversation that is measured: a message, five times a function call that the client answers with 1 KiB, and
//! a last answer. The script in the message says what the model does.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// Function calls in a turn, and so steps: a posted result with the model call that follows it.
pub const STEPS: u64 = 5;
/// Items of a turn: the message, calls and results, the answer.
pub const ITEMS: u64 = 2 + 2 * STEPS;
/// Bytes of a result.
const RESULT: usize = 1024;
const ANSWER: &str = "That is all there is to say about it.";

/// What a result looks like: how well it can be compressed decides how much disk it needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Text {
    /// Rows of JSON with names, words and numbers, as functions return them.
    Rows,
    /// Random letters and digits: nothing can be made of them.
    Noise,
}

/// A source of texts: the same seed says the same.
#[derive(Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.next() as usize % words.len()]
    }

    pub fn result(&mut self, text: Text) -> String {
        let mut result = match text {
            Text::Rows => self.rows(),
            Text::Noise => self.noise(),
        };
        result.truncate(RESULT);
        result
    }

    fn rows(&mut self) -> String {
        const NAMES: [&str; 12] = [
            "amber", "basalt", "cedar", "delta", "ember", "fjord", "garnet", "heron", "iris", "jasper", "kelp", "larch",
        ];
        const STATES: [&str; 6] = ["open", "closed", "waiting for parts", "shipped", "returned", "in review"];
        let mut rows = "[".to_owned();
        while rows.len() < RESULT {
            let (id, cents, day) = (self.next() % 1_000_000, self.next() % 100_000, self.next() % 28 + 1);
            let (name, other, state) = (self.pick(&NAMES), self.pick(&NAMES), self.pick(&STATES));
            // Writing to a string cannot fail.
            _ = write!(
                rows,
                "{{\"order\": {id}, \"customer\": \"{name} {other}\", \"state\": \"{state}\", \"total\": {}.{:02}, \
                 \"due\": \"2026-11-{day:02}\"}}, ",
                cents / 100,
                cents % 100
            );
        }
        rows
    }

    fn noise(&mut self) -> String {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        (0..RESULT).map(|_| char::from(ALPHABET[self.next() as usize % 64])).collect()
    }
}

/// The message of a turn.
pub fn script() -> String {
    let mut script = String::new();
    for step in 1..=STEPS {
        _ = writeln!(script, "call lookup {{\"page\": {step}}}");
    }
    script + "say " + ANSWER
}

/// Bytes of items' text in a turn: what the client wrote and what the model did, each once.
pub fn content() -> u64 {
    let arguments = r#"{"page": 1}"#.len();
    (script().len() + STEPS as usize * (arguments + RESULT) + ANSWER.len()) as u64
}

/// The body that makes a session. Its first turn is no part of what is measured.
pub fn session() -> Vec<u8> {
    let parameters = json!({"type": "object", "properties": {"page": {"type": "integer"}}, "required": ["page"],
        "additionalProperties": false});
    let tool = json!({"type": "function", "name": "lookup", "description": "Looks up a page of orders.",
        "parameters": parameters});
    bytes(
        &json!({"agent": {"model": "script", "tools": [tool]}, "environment": {"type": "none"}, "input": "say ready"}),
    )
}

pub fn message() -> Vec<u8> {
    let content = json!([{"type": "input_text", "text": script()}]);
    bytes(
        &json!({"events": [{"type": "agent.session.input.message", "input": [{"role": "user", "content": content}]}]}),
    )
}

pub fn result(turn: &str, call: &str, output: &str) -> Vec<u8> {
    bytes(&json!({"events": [{"type": "agent.session.input.tool_result", "turn_id": turn, "call_id": call,
        "success": true, "output": output}]}))
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Chance, RESULT, Text, content};

    #[test]
    fn results_have_their_size_and_follow_the_seed() {
        for text in [Text::Rows, Text::Noise] {
            let mut chance = Chance::new(7);
            let (first, second) = (chance.result(text), chance.result(text));
            assert_eq!((first.len(), second.len()), (RESULT, RESULT));
            assert_ne!(first, second);
            assert_eq!(Chance::new(7).result(text), first);
        }
        assert!((5 * RESULT as u64..6 * RESULT as u64).contains(&content()));
    }
}
