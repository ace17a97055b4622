//! The ledger of a session.

use super::shown;
use crate::failure::Failure;
use crate::query::{Ids, Limit, Pairs};
use crate::{Door, body};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use runtime::{Consented, EffectKind, EffectState, Entry, Identity, Outcome, Problem, Try, effect_id};
use std::sync::Arc;
use types::{Approver, Class, Decider, Decision, SessionId, Settlement, Timestamp};
use wire::agents as outer;
use wire::agents::request::EffectResolve;

pub async fn list(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    pairs: Pairs,
) -> Result<Response, Failure> {
    let page = pairs.page(Limit::Checked)?;
    let session = SessionId::new(id);
    let listed = door.handle.ledger(&identity.project, &session, page).await?;
    let ids: Vec<String> = listed.data.iter().map(|entry| effect_id(&session, entry.id)).collect();
    let data = listed.data.iter().map(|entry| effect(&session, entry)).collect();
    Ok(Json(outer::List::new(data, listed.has_more, ids.iter().map(String::as_str))).into_response())
}

/// An effect as every door of ours shows it, the command line too.
pub fn effect<'a>(session: &'a SessionId, entry: &'a Entry) -> outer::Effect<'a> {
    outer::Effect {
        id: effect_id(session, entry.id),
        session_id: session.as_str(),
        kind: match entry.kind {
            EffectKind::ModelCall => "model_call",
            EffectKind::FunctionCall => "function_call",
            EffectKind::ToolCall => "tool_call",
            EffectKind::Review => "review",
            EffectKind::Restore => "restore",
        },
        class: class(entry.class),
        state: state(entry.state),
        turn_id: entry.turn.as_ref().map(|turn| turn.as_str()),
        item_id: entry.item.as_ref().map(|item| item.as_str()),
        call_id: entry.call_id.as_ref().map(|call| call.as_str()),
        parent_id: entry.parent.map(|parent| effect_id(session, parent)),
        name: entry.name.as_deref(),
        intended_at: entry.intended_at.map(Timestamp::seconds),
        ended_at: entry.ended_at.map(Timestamp::seconds),
        error: entry.error.as_ref().map(problem),
        diverged: entry.diverged,
        approval: entry.approval.as_ref().map(|asked| approval(session, asked)),
        settled: entry.settled.as_ref().map(|settled| outer::Settled {
            outcome: if settled.committed { "committed" } else { "failed" },
            said: &settled.said,
            by: settled.by.as_deref(),
            at: settled.at.seconds(),
        }),
        attempts: entry.attempts.iter().map(attempt).collect(),
    }
}

fn approval<'a>(session: &SessionId, asked: &'a Consented) -> outer::Approval<'a> {
    let answer = asked.answer.as_ref().map(|answer| outer::ApprovalAnswer {
        decision: match answer.decision {
            Decision::Approve => "approve",
            Decision::Deny => "deny",
            Decision::Cancel => "cancel",
        },
        by: match answer.by {
            Decider::Person => "person",
            Decider::Model => "model",
            Decider::Expiry => "expiry",
            Decider::Server => "server",
        },
        at: answer.at.seconds(),
        reason: answer.reason.as_deref(),
    });
    outer::Approval {
        verdict: "ask",
        request_id: asked.request.as_str(),
        digest: &asked.digest,
        asked_of: match asked.by {
            Approver::Person => "person",
            Approver::Model => "model",
        },
        asked_at: asked.asked_at.seconds(),
        expires_at: asked.expires_at.seconds(),
        tool_changed: asked.changed,
        review_id: asked.review.map(|review| effect_id(session, review)),
        answer,
    }
}

/// 200 with an empty object: the outcome is known from now on. The same again says so again.
pub async fn resolve(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids((id, effect)): Ids<(String, String)>,
    request: Request,
) -> Result<Response, Failure> {
    let (object, _held) = body::object(&door, request).await?;
    let outcome = match EffectResolve::read(object)? {
        EffectResolve::Committed(result) => Settlement::Committed(result),
        EffectResolve::Failed(error) => Settlement::Failed(error),
    };
    let by = Some(identity.key.to_string());
    door.handle.resolve(&identity.project, &SessionId::new(id), &effect, outcome, by).await?;
    Ok(Json(serde_json::json!({})).into_response())
}

fn class(class: Class) -> &'static str {
    match class {
        Class::Pure => "pure",
        Class::Repeatable => "repeatable",
        Class::Idempotent => "idempotent",
        Class::Keyed => "keyed",
        Class::Attachable => "attachable",
        Class::External => "external",
        Class::Irreversible => "irreversible",
    }
}

fn state(state: EffectState) -> &'static str {
    match state {
        EffectState::Intended => "intended",
        EffectState::Dispatched => "dispatched",
        EffectState::Waiting => "waiting",
        EffectState::Committed => "committed",
        EffectState::Failed => "failed",
        EffectState::Unknown => "unknown",
        EffectState::Reconciled => "reconciled",
    }
}

fn attempt(attempt: &Try) -> outer::Attempt<'_> {
    outer::Attempt {
        number: attempt.number.0,
        model: attempt.model.as_deref(),
        state: match attempt.outcome {
            Outcome::Intended => "intended",
            Outcome::Dispatched => "dispatched",
            Outcome::Denied => "denied",
            Outcome::Committed => "committed",
            Outcome::Abandoned => "abandoned",
        },
        verdict: attempt.permitted.map(|permitted| if permitted { "permit" } else { "deny" }),
        at: attempt.at.map(Timestamp::seconds),
        ended_at: attempt.ended_at.map(Timestamp::seconds),
        error: attempt.error.as_ref().map(problem),
        usage: attempt.usage.as_ref().map(shown::usage),
        charged: attempt.charged.0 as f64 / 10_000.0,
    }
}

fn problem(problem: &Problem) -> outer::EffectError<'_> {
    outer::EffectError { code: &problem.code, message: &problem.message }
}
