//! Calls and their results find each other: each message that calls is followed by the results of all its calls, in any
//! order, and a result belongs to the message before it. Many servers number their calls anew in every answer, so an id
//! that was there before gets an end of its own.

use super::message::{Message, Written};
use super::words::Role;
use crate::error::{Fault, clip};
use std::collections::BTreeMap;

const NO_CALL: &str =
    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.";
const NO_FUNCTION_CALL: &str =
    "Invalid parameter: messages with role 'function' must be a response to a preceeding message with 'function_call'.";

/// Ids that a message about missing results repeats.
const TOLD: usize = 10;

/// Calls of the newest message that made any, and which of them have no result yet.
#[derive(Default)]
struct Open(Vec<Waiting>);

struct Waiting {
    /// As the client names it: its id, or the function's name in the older form.
    name: String,
    /// The id that it has from now on.
    id: String,
    is_legacy: bool,
}

pub(super) fn paired(written: Vec<Written>) -> Result<Vec<Message>, Fault> {
    let mut seen = BTreeMap::new();
    let mut open = Open::default();
    let mut messages = Vec::with_capacity(written.len());
    for (at, Written { mut message, role }) in written.into_iter().enumerate() {
        match &mut message {
            Message::Tool { call_id, .. } => {
                let is_legacy = role == Role::Function;
                *call_id = open.answer(call_id, is_legacy).ok_or_else(|| {
                    let text = if is_legacy { NO_FUNCTION_CALL } else { NO_CALL };
                    Fault::at(&format!("messages.[{at}].role"), text)
                })?;
            }
            other => {
                messages.extend(open.close()?);
                if let Message::Assistant { calls, .. } = other {
                    for call in calls {
                        let is_legacy = call.id.is_empty();
                        let name = if is_legacy { call.name.clone() } else { call.id.clone() };
                        if is_legacy {
                            call.id = "call_function".to_owned();
                        }
                        call.id = unseen(std::mem::take(&mut call.id), &mut seen);
                        open.0.push(Waiting { name, id: call.id.clone(), is_legacy });
                    }
                }
            }
        }
        messages.push(message);
    }
    messages.extend(open.close()?);
    Ok(messages)
}

impl Open {
    fn answer(&mut self, name: &str, is_legacy: bool) -> Option<String> {
        let at = self.0.iter().position(|call| call.name == name && call.is_legacy == is_legacy)?;
        Some(self.0.remove(at).id)
    }

    /// Nothing else may come before every call has its result. Only the older form may leave one out: it gets an empty
    /// one.
    fn close(&mut self) -> Result<Vec<Message>, Fault> {
        let waiting = std::mem::take(&mut self.0);
        let ids: Vec<String> =
            waiting.iter().filter(|call| !call.is_legacy).take(TOLD).map(|call| clip(&call.name)).collect();
        if ids.is_empty() {
            let empty = |call: Waiting| Message::Tool { call_id: call.id, text: String::new() };
            return Ok(waiting.into_iter().map(empty).collect());
        }
        let text = format!(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
            ids.join(", ")
        );
        Err(Fault::at("messages", text))
    }
}

/// `id`, or where it was seen before, `id` with a number after it. `seen` knows how often each was.
pub(crate) fn unseen(id: String, seen: &mut BTreeMap<String, u32>) -> String {
    let Some(times) = seen.get_mut(&id) else {
        seen.insert(id.clone(), 1);
        return id;
    };
    *times += 1;
    let numbered = format!("{id}_{times}");
    unseen(numbered, seen)
}
