//! Text to word pieces, as BERT's own tokenizer does it: clean, single out ideographs, take accents off, lower the case,
//! part at white space and punctuation, then the longest known piece first. Characters stream through, so that a text
//! costs no more than what is read of it.
//!
//! The vocabulary is that of `tokenizer.json`; the tests hold this to what the `tokenizers` crate makes of the same file.

use super::error::LoadError;
use serde_json::Value;
use std::collections::BTreeMap;
use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;

const FILE: &str = "tokenizer.json";
/// Before a piece that goes on with a word.
const INNER: &str = "##";
/// A longer word is unknown as a whole. Characters.
const LONGEST_WORD: usize = 100;
/// Longer pieces are damage. Bytes.
const LONGEST_PIECE: usize = 1024;

#[derive(Debug)]
pub(super) struct Vocabulary {
    /// Pieces that begin a word.
    heads: BTreeMap<Box<str>, u32>,
    /// Pieces that go on with one, without [`INNER`].
    inner: BTreeMap<Box<str>, u32>,
    /// Of the longest piece, in bytes.
    longest: usize,
    /// Texts that are one token wherever they stand.
    special: Vec<(String, u32)>,
    unknown: u32,
    first: u32,
    last: u32,
    lowers: bool,
    strips: bool,
    singles: bool,
    cleans: bool,
}

impl Vocabulary {
    /// Reads `tokenizer.json`; `size` is how many words the network has.
    pub fn read(file: &[u8], size: usize) -> Result<Self, LoadError> {
        let file: Value =
            serde_json::from_slice(file).map_err(|error| LoadError::malformed(FILE, error.to_string()))?;
        check(&file)?;
        let normalizer = &file["normalizer"];
        let flag = |name: &str| normalizer[name].as_bool();
        let lowers = flag("lowercase").unwrap_or(true);
        let mut vocabulary = Self {
            heads: BTreeMap::new(),
            inner: BTreeMap::new(),
            longest: 0,
            special: Vec::new(),
            unknown: 0,
            first: 0,
            last: 0,
            lowers,
            strips: flag("strip_accents").unwrap_or(lowers),
            singles: flag("handle_chinese_chars").unwrap_or(true),
            cleans: flag("clean_text").unwrap_or(true),
        };
        vocabulary.take_pieces(&file["model"]["vocab"], size)?;
        for added in file["added_tokens"].as_array().into_iter().flatten() {
            if let (Some(text), Some(number)) = (added["content"].as_str(), number(&added["id"], size))
                && !text.is_empty()
            {
                vocabulary.special.push((text.to_owned(), number));
            }
        }
        let word = |name: &str| {
            let found = vocabulary.heads.get(name).copied();
            found.ok_or_else(|| LoadError::malformed(FILE, format!("it has no piece {name}")))
        };
        let unknown = word(file["model"]["unk_token"].as_str().unwrap_or("[UNK]"))?;
        (vocabulary.unknown, vocabulary.first, vocabulary.last) = (unknown, word("[CLS]")?, word("[SEP]")?);
        Ok(vocabulary)
    }

    fn take_pieces(&mut self, pieces: &Value, size: usize) -> Result<(), LoadError> {
        let pieces = pieces.as_object().ok_or_else(|| LoadError::malformed(FILE, "it has no vocabulary"))?;
        for (piece, id) in pieces {
            let Some(number) = number(id, size).filter(|_| piece.len() <= LONGEST_PIECE) else {
                return Err(LoadError::malformed(FILE, "its vocabulary does not fit the model"));
            };
            let (table, rest) = match piece.strip_prefix(INNER) {
                Some(rest) => (&mut self.inner, rest),
                None => (&mut self.heads, piece.as_str()),
            };
            self.longest = self.longest.max(rest.len());
            table.insert(rest.into(), number);
        }
        Ok(())
    }

    /// The tokens of a text: at most `most`, those of its ends included. What is left of the text is not read.
    pub fn pieces(&self, text: &str, most: usize) -> Vec<u32> {
        let mut writer =
            Writer { vocabulary: self, tokens: vec![self.first], room: most.max(2) - 1, word: Word::default() };
        let mut rest = text;
        while !rest.is_empty() && !writer.is_full() {
            let (plain, special) = self.up_to_special(rest);
            writer.text(plain);
            rest = &rest[plain.len()..];
            if let Some((spelling, number)) = special {
                writer.put(number);
                rest = &rest[spelling.len()..];
            }
        }
        let mut tokens = writer.tokens;
        tokens.push(self.last);
        tokens
    }

    /// Tokens of the client's own, between those of a text's ends unless it brought them, at most `most` of them all.
    pub fn framed(&self, mut tokens: Vec<u32>, most: usize) -> Vec<u32> {
        if tokens.len() >= 2 && tokens.first() == Some(&self.first) && tokens.last() == Some(&self.last) {
            tokens.pop();
        } else {
            tokens.insert(0, self.first);
        }
        tokens.truncate(most.max(2) - 1);
        tokens.push(self.last);
        tokens
    }

    /// What stands before the next special text, and that.
    fn up_to_special<'a>(&'a self, text: &'a str) -> (&'a str, Option<(&'a str, u32)>) {
        let found =
            self.special.iter().filter_map(|(spelling, number)| Some((text.find(spelling)?, spelling, *number)));
        // Of those that begin at one place the longest counts.
        match found.min_by_key(|(at, spelling, _)| (*at, usize::MAX - spelling.len())) {
            Some((at, spelling, number)) => (&text[..at], Some((spelling, number))),
            None => (text, None),
        }
    }
}

