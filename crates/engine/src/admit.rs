//! What an input becomes, as records, or why it is refused.

mod answer;
mod approval;
mod arguments;
mod attempt;
mod brought;
mod cite;
mod ending;
mod environment;
mod forget;
mod fork;
mod handover;
mod input;
mod overdue;
mod program;
mod respond;
mod settle;
mod tool;

pub use attempt::would_try_again;
pub use environment::{environment_patience, waits_for_environment};

use crate::state::{Call, State, Turn};
use types::{Attempt, EffectId, Input, Record, RecordBody, Refusal, Rules, Seq, Stamp};

/// Decides on one input. No records means: nothing to write, and nothing wrong (a repeat, a cancel without a turn, an
/// outcome that came too late).
pub fn admit(state: &State, rules: &Rules, input: Input, stamp: &mut Stamp<'_>) -> Result<Vec<Record>, Refusal> {
    let bodies = match approval::reviewing(state, &input) {
        Some(review) => handover::after_tools(state, approval::about_review(rules, review, input, stamp)),
        None => decide(state, rules, input, stamp)?,
    };
    let at = stamp.now;
    Ok(bodies.into_iter().map(|body| Record { at, body }).collect())
}

/// On an input that is about no review.
fn decide(state: &State, rules: &Rules, input: Input, stamp: &mut Stamp<'_>) -> Result<Vec<RecordBody>, Refusal> {
    Ok(match input {
        Input::Create { .. } if state.seq > Seq(0) => return Err(Refusal::conflict("The session is there already.")),
        Input::Create { session, settings, input } => input::create(state, session, *settings, input, stamp),
        Input::Update(change) => input::update(state, change)?,
        Input::Message(messages) => input::message(state, messages, stamp)?,
        Input::Environment(change) => environment::change(state, rules, change)?,
        Input::Respond { agent, request, items, follows, turn } => {
            respond::respond(state, respond::Asked { agent: *agent, request, items, follows, turn }, stamp)?
        }
        Input::Import { items } => respond::import(state, items, stamp)?,
        Input::RemoveItem { item, seq } => respond::remove_item(state, item, seq)?,
        Input::RemoveTurn { turn } => vec![RecordBody::TurnRemoved { turn }],
        Input::Fork { session, settings, keeps_calls } => fork::fork(state, rules, session, *settings, keeps_calls)?,
        Input::Cancel => ending::cancel(state, rules),
        Input::CancelTurn { turn } if state.turn.as_ref().is_none_or(|running| running.id != turn) => Vec::new(),
        Input::CancelTurn { .. } => ending::cancel(state, rules),
        Input::ToolResult { turn, call_id, success, output, error } => {
            input::tool_result(state, &turn, &call_id, input::result(success, output, error))?
        }
        Input::Verdict { effect, attempt, context, verdict } => match tool::open(state, effect, attempt) {
            Some((turn, open)) => {
                let verdict = tool::verdict(state, rules, (turn, open), context, verdict, stamp.now);
                handover::after_tools(state, verdict)
            }
            None => attempt::verdict(state, rules, (effect, attempt), context, verdict),
        },
        Input::OverBudget { effect, attempt } => attempt::over_budget(state, effect, attempt),
        Input::ModelDone { effect, attempt, context, answer, finish } => match flying(state, effect, attempt) {
            Some((turn, call)) => answer::done(state, rules, (turn, call), context, (answer, finish), stamp.now),
            None => Vec::new(),
        },
        Input::ModelFailed { effect, attempt, context, error, spoke, retry } => match flying(state, effect, attempt) {
            Some(flying) => {
                attempt::failed(state, rules, flying, context, attempt::Failed { error, spoke, retry }, stamp)
            }
            None => Vec::new(),
        },
        Input::Approval { request, decision } => {
            handover::after_tools(state, approval::answer(state, stamp.now, &request, decision)?)
        }
        Input::Expire => {
            let mut records = approval::expire(state, stamp.now);
            records.extend(overdue::expire(state, stamp.now));
            handover::after_tools(state, records)
        }
        Input::Settle { effect, outcome, by } => settle::settle(state, effect, outcome, by)?,
        Input::Offer(offer) => tool::offer(state, offer),
        Input::NoOffer(error) => ending::no_offer(state, rules, error),
        Input::ToolDone { effect, attempt, outcome } => {
            handover::after_tools(state, tool::done(state, rules, (effect, attempt), outcome, stamp.now))
        }
        Input::ToolOverdue { effect, attempt } => {
            handover::after_tools(state, tool::overdue(state, rules, effect, attempt))
        }
        Input::ClockSet { turn, ends } => ending::clock_set(state, rules, &turn, ends),
        Input::Deadline { turn } => ending::deadline(state, rules, &turn),
        Input::Recover { epoch } => handover::after_tools(state, attempt::recover(state, rules, epoch, stamp.now)),
    })
}

/// The attempt in flight, if it is this one. Outcomes of any other come too late and never enter the transcript.
fn flying(state: &State, effect: EffectId, attempt: Attempt) -> Option<(&Turn, &Call)> {
    let turn = state.turn.as_ref()?;
    let call = turn.call.as_ref()?;
    (call.effect == effect && call.attempt == attempt).then_some((turn, call))
}

fn item(item: types::Item) -> RecordBody {
    RecordBody::Item(std::sync::Arc::new(item))
}
