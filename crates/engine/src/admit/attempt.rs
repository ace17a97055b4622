//! Attempts of a model call: let through, failed, tried again, taken over after a crash.
//!
//! Only this file opens a new attempt, and every attempt names the model that is asked.

use super::ending::{NO_RESULT, abandoned, close_calls, end, ended, may_be_made};
use super::forget::{Forgotten, forget};
use super::{approval, flying, tool};
use crate::state::{Call, State, Turn};
use types::{
    Attempt, Cause, Class, EffectId, Ending, Epoch, Intended, ModelError, ModelErrorKind, Next, RecordBody, Rules, Seq,
    SessionStatus, Stamp, Timestamp, TurnEnded, Verdict,
};

/// The turn error that says so, whoever found it.
const CONTEXT_LENGTH: &str = "context_length_exceeded";

pub(super) fn verdict(
    state: &State,
    rules: &Rules,
    (effect, attempt): (EffectId, Attempt),
    context: Seq,
    verdict: Verdict,
) -> Vec<RecordBody> {
    let Some((turn, call)) = flying(state, effect, attempt) else { return Vec::new() };
    if call.intent.is_some() {
        // The store had kept it and could not say so; it was asked again.
        return Vec::new();
    }
    let mut records = vec![RecordBody::Intended(intended(turn, call, context, verdict.clone()))];
    // A model is asked without anybody's consent.
    if let Verdict::Deny { code, message } = verdict {
        // Nothing was asked, so there is nothing to abandon.
        records.extend(failure(state, rules, turn, code, message));
    }
    records
}

/// The intent of an attempt that is free: it needs none before it starts, and travels with its outcome.
pub(super) fn free_intent(turn: &Turn, call: &Call, context: Seq) -> Option<RecordBody> {
    let verdict = Verdict::Permit { reserve: Vec::new() };
    call.intent.is_none().then(|| RecordBody::Intended(intended(turn, call, context, verdict)))
}

pub(super) fn intended(turn: &Turn, call: &Call, context: Seq, verdict: Verdict) -> Intended {
    Intended {
        effect: call.effect,
        attempt: call.attempt,
        turn: turn.id.clone(),
        class: Class::Repeatable,
        model: call.model.clone(),
        context,
        verdict,
    }
}

pub(super) fn over_budget(state: &State, effect: EffectId, attempt: Attempt) -> Vec<RecordBody> {
    let Some((turn, _)) = flying(state, effect, attempt) else { return Vec::new() };
    let message = "The session has reached its spending limit (spend_control.limit).".to_owned();
    let ending = Ending::Failed { code: "session_budget_exceeded".to_owned(), message };
    let session = SessionStatus::BudgetReached;
    let mut records = close_calls(state, turn, NO_RESULT);
    records.push(ended(turn, ending, session));
    records
}

/// How an attempt failed, as `Input::ModelFailed` says it.
pub(super) struct Failed {
    pub(super) error: ModelError,
    pub(super) spoke: bool,
    pub(super) retry: bool,
}

pub(super) fn failed(
    state: &State,
    rules: &Rules,
    (turn, call): (&Turn, &Call),
    context: Seq,
    Failed { error, spoke, retry }: Failed,
    stamp: &mut Stamp<'_>,
) -> Vec<RecordBody> {
    let mut records: Vec<_> = free_intent(turn, call, context).into_iter().collect();
    let next = next_attempt(rules, turn, call, &error, retry, stamp);
    let over = next.is_none();
    let mut dropped = abandoned(turn, call, Some(error.clone()), spoke);
    if !may_have_cost(error.kind) && !spoke {
        dropped.charged = types::MicroUsd::ZERO;
    }
    dropped.next = next;
    records.push(RecordBody::Abandoned(dropped));
    if over {
        records.extend(failure(state, rules, turn, error.kind.turn_error_code().to_owned(), error.message));
    }
    records
}

/// The turn's end by an error, after the calls that it did not wait for. One whose context was too long is left out of
/// later contexts, or the session could never say anything again.
fn failure(state: &State, rules: &Rules, turn: &Turn, code: String, mut message: String) -> Vec<RecordBody> {
    let forgotten = if code == CONTEXT_LENGTH { forget(state, rules, turn) } else { Forgotten::default() };
    if let Some(told) = forgotten.told {
        message = format!("{message} {told}");
    }
    let forget = forgotten.ranges;
    let ending = Ending::Failed { code, message };
    let mut records = close_calls(state, turn, NO_RESULT);
    let session = SessionStatus::Idle;
    records.push(RecordBody::TurnEnded(TurnEnded { turn: turn.id.clone(), ending, session, forget }));
    records
}

/// An upstream that refused has not worked, so it has charged nothing.
pub(super) fn may_have_cost(kind: ModelErrorKind) -> bool {
    use ModelErrorKind as K;
    matches!(kind, K::Timeout | K::Stalled | K::Torn | K::Upstream | K::Protocol)
}

