//! How a record changes State, and the events that follow from it, in the contract's order.
//!
//! Nothing is decided here. A record that does not fit the state (which no log of ours holds) changes as little as
//! possible and never panics.

mod approval;
mod environment;
mod fork;
mod item;
mod program;
mod tool;

use crate::deferred;
use crate::state::{Call, CallOutcome, Intent, LastTurn, State, Turn};
use crate::view::{running_view, session_view, session_view_as, turn_view};
use std::sync::Arc;
use std::time::Duration;
use types::{
    Abandoned, Attempt, Cause, Committed, EffectId, Ending, EnvironmentState, Event, EventBody, EventId, Intended,
    ItemBody, MicroUsd, Origin, PromptCacheTtl, Record, RecordBody, Seq, SessionSettings, SessionStatus, Timestamp,
    TurnEnded, TurnError, TurnId, TurnRequest, TurnStatus, Usage,
};

/// Applies the record at `seq`. Events are numbered in the order in which they are returned.
pub fn apply(state: &mut State, seq: Seq, record: &Record) -> Vec<Event> {
    state.seq = seq;
    let is_silent = matches!(
        record.body,
        RecordBody::Recovered { .. }
            | RecordBody::Restored(_)
            | RecordBody::Late(_)
            | RecordBody::EnvironmentChanged(_)
    );
    if !is_silent {
        state.last_active_at = record.at;
    }
    note_progress(state, record);
    let worked = is_worked_on(state);
    let bodies = match &record.body {
        RecordBody::SessionCreated { session, settings, started } => {
            state.session = session.clone();
            set_settings(state, settings);
            state.environment = EnvironmentState::of(&settings.environment);
            state.created_at = record.at;
            let status = if *started { SessionStatus::InProgress } else { SessionStatus::Idle };
            environment::created(state, session_view_as(state, status))
        }
        RecordBody::SessionUpdated { settings } => session_updated(state, settings),
        RecordBody::SessionFailed { code, message } => {
            state.status = SessionStatus::Failed;
            state.error = Some(message.clone());
            let error = TurnError { code: code.clone(), message: message.clone() };
            vec![EventBody::Error(error), EventBody::SessionFailed(session_view(state))]
        }
        RecordBody::TurnCreated { turn, prompt_cache, request } => {
            turn_created(state, seq, turn, *prompt_cache, request, record.at)
        }
        RecordBody::TurnHeld(held) => environment::held(state, held),
        RecordBody::EnvironmentChanged(changed) => environment::changed(state, changed),
        RecordBody::TurnStarted { .. } => turn_started(state, record.at),
        RecordBody::TurnEnded(ended) => turn_ended(state, ended, record.at),
        RecordBody::Item(item) => item::apply(state, seq, item),
        RecordBody::Abandoned(abandoned) => abandon(state, abandoned),
        RecordBody::Committed(committed) => commit(state, committed),
        RecordBody::ProgramPaused(paused) => program::paused(state, paused),
        RecordBody::Forked(forked) => fork::apply(state, forked, record.at),
        RecordBody::ApprovalAsked(asked) => approval::asked(state, asked),
        RecordBody::ApprovalAnswered(answered) => approval::answered(state, answered),
        silent => {
            note(state, silent);
            Vec::new()
        }
    };
    keep_time(state, worked, record.at);
    bodies
        .into_iter()
        .zip(0..)
        .map(|(body, index)| Event { id: EventId::Record { seq, index, draft: None }, body })
        .collect()
}

fn is_worked_on(state: &State) -> bool {
    state.turn.as_ref().is_some_and(Turn::is_worked_on)
}

/// A turn's time counts only while this server works on it, and not while it waits for callers alone.
fn keep_time(state: &mut State, worked: bool, at: Timestamp) {
    let Some(turn) = &mut state.turn else { return };
    match (worked, turn.is_worked_on()) {
        (false, true) => turn.working_since = at,
        (true, false) => turn.worked += turn.working_since.until(at),
        _ => {}
    }
}

/// Records of which no stream tells.
fn note(state: &mut State, body: &RecordBody) {
    match body {
        RecordBody::Intended(intended) => intend(state, intended),
        RecordBody::ToolsOffered(offer) => tool::offered(state, offer),
        RecordBody::Late(late) => tool::late(state, late),
        RecordBody::ItemRemoved(removed) => item::removed(state, removed),
        RecordBody::TurnRemoved { turn } => {
            if let Some(last) = state.last_turn.as_mut().filter(|last| last.id == *turn) {
                last.is_removed = true;
            }
        }
        RecordBody::ClockSet(set) => {
            if let Some(turn) = &mut state.turn {
                turn.working_since = set.working_since;
            }
        }
        RecordBody::Restored(restored) => {
            state.effects = state.effects.max(restored.effect);
            state.restored = restored.effect;
            tool::restored(state);
        }
        _ => {}
    }
}

