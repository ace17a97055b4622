//! Consent to a call: asked of a person or of a model, given or not, for this one call. What is not agreed to fails, the
//! model is told, and the turn goes on. Nothing here lets a call through: that is the gate's, which looks at what was
//! agreed to.

use super::{attempt, ending, tool};
use crate::digest;
use crate::state::{Call, OpenTool, Request, State, Turn};
use serde::Deserialize;
use types::{
    Abandoned, Answer, Approval, ApprovalAnswered, ApprovalAsked, Approver, CallId, Cause, Committed, Decider,
    Decision, EffectId, Input, MicroUsd, ModelError, ModelFinish, Next, OfferedTool, RecordBody, Refusal, RequestId,
    Review, ReviewCall, Rules, Said, Seq, Stamp, Stop, Timestamp, ToolCall, ToolOutcome, Verdict,
};

/// Bytes of arguments that a model is shown whole. It must not agree to what it has not seen.
const MAX_REVIEWED: usize = 128 << 10;
/// Bytes of a reason that are kept.
const MAX_REASON: usize = 2000;

/// A call of an offered tool. What became another tool behind its name is not what anybody relied on.
pub(super) fn called(
    state: &State,
    tool: &OfferedTool,
    effect: EffectId,
    call_id: CallId,
    arguments: String,
) -> ToolCall {
    let mut call = tool.called(effect, call_id, arguments);
    if state.has_changed(&call) {
        call.approval = Approval::Person;
    }
    call
}

/// Asks for consent. Once: a request that is open stays as it is.
pub(super) fn ask(state: &State, rules: &Rules, turn: &Turn, open: &OpenTool, now: Timestamp) -> Vec<RecordBody> {
    if open.request.is_some() || open.approved {
        return Vec::new();
    }
    let digest = digest::of(&open.call);
    let request = digest::request(&state.session, open.call.effect, &digest);
    let by = match turn.review {
        Review::None => Approver::Person,
        Review::AutoReview => Approver::Model,
    };
    let too_long = open.call.arguments.len() > MAX_REVIEWED;
    let review = (by == Approver::Model && !too_long).then(|| ReviewCall {
        effect: EffectId(state.effects.0.saturating_add(1)),
        model: rules.reviewer.clone().unwrap_or_else(|| turn.model.clone()),
    });
    let unreviewed = by == Approver::Model && review.is_none();
    let mut records = vec![RecordBody::ApprovalAsked(ApprovalAsked {
        effect: open.call.effect,
        turn: turn.id.clone(),
        request: request.clone(),
        digest,
        by,
        expires: now.after(rules.limits.approval_time),
        changed: state.has_changed(&open.call),
        review,
    })];
    if unreviewed {
        let why = format!("its arguments are longer than the {MAX_REVIEWED} bytes that a review looks at");
        records.extend(decided(turn, open, request, Decision::Deny, Decider::Server, Some(why)));
    }
    records
}

/// Characters of an unknown id that are said back.
const MAX_SHOWN: usize = 100;

/// A person's word. It counts for the call that the request was made for, while that waits.
pub(super) fn answer(
    state: &State,
    now: Timestamp,
    request: &RequestId,
    decision: Decision,
) -> Result<Vec<RecordBody>, Refusal> {
    let Some(known) = state.requests.get(request) else {
        let shown: String = request.as_str().chars().take(MAX_SHOWN).collect();
        return Err(Refusal::invalid(format!("Unknown pending MCP approval request: {shown}")));
    };
    match known.answer {
        Some((Decider::Person, before)) if before == decision => return Ok(Vec::new()),
        Some((Decider::Person, _)) => {
            let message = format!("MCP approval request {request} has already been answered otherwise.");
            return Err(Refusal::conflict(message));
        }
        Some(_) => return Err(expired(request)),
        None => {}
    }
    let Some((turn, open, waiting)) = waiting(state, request) else {
        let message = format!("MCP approval request {request} is closed: its call ended before the answer arrived.");
        return Err(Refusal::conflict(message));
    };
    if waiting.expires <= now {
        return Err(expired(request));
    }
    Ok(decided(turn, open, request.clone(), decision, Decider::Person, None))
}

fn expired(request: &RequestId) -> Refusal {
    Refusal::conflict(format!("MCP approval request {request} has expired."))
}

fn waiting<'a>(state: &'a State, request: &RequestId) -> Option<(&'a Turn, &'a OpenTool, &'a Request)> {
    let turn = state.turn.as_ref()?;
    let open = turn.tools.iter().find(|open| open.request.as_ref().is_some_and(|asked| asked.id == *request))?;
    let waiting = open.request.as_ref().filter(|_| open.waits_for_person())?;
    Some((turn, open, waiting))
}

