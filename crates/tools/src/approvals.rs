//! Whose consent a call of a server's tool needs: what the server says of the tool, and what the agent's owner says of that.
//! Asking for it is the gate's.

use std::collections::BTreeMap;
use types::{Approval, Metadata};

/// The key of metadata under which the owner says it; narrower ones begin with it and a dot.
pub const KEY: &str = "approvals";

/// What the end of a key may mean in one session: a server, or a tool of one. Labels may hold dots.
pub struct Meanings(BTreeMap<String, u32>);

impl Meanings {
    pub fn of<'a>(
        labels: impl IntoIterator<Item = &'a str>,
        tools: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let mut meanings = BTreeMap::new();
        let tools = tools.into_iter().map(|(label, tool)| format!("{label}.{tool}"));
        for meaning in labels.into_iter().map(str::to_owned).chain(tools) {
            *meanings.entry(meaning).or_default() += 1;
        }
        Self(meanings)
    }

    fn is_clear(&self, meaning: &str) -> bool {
        self.0.get(meaning).is_none_or(|count| *count < 2)
    }
}

/// What was said of one tool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needed {
    pub approval: Approval,
    /// Whether this very tool was said to need nobody's consent.
    pub vouched: bool,
}

/// The narrowest word counts: of the tool, of its server, of the agent. Without one, and for `default`, what is the tool's
/// `own`. A key that may mean something else as well takes no consent away.
pub fn needed(metadata: &Metadata, meanings: &Meanings, label: &str, tool: &str, own: Approval) -> Needed {
    let mut needed = Needed { approval: own, vouched: false };
    for meaning in [String::new(), label.to_owned(), format!("{label}.{tool}")] {
        let key = if meaning.is_empty() { KEY.to_owned() } else { format!("{KEY}.{meaning}") };
        let said = match metadata.get(&key).map(|said| said.trim()) {
            None => continue,
            // A narrower `default` takes a wider word back.
            Some("default") => own,
            Some("never") => Approval::None,
            // What is not understood must not take consent away.
            Some(_) => Approval::Person,
        };
        let is_clear = meanings.is_clear(&meaning);
        if is_clear || said == Approval::Person {
            needed.approval = said;
        }
        let is_narrowest = meaning.len() > label.len();
        needed.vouched = is_narrowest && is_clear && metadata.get(&key).is_some_and(|said| said.trim() == "never");
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use Approval::{None as Free, Person};

    #[test]
    fn the_narrowest_word_counts() {
        for (said, only_reads, expected) in [
            (vec![], true, Free),
            (vec![], false, Person),
            (vec![("approvals", "never")], false, Free),
            (vec![("approvals", "always")], true, Person),
            (vec![("approvals", "always"), ("approvals.a", "never")], false, Free),
            (vec![("approvals", "never"), ("approvals.a", "default")], false, Person),
            (vec![("approvals.a", "always"), ("approvals.a.t", "never")], false, Free),
            (vec![("approvals.a", "never"), ("approvals.a.t", "always")], true, Person),
            (vec![("approvals.b", "never"), ("approvals.a.u", "never")], false, Person),
            (vec![("approvals", "nevr")], true, Person),
        ] {
            let metadata: Metadata = said.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
            let own = if only_reads { Free } else { Person };
            let needed = needed(&metadata, &Meanings::of(["a", "b"], [("a", "t")]), "a", "t", own);
            assert_eq!(needed.approval, expected, "{said:?} {only_reads}");
            assert_eq!(needed.vouched, said.contains(&("approvals.a.t", "never")), "{said:?}");
        }
    }

    #[test]
    fn a_key_with_two_meanings_takes_no_consent_away() {
        let meanings = Meanings::of(["docs", "docs.b"], [("docs", "b"), ("docs", "c"), ("docs.b", "x")]);
        let needed = |said: &str, label: &str, tool: &str, own| {
            let metadata = Metadata::from([("approvals.docs.b".to_owned(), said.to_owned())]);
            super::needed(&metadata, &meanings, label, tool, own)
        };
        for (label, tool) in [("docs", "b"), ("docs.b", "x")] {
            assert_eq!(needed("never", label, tool, Person), Needed { approval: Person, vouched: false });
            assert_eq!(needed("always", label, tool, Free).approval, Person);
        }
        let clear = Metadata::from([("approvals.docs.c".to_owned(), "never".to_owned())]);
        assert!(super::needed(&clear, &meanings, "docs", "c", Person).vouched);
    }
}
