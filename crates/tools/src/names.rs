//! What a model calls the tools of servers: `<label>__<tool>` in the letters that every provider takes. A name is a function
//! of label and tool alone wherever that is possible, so that it stays the same whoever else is there. It never asks what
//! a tool does.

use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// What providers take at most.
const MAX: usize = 64;
const DIGEST: usize = 8;

/// The names that are given out in one offer.
pub struct Names(BTreeSet<String>);

impl Names {
    /// Beside names that are spoken for.
    pub fn beside<'a>(taken: impl IntoIterator<Item = &'a str>) -> Self {
        Self(taken.into_iter().map(fold).collect())
    }

    /// Whether a name that was given before can stay.
    pub fn keep(&mut self, name: &str) -> bool {
        self.0.insert(fold(name))
    }

    /// The name of a server's tool; None where there is no room for it beside the others. One that is not `alone` in looking
    /// as it does is given no plain one.
    pub fn give(&mut self, label: &str, tool: &str, alone: bool) -> Option<String> {
        let plain = plain(label, tool).filter(|_| alone);
        let digested = || digested(label, tool, DIGEST);
        let candidates = [plain, Some(digested()), Some(self::digested(label, tool, 2 * DIGEST))];
        let name = candidates.into_iter().flatten().find(|name| !self.0.contains(&fold(name)))?;
        self.0.insert(fold(&name));
        Some(name)
    }
}

/// What a tool would be taken for.
pub fn look(label: &str, tool: &str) -> String {
    fold(&format!("{label}__{tool}"))
}

/// The plain form, where nothing has to be left out or replaced, and only this label and tool come to it.
fn plain(label: &str, tool: &str) -> Option<String> {
    let fits = label.len() + 2 + tool.len() <= MAX && !label.is_empty() && !tool.is_empty();
    let is_clear = !label.contains("__") && !label.ends_with('_');
    let is_plain = label.chars().chain(tool.chars()).all(is_taken);
    (fits && is_clear && is_plain).then(|| format!("{label}__{tool}"))
}

fn digested(label: &str, tool: &str, digits: usize) -> String {
    let mut digest = Sha256::new();
    digest.update(label.as_bytes());
    digest.update([0]);
    digest.update(tool.as_bytes());
    let digest = types::hex(&digest.finalize());
    let room = MAX - digits - 3;
    // The tool says more than its server does.
    let label: String = letters(label).take(room / 3).collect();
    let tool: String = letters(tool).take(room - label.len()).collect();
    format!("{label}__{tool}_{}", &digest[..digits])
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|letter| if is_taken(letter) { letter } else { '_' })
}

fn is_taken(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_' || letter == '-'
}

/// Two names that come to one here are too much alike for a model.
fn fold(name: &str) -> String {
    name.chars().map(|letter| if letter == '-' { '_' } else { letter.to_ascii_lowercase() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn give(pairs: &[(&str, &str)]) -> Vec<String> {
        let mut names = Names::beside(["shell", "mine__add"]);
        pairs.iter().map(|(label, tool)| names.give(label, tool, true).unwrap()).collect()
    }

    #[test]
    fn a_name_is_the_label_and_the_tool() {
        assert_eq!(give(&[("git-hub", "list_issues"), ("b", "x")]), ["git-hub__list_issues", "b__x"]);
    }

    #[test]
    fn names_that_are_too_long_strange_or_alike_bear_a_digest() {
        let long = "x".repeat(80);
        let odd = [
            ("a", long.as_str()),
            (long.as_str(), "t"),
            ("mine", "add"),
            ("a", "rm"),
            ("a", "RM"),
            ("a", "r\u{043c}"),
            ("a", "r\u{043d}"),
            ("a__b", "c"),
            ("a", "b__c"),
            ("a_", "_d"),
            ("a", "__d"),
            ("", "e"),
        ];
        let names = give(&odd);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), odd.len(), "{names:?}");
        for name in &names {
            assert!(name.len() <= MAX && name.chars().all(is_taken), "{name}");
        }
        assert_eq!((names[3].as_str(), names[8].as_str()), ("a__rm", "a__b__c"));
        assert!(names[4].starts_with("a__RM_") && names[2].starts_with("mine__add_"), "{names:?}");
    }

    #[test]
    fn a_name_does_not_depend_on_who_else_is_there() {
        let (alone, beside) = (give(&[("a", "r\u{043c}")]), give(&[("a", "r\u{043d}"), ("a", "r\u{043c}")]));
        assert_eq!(alone[0], beside[1]);
    }

    #[test]
    fn one_tool_is_named_three_times_at_most() {
        let mut names = Names::beside([]);
        let given: Vec<_> = (0..4).map(|_| names.give("a", "b", true)).collect();
        assert!(given[..3].iter().all(Option::is_some) && given[3].is_none(), "{given:?}");
    }
}
