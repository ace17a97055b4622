//! What an operator is told once for each session: a name in its settings that fits nothing, a search that fails. Otherwise
//! the same would be said before each model call.

use crate::approvals::KEY;
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use types::{McpTool, Metadata, SessionId};

/// Warnings that are remembered; the oldest are forgotten, and may be said again.
const MOST: usize = 4096;
/// Names in one line, and characters of each.
const NAMES: usize = 10;
const LETTERS: usize = 100;

#[derive(Default)]
pub struct Warnings(Mutex<Given>);

#[derive(Default)]
struct Given {
    known: BTreeSet<(SessionId, String)>,
    oldest_first: VecDeque<(SessionId, String)>,
}

impl Warnings {
    /// Whether nobody was told of this cause in this session yet; from now on somebody was.
    pub fn is_first(&self, session: &SessionId, cause: &str) -> bool {
        let name = (session.clone(), shown(cause));
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !given.known.insert(name.clone()) {
            return false;
        }
        given.oldest_first.push_back(name);
        if given.oldest_first.len() > MOST
            && let Some(oldest) = given.oldest_first.pop_front()
        {
            given.known.remove(&oldest);
        }
        true
    }

    /// Tells of names among the tools that the server's owner allows which no tool of the server has.
    pub fn allowed(&self, session: &SessionId, server: &McpTool, has: impl Fn(&str) -> bool) {
        let unknown = unknown(server, has);
        let label = &server.server_label;
        if !unknown.is_empty() && self.is_first(session, &format!("allowed {label} {unknown:?}")) {
            tracing::warn!(%session, server = %label, ?unknown, "allowed_tools names tools that the server does not have");
        }
    }

    /// Tells of keys of the session's metadata that say who agrees to calls of nothing that there is.
    pub fn approvals(&self, session: &SessionId, metadata: &Metadata, fits: impl Fn(&str) -> bool) {
        let strays = strays(metadata, fits);
        if !strays.is_empty() && self.is_first(session, &format!("approvals {strays:?}")) {
            tracing::warn!(%session, keys = ?strays, "metadata says of approvals what fits no MCP server and no tool");
        }
    }
}

fn unknown(server: &McpTool, has: impl Fn(&str) -> bool) -> Vec<String> {
    let allowed = server.allowed_tools.iter().flatten();
    allowed.filter(|name| !has(name)).take(NAMES).map(|name| shown(name)).collect()
}

/// `fits` is asked for what stands behind `approvals.`.
fn strays(metadata: &Metadata, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let narrow = metadata.keys().filter_map(|key| Some((key, key.strip_prefix(KEY)?)));
    let stray = narrow.filter(|(_, rest)| match rest.strip_prefix('.') {
        Some(meaning) => !fits(meaning),
        // A word of somebody else's that only begins alike is not meant for us.
        None => false,
    });
    stray.take(NAMES).map(|(key, _)| shown(key)).collect()
}

fn shown(text: &str) -> String {
    text.chars().take(LETTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_given_once_for_a_session_and_a_cause() {
        let (warnings, one) = (Warnings::default(), SessionId::new("sess_1"));
        assert!(warnings.is_first(&one, "a") && !warnings.is_first(&one, "a"));
        assert!(warnings.is_first(&one, "b") && warnings.is_first(&SessionId::new("sess_2"), "a"));
        for number in 0..MOST {
            warnings.is_first(&one, &number.to_string());
        }
        let given = warnings.0.lock().unwrap();
        assert_eq!((given.known.len(), given.oldest_first.len()), (MOST, MOST));
        drop(given);
        assert!(warnings.is_first(&one, "a"), "the oldest are forgotten");
    }

    #[test]
    fn keys_of_approvals_that_fit_nothing_are_strays() {
        let metadata =
            ["approvals", "approvals.docs", "approvals.docs.read", "approvals.dcos", "approvals_of", "other"];
        let metadata: Metadata = metadata.iter().map(|key| ((*key).into(), "never".into())).collect();
        assert_eq!(strays(&metadata, |meaning| ["docs", "docs.read"].contains(&meaning)), ["approvals.dcos"]);
    }
}
