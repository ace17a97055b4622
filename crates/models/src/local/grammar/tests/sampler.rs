//! Answers by chance.

use super::super::super::constraint::Constraint;
use super::super::machine::Machine;
use super::super::node::{Graph, NodeId};
use super::super::refusal::Place;
use super::super::rule::Rule;
use super::super::{Tokens, json};
use crate::SchemaRefusal;
use serde_json::Value;
use std::sync::{Arc, OnceLock};

/// Numbers by chance, the same for the same seed.
pub(super) struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}

/// The number of the token that ends an answer.
pub(super) const END: u32 = 0;

pub(super) fn tokens() -> &'static Arc<Tokens> {
    static TOKENS: OnceLock<Arc<Tokens>> = OnceLock::new();
    TOKENS.get_or_init(|| {
        let mut pieces: Vec<Box<[u8]>> = vec![Box::default()];
        pieces.extend((0..=u8::MAX).map(|byte| vec![byte].into_boxed_slice()));
        let long = [
            "\"",
            "\": ",
            "\": \"",
            "\": {\"",
            "\": [",
            "\", \"",
            "\"}",
            "\"}]",
            "\"]",
            "{\"",
            "[{\"",
            "}, {\"",
            "}}",
            "]}",
            "], [",
            "true",
            "false",
            "null",
            "true, ",
            "12",
            "00",
            "0.5",
            "-1",
            ", ",
            ", \"",
            "a",
            "ab",
            "name",
            "\"name",
            "name\"",
            "name\": ",
            "the ",
            " of",
            "é",
            "東",
            "🦊",
            "\\n",
            "\\\"",
            "\\\\",
            "\\\"\\",
            "\"a",
            "\"ab\"",
            "\"x\": ",
            "2024",
            "-0",
            "1-",
            "@",
            "://",
            "<tool_call>",
            "<tool",
            "_call",
            ">[",
            ">[{\"",
            "I call. ",
            "\n",
            "  ",
            "\u{e9}\u{e8}",
            "\u{10348}a",
            "\"\"",
            "\"\", ",
            "[]",
            "{}",
            "[], ",
        ];
        pieces.extend(long.iter().map(|text| text.as_bytes().into()));
        // Parts of characters, as byte-level vocabularies have them.
        pieces.extend(
            [b"\xe6\x9d".as_slice(), b"\xf0\x9f", b"\xa6\x8a", b"a\xc3", b"\xb1\"", b"\xed\x9f"].map(Into::into),
        );
        Arc::new(Tokens::new(pieces, vec![END]))
    })
}

/// An answer under a rule: what was said, and whether it came to its end.
pub(super) struct Answer {
    pub text: Vec<u8>,
    pub is_whole: bool,
    pub tokens: usize,
}

pub(super) fn answer(graph: Graph, start: NodeId, dice: &mut Dice, most: usize) -> Answer {
    let mut rule = Rule::new(Machine::new(graph), start, tokens().clone(), most as u64);
    follow(&mut rule, dice, most)
}

pub(super) fn follow(rule: &mut dyn Constraint, dice: &mut Dice, most: usize) -> Answer {
    let mut text = Vec::new();
    // Some answers prefer long tokens, some short ones.
    let leaning = dice.below(3);
    for count in 0..most {
        let mask = rule.mask().unwrap().unwrap();
        let bits = mask
            .iter()
            .enumerate()
            .flat_map(|(i, word)| (0..32).filter(move |bit| word >> bit & 1 == 1).map(move |bit| i * 32 + bit));
        let mut allowed: Vec<u32> = bits.map(|token| token as u32).collect();
        let long: Vec<u32> = allowed.iter().copied().filter(|token| *token > 256).collect();
        if leaning > 0 && !long.is_empty() && dice.below(3) < leaning {
            allowed = long;
        }
        // Without this most strings would never end.
        let closing = allowed.iter().copied().find(|token| tokens().piece(*token) == b"\"");
        let token = match closing {
            Some(closing) if dice.below(4) == 0 => closing,
            _ => allowed[dice.below(allowed.len())],
        };
        text.extend_from_slice(tokens().piece(token));
        if rule.take(token).unwrap() {
            return Answer { text, is_whole: true, tokens: count + 1 };
        }
    }
    Answer { text, is_whole: false, tokens: most }
}

/// The graph of a schema, settled, and what the shortest answer takes.
pub(super) fn graph(schema: &Value) -> Result<(Graph, NodeId, usize), SchemaRefusal> {
    let mut graph = Graph::default();
    let place = Place::new("schema");
    let start = json(schema.as_object().unwrap(), &place, tokens(), &mut graph)?;
    graph.settle().unwrap();
    super::super::check_length(&graph, start, &place)?;
    let least = graph.least(start) as usize;
    Ok((graph, start, least))
}

/// A whole answer that fits `schema`, as text.
pub(super) fn sample(schema: &Value, seed: u64) -> String {
    let mut dice = Dice::new(seed);
    let (graph, start, least) = graph(schema).unwrap_or_else(|refusal| panic!("{schema}: {refusal:?}"));
    let most = least + dice.below(200);
    let answer = answer(graph, start, &mut dice, most);
    let text = String::from_utf8(answer.text).unwrap();
    assert!(answer.is_whole, "{schema}: broke off after {most} tokens: {text}");
    assert!(answer.tokens <= most);
    text
}
