//! The one error shape of every door. A failure knows whose fault it was by its status, whether it may be tried again,
//! and, where it is the request's fault, which parameter.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::time::Duration;
use types::{Refusal, RefusalKind, TurnError};
use wire::{ErrorBody, ErrorEnvelope, Fault};

const INVALID: &str = "invalid_request_error";
/// When to ask a server again that can take nothing now.
const SOON: Duration = Duration::from_secs(1);

/// An answer that is an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub status: StatusCode,
    /// `error.type`.
    pub kind: &'static str,
    pub code: Option<&'static str>,
    pub message: String,
    pub param: Option<String>,
    /// When it may be tried again, for those that may.
    pub retry_after: Option<Duration>,
}

impl Failure {
    fn new(status: StatusCode, kind: &'static str, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, kind, code: Some(code), message: message.into(), param: None, retry_after: None }
    }

    /// 400: the request is wrong.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, INVALID, message)
    }

    /// 400 with a code of its own.
    pub fn invalid_as(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, INVALID, code, message)
    }

    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, INVALID, "unauthorized", message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, INVALID, "forbidden", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found_error", "not_found_error", message)
    }

    pub fn model_not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, INVALID, "model_not_found", message)
    }

    pub fn timed_out() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, INVALID, "request_timeout", "The request body took too long to arrive.")
    }

    pub fn too_large(limit: usize) -> Self {
        let message = format!("The request body is too large. It may have at most {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, INVALID, "request_too_large", message)
    }

    pub fn busy(message: impl Into<String>, retry_after: Duration) -> Self {
        let busy = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", "rate_limit_exceeded", message);
        Self { retry_after: Some(retry_after), ..busy }
    }

    /// 503: nothing is wrong with the request, and soon it may be taken.
    pub fn unavailable(message: impl Into<String>) -> Self {
        let kind = "service_unavailable_error";
        let unavailable = Self::new(StatusCode::SERVICE_UNAVAILABLE, kind, kind, message);
        Self { retry_after: Some(SOON), ..unavailable }
    }

    /// 502: it was begun and came to nothing.
    pub fn torn(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "server_error", "server_error", message)
    }

    /// What a turn failed of, as an answer to who waited for it.
    pub fn of_turn(error: &TurnError) -> Self {
        let message = error.message.as_str();
        let server = |status, code| Self::new(status, "server_error", code, message);
        match error.code.as_str() {
            "context_length_exceeded" => Self::invalid_as("context_length_exceeded", message),
            "invalid_request" => Self::invalid(message),
            "cyber_policy" | "misalignment_policy_violation" => Self::invalid_as("content_policy_violation", message),
            "resource_not_found" => Self::model_not_found(message),
            "rate_limit_exceeded" | "flex_unavailable" => Self::busy(message, SOON),
            "usage_limit_exceeded" | "session_budget_exceeded" => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "insufficient_quota", "insufficient_quota", message)
            }
            "server_overloaded" => Self::unavailable(message),
            "request_timeout" => server(StatusCode::GATEWAY_TIMEOUT, "request_timeout"),
            "connection_failed" => server(StatusCode::BAD_GATEWAY, "connection_failed"),
            "server_error" => server(StatusCode::BAD_GATEWAY, "server_error"),
            // The key that the upstream refuses is this server's, not the client's.
            "authentication_error" => server(StatusCode::BAD_GATEWAY, "upstream_authentication_error"),
            _ => server(StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }

    /// The error as JSON.
    pub fn envelope(&self) -> ErrorEnvelope<'_> {
        let (code, param) = (self.code, self.param.as_deref());
        ErrorEnvelope { error: ErrorBody { message: &self.message, r#type: self.kind, code, param } }
    }

    #[must_use]
    pub fn at(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self { param: fault.param, ..Self::invalid(fault.message) }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.message;
        let failure = match refusal.kind {
            RefusalKind::Invalid => Self::invalid(message),
            RefusalKind::NotFound => Self::not_found(message),
            RefusalKind::ModelNotFound => Self::model_not_found(message),
            RefusalKind::Conflict => Self::new(StatusCode::CONFLICT, "conflict_error", "conflict_error", message),
            RefusalKind::Locked => Self::invalid_as("conversation_locked", message),
            RefusalKind::Busy { retry_after } => Self::busy(message, retry_after),
            RefusalKind::Unavailable => Self::unavailable(message),
            RefusalKind::Internal => {
                tracing::error!(error = message, "internal error");
                let text = "The server had an error while processing your request.";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal_error", text)
            }
        };
        Self { param: refusal.param, ..failure }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.envelope())).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::CONFLICT {
            // SDKs take a 409 for a lock and would ask three times; the state will not have changed by then.
            headers.insert("x-should-retry", HeaderValue::from_static("false"));
        }
        if self.status == StatusCode::UNAUTHORIZED && self.retry_after.is_some() {
            // The same may pass under another signature.
            headers.insert("x-should-retry", HeaderValue::from_static("true"));
        }
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

/// No door has this path.
pub async fn no_such_url(method: Method, uri: Uri) -> Failure {
    let path: String = uri.path().chars().take(200).collect();
    Failure::not_found(format!("Invalid URL ({method} {path})"))
}

/// The path is there, the method is not.
pub async fn no_such_method(method: Method, uri: Uri) -> Failure {
    let path: String = uri.path().chars().take(200).collect();
    let message = format!("Invalid method for URL ({method} {path})");
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, INVALID, "method_not_allowed", message)
}
