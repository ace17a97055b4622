//! What a strict provider takes: each call has its result, before anything else is said.

use std::collections::BTreeSet;
use types::{CallId, ContextItem};

/// Whether a model may be sent this.
pub fn check(context: &[ContextItem]) -> Result<(), String> {
    let mut open: BTreeSet<&CallId> = BTreeSet::new();
    let mut seen: BTreeSet<&CallId> = BTreeSet::new();
    for item in context {
        match item {
            ContextItem::Call { call_id, .. } => {
                if call_id.as_str().is_empty() {
                    return Err("a call without an id".to_owned());
                }
                if !seen.insert(call_id) {
                    return Err(format!("two calls with the id {call_id}"));
                }
                open.insert(call_id);
            }
            ContextItem::Output { call_id, .. } => {
                if !open.remove(call_id) {
                    return Err(format!("a result for {call_id}, which waits for none"));
                }
            }
            ContextItem::System { .. }
            | ContextItem::User { .. }
            | ContextItem::Assistant { .. }
            | ContextItem::Reasoning { .. } => {
                if let Some(call_id) = open.first() {
                    return Err(format!("something was said before {call_id} had its result"));
                }
            }
        }
    }
    match open.first() {
        Some(call_id) => Err(format!("{call_id} has no result")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use types::{CallId, CallOutput, ContextItem};

    fn read(text: &str) -> Vec<ContextItem> {
        let item = |word: &str| match word.split_at(1) {
            ("c", id) => {
                let (call_id, name) = (CallId::new(id), "f".to_owned());
                ContextItem::Call { call_id, name, arguments: "{}".to_owned(), custom: false }
            }
            ("o", id) => ContextItem::Output { call_id: CallId::new(id), output: CallOutput::Text(String::new()) },
            ("u", _) => ContextItem::User { content: Vec::new() },
            _ => ContextItem::Assistant { text: String::new() },
        };
        text.split(' ').map(item).collect()
    }

    #[test]
    fn calls_and_results_pair() {
        for good in ["u a u", "u c1 o1 a", "u c1 c2 o2 o1", "u c1 o1 c2 o2"] {
            assert_eq!(check(&read(good)), Ok(()), "{good}");
        }
        for bad in ["u c1", "u o1", "u c1 u o1", "u c1 a o1", "u c1 o1 o1", "u c1 o1 c1 o1", "u c o"] {
            assert!(check(&read(bad)).is_err(), "{bad}");
        }
    }
}
