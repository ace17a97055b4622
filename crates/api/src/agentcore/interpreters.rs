//! Code interpreters: what is kept of them (control plane), their sessions, and the tools of these (data plane). What runs,
//! and how, is `hosting`'s.

mod control;
mod invoke;
mod sessions;
mod shown;

use super::runtimes::Refused;
use crate::Door;
use crate::aws::AwsFailure;
use axum::Router;
use axum::routing::{get, post, put};
use hosting::{OWN, Unserved};
use std::sync::Arc;
use types::{Arn, Refusal, RefusalKind};
use wire::agentcore::interpreter::interpreter_id;

const MISSING: &str = "There is no such code interpreter, or no such session of it, or it has ended.";

/// With the slash at the end, as clients ask, and without.
pub fn routes() -> Router<Arc<Door>> {
    let mut routes = Router::new()
        .route("/code-interpreters/{interpreter}/sessions/start", put(sessions::start))
        .route("/code-interpreters/{interpreter}/sessions/stop", put(sessions::stop))
        .route("/code-interpreters/{interpreter}/sessions/get", get(sessions::retrieve))
        .route("/code-interpreters/{interpreter}/sessions/list", post(sessions::list))
        .route("/code-interpreters/{interpreter}/tools/invoke", post(invoke::invoke));
    for slash in ["", "/"] {
        routes = routes.route(&format!("/code-interpreters{slash}"), put(control::create).post(control::list)).route(
            &format!("/code-interpreters/{{interpreter}}{slash}"),
            get(control::retrieve).delete(control::delete),
        );
    }
    routes
}

/// The id of an interpreter, which may be named by its ARN. Another account's is as missing as one that never was.
fn named(door: &Door, text: String) -> Result<String, Refused> {
    let id = match text.parse::<Arn>() {
        Err(_) => text,
        Ok(arn) => {
            let id = match arn.resource.split_once('/') {
                Some(("code-interpreter", id)) if id == OWN => Some(id),
                Some(("code-interpreter-custom", id)) => Some(id),
                _ => None,
            };
            match id {
                Some(id) if arn.service == "bedrock-agentcore" && door.aws.account.owns(&arn) => id.to_owned(),
                _ => return Err(missing()),
            }
        }
    };
    interpreter_id(&id)?;
    Ok(id)
}

/// The same for what is another's and what never was.
fn missing() -> Refused {
    AwsFailure::not_found(MISSING).into()
}

fn refused(refusal: Refusal) -> Refused {
    match refusal.kind {
        RefusalKind::NotFound => missing(),
        _ => refusal.into(),
    }
}

/// Where the answer has begun: the name of a member of the stream, and the message.
fn in_stream(unserved: Unserved) -> (&'static str, String) {
    match unserved {
        Unserved::Refused(refusal) => refused(refusal).in_stream(),
        Unserved::Program(message) => ("internalServerException", message),
    }
}
