//! Texts that end an answer. They are found wherever they are, also when they come in pieces, and are never said; what
//! may become one is held back until it is clear.

#[cfg(any(feature = "local", test))]
use types::{ModelError, ModelErrorKind, Sampling};

#[cfg(any(feature = "local", test))]
const MOST: usize = 16;
#[cfg(any(feature = "local", test))]
const LONGEST: usize = 1024;

#[derive(Debug)]
pub(crate) struct StopTexts {
    stops: Vec<String>,
    /// The end of what was heard, as far as a stop text may begin in it.
    held: String,
}

impl StopTexts {
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    /// Why a request's stop texts cannot be followed, if so.
    #[cfg(any(feature = "local", test))]
    pub fn check(sampling: &Sampling) -> Result<(), ModelError> {
        let invalid = |message: String| Err(ModelError::new(ModelErrorKind::Invalid, message));
        if sampling.stop.len() > MOST {
            return invalid(format!("there are {} stop texts: this model takes {MOST}", sampling.stop.len()));
        }
        match sampling.stop.iter().find(|stop| stop.is_empty() || stop.len() > LONGEST) {
            Some(stop) => invalid(format!("a stop text has {} bytes: this model takes 1 to {LONGEST}", stop.len())),
            None => Ok(()),
        }
    }

    /// What can be said of the answer with this text, and whether it has ended. Of several stop texts the one that is
    /// whole first counts, of those the longest.
    pub fn push(&mut self, text: String) -> (String, bool) {
        if self.stops.is_empty() {
            return (text, false);
        }
        self.held.push_str(&text);
        let found = self.stops.iter().filter_map(|stop| {
            let at = self.held.find(stop)?;
            Some((at + stop.len(), at))
        });
        if let Some((_, at)) = found.min() {
            let said = self.held[..at].to_owned();
            self.held.clear();
            return (said, true);
        }
        let longest = self.stops.iter().map(|stop| beginning_at_end(&self.held, stop)).max().unwrap_or(0);
        let held = self.held.split_off(self.held.len() - longest);
        (std::mem::replace(&mut self.held, held), false)
    }

    /// What can be said of an answer that is whole.
    pub fn cut(stops: &[String], answer: &str) -> String {
        let mut watch = Self::new(stops.to_vec());
        let (mut said, has_ended) = watch.push(answer.to_owned());
        if !has_ended {
            said.push_str(&watch.finish());
        }
        said
    }

    /// What was held back and is no stop text after all.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// The length of the longest beginning of `stop`, short of the whole, with which `text` ends.
fn beginning_at_end(text: &str, stop: &str) -> usize {
    let lengths = stop.char_indices().map(|(at, _)| at).rev();
    lengths.into_iter().find(|at| text.ends_with(&stop[..*at])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_texts_are_found_in_any_pieces() {
        for (text, stops, said, ended) in [
            ("one two three", &["two"][..], "one ", true),
            ("one two three", &["four", "e  "], "one two three", false),
            ("one\n\nUser: two", &["User:", "\n\n"], "one", true),
            ("aaab", &["aab"], "a", true),
            ("abc", &["abc", "b"], "a", true),
            ("abc", &["bc", "abc"], "", true),
            ("né東京", &["東京!", "東京"], "né", true),
            ("né東京", &["é東a"], "né東京", false),
            ("stop", &["stop"], "", true),
            ("sto", &["stop"], "sto", false),
            ("no stops", &[], "no stops", false),
        ] {
            let characters: Vec<char> = text.chars().collect();
            for size in 1..=characters.len() {
                let mut watch = StopTexts::new(stops.iter().map(|stop| (*stop).to_owned()).collect());
                let mut heard = String::new();
                let mut has_ended = false;
                for piece in characters.chunks(size) {
                    let (say, ends) = watch.push(piece.iter().collect());
                    heard += &say;
                    has_ended = ends;
                    if ends {
                        break;
                    }
                }
                if !has_ended {
                    heard += &watch.finish();
                }
                assert_eq!((heard.as_str(), has_ended), (said, ended), "{text:?} {stops:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn too_much_to_watch_for_is_refused() {
        let check = |stop: Vec<String>| StopTexts::check(&Sampling { stop, ..Sampling::default() }).is_ok();
        assert!(check(vec!["x".repeat(LONGEST); MOST]));
        assert!(!check(vec!["x".to_owned(); MOST + 1]));
        assert!(!check(vec!["x".repeat(LONGEST + 1)]));
        assert!(!check(vec![String::new()]));
    }
}