/// A session that is recovered again and again without saying anything new is poison; this counts.
fn note_progress(state: &mut State, record: &Record) {
    match &record.body {
        RecordBody::Recovered { .. } => state.recoveries += 1,
        // What recovery itself writes, and the intents of attempts that may die again, are no progress.
        RecordBody::Abandoned(abandoned) if abandoned.error.is_none() => {}
        RecordBody::Intended(_) | RecordBody::ToolsOffered { .. } => {}
        RecordBody::Restored(_) | RecordBody::Late(_) | RecordBody::ClockSet(_) => {}
        // An executor comes back after every crash, whatever caused that.
        RecordBody::EnvironmentChanged(_) => {}
        RecordBody::Item(item) if matches!(item.body, ItemBody::ToolOutcome { cause: Cause::Crash, .. }) => {}
        _ => state.recoveries = 0,
    }
}

fn session_updated(state: &mut State, settings: &Arc<SessionSettings>) -> Vec<EventBody> {
    let (old, new) = (state.settings.spend_limit, settings.spend_limit);
    // The limit was reached because a reservation did not fit: only more room helps.
    let more_room = old.is_some_and(|old| new.is_none_or(|new| new > old && new > state.spent));
    set_settings(state, settings);
    if state.status == SessionStatus::BudgetReached && more_room {
        state.status = SessionStatus::Idle;
        return vec![EventBody::SessionIdle(session_view(state))];
    }
    Vec::new()
}

fn set_settings(state: &mut State, settings: &Arc<SessionSettings>) {
    state.settings = settings.clone();
    state.settings_at = state.seq;
    deferred::weigh(state);
}

fn turn_created(
    state: &mut State,
    seq: Seq,
    id: &TurnId,
    prompt_cache: Option<PromptCacheTtl>,
    request: &Option<Arc<TurnRequest>>,
    at: Timestamp,
) -> Vec<EventBody> {
    let turn = Turn {
        id: id.clone(),
        seq,
        created_at: at,
        started_at: None,
        held: None,
        working_since: at,
        worked: Duration::ZERO,
        model: state.settings.agent.model.clone(),
        effort: state.settings.agent.reasoning.effort,
        prompt_cache,
        review: state.settings.review,
        request: request.clone(),
        outputs: 0,
        model_calls: 0,
        usage: Usage::default(),
        unmeasured: false,
        call: None,
        open: Vec::new(),
        rests: false,
        tools: Vec::new(),
        tool_calls: 0,
        sources: Vec::new(),
    };
    let is_response = request.as_ref().is_some_and(|request| request.settings_at.is_some());
    state.last_turn = Some(LastTurn { id: id.clone(), seq, is_response, is_removed: false });
    let view = running_view(state, &turn);
    state.turn = Some(turn);
    vec![EventBody::TurnCreated(view)]
}

fn turn_started(state: &mut State, at: Timestamp) -> Vec<EventBody> {
    // One that waited for a hosted environment was in progress already.
    let is_told = state.is_held() && state.status == SessionStatus::InProgress;
    state.status = SessionStatus::InProgress;
    if let Some(turn) = &mut state.turn {
        turn.started_at = Some(at);
        turn.held = None;
        turn.working_since = at;
    }
    open_call(state);
    let mut events = Vec::new();
    if !is_told {
        events.push(EventBody::SessionInProgress(session_view(state)));
    }
    events.extend(state.turn.as_ref().map(|turn| EventBody::TurnInProgress(running_view(state, turn))));
    events
}

/// The turn goes on with a model call.
fn open_call(state: &mut State) {
    let effect = state.next_effect();
    if let Some(turn) = &mut state.turn {
        turn.rests = false;
        turn.call = Some(Call {
            effect,
            attempt: Attempt(1),
            model: turn.model.clone(),
            tried: 0,
            not_before: None,
            intent: None,
        });
    }
}

fn intend(state: &mut State, intended: &Intended) {
    if tool::intend(state, intended) || approval::intend(state, intended) {
        return;
    }
    let shown = state.steering.iter().take_while(|head| head.seq <= intended.context).count();
    state.transcript.extend(state.steering.drain(..shown));
    let types::Verdict::Permit { reserve } = &intended.verdict else { return };
    if let Some(call) = call_of(state, intended.effect, intended.attempt) {
        call.intent = Some(Intent { context: intended.context, reserve: reserve.clone() });
    }
}

