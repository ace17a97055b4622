//! BM25 over short texts: which of them a query is about. Built for one set of texts, never changed; one search looks at
//! those texts alone that share a word with the query.

use super::words::words;
use std::collections::BTreeMap;
use std::ops::Bound;

const K1: f32 = 1.2;
const B: f32 = 0.75;
/// What a word in a name counts, against one in a description.
const IN_NAME: u16 = 4;
/// Bytes of one text that are read.
const MAX_TEXT: usize = 16 << 10;
/// Words of a query that count.
const MAX_QUERY: usize = 64;
/// Longer words that a word without any text of its own stands for.
const MAX_LONGER: usize = 16;
/// What those count.
const LONGER: f32 = 0.4;

/// One text and the name that it goes under.
pub struct Text<'a> {
    pub name: &'a str,
    /// Whatever else is said of it.
    pub parts: &'a [&'a str],
}

#[derive(Default)]
pub struct Index {
    /// For each word the texts with it, in their order, and how often.
    postings: BTreeMap<Box<str>, Vec<(u32, u16)>>,
    /// How many words each text has.
    lengths: Vec<u32>,
    /// Of all texts together.
    total: u64,
}

impl Index {
    /// Takes another text in; its number is how many there were before.
    pub fn add(&mut self, text: &Text<'_>) {
        let number = u32::try_from(self.lengths.len()).unwrap_or(u32::MAX);
        let mut length: u32 = 0;
        let Self { postings, .. } = self;
        let mut take = |text: &str, weight: u16| {
            words(&text[..text.floor_char_boundary(MAX_TEXT)], &mut |word| {
                length = length.saturating_add(1);
                if !postings.contains_key(word) {
                    postings.insert(word.into(), Vec::new());
                }
                let Some(texts) = postings.get_mut(word) else { return };
                match texts.last_mut() {
                    Some((last, often)) if *last == number => *often = often.saturating_add(weight),
                    _ => texts.push((number, weight)),
                }
            });
        };
        take(text.name, IN_NAME);
        for part in text.parts {
            take(part, 1);
        }
        self.lengths.push(length);
        self.total += u64::from(length);
    }

    /// The numbers of the texts that the query is about, best first.
    pub fn search(&self, query: &str, limit: usize) -> Vec<usize> {
        let mut asked: Vec<String> = Vec::new();
        words(query, &mut |word| {
            if asked.len() < MAX_QUERY && !asked.iter().any(|other| other == word) {
                asked.push(word.to_owned());
            }
        });
        let mut scores = vec![0.0_f32; self.lengths.len()];
        for word in &asked {
            match self.postings.get(word.as_str()) {
                Some(texts) => self.count(texts, 1.0, &mut scores),
                None => {
                    let from = (Bound::Included(word.as_str()), Bound::Unbounded);
                    let longer = self.postings.range::<str, _>(from);
                    for (_, texts) in longer.take_while(|(other, _)| other.starts_with(word)).take(MAX_LONGER) {
                        self.count(texts, LONGER, &mut scores);
                    }
                }
            }
        }
        let mut found: Vec<usize> = (0..scores.len()).filter(|text| scores[*text] > 0.0).collect();
        found.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b)));
        found.truncate(limit);
        found
    }

    fn count(&self, texts: &[(u32, u16)], weight: f32, scores: &mut [f32]) {
        let (all, with) = (self.lengths.len() as f32, texts.len() as f32);
        let rarity = (1.0 + (all - with + 0.5) / (with + 0.5)).ln();
        let average = self.total as f32 / all;
        for (text, often) in texts {
            let Some((score, length)) = scores.get_mut(*text as usize).zip(self.lengths.get(*text as usize)) else {
                continue;
            };
            let often = f32::from(*often);
            let norm = K1 * (1.0 - B + B * *length as f32 / average.max(1.0));
            *score += weight * rarity * often * (K1 + 1.0) / (often + norm);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(texts: &[(&str, &str)]) -> Index {
        let mut index = Index::default();
        for (name, said) in texts {
            index.add(&Text { name, parts: &[said] });
        }
        index
    }

    #[test]
    fn the_best_comes_first() {
        let index = index(&[
            ("list_files", "Lists the files of a folder."),
            ("send_email", "Sends a message to a person. Attach files if you like."),
            ("getWeather", "The weather at a place, now and tomorrow."),
            ("delete_file", "Takes a file away for good."),
        ]);
        for (query, best) in [
            ("email somebody", vec![1]),
            ("what is the weather in Rome", vec![2, 0, 3]),
            ("deleting files", vec![3, 0, 1]),
            ("GETWEATHER", vec![2]),
            ("weat", vec![2]),
            ("xylophones", vec![]),
            ("", vec![]),
        ] {
            let found = index.search(query, 3);
            assert_eq!(found.first(), best.first(), "{query}: {found:?}");
        }
        assert_eq!(index.search("file", 1).len(), 1);
        assert!(Index::default().search("x", 5).is_empty());
    }

    #[test]
    fn a_rare_word_counts_more_than_a_common_one() {
        let mut texts = vec![("a", "get the thing"); 50];
        texts.push(("b", "the walrus"));
        assert_eq!(index(&texts).search("get the walrus", 1), [50]);
    }
}
