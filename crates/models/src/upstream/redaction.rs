//! Takes out of an upstream's words what clients must not see: the key, anything that looks like one, and the address
//! that we reach the upstream at.

use crate::secret::Secret;
use reqwest::Url;

/// The longest excerpt of an upstream's words, in characters.
const MAX_CHARACTERS: usize = 300;

#[derive(Default)]
pub(crate) struct Redaction {
    /// What is taken out, and what stands for it; longer ones first.
    hidden: Vec<(String, &'static str)>,
}

impl Redaction {
    pub(super) fn new(key: Option<Secret>, base: &Url) -> Self {
        let mut hidden = Vec::new();
        if let Some(key) = key.filter(|key| !key.reveal().is_empty()) {
            hidden.push((key.reveal().to_owned(), "[key]"));
        }
        if let Some(host) = base.host_str() {
            if let Some(port) = base.port() {
                hidden.push((format!("{host}:{port}"), "[upstream]"));
            }
            hidden.push((host.to_owned(), "[upstream]"));
        }
        Self { hidden }
    }

    /// A short, single-line excerpt. Hides first and cuts then: half a key is a leak too.
    pub(super) fn excerpt(&self, words: &str) -> String {
        let mut words = words.to_owned();
        for (secret, stand_in) in &self.hidden {
            words = words.replace(secret.as_str(), stand_in);
        }
        let clean = words
            .split(|character: char| character.is_whitespace() || character.is_control())
            .filter(|word| !word.is_empty())
            .map(|word| if looks_like_a_key(word) { "[key]" } else { word })
            .collect::<Vec<_>>()
            .join(" ");
        match clean.char_indices().nth(MAX_CHARACTERS) {
            Some((end, _)) => format!("{}…", &clean[..end]),
            None => clean,
        }
    }
}

fn looks_like_a_key(word: &str) -> bool {
    let word = word.trim_start_matches(|character: char| !character.is_ascii_alphanumeric());
    word.len() > 8 && (word.starts_with("sk-") || word.starts_with("sk_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_addresses_are_hidden() {
        let base = Url::parse("http://llm.internal:9000/v1").unwrap();
        let redaction = Redaction::new(Some(Secret::new("hunter2")), &base);
        let cases = [
            ("key hunter2 is bad", "key [key] is bad"),
            ("no route to llm.internal:9000", "no route to [upstream]"),
            ("http://llm.internal/x", "http://[upstream]/x"),
            ("got 'sk-abcdef****wxyz'.", "got [key]"),
            ("a\r\n\tb\u{1b}[2Jc", "a b [2Jc"),
        ];
        for (input, expected) in cases {
            assert_eq!(redaction.excerpt(input), expected);
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let excerpt = Redaction::default().excerpt(&"ü".repeat(1000));
        assert_eq!(excerpt.chars().count(), 301);
    }
}
