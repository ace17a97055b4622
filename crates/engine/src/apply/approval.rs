//! Requests for consent, the reviews of models, and what an operator says of outcomes that nobody knew.

use crate::state::{Call, Intent, ItemHead, Request, RequestState, State, Unsettled, settlement_digest};
use crate::view::session_view;
use types::{
    Abandoned, ApprovalAnswered, ApprovalAsked, Approver, Attempt, Committed, Decision, EffectId, EventBody, Intended,
    SessionStatus, SettledCall, Settlement, TurnId, Verdict,
};

pub(super) fn asked(state: &mut State, asked: &ApprovalAsked) -> Vec<EventBody> {
    if let Some(review) = &asked.review {
        state.effects = state.effects.max(review.effect);
    }
    let Some(open) = super::tool::open(state, asked.effect) else { return Vec::new() };
    let review = asked.review.as_ref().map(|review| Call {
        effect: review.effect,
        attempt: Attempt(1),
        model: review.model.clone(),
        tried: 0,
        not_before: None,
        intent: None,
    });
    let (id, expires, changed) = (asked.request.clone(), asked.expires, asked.changed);
    open.request = Some(Request { id: id.clone(), by: asked.by, expires, changed, review });
    if asked.by == Approver::Model {
        return Vec::new();
    }
    state.requests.insert(id, RequestState { effect: asked.effect, answer: None });
    state.status = SessionStatus::RequiresAction;
    vec![EventBody::SessionRequiresAction(session_view(state))]
}

pub(super) fn answered(state: &mut State, answered: &ApprovalAnswered) -> Vec<EventBody> {
    if let Some(known) = state.requests.get_mut(&answered.request) {
        known.answer = Some((answered.by, answered.decision));
    }
    let Some(open) = super::tool::open(state, answered.effect) else { return Vec::new() };
    open.request = None;
    open.approved = answered.decision == Decision::Approve;
    if open.approved {
        let call = open.call.clone();
        // What was agreed to is what the tool is from now on.
        state.pin_agreed(&call);
    }
    super::requires_no_more(state).into_iter().collect()
}

// ---- a model's review

/// Whether the effect is a review; then its intent is noted.
pub(super) fn intend(state: &mut State, intended: &Intended) -> bool {
    let Some(review) = review(state, intended.effect) else { return false };
    if let (Some(call), Verdict::Permit { reserve }) = (review, &intended.verdict) {
        call.intent = Some(Intent { context: intended.context, reserve: reserve.clone() });
    }
    true
}

/// Whether the effect is a review; then its next attempt begins, if there is one.
pub(super) fn abandon(state: &mut State, abandoned: &Abandoned) -> bool {
    let Some(review) = review(state, abandoned.effect) else { return false };
    *review = abandoned.next.as_ref().map(|next| Call {
        effect: abandoned.effect,
        attempt: abandoned.next_attempt(),
        model: next.model.clone(),
        tried: next.tried,
        not_before: Some(next.not_before),
        intent: None,
    });
    super::charge(state, abandoned.charged);
    if let Some(turn) = &mut state.turn {
        turn.unmeasured |= abandoned.unmeasured;
    }
    true
}

/// Whether the effect is a review; then it is over. It counts among the turn's model calls.
pub(super) fn commit(state: &mut State, committed: &Committed) -> bool {
    let Some(review) = review(state, committed.effect) else { return false };
    *review = None;
    super::charge(state, committed.charged);
    if let Some(turn) = &mut state.turn {
        turn.model_calls += 1;
        match committed.usage {
            Some(usage) => turn.usage = turn.usage.plus(usage),
            None => turn.unmeasured = true,
        }
    }
    true
}

fn review(state: &mut State, effect: EffectId) -> Option<&mut Option<Call>> {
    let requests = state.turn.as_mut()?.tools.iter_mut().filter_map(|open| open.request.as_mut());
    let mut reviews = requests.map(|request| &mut request.review);
    reviews.find(|review| review.as_ref().is_some_and(|call| call.effect == effect))
}

// ---- outcomes that nobody knows

pub(super) fn unknown(state: &mut State, effect: EffectId, turn: &TurnId, call: SettledCall) {
    if effect.0 > 0 {
        state.unsettled.insert(effect, Unsettled { turn: turn.clone(), call: Some(call) });
    }
}

/// The model hears of it as of a message that came while it worked.
pub(super) fn settled(state: &mut State, effect: EffectId, outcome: &Settlement, head: ItemHead) {
    state.unsettled.remove(&effect);
    state.settled.insert(effect, settlement_digest(outcome));
    let turn_runs = state.turn.as_ref().is_some_and(|turn| turn.started_at.is_some());
    if !turn_runs {
        state.transcript.push(head);
        return;
    }
    state.steering.push(head);
    super::go_on(state);
}