/// The same entry again after a pause, then the next entry of the fallback list at once, then nothing.
fn next_attempt(
    rules: &Rules,
    turn: &Turn,
    call: &Call,
    error: &ModelError,
    retry: bool,
    stamp: &mut Stamp<'_>,
) -> Option<Next> {
    if let Some(again) = retry.then(|| same_entry_again(rules, call, error, stamp)).flatten() {
        return Some(again);
    }
    if !may_ask_another(error.kind) {
        return None;
    }
    let fallback = rules.model(&turn.model).map(|model| model.fallback.as_slice()).unwrap_or_default();
    let place = fallback.iter().position(|name| *name == call.model).map_or(0, |place| place + 1);
    let model = fallback.get(place)?.clone();
    Some(Next { attempt: None, model, tried: 0, not_before: stamp.now })
}

/// The same entry after a pause, if that may help.
pub(super) fn same_entry_again(rules: &Rules, call: &Call, error: &ModelError, stamp: &mut Stamp<'_>) -> Option<Next> {
    let tried = call.tried + 1;
    let limits = &rules.limits;
    is_worth_another_try(rules, call, error).then(|| {
        let doubled = limits.retry_pause.saturating_mul(1_u32.checked_shl(tried - 1).unwrap_or(u32::MAX));
        let pause = doubled.min(limits.retry_pause_max);
        // Between half and all of it, so that many sessions do not come back together; never before we were asked to.
        let jittered = pause / 2 + (pause / 2).mul_f64(stamp.permille() as f64 / 1000.0);
        let pause = jittered.max(error.retry_after.unwrap_or_default());
        let not_before = stamp.now.after(pause);
        Next { attempt: None, model: call.model.clone(), tried, not_before }
    })
}

fn is_worth_another_try(rules: &Rules, call: &Call, error: &ModelError) -> bool {
    let attempts = rules.model(&call.model).map_or(1, |model| model.attempts);
    let asked_to_wait_too_long = error.retry_after.is_some_and(|wait| wait > rules.limits.retry_pause_max);
    error.kind.is_retryable() && call.tried + 1 < attempts && !asked_to_wait_too_long
}

/// Whether the model call in flight, failing so, would be tried again with the same entry.
pub fn would_try_again(state: &State, rules: &Rules, effect: EffectId, error: &ModelError) -> bool {
    state.model_call(effect).is_some_and(|call| is_worth_another_try(rules, call, error))
}

/// What is wrong with the request itself is wrong for every model.
fn may_ask_another(kind: ModelErrorKind) -> bool {
    !matches!(kind, ModelErrorKind::Invalid | ModelErrorKind::ContextLength | ModelErrorKind::Policy)
}

/// A node takes over: a model call in flight is abandoned and tried again, under a new number, so that nothing of the
/// old attempt is ever glued to the new one. What becomes of tool calls is said by their class.
pub(super) fn recover(state: &State, rules: &Rules, epoch: Epoch, now: Timestamp) -> Vec<RecordBody> {
    let Some(turn) = state.turn.as_ref().filter(|turn| turn.is_worked_on()) else { return Vec::new() };
    let mut records = vec![RecordBody::Recovered { epoch }];
    if state.recoveries >= rules.limits.recoveries {
        let message = format!("The session was recovered {} times without progress.", state.recoveries);
        let code = "internal_error".to_owned();
        let ending = Ending::Failed { code: code.clone(), message: message.clone() };
        let why = (Cause::SessionFailed, "the session failed");
        records.extend(end(state, rules, turn, why, ending, SessionStatus::Failed));
        records.push(RecordBody::SessionFailed { code, message });
        return records;
    }
    records.extend(approval::take_over(rules, turn, now));
    records.extend(tool::take_over(rules, turn, now));
    let Some(call) = &turn.call else { return records };
    // An attempt whose time had not come was not made.
    let made = may_be_made(rules, call) && call.not_before.is_none_or(|at| at <= now);
    let mut dropped = abandoned(turn, call, None, made);
    let not_before = call.not_before.unwrap_or(now).max(now);
    let attempt = beyond_restore(state, call);
    dropped.next = Some(Next { attempt, model: call.model.clone(), tried: call.tried, not_before });
    records.push(RecordBody::Abandoned(dropped));
    records
}

/// The part of the log that a restore lost may have tried the call again, and its items' ids carry the number of the
/// attempt. So the next number lies beyond all that a call can have come to, and differs from one restore to the other.
fn beyond_restore(state: &State, call: &Call) -> Option<Attempt> {
    const TRIES: u32 = 1 << 20;
    let restores = u32::try_from(state.restored.0 >> 20).unwrap_or(u32::MAX);
    let beyond = Attempt(TRIES.saturating_add(restores));
    (call.effect < state.restored && call.attempt < beyond).then_some(beyond)
}
