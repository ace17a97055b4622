//! Text to tokens and back, from what the model file itself says.
//!
//! A control token (`<|im_end|>` and its like) comes from the template alone: text that merely spells one is read as
//! text, so that nobody can end a message or open a new one from within it.

use super::error::LoadError;
use super::gguf::Gguf;
use super::grammar::Tokens;
use std::collections::BTreeMap;
use tokenizers::Tokenizer;
use tokenizers::models::bpe::{BPE, Merges, Vocab};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;

/// The kind of a control token in `tokenizer.ggml.token_type`.
const CONTROL: i64 = 3;
/// Stand-ins for control tokens that text spells: one private character for each, in the order of the list.
const STAND_INS: u32 = 0x10_0000;
const MOST_STAND_INS: usize = 0xfffd;

pub(super) struct Vocabulary {
    tokenizer: Tokenizer,
    /// What each token says; a control token says nothing.
    pieces: Vec<Box<[u8]>>,
    /// Spelling and number, longest first.
    control: Vec<(String, u32)>,
    longest_piece: usize,
}

impl Vocabulary {
    pub fn read(gguf: &Gguf) -> Result<Self, LoadError> {
        let missing = |key: &str| gguf.malformed(format!("{key} is missing"));
        match gguf.text("tokenizer.ggml.model") {
            Some("gpt2") => {}
            other => return Err(gguf.unsupported(format!("tokenizer {}", other.unwrap_or("of no name")))),
        }
        if gguf.flag("tokenizer.ggml.add_bos_token") == Some(true) {
            return Err(gguf.unsupported("a tokenizer that adds its own first token".to_owned()));
        }
        let tokens = gguf.texts("tokenizer.ggml.tokens").ok_or_else(|| missing("tokenizer.ggml.tokens"))?;
        let merges = gguf.texts("tokenizer.ggml.merges").ok_or_else(|| missing("tokenizer.ggml.merges"))?;
        let kinds = gguf.integers("tokenizer.ggml.token_type").unwrap_or_default();
        let is_control = |i: usize| kinds.get(i) == Some(&CONTROL);
        let bytes = byte_characters();
        let mut control = Vec::new();
        let mut pieces = Vec::with_capacity(tokens.len());
        for (i, (token, number)) in tokens.iter().zip(0_u32..).enumerate() {
            if is_control(i) {
                pieces.push(Box::default());
                if !token.is_empty() {
                    control.push((token.clone(), number));
                }
            } else {
                // A character outside the alphabet stands for itself.
                let mut piece = Vec::new();
                for c in token.chars() {
                    match bytes.get(&c) {
                        Some(byte) => piece.push(*byte),
                        None => piece.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    }
                }
                pieces.push(piece.into_boxed_slice());
            }
        }
        if control.len() > MOST_STAND_INS {
            return Err(gguf.unsupported(format!("{} control tokens", control.len())));
        }
        control.sort_by_key(|(spelling, _)| std::cmp::Reverse(spelling.len()));
        let longest_piece = pieces.iter().map(|piece| piece.len()).max().unwrap_or(0).max(1);
        Ok(Self { tokenizer: tokenizer(gguf, tokens, merges)?, pieces, control, longest_piece })
    }

    /// `text` with what spells a control token put behind stand-ins; [`Vocabulary::encode`] puts it back as text.
    pub fn shield(&self, text: &str) -> String {
        let mut shielded = text.to_owned();
        for ((spelling, _), stand_in) in self.control.iter().zip(STAND_INS..) {
            if let Some(stand_in) = char::from_u32(stand_in)
                && shielded.contains(spelling)
            {
                shielded = shielded.replace(spelling, stand_in.encode_utf8(&mut [0; 4]));
            }
        }
        shielded
    }

    /// The tokens of a whole prompt. The reason of an error is for people.
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>, String> {
        let mut tokens = Vec::new();
        let mut rest = prompt;
        while let Some((at, spelling, number)) = self.first_control(rest) {
            self.encode_shielded(&rest[..at], &mut tokens)?;
            tokens.push(number);
            rest = &rest[at + spelling.len()..];
        }
        self.encode_shielded(rest, &mut tokens)?;
        Ok(tokens)
    }

