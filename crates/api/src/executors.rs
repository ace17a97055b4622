//! Where executors of self-hosted environments come to: `codex exec-server --remote` and our own. They register over HTTP
//! with a key of the project, and then open a WebSocket with what the registration told them. What is said there is not
//! this door's: it moves messages between the socket and the [`Rendezvous`](environments::rendezvous::Rendezvous).
//!
//! An executor ends when its registration is refused, whatever the reason: a refusal here is for good.

mod pipe;

use crate::agents::stream_slot;
use crate::body;
use crate::failure::Failure;
use crate::query::{Ids, Pairs};
use crate::{Door, identity};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use environments::rendezvous::{Registered, Rendezvous, Site};
use runtime::Identity;
use serde::de::DeserializeOwned;
use std::fmt::Write;
use std::sync::Arc;
use types::{EnvironmentId, EnvironmentStatus, ProjectId, Refusal, SessionId};
use wire::executor::{
    DIRECT_TRANSPORT, DirectRegistered, DirectRegistration, NOISE_PROFILE, NoiseRegistered, NoiseRegistration,
    Validated, Validation,
};

/// Names the handshake that an executor asks about.
const STREAM: &str = "x-codex-noise-stream-id";

pub fn routes(door: &Arc<Door>) -> Router<Arc<Door>> {
    let one = "/v1/agents/api/cloud/environment/{id}";
    Router::new()
        .route(&format!("{one}/register"), post(register))
        .route(&format!("{one}/validate"), post(validate))
        .route(&format!("{one}/direct/register"), post(register_direct))
        .route_layer(from_fn_with_state(Arc::clone(door), identity::executors_gate))
        .merge(opened(door))
}

/// The token in its query is all that the socket needs, where executors register with a key: they send none with it. Those
/// that sign sign this too.
fn opened(door: &Arc<Door>) -> Router<Arc<Door>> {
    let route = Router::new().route("/v1/agents/api/rendezvous/{id}", get(open));
    route.route_layer(from_fn_with_state(Arc::clone(door), identity::rendezvous_gate))
}

async fn register(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let rendezvous = rendezvous(&door)?;
    let site = site(&door, identity.project, &id).await?;
    let registration: NoiseRegistration = read(&door, request).await?;
    let registered = rendezvous.register(&site, &registration).await.map_err(refused)?;
    let url = url(&door, &site, &registered);
    let answer = NoiseRegistered {
        environment_id: site.environment,
        url,
        security_profile: NOISE_PROFILE.to_owned(),
        executor_registration_id: registered.registration,
    };
    Ok(Json(answer).into_response())
}

async fn register_direct(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    signed: Option<Extension<identity::Signed>>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Failure> {
    let rendezvous = rendezvous(&door)?;
    let site = site(&door, identity.project, &id).await?;
    let registration: DirectRegistration = read(&door, request).await?;
    let registered = rendezvous.register_direct(&site, &registration, signed.is_some()).await.map_err(refused)?;
    let url = url(&door, &site, &registered);
    let answer = DirectRegistered {
        environment_id: site.environment,
        transport: DIRECT_TRANSPORT.to_owned(),
        registration_id: registered.registration,
        url,
    };
    Ok(Json(answer).into_response())
}

async fn validate(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Failure> {
    let rendezvous = rendezvous(&door)?;
    let stream = headers.get(STREAM).and_then(|stream| stream.to_str().ok());
    let stream = stream.ok_or_else(|| Failure::invalid(format!("The header '{STREAM}' is missing.")))?;
    let asked: Validation = read(&door, request).await?;
    let site = Site { project: identity.project, environment: id };
    if rendezvous.validate(&site, stream, &asked) {
        Ok(Json(Validated { valid: true }).into_response())
    } else {
        Err(Failure::forbidden("No such handshake is under way here."))
    }
}

/// 101, and from then on messages.
async fn open(
    State(door): State<Arc<Door>>,
    Ids(environment): Ids<String>,
    pairs: Pairs,
    signer: Option<Extension<Identity>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Failure> {
    let rendezvous = rendezvous(&door)?;
    let upgrade = upgrade.map_err(|rejection| Failure::invalid(format!("No WebSocket: {}", rejection.body_text())))?;
    let project = ProjectId::new(pairs.one("project")?.unwrap_or_default());
    let is_signed = signer.is_some();
    if signer.is_some_and(|Extension(signer)| signer.project != project) {
        return Err(Failure::forbidden("This address belongs to another project."));
    }
    let site = Site { project, environment };
    let admission = rendezvous.admit(&site, pairs.one("token")?.unwrap_or_default()).await.map_err(refused)?;
    if admission.needs_signature() && !is_signed {
        return Err(identity::unsigned());
    }
    let slot = stream_slot(&door)?;
    let (is_text, limit) = (admission.is_text(), admission.message_limit());
    let rendezvous = Arc::clone(rendezvous);
    let door = Arc::clone(&door);
    Ok(upgrade.max_message_size(limit).max_frame_size(limit).on_upgrade(async move |socket| {
        pipe::run(&door, socket, is_text, |line| rendezvous.attach(admission, line)).await;
        drop(slot);
    }))
}

fn rendezvous(door: &Door) -> Result<&Arc<Rendezvous>, Failure> {
    door.rendezvous.as_ref().ok_or_else(|| Failure::not_found("This server has no environments."))
}

/// An environment of the project that an executor may come to. Foreign and missing ones are told apart by nothing.
async fn site(door: &Door, project: ProjectId, id: &str) -> Result<Site, Failure> {
    let place = door.handle.environment_of(&project, &EnvironmentId::new(id)).await?;
    if place.state.status == EnvironmentStatus::Failed {
        let message = "This environment has failed and takes no executor any more. Create a new session.";
        return Err(Refusal::conflict(message).into());
    }
    Ok(Site { project, environment: id.to_owned() })
}

async fn read<T: DeserializeOwned>(door: &Door, request: Request) -> Result<T, Failure> {
    let (parts, body) = request.into_parts();
    let (bytes, _held) = body::bytes(door, &parts.headers, body).await?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::invalid(format!("The body cannot be read: {error}.")))
}

/// What opens the socket, as the executor reaches it.
fn url(door: &Door, site: &Site, registered: &Registered) -> String {
    let base = door.remote_url();
    // `http` becomes `ws`, and with an `s` behind it `wss`.
    let base = base.strip_prefix("http").map_or_else(|| base.to_owned(), |rest| format!("ws{rest}"));
    let (environment, token) = (&site.environment, &registered.token);
    format!("{base}/rendezvous/{environment}?project={}&token={token}", escaped(site.project.as_str()))
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

fn refused(refusal: environments::rendezvous::Refusal) -> Failure {
    let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(%refusal, "an executor was sent away");
        return Failure::unavailable("The server cannot take this now. Try again shortly.");
    }
    Failure { status, code: Some("environment_connection_failed"), ..Failure::invalid(sentence(&refusal.to_string())) }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).chain(['.']).collect()).unwrap_or_default()
}

/// The session is gone, and whoever is connected to its environment is sent away.
pub async fn forget(door: &Door, project: &ProjectId, session: &SessionId) {
    let Some(rendezvous) = &door.rendezvous else { return };
    let site = Site { project: project.clone(), environment: EnvironmentId::of(session).to_string() };
    if let Err(trouble) = rendezvous.forget(&site).await {
        tracing::warn!(environment = site.environment, %trouble, "an environment's registrations were left behind");
    }
}