fn call_of(state: &mut State, effect: EffectId, attempt: Attempt) -> Option<&mut Call> {
    let call = state.turn.as_mut()?.call.as_mut()?;
    (call.effect == effect && call.attempt == attempt).then_some(call)
}

fn abandon(state: &mut State, abandoned: &Abandoned) -> Vec<EventBody> {
    if tool::abandon(state, abandoned) || approval::abandon(state, abandoned) {
        return Vec::new();
    }
    charge(state, abandoned.charged);
    if let Some(turn) = &mut state.turn {
        turn.unmeasured |= abandoned.unmeasured;
        turn.call = abandoned.next.as_ref().map(|next| Call {
            effect: abandoned.effect,
            attempt: abandoned.next_attempt(),
            model: next.model.clone(),
            tried: next.tried,
            not_before: Some(next.not_before),
            intent: None,
        });
    }
    let origin = Origin { effect: abandoned.effect, attempt: abandoned.attempt };
    vec![EventBody::AttemptDropped { origin, turn: abandoned.turn.clone() }]
}

fn commit(state: &mut State, committed: &Committed) -> Vec<EventBody> {
    if approval::commit(state, committed) {
        return Vec::new();
    }
    charge(state, committed.charged);
    let Some(turn) = &mut state.turn else { return Vec::new() };
    turn.call = None;
    turn.model_calls += 1;
    turn.rests = committed.rests;
    // Effects have numbers in their order.
    let asks = turn.open.iter().any(|open| open.effect > committed.effect);
    match committed.usage {
        Some(usage) => turn.usage = turn.usage.plus(usage),
        None => turn.unmeasured = true,
    }
    if !committed.rests {
        // Where the turn ends with this answer, its `turn_ended` follows in the same append.
        go_on(state);
    }
    if !asks {
        return Vec::new();
    }
    state.status = SessionStatus::RequiresAction;
    vec![EventBody::SessionRequiresAction(session_view(state))]
}

fn charge(state: &mut State, amount: MicroUsd) {
    state.spent = state.spent.plus(amount);
}

/// The model is asked again, unless somebody is waited for.
fn go_on(state: &mut State) {
    let is_due = |turn: &Turn| turn.call.is_none() && turn.tools.is_empty() && !turn.waits_for_callers();
    if state.turn.as_ref().is_some_and(is_due) {
        open_call(state);
    }
}

/// Whether nothing is required of those outside any more; then they are told.
fn requires_no_more(state: &mut State) -> Option<EventBody> {
    let waits = state.turn.as_ref().is_some_and(Turn::waits);
    if waits || state.status != SessionStatus::RequiresAction {
        return None;
    }
    state.status = SessionStatus::InProgress;
    Some(EventBody::SessionInProgress(session_view(state)))
}

fn turn_ended(state: &mut State, ended: &TurnEnded, at: Timestamp) -> Vec<EventBody> {
    let Some(turn) = state.turn.take() else { return Vec::new() };
    state.status = ended.session;
    state.usage = state.usage.plus(turn.usage);
    state.unmeasured |= turn.unmeasured;
    if !turn.hands_over() {
        for call in state.calls.values_mut().filter(|call| call.turn == turn.id && call.outcome.is_none()) {
            call.outcome = Some(CallOutcome::Closed);
        }
    }
    // What steered a turn that ended before it was heard belongs to the conversation all the same.
    state.transcript.append(&mut state.steering);
    state.may_part |= turn.request.is_some() && !ended.forget.is_empty();
    let forgotten = |seq| ended.forget.iter().any(|(first, last)| *first <= seq && seq <= *last);
    state.transcript.retain(|head| !forgotten(head.seq));
    let mut events = match &ended.ending {
        Ending::Completed => {
            vec![EventBody::TurnCompleted(turn_view(state, &turn, TurnStatus::Completed, None, Some(at)))]
        }
        Ending::Cancelled => {
            vec![EventBody::TurnCancelled(turn_view(state, &turn, TurnStatus::Cancelled, None, Some(at)))]
        }
        Ending::Failed { code, message } => {
            let error = TurnError { code: code.clone(), message: message.clone() };
            let view = turn_view(state, &turn, TurnStatus::Failed, Some(error.clone()), Some(at));
            vec![EventBody::Error(error), EventBody::TurnFailed(view)]
        }
    };
    match ended.session {
        SessionStatus::Idle => events.push(EventBody::SessionIdle(session_view(state))),
        SessionStatus::BudgetReached => events.push(EventBody::SessionBudgetReached(session_view(state))),
        // Said by the record that brings it about.
        SessionStatus::Failed | SessionStatus::InProgress | SessionStatus::RequiresAction => {}
    }
    events
}
