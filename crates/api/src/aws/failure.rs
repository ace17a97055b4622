//! The one error shape of AWS's doors, as their clients parse it: a JSON object with `message`, and the exception's name in
//! `x-amzn-ErrorType`. Which exceptions an operation may have, its door knows.

use crate::failure::Failure;
use axum::Json;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;
use types::Refusal;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// An answer of an AWS door that is an error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AwsFailure {
    pub status: StatusCode,
    /// The exception's name.
    pub code: &'static str,
    pub message: String,
    /// When it may be tried again, for those that may.
    pub retry_after: Option<Duration>,
}

impl AwsFailure {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    /// 400: the request is wrong.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }

    /// 403.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", message)
    }

    /// 404. The same for what is another's and what is nowhere.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "ConflictException", message)
    }

    /// 429: soon it may be taken.
    pub fn throttled(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "ThrottlingException", message)
    }

    /// 400: a limit that does not go away by itself.
    pub fn quota(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ServiceQuotaExceededException", message)
    }

    /// 500.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException", message)
    }

    /// 503.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message)
    }

    /// 404: AWS has this operation, and this server does not.
    pub fn not_served(operation: &str) -> Self {
        let message = format!("{operation} is not served here.");
        Self::new(StatusCode::NOT_FOUND, "UnknownOperationException", message)
    }

    /// The same of a request, where no operation of this server has its method and path.
    pub fn unserved(method: &Method, path: &str) -> Self {
        let path: String = path.chars().take(200).collect();
        Self::not_served(&format!("{method} {path}"))
    }

    /// What went wrong where a model was asked: `bedrock-runtime` has exceptions for that which no other service has.
    pub fn of_model(failure: Failure) -> Self {
        let (status, code) = match failure.status {
            StatusCode::REQUEST_TIMEOUT | StatusCode::GATEWAY_TIMEOUT => {
                (StatusCode::REQUEST_TIMEOUT, "ModelTimeoutException")
            }
            StatusCode::BAD_GATEWAY => (StatusCode::FAILED_DEPENDENCY, "ModelErrorException"),
            _ => return failure.into(),
        };
        Self { retry_after: failure.retry_after, ..Self::new(status, code, failure.message) }
    }
}

impl From<Failure> for AwsFailure {
    fn from(failure: Failure) -> Self {
        let (status, code) = match (failure.status, failure.code) {
            // The word of a signature that does not count, as it is.
            (StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED, Some(code)) if sigv4::Refusal::is_code(code) => {
                (StatusCode::FORBIDDEN, code)
            }
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => (StatusCode::FORBIDDEN, "AccessDeniedException"),
            (StatusCode::NOT_FOUND, _) => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
            (StatusCode::REQUEST_TIMEOUT, _) => (StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException"),
            (StatusCode::CONFLICT, _) => (StatusCode::CONFLICT, "ConflictException"),
            (StatusCode::TOO_MANY_REQUESTS, Some("insufficient_quota")) => {
                (StatusCode::BAD_REQUEST, "ServiceQuotaExceededException")
            }
            (StatusCode::TOO_MANY_REQUESTS, _) => (StatusCode::TOO_MANY_REQUESTS, "ThrottlingException"),
            (StatusCode::SERVICE_UNAVAILABLE, _) => (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException"),
            (status, _) if status.is_server_error() => (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException"),
            _ => (StatusCode::BAD_REQUEST, "ValidationException"),
        };
        // This shape has no place of its own for where it is wrong.
        let message = match failure.param {
            Some(param) if !failure.message.contains(&param) => format!("{param}: {}", failure.message),
            _ => failure.message,
        };
        Self { status, code, message, retry_after: failure.retry_after }
    }
}

impl From<Refusal> for AwsFailure {
    fn from(refusal: Refusal) -> Self {
        Failure::from(refusal).into()
    }
}

impl IntoResponse for AwsFailure {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(json!({ "message": self.message }))).into_response();
        let headers = response.headers_mut();
        headers.insert(ERROR_TYPE, HeaderValue::from_static(self.code));
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_have_the_names_that_clients_know() {
        for (failure, status, code) in [
            (Failure::invalid("x"), 400, "ValidationException"),
            (Failure::too_large(1), 400, "ValidationException"),
            (Failure::unauthorized("x"), 403, "AccessDeniedException"),
            (Failure::forbidden("x"), 403, "AccessDeniedException"),
            (Failure::not_found("x"), 404, "ResourceNotFoundException"),
            (Failure::model_not_found("x"), 404, "ResourceNotFoundException"),
            (Failure::timed_out(), 408, "RequestTimeoutException"),
            (Failure::busy("x", Duration::from_secs(1)), 429, "ThrottlingException"),
            (Failure::unavailable("x"), 503, "ServiceUnavailableException"),
            (Failure::torn("x"), 500, "InternalServerException"),
            (Refusal::conflict("x").into(), 409, "ConflictException"),
        ] {
            let failure = AwsFailure::from(failure);
            assert_eq!((failure.status.as_u16(), failure.code), (status, code));
        }
        let refused = Failure { code: Some("SignatureDoesNotMatch"), ..Failure::unauthorized("x") };
        let refused = AwsFailure::from(refused);
        assert_eq!((refused.status.as_u16(), refused.code), (403, "SignatureDoesNotMatch"));
        let torn = AwsFailure::of_model(Failure::torn("x"));
        assert_eq!((torn.status.as_u16(), torn.code), (424, "ModelErrorException"));
    }

    #[test]
    fn an_answer_says_what_and_where() {
        let failure = AwsFailure::from(Failure::invalid("It is wrong.").at("messages[0]"));
        assert_eq!(failure.message, "messages[0]: It is wrong.");
        let response = AwsFailure { retry_after: Some(Duration::from_millis(1)), ..failure }.into_response();
        assert_eq!(response.headers()["x-amzn-errortype"], "ValidationException");
        assert_eq!(response.headers()["retry-after"], "1");
        assert_eq!(response.headers()["content-type"], "application/json");
    }
}