/// Another tokenizer's file would be read wrongly, so it is not read.
fn check(file: &Value) -> Result<(), LoadError> {
    for (part, known) in
        [("model", "WordPiece"), ("normalizer", "BertNormalizer"), ("pre_tokenizer", "BertPreTokenizer")]
    {
        let kind = file[part]["type"].as_str().unwrap_or("of no kind");
        if kind != known {
            return Err(LoadError::unsupported(FILE, format!("{part} {kind}")));
        }
    }
    let prefix = file["model"]["continuing_subword_prefix"].as_str().unwrap_or(INNER);
    let longest = file["model"]["max_input_chars_per_word"].as_u64().unwrap_or(LONGEST_WORD as u64);
    if prefix != INNER || longest != LONGEST_WORD as u64 {
        return Err(LoadError::unsupported(FILE, format!("pieces after {prefix}, words of {longest}")));
    }
    let plain = |added: &Value| {
        ["single_word", "lstrip", "rstrip", "normalized"].iter().all(|name| added[name].as_bool() != Some(true))
    };
    match file["added_tokens"].as_array().into_iter().flatten().find(|added| !plain(added)) {
        Some(added) => Err(LoadError::unsupported(FILE, format!("the added token {}", added["content"]))),
        None => Ok(()),
    }
}

fn number(value: &Value, size: usize) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok().filter(|number| (*number as usize) < size)
}

/// The word that is being read.
#[derive(Default)]
struct Word {
    text: String,
    characters: usize,
}

struct Writer<'a> {
    vocabulary: &'a Vocabulary,
    tokens: Vec<u32>,
    /// Tokens that may stand before the last one.
    room: usize,
    word: Word,
}

impl Writer<'_> {
    fn is_full(&self) -> bool {
        self.tokens.len() >= self.room
    }

    fn put(&mut self, token: u32) {
        if !self.is_full() {
            self.tokens.push(token);
        }
    }

    /// Text without special tokens. Words end where it ends.
    fn text(&mut self, text: &str) {
        let Vocabulary { lowers, strips, singles, cleans, .. } = *self.vocabulary;
        let clean = text.chars().filter(move |c| !cleans || !is_noise(*c));
        let clean = clean.map(move |c| if cleans && c.is_whitespace() { ' ' } else { c });
        let spaced = clean.flat_map(move |c| {
            let space = (singles && is_ideograph(c)).then_some(' ');
            [space, Some(c), space].into_iter().flatten()
        });
        if strips {
            // Composed characters come apart, and their marks go.
            let bare = UnicodeNormalization::nfd(spaced).map(|(c, _)| c).filter(|c| !c.is_mark_nonspacing());
            self.characters(bare, lowers);
        } else {
            self.characters(spaced, lowers);
        }
    }

    fn characters(&mut self, characters: impl Iterator<Item = char>, lowers: bool) {
        for c in characters {
            match lowers {
                true => c.to_lowercase().for_each(|c| self.character(c)),
                false => self.character(c),
            }
            if self.is_full() {
                break;
            }
        }
        self.end_word();
    }

    fn character(&mut self, c: char) {
        if c.is_whitespace() {
            self.end_word();
        } else if c.is_ascii_punctuation() || c.is_punctuation() {
            self.end_word();
            self.take(c);
            self.end_word();
        } else {
            self.take(c);
        }
    }

    fn take(&mut self, c: char) {
        self.word.characters += 1;
        // A word that is too long is unknown; its text does not matter any more.
        if self.word.characters <= LONGEST_WORD {
            self.word.text.push(c);
        }
    }

    /// Cuts the word into the longest pieces that are known, or none of it.
    fn end_word(&mut self) {
        let Word { text, characters } = std::mem::take(&mut self.word);
        if characters == 0 {
            return;
        }
        let vocabulary = self.vocabulary;
        let mut pieces = Vec::new();
        let mut rest = text.as_str();
        let mut is_known = characters <= LONGEST_WORD;
        while is_known && !rest.is_empty() {
            let table = if pieces.is_empty() { &vocabulary.heads } else { &vocabulary.inner };
            match longest(table, rest, vocabulary.longest) {
                Some((piece, number)) => {
                    pieces.push(number);
                    rest = &rest[piece..];
                }
                None => is_known = false,
            }
        }
        match is_known {
            true => pieces.into_iter().for_each(|piece| self.put(piece)),
            false => self.put(vocabulary.unknown),
        }
        // The room that the word had serves the next one.
        self.word.text = text;
        self.word.text.clear();
    }
}

/// The longest known beginning of `text`: its length in bytes and its number.
fn longest(table: &BTreeMap<Box<str>, u32>, text: &str, most: usize) -> Option<(usize, u32)> {
    let mut end = text.floor_char_boundary(most);
    while end > 0 {
        if let Some(number) = table.get(&text[..end]) {
            return Some((end, *number));
        }
        end = text.floor_char_boundary(end - 1);
    }
    None
}

/// What is left out: control characters but white ones, and what stands for damage.
fn is_noise(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r') && (c == '\0' || c == char::REPLACEMENT_CHARACTER || c.is_other())
}

/// Ideographs, which are words each: the blocks that BERT names.
fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c),
        0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x2_a6df | 0x2_a700..=0x2_b73f
        | 0x2_b740..=0x2_b81f | 0x2_b920..=0x2_ceaf | 0x2_f800..=0x2_fa1f)
}