    fn first_control<'a>(&'a self, text: &str) -> Option<(usize, &'a str, u32)> {
        let found = self.control.iter().filter_map(|(spelling, number)| Some((text.find(spelling)?, spelling, number)));
        // The list begins with the longest, and min_by_key keeps the first of equals.
        found.min_by_key(|(at, _, _)| *at).map(|(at, spelling, number)| (at, spelling.as_str(), *number))
    }

    fn encode_shielded(&self, text: &str, tokens: &mut Vec<u32>) -> Result<(), String> {
        if text.is_empty() {
            return Ok(());
        }
        let behind = |c: char| (c as u32).checked_sub(STAND_INS).and_then(|i| self.control.get(i as usize));
        let plain: String = match text.contains(|c| behind(c).is_some()) {
            true => text.chars().map(|c| behind(c).map_or_else(|| c.to_string(), |(s, _)| s.clone())).collect(),
            false => text.to_owned(),
        };
        let encoding = self.tokenizer.encode_fast(plain, false).map_err(|error| error.to_string())?;
        tokens.extend_from_slice(encoding.get_ids());
        Ok(())
    }

    /// The least number of tokens that a text of so many bytes can have.
    pub fn least_tokens(&self, bytes: usize) -> usize {
        bytes / self.longest_piece
    }

    /// The bytes that a token says: perhaps only a part of a character.
    pub fn piece(&self, token: u32) -> &[u8] {
        self.pieces.get(token as usize).map_or(&[], |piece| piece)
    }

    /// The tokens as grammars use them. Control tokens end an answer and say nothing.
    pub fn tokens(&self) -> Tokens {
        Tokens::new(self.pieces.clone(), self.control.iter().map(|(_, number)| *number).collect())
    }

    /// Whether a token is one of those that structure a conversation and are never text.
    pub fn is_control(&self, token: u32) -> bool {
        self.control.iter().any(|(_, number)| *number == token)
    }
}

fn tokenizer(gguf: &Gguf, tokens: &[String], merges: &[String]) -> Result<Tokenizer, LoadError> {
    let vocabulary: Vocab = tokens.iter().cloned().zip(0..).collect();
    let mut pairs = Merges::with_capacity(merges.len());
    for merge in merges {
        match merge.split_once(' ') {
            Some((a, b)) if vocabulary.contains_key(&format!("{a}{b}")) => pairs.push((a.to_owned(), b.to_owned())),
            _ => return Err(gguf.malformed(format!("merge {merge:?} makes no token"))),
        }
    }
    let bpe = BPE::builder().vocab_and_merges(vocabulary, pairs).build();
    let mut tokenizer = Tokenizer::new(bpe.map_err(|error| gguf.malformed(error.to_string()))?);
    // How text is cut before merging is not in the file, only its name is.
    let words = PreTokenizerWrapper::from(ByteLevel::new(false, true, true));
    let cut = match gguf.text("tokenizer.ggml.pre") {
        Some("smollm") => PreTokenizerWrapper::from(Sequence::new(vec![Digits::new(true).into(), words])),
        Some("gpt-2" | "default") | None => words,
        Some(other) => return Err(gguf.unsupported(format!("tokenizer kind {other}"))),
    };
    tokenizer.with_pre_tokenizer(Some(cut));
    Ok(tokenizer)
}

/// The alphabet of byte-level tokens: which byte each character stands for. Bytes that print stand for themselves, the
/// others are counted up from 256.
fn byte_characters() -> BTreeMap<char, u8> {
    let mut next = 256;
    (0..=u8::MAX)
        .filter_map(|byte| {
            let prints = matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
            let code = if prints {
                u32::from(byte)
            } else {
                next += 1;
                next - 1
            };
            char::from_u32(code).map(|c| (c, byte))
        })
        .collect()
}
