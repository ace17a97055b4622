//! What models are not shown: what programs called in their place, and tools that nobody has found.

use super::Folded;
use crate::notes::Notes;
use std::collections::BTreeSet;
use store::Stored;
use types::{CallId, ContextItem, ItemBody, Record, RecordBody, Told, Tool, ToolCall, ToolKind, ToolOutcome};

/// No model is shown a call of a program, nor what came of it.
pub fn check(folded: &Folded<'_>, notes: &Notes) -> Vec<String> {
    let children: BTreeSet<&CallId> = folded.records.iter().filter_map(|(_, record)| child(record)).collect();
    let mut wrong = Vec::new();
    for call in notes.calls.iter().filter(|call| call.session == *folded.id) {
        for item in call.context.iter() {
            if let ContextItem::Call { call_id, .. } | ContextItem::Output { call_id, .. } = item
                && children.contains(call_id)
            {
                wrong.push(format!("a model was shown {call_id}, which a program called"));
            }
        }
    }
    wrong
}

fn child(record: &Record) -> Option<&CallId> {
    let RecordBody::Item(item) = &record.body else { return None };
    match &item.body {
        ItemBody::FunctionCall { call_id, told: Told::Program(_), .. } => Some(call_id),
        ItemBody::ToolCall(ToolCall { call_id, parent: Some(_), .. }) => Some(call_id),
        _ => None,
    }
}

/// Whether a model is offered what it should be of the tools that are kept back: those that were found, where there is a
/// search. `shown` are the names of all that it is offered. A fork knows more than its own records.
pub fn check_shown(records: &[Stored], shown: &BTreeSet<&str>) -> Option<String> {
    let records: Vec<Record> = records.iter().filter_map(|stored| Record::decode(&stored.record).ok()).collect();
    if !matches!(records.first().map(|record| &record.body), Some(RecordBody::SessionCreated { .. })) {
        return None;
    }
    let (mut kept_back, mut searches, mut found) = (BTreeSet::new(), false, BTreeSet::new());
    for record in &records {
        match &record.body {
            RecordBody::SessionCreated { settings, .. } | RecordBody::SessionUpdated { settings } => {
                let deferred = settings.agent.tools.iter().filter_map(|tool| match tool {
                    Tool::Function { name, defer_loading: true, .. } => Some(name.as_str()),
                    _ => None,
                });
                kept_back.extend(deferred);
            }
            RecordBody::ToolsOffered(offer) => {
                searches |= offer.tools.iter().any(|tool| tool.kind == ToolKind::ToolSearch);
                kept_back.extend(offer.tools.iter().filter(|tool| tool.deferred).map(|tool| tool.name.as_str()));
            }
            RecordBody::Item(item) => {
                if let ItemBody::ToolOutcome { outcome: ToolOutcome::Found(names), .. } = &item.body {
                    found.extend(names.names.iter().map(String::as_str));
                }
            }
            _ => {}
        }
    }
    if !searches {
        return None;
    }
    let early = kept_back.iter().find(|name| shown.contains(*name) && !found.contains(*name));
    let missing = found.iter().find(|name| !shown.contains(*name));
    match (early, missing) {
        (Some(name), _) => Some(format!("a model is offered {name:?}, which nobody has found")),
        (None, Some(name)) => Some(format!("a model is not offered {name:?}, which was found")),
        (None, None) => None,
    }
}
