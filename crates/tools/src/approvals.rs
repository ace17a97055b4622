//! Whose consent a call of a server's tool needs: what the server says of the tool, and what this server's operator and the
//! agent's owner say of that. Asking for it is the gate's.

use std::collections::BTreeMap;
use types::{Approval, McpTool, McpTransport, Metadata};
use url::Url;

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

/// What the operator says of calls, whatever agent makes them.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Policy(pub Vec<Word>);

/// One thing that the operator says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// In lower case. None: of every server, of programs too.
    pub host: Option<String>,
    /// None: of all that a server has.
    pub tools: Option<Vec<String>>,
    /// Whether somebody must agree.
    pub asks: bool,
}

impl Policy {
    /// What counts for a tool: the narrowest word, and of several that are as narrow one that asks.
    pub fn of(&self, server: &McpTool, tool: &str) -> Option<Approval> {
        if self.0.is_empty() {
            return None;
        }
        let host = host(server);
        let fits = |word: &&Word| {
            let is_there = word.host.as_ref().is_none_or(|named| host.as_ref() == Some(named));
            is_there && word.tools.as_ref().is_none_or(|tools| tools.iter().any(|named| named == tool))
        };
        let narrowness = |word: &&Word| (word.tools.is_some(), word.host.is_some(), word.asks);
        let narrowest = self.0.iter().filter(fits).max_by_key(narrowness)?;
        Some(if narrowest.asks { Approval::Person } else { Approval::None })
    }
}

/// Of a server that is reached over HTTP.
fn host(server: &McpTool) -> Option<String> {
    let McpTransport::Http { server_url, .. } = &server.transport else { return None };
    let url = Url::parse(server_url).ok()?;
    Some(url.host_str()?.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase())
}

/// What was said of one tool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Needed {
    pub approval: Approval,
    /// Whether this very tool was said to need nobody's consent.
    pub vouched: bool,
}

/// The same under what the operator says of it: consent that the operator wants no agent's owner takes away, and what the
/// operator does without is the tool's own need.
pub fn held(
    word: Option<Approval>,
    metadata: &Metadata,
    meanings: &Meanings,
    label: &str,
    tool: &str,
    own: Approval,
) -> Needed {
    match word {
        Some(Approval::Person) => Needed { approval: Approval::Person, vouched: false },
        word => needed(metadata, meanings, label, tool, word.unwrap_or(own)),
    }
}

/// The narrowest word counts: of the tool, of its server, of the agent. Without one, and for `default`, what is the tool's
/// `own`. A key that may mean something else as well takes no consent away.
fn needed(metadata: &Metadata, meanings: &Meanings, label: &str, tool: &str, own: Approval) -> Needed {
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

    fn server(url: &str) -> McpTool {
        let transport = McpTransport::Http { server_url: url.into(), headers: BTreeMap::new(), authorization: None };
        McpTool {
            server_label: "a".into(),
            transport,
            allowed_tools: None,
            connection_origin: "service".into(),
            credential_id: None,
            request_metadata: serde_json::Map::new(),
            required: false,
        }
    }

    #[test]
    fn of_the_operators_words_the_narrowest_counts() {
        let word = |host: Option<&str>, tools: Option<&[&str]>, asks: bool| Word {
            host: host.map(str::to_owned),
            tools: tools.map(|tools| tools.iter().map(|tool| (*tool).to_owned()).collect()),
            asks,
        };
        let policy = Policy(vec![
            word(None, None, true),
            word(Some("one.example"), None, false),
            word(Some("one.example"), Some(&["drop", "look"]), true),
            word(None, Some(&["look"]), false),
            word(Some("two.example"), None, false),
            word(Some("two.example"), None, true),
            word(Some("::1"), None, false),
        ]);
        let stdio = McpTransport::Stdio {
            command: "x".into(),
            cwd: String::new(),
            args: Vec::new(),
            env: BTreeMap::new(),
            env_vars: Vec::new(),
        };
        for (server, tool, expected) in [
            (server("https://one.example/mcp"), "add", Free),
            (server("https://ONE.example.:8443/other?x"), "add", Free),
            (server("https://one.example/mcp"), "drop", Person),
            (server("https://one.example/mcp"), "look", Person),
            (server("https://one.example.evil.example/"), "add", Person),
            (server("https://evil.example/"), "look", Free),
            (server("https://two.example/"), "add", Person),
            (server("http://[::1]:80/"), "add", Free),
            (McpTool { transport: stdio, ..server("") }, "add", Person),
        ] {
            assert_eq!(policy.of(&server, tool), Some(expected), "{:?} {tool}", server.transport);
        }
        assert_eq!(Policy::default().of(&server("https://one.example/"), "add"), None);
        assert_eq!(Policy(policy.0[1..2].to_vec()).of(&server("https://two.example/"), "add"), None);
    }

    #[test]
    fn no_agents_owner_takes_away_what_the_operator_wants() {
        let meanings = Meanings::of(["a"], [("a", "t")]);
        for (word, key, said, own, expected) in [
            (Some(Person), "approvals.a.t", "never", Free, Needed { approval: Person, vouched: false }),
            (Some(Free), "", "", Person, Needed { approval: Free, vouched: false }),
            (Some(Free), "approvals", "default", Person, Needed { approval: Free, vouched: false }),
            (Some(Free), "approvals", "always", Free, Needed { approval: Person, vouched: false }),
            (None, "", "", Person, Needed { approval: Person, vouched: false }),
            (None, "approvals.a.t", "never", Person, Needed { approval: Free, vouched: true }),
        ] {
            let metadata = Metadata::from([(key.to_owned(), said.to_owned())]);
            assert_eq!(held(word, &metadata, &meanings, "a", "t", own), expected, "{word:?} {key} {said}");
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