/// Closes the requests whose time is over.
pub(super) fn expire(state: &State, now: Timestamp) -> Vec<RecordBody> {
    let Some(turn) = &state.turn else { return Vec::new() };
    let over = |open: &&OpenTool| {
        open.waits_for_person() && open.request.as_ref().is_some_and(|request| request.expires <= now)
    };
    let closed = |open: &OpenTool| {
        let request = open.request.as_ref().map(|request| request.id.clone())?;
        Some(decided(turn, open, request, Decision::Deny, Decider::Expiry, None))
    };
    turn.tools.iter().filter(over).filter_map(closed).flatten().collect()
}

/// The end of a request, and of its call where that was not agreed to.
fn decided(
    turn: &Turn,
    open: &OpenTool,
    request: RequestId,
    decision: Decision,
    by: Decider,
    reason: Option<String>,
) -> Vec<RecordBody> {
    let told = match (decision, by, &reason) {
        (Decision::Approve, ..) => None,
        (Decision::Cancel, ..) => Some("the request for approval was dismissed".to_owned()),
        (Decision::Deny, Decider::Expiry, _) => Some("nobody approved the call in time".to_owned()),
        (Decision::Deny, _, None) => Some("the call was not approved".to_owned()),
        (Decision::Deny, _, Some(reason)) => Some(format!("the call was not approved: {reason}")),
    };
    let (effect, turn_id) = (open.call.effect, turn.id.clone());
    let answered = ApprovalAnswered { effect, turn: turn_id, request, decision, by, reason };
    let mut records = vec![RecordBody::ApprovalAnswered(answered)];
    records.extend(told.map(|told| tool::ended(turn, open, Cause::Denied, ToolOutcome::Failed(told))));
    records
}

// ---- a model's review

/// A review that is due or in flight, with the call that it is about.
pub(super) type Reviewing<'a> = (&'a Turn, &'a OpenTool, &'a Call);

/// The review that the input is about, if it is about one.
pub(super) fn reviewing<'a>(state: &'a State, input: &Input) -> Option<Reviewing<'a>> {
    let (effect, attempt) = match input {
        Input::Verdict { effect, attempt, .. }
        | Input::OverBudget { effect, attempt }
        | Input::ModelDone { effect, attempt, .. }
        | Input::ModelFailed { effect, attempt, .. } => (*effect, *attempt),
        _ => return None,
    };
    let turn = state.turn.as_ref()?;
    let (open, call) = turn.reviews().find(|(_, call)| call.effect == effect && call.attempt == attempt)?;
    Some((turn, open, call))
}

/// What becomes of it.
pub(super) fn about_review(
    rules: &Rules,
    review: Reviewing<'_>,
    input: Input,
    stamp: &mut Stamp<'_>,
) -> Vec<RecordBody> {
    match input {
        Input::Verdict { context, verdict: decided, .. } => verdict(review, context, decided),
        Input::OverBudget { .. } => {
            unheard(review.0, review.1, "the session's spending limit leaves no room for the review")
        }
        Input::ModelDone { context, answer, finish, .. } => reviewed(rules, review, context, &answer, finish),
        Input::ModelFailed { context, error, spoke, retry, .. } => {
            failed(rules, review, context, attempt::Failed { error, spoke, retry }, stamp)
        }
        _ => Vec::new(),
    }
}

fn verdict((turn, open, call): Reviewing<'_>, context: Seq, verdict: Verdict) -> Vec<RecordBody> {
    if call.intent.is_some() {
        return Vec::new();
    }
    let denied = match &verdict {
        Verdict::Deny { message, .. } => Some(message.clone()),
        Verdict::Permit { .. } | Verdict::Ask => None,
    };
    let mut records = vec![RecordBody::Intended(attempt::intended(turn, call, context, verdict))];
    records.extend(denied.into_iter().flat_map(|why| unheard(turn, open, &why)));
    records
}

/// Nobody could be asked: then nobody has agreed.
fn unheard(turn: &Turn, open: &OpenTool, why: &str) -> Vec<RecordBody> {
    let Some(request) = open.request.as_ref().map(|request| request.id.clone()) else { return Vec::new() };
    decided(turn, open, request, Decision::Deny, Decider::Server, Some(cut(why)))
}

