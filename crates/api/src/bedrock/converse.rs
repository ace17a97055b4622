//! `Converse` and `ConverseStream`.

use super::ask::{Asked, Id, ask, milliseconds, stopping, wrong};
use super::heard::{Heard, usage};
use super::incoming::Wanted;
use super::stream;
use super::voices::{Blocks, Form};
use crate::aws::AwsFailure;
use crate::{Door, body};
use axum::Json;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use runtime::Identity;
use std::sync::Arc;
use types::TurnView;
use wire::bedrock::answer::{Answer, Metrics, Output, StopReason, Told};
use wire::bedrock::converse::Converse;

pub async fn whole(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
    request: Request,
) -> Result<Response, AwsFailure> {
    let (asked, manner) = begin(&door, &identity, &id, request).await.map_err(known)?;
    let since = asked.since;
    let (heard, view, stop_reason) = hear(asked).await.map_err(known)?;
    let took = door.clock.monotonic().saturating_sub(since);
    let answer = Answer {
        output: Output::new(heard.blocks()),
        stop_reason,
        usage: usage(&view),
        metrics: Metrics { latency_ms: milliseconds(took) },
        manner,
    };
    Ok(Json(answer).into_response())
}

pub async fn streamed(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Id(id): Id,
    request: Request,
) -> Result<Response, AwsFailure> {
    let slot = stream::slot(&door)?;
    let (asked, manner) = begin(&door, &identity, &id, request).await.map_err(known)?;
    stream::response(&door, asked, Blocks::new(Form::Converse, manner), slot).await.map_err(known)
}

/// Converse has no exception for a quota that is used up.
fn known(failure: AwsFailure) -> AwsFailure {
    match failure.code {
        "ServiceQuotaExceededException" => AwsFailure::throttled(failure.message),
        _ => failure,
    }
}

async fn begin(door: &Door, identity: &Identity, id: &str, request: Request) -> Result<(Asked, Told), AwsFailure> {
    let since = door.clock.monotonic();
    let model = door.models.model(&door.aws.account, id)?;
    let (object, _held) = body::object(door, request).await?;
    let wanted = Converse::read(object).map_err(wrong)?;
    let manner = Told::new(wanted.latency, wanted.tier);
    let asked = ask(door, &identity.project, Wanted::new(model, wanted), door.journal, since).await?;
    Ok((asked, manner))
}

/// The whole turn, and why it ended.
pub async fn hear(asked: Asked) -> Result<(Heard, TurnView, StopReason), AwsFailure> {
    let Asked { mut events, mut lease, .. } = asked;
    let mut heard = Heard::default();
    let view = loop {
        let event = events.next().await.ok_or_else(|| AwsFailure::of_model(stopping()))?;
        if let Some(view) = heard.hear(event.body) {
            break view;
        }
    };
    lease.spare();
    let reason = heard.ending(&view).map_err(AwsFailure::of_model)?;
    Ok((heard, view, reason))
}
