//! A tool of a session, used. The answer begins when the session is there, and ends with one event; a client that goes away
//! before ends what it began.

use super::super::runtimes::{Refused, hosting, slot};
use super::{in_stream, named, refused, shown};
use crate::query::Ids;
use crate::{Door, body};
use ::hosting::{Tool, ToolResult, Unserved};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::once;
use runtime::Identity;
use std::convert::Infallible;
use std::sync::Arc;
use wire::agentcore::interpreter::{Invocation, Invoked, Language, session_id};
use wire::eventstream::{self, MEDIA_TYPE};

const SESSION: HeaderName = HeaderName::from_static("x-amzn-code-interpreter-session-id");

pub async fn invoke(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    request: Request,
) -> Result<Response, Refused> {
    let session = request.headers().get(&SESSION).map(|value| value.to_str().unwrap_or_default().to_owned());
    let (object, held) = body::object(&door, request).await?;
    let interpreter = named(&door, id)?;
    let Invocation(invoked) = Invocation::read(object)?;
    let missing = || Refused::wrong("Missing required parameter: 'sessionId'.", Some("sessionId"));
    let session = session.ok_or_else(missing)?;
    session_id(&session)?;
    let slot = slot(&door)?;
    let desk = hosting(&door)?.desk(&identity.project, &interpreter, &session).await.map_err(refused)?;
    let performing = async move {
        let performed = desk.perform(tool(invoked)).await;
        drop((held, slot));
        Ok::<_, Infallible>(frame(performed))
    };
    let mut response = Body::from_stream(once(performing)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Ok(session) = HeaderValue::from_str(&session) {
        headers.insert(SESSION, session);
    }
    Ok(response)
}

fn tool(invoked: Invoked) -> Tool {
    match invoked {
        Invoked::Code { code, language: Language::Python, clear } => Tool::Python { code, clear },
        Invoked::Code { code, language, .. } => Tool::Node { code, is_typed: language == Language::TypeScript },
        Invoked::Command(command) => Tool::Command(command),
        Invoked::ReadFiles(paths) => Tool::ReadFiles(paths),
        Invoked::ListFiles(path) => Tool::ListFiles(path),
        Invoked::RemoveFiles(paths) => Tool::RemoveFiles(paths),
        Invoked::WriteFiles(files) => Tool::WriteFiles(files),
        Invoked::StartCommand(command) => Tool::StartCommand(command),
        Invoked::Task(id) => Tool::Task(id),
        Invoked::StopTask(id) => Tool::StopTask(id),
    }
}

fn frame(performed: Result<ToolResult, Unserved>) -> Bytes {
    let mut out = Vec::new();
    let failed = match performed {
        Ok(result) => match eventstream::event(&mut out, "result", &shown::outcome(&result)) {
            Ok(()) => return out.into(),
            Err(_) => ("validationException", "What came of it is too large for one answer.".to_owned()),
        },
        Err(unserved) => in_stream(unserved),
    };
    let (name, message) = failed;
    let mut said = serde_json::json!({ "message": message });
    if name == "validationException" {
        said["reason"] = "FieldValidationFailed".into();
    }
    _ = eventstream::exception(&mut out, name, &said);
    out.into()
}