fn reviewed(
    rules: &Rules,
    (turn, open, call): Reviewing<'_>,
    context: Seq,
    answer: &Answer,
    finish: ModelFinish,
) -> Vec<RecordBody> {
    let Some(request) = open.request.as_ref().map(|request| request.id.clone()) else { return Vec::new() };
    let price = rules.model(&call.model).map(|model| model.price).unwrap_or_default();
    let mut records: Vec<_> = attempt::free_intent(turn, call, context).into_iter().collect();
    records.push(RecordBody::Committed(Committed {
        effect: call.effect,
        attempt: call.attempt,
        turn: turn.id.clone(),
        stop: finish.stop,
        usage: finish.usage,
        charged: finish.usage.as_ref().map_or_else(|| call.reserved(), |usage| price.cost(usage)),
        rests: false,
    }));
    let (decision, reason) = judgement(answer, finish.stop);
    records.extend(decided(turn, open, request, decision, Decider::Model, Some(reason)));
    records
}

#[derive(Deserialize)]
struct Judgement {
    decision: String,
    #[serde(default)]
    reason: String,
}

/// Whatever is not clearly an approval is a denial.
fn judgement(answer: &Answer, stop: Stop) -> (Decision, String) {
    let texts = answer.items.iter().filter_map(|said| match said {
        Said::Message { text, .. } => Some(text.as_str()),
        Said::Reasoning { .. } | Said::Call { .. } => None,
    });
    let text: String = texts.collect();
    let calls = answer.items.iter().any(|said| matches!(said, Said::Call { .. }));
    match serde_json::from_str::<Judgement>(text.trim()) {
        Ok(judgement) if stop == Stop::End && !calls => match judgement.decision.as_str() {
            "approve" => (Decision::Approve, cut(&judgement.reason)),
            "deny" => (Decision::Deny, cut(&judgement.reason)),
            _ => (Decision::Deny, "the review came to no decision".to_owned()),
        },
        _ => (Decision::Deny, "the review came to no decision".to_owned()),
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_REASON)].to_owned()
}

/// A review that failed is tried again as a model call is, with the same entry; then nobody has agreed.
fn failed(
    rules: &Rules,
    (turn, open, call): Reviewing<'_>,
    context: Seq,
    failed: attempt::Failed,
    stamp: &mut Stamp<'_>,
) -> Vec<RecordBody> {
    let attempt::Failed { error, spoke, retry } = failed;
    let mut records: Vec<_> = attempt::free_intent(turn, call, context).into_iter().collect();
    let next = retry.then(|| attempt::same_entry_again(rules, call, &error, stamp)).flatten();
    let is_over = next.is_none();
    let charged = if attempt::may_have_cost(error.kind) || spoke { call.reserved() } else { MicroUsd::ZERO };
    let why = format!("the review failed: {}", error.message);
    records.push(abandoned(turn, call, Some(error), spoke, charged, next));
    if is_over {
        records.extend(unheard(turn, open, &why));
    }
    records
}

/// A node takes over: a review in flight is made again, if its call is still to be made.
pub(super) fn take_over(rules: &Rules, turn: &Turn, now: Timestamp) -> Vec<RecordBody> {
    let again = |(open, call): (&OpenTool, &Call)| {
        let is_made = ending::may_be_made(rules, call) && call.not_before.is_none_or(|at| at <= now);
        let charged = if is_made { call.reserved() } else { MicroUsd::ZERO };
        let not_before = call.not_before.unwrap_or(now).max(now);
        let next = Next { attempt: None, model: call.model.clone(), tried: call.tried, not_before };
        // What may have been made already, in a part of the log that is lost, is closed in this very append, or is begun
        // again: then it is asked about again.
        let is_open = !open.intended || tool::may_be_made_again(open.call.class);
        abandoned(turn, call, None, is_made, charged, is_open.then_some(next))
    };
    turn.reviews().map(again).collect()
}

/// The review of a call that ends otherwise.
pub(super) fn close<'a>(rules: &'a Rules, turn: &'a Turn) -> impl Iterator<Item = RecordBody> + 'a {
    turn.reviews()
        .map(move |(_, call)| abandoned(turn, call, None, ending::may_be_made(rules, call), call.reserved(), None))
}

fn abandoned(
    turn: &Turn,
    call: &Call,
    error: Option<ModelError>,
    unmeasured: bool,
    charged: MicroUsd,
    next: Option<Next>,
) -> RecordBody {
    let (effect, attempt, turn) = (call.effect, call.attempt, turn.id.clone());
    RecordBody::Abandoned(Abandoned { effect, attempt, turn, error, charged, unmeasured, next })
}
