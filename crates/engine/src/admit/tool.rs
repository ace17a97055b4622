//! Calls that this server performs: offered, let through the gate, answered, given up, taken over after a crash.
//!
//! The class alone says what may be done with a call that has no outcome. A durable intent without an outcome counts as
//! begun: a crash before the call left cannot be told from one after it.

use super::answer::fits;
use super::{approval, item, program};
use crate::deferred;
use crate::state::{OpenTool, State, Turn};
use std::collections::BTreeSet;
use types::{
    Abandoned, Attempt, CallOutput, Cause, Class, CommandResult, Consent, Content, EffectId, Found, Intended, Item,
    ItemBody, Late, MicroUsd, Next, Offer, OfferedTool, Pause, RecordBody, Rules, Seq, Timestamp, ToolKind,
    ToolOutcome, Verdict, WebResult,
};

/// Tools that one session may be offered.
const MAX_OFFERED: usize = 8192;
/// Bytes of what is said of them all.
const MAX_OFFERED_BYTES: u64 = 16 << 20;
/// Bytes of what is told of them.
const MAX_INSTRUCTIONS: usize = 128 << 10;

/// What the model may call from here on. Of several tools with one name the first counts; one whose schema nests too
/// deep for a record is left out, and what is told beyond the bounds.
pub(super) fn offer(state: &State, offer: Offer) -> Vec<RecordBody> {
    let mut names = BTreeSet::new();
    let Offer { tools, mut instructions } = offer;
    if let Some(text) = &mut instructions {
        text.truncate(text.floor_char_boundary(MAX_INSTRUCTIONS));
    }
    let mut left = MAX_OFFERED_BYTES;
    let mut has_room = |tool: &OfferedTool| {
        let bytes = deferred::of_tool(tool);
        left = left.checked_sub(bytes)?;
        Some(())
    };
    let tools: Vec<_> = tools
        .into_iter()
        .filter(|tool| tool.parameters.values().all(fits))
        .filter(|tool| names.insert(tool.name.clone()))
        .take(MAX_OFFERED)
        .filter(|tool| has_room(tool).is_some())
        .map(|tool| OfferedTool { class: strict(tool.kind, tool.class), ..tool })
        .collect();
    let offer = Offer { tools, instructions: instructions.filter(|text| !text.is_empty()) };
    if offer == *state.offered {
        return Vec::new();
    }
    vec![RecordBody::ToolsOffered(offer.into())]
}

/// A class that says nothing of tools counts as the one with which the least can go wrong.
fn strict(kind: ToolKind, class: Class) -> Class {
    match class {
        // A step of a program changes nothing.
        _ if kind == ToolKind::Program => Class::Pure,
        Class::Repeatable | Class::External => Class::Irreversible,
        class => class,
    }
}

/// The call, if it is open under this attempt.
pub(super) fn open(state: &State, effect: EffectId, attempt: Attempt) -> Option<(&Turn, &OpenTool)> {
    let turn = state.turn.as_ref()?;
    let open = turn.tools.iter().find(|open| open.call.effect == effect && open.attempt == attempt)?;
    Some((turn, open))
}

pub(super) fn verdict(
    state: &State,
    rules: &Rules,
    (turn, open): (&Turn, &OpenTool),
    context: Seq,
    verdict: Verdict,
    now: Timestamp,
) -> Vec<RecordBody> {
    if open.intended {
        return Vec::new();
    }
    let denied = match &verdict {
        Verdict::Ask => return approval::ask(state, rules, turn, open, now),
        // Whoever asks for it: a call that nobody has agreed to is not begun.
        Verdict::Permit { .. } if open.consent() == Consent::Missing => return Vec::new(),
        Verdict::Permit { .. } => None,
        Verdict::Deny { message, .. } => Some(ToolOutcome::Failed(message.clone())),
    };
    let mut records = vec![intended(turn, open, context, verdict)];
    records.extend(denied.map(|outcome| ended(turn, open, Cause::Denied, outcome)));
    records
}

fn intended(turn: &Turn, open: &OpenTool, context: Seq, verdict: Verdict) -> RecordBody {
    RecordBody::Intended(Intended {
        effect: open.call.effect,
        attempt: open.attempt,
        turn: turn.id.clone(),
        class: open.call.class,
        model: String::new(),
        context,
        verdict,
    })
}

/// The tool's own word. For a call that was given up it is known from now on and changes nothing; for any other that is
/// not open it says nothing new.
pub(super) fn done(
    state: &State,
    rules: &Rules,
    (effect, attempt): (EffectId, Attempt),
    outcome: ToolOutcome,
    now: Timestamp,
) -> Vec<RecordBody> {
    let outcome = bounded(outcome, rules.limits.tool_output);
    if let Some((turn, open)) = open(state, effect, attempt) {
        if !open.is_worked_on() {
            // Nobody was asked.
            return Vec::new();
        }
        let outcome = match outcome {
            ToolOutcome::Paused(pause) => return program::paused(state, rules, (turn, open), pause, now),
            ToolOutcome::Found(found) => ToolOutcome::Found(deferred::findable(state, found)),
            outcome => outcome,
        };
        let mut records = free_intent(state, turn, open);
        records.push(ended(turn, open, Cause::Answered, outcome));
        return records;
    }
    if matches!(outcome, ToolOutcome::Paused(_)) {
        return Vec::new();
    }
    match state.doubts.get(&effect).filter(|doubt| doubt.attempt == attempt) {
        Some(doubt) => vec![RecordBody::Late(Late { effect, attempt, turn: doubt.turn.clone(), outcome })],
        None => Vec::new(),
    }
}

/// The intent of a pure call: it needs none before it begins, and travels with its outcome.
pub(super) fn free_intent(state: &State, turn: &Turn, open: &OpenTool) -> Vec<RecordBody> {
    let permit = Verdict::Permit { reserve: Vec::new() };
    if open.intended { Vec::new() } else { vec![intended(turn, open, state.seq, permit)] }
}

pub(super) fn overdue(state: &State, rules: &Rules, effect: EffectId, attempt: Attempt) -> Vec<RecordBody> {
    let open = open(state, effect, attempt).filter(|(_, open)| open.is_worked_on());
    let Some((turn, open)) = open else { return Vec::new() };
    let mut records = free_intent(state, turn, open);
    records.push(give_up(rules, turn, open, Cause::CallDeadline));
    records
}

/// Closes every call of a turn that ends.
pub(super) fn close<'a>(rules: &'a Rules, turn: &'a Turn, cause: Cause) -> impl Iterator<Item = RecordBody> + 'a {
    // What a program called is closed before it.
    let of_programs = |wanted: bool| turn.tools.iter().filter(move |open| open.call.parent.is_some() == wanted);
    of_programs(true).chain(of_programs(false)).map(move |open| give_up(rules, turn, open, cause))
}

/// A node takes over. What may be done again is tried again under a new number; what an environment still holds keeps
/// its number; the rest is closed, and nobody knows.
pub(super) fn take_over(rules: &Rules, turn: &Turn, now: Timestamp) -> Vec<RecordBody> {
    let take_over = |open: &OpenTool| match open.call.class {
        Class::Attachable => None,
        // It waits, and nothing of it runs.
        _ if !open.is_worked_on() => None,
        // Without an intent it has not been begun, save where it needs none.
        class if !open.intended && (class != Class::Pure || open.consent() == Consent::Missing) => None,
        class if may_be_made_again(class) => Some(RecordBody::Abandoned(Abandoned {
            effect: open.call.effect,
            attempt: open.attempt,
            turn: turn.id.clone(),
            error: None,
            charged: MicroUsd::ZERO,
            unmeasured: false,
            next: Some(Next { attempt: None, model: String::new(), tried: open.attempt.0, not_before: now }),
        })),
        _ => Some(give_up(rules, turn, open, Cause::Crash)),
    };
    turn.tools.iter().filter_map(take_over).collect()
}

/// Whether a call that may have begun is begun again under its next number.
pub(super) fn may_be_made_again(class: Class) -> bool {
    match class {
        Class::Pure | Class::Idempotent | Class::Keyed => true,
        Class::Irreversible | Class::Repeatable | Class::External | Class::Attachable => false,
    }
}

fn give_up(rules: &Rules, turn: &Turn, open: &OpenTool, cause: Cause) -> RecordBody {
    let seconds = rules.limits.tool_call_time.as_secs();
    let reached = if open.has_begun() { "ended" } else { "began" };
    let why = match cause {
        Cause::CallDeadline => format!("the call took longer than the {seconds} s that this server allows"),
        Cause::Cancelled => format!("the turn was cancelled before the call {reached}"),
        Cause::TurnDeadline => format!("the turn ran out of time before the call {reached}"),
        Cause::SessionFailed => format!("the session failed before the call {reached}"),
        Cause::Forked => super::fork::NOT_CARRIED_OVER.to_owned(),
        Cause::Crash | Cause::Answered | Cause::Denied => format!("the server stopped before the call {reached}"),
    };
    let doubtful = matches!(open.call.class, Class::Irreversible | Class::Keyed) && open.has_begun();
    let outcome = if doubtful {
        ToolOutcome::Unknown(format!("{why}; it may have taken effect"))
    } else {
        ToolOutcome::Failed(why)
    };
    ended(turn, open, cause, outcome)
}

pub(super) fn ended(turn: &Turn, open: &OpenTool, cause: Cause, outcome: ToolOutcome) -> RecordBody {
    let said = program::said(open, &outcome);
    item(Item {
        id: open.item.clone(),
        turn: turn.id.clone(),
        output_index: open.output_index,
        origin: open.origin,
        body: ItemBody::ToolOutcome { call: open.call.clone(), attempt: open.attempt, cause, outcome, said },
    })
}

/// The outcome with no more than `limit` bytes of text and images; what was cut off is said.
fn bounded(outcome: ToolOutcome, limit: usize) -> ToolOutcome {
    let mut left = limit;
    match outcome {
        ToolOutcome::Done(CallOutput::Text(text)) => ToolOutcome::Done(CallOutput::Text(cut(text, &mut left))),
        ToolOutcome::Done(CallOutput::Parts(parts)) => {
            ToolOutcome::Done(CallOutput::Parts(parts.into_iter().map(|part| cut_part(part, &mut left)).collect()))
        }
        ToolOutcome::Ran(result) => {
            let told = cut(result.told, &mut left);
            // What clients are shown has as much room of its own.
            let mut room = limit;
            let output = result.output.map(|output| cut(output, &mut room));
            ToolOutcome::Ran(CommandResult { told, output, ..result })
        }
        ToolOutcome::Found(found) => ToolOutcome::Found(Found { told: cut(found.told, &mut left), ..found }),
        ToolOutcome::Web(result) => ToolOutcome::Web(WebResult { told: cut(result.told, &mut left), ..result }),
        ToolOutcome::Paused(pause) => ToolOutcome::Paused(Pause { printed: cut(pause.printed, &mut left), ..pause }),
        ToolOutcome::Failed(error) => ToolOutcome::Failed(cut(error, &mut left)),
        ToolOutcome::Unknown(reason) => ToolOutcome::Unknown(cut(reason, &mut left)),
    }
}

fn cut_part(part: Content, left: &mut usize) -> Content {
    match part {
        Content::Text { text } => Content::Text { text: cut(text, left) },
        Content::Image { image_url } if image_url.len() <= *left => {
            *left -= image_url.len();
            Content::Image { image_url }
        }
        // Half an image is none.
        Content::Image { image_url } => {
            Content::Text { text: format!("[an image of {} bytes left out]", image_url.len()) }
        }
        Content::File { filename, data } if data.len() <= *left => {
            *left -= data.len();
            Content::File { filename, data }
        }
        Content::File { data, .. } => Content::Text { text: format!("[a file of {} bytes left out]", data.len()) },
    }
}

fn cut(mut text: String, left: &mut usize) -> String {
    let length = text.len();
    if length <= *left {
        *left -= length;
        return text;
    }
    text.truncate(text.floor_char_boundary(*left));
    *left = 0;
    text.push_str(&format!("\n[cut off: {} of {length} bytes are here]", text.len()));
    text
}

#[cfg(test)]
mod tests {
    use super::bounded;
    use types::{CallOutput, Content, ToolOutcome};

    #[test]
    fn f21_an_output_is_cut_and_says_so() {
        let text = |text: &str| ToolOutcome::Done(CallOutput::Text(text.to_owned()));
        assert_eq!(bounded(text("four"), 4), text("four"));
        assert_eq!(bounded(text("aé\u{1b}[31mb"), 2), text("a\n[cut off: 1 of 9 bytes are here]"));
        let part = |text: &str| Content::Text { text: text.to_owned() };
        let image = |url: &str| Content::Image { image_url: url.to_owned() };
        let parts = |parts: Vec<Content>| ToolOutcome::Done(CallOutput::Parts(parts));
        assert_eq!(
            bounded(parts(vec![image("data:1"), part("abc"), image("data:22"), part("d")]), 8),
            parts(vec![
                image("data:1"),
                part("ab\n[cut off: 2 of 3 bytes are here]"),
                part("[an image of 7 bytes left out]"),
                part("\n[cut off: 0 of 1 bytes are here]"),
            ])
        );
    }
}
