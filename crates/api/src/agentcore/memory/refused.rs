//! Errors in the shape of AgentCore's: its own names for what other services of AWS call otherwise, and with a wrong
//! request the reason and the field.

use crate::aws::AwsFailure;
use crate::failure::Failure;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use recall::{Reason, Trouble};
use serde_json::json;
use wire::Fault;

const PARSING: &str = "CannotParse";
const FIELD: &str = "FieldValidationFailed";

pub struct Refused {
    failure: AwsFailure,
    /// Only with a request that is wrong.
    reason: Option<&'static str>,
    field: Option<String>,
}

impl Refused {
    fn new(failure: AwsFailure) -> Self {
        Self { failure, reason: None, field: None }
    }

    pub fn wrong(message: impl Into<String>, field: Option<&str>) -> Self {
        let failure = AwsFailure::validation(message);
        Self { failure, reason: Some(FIELD), field: field.map(str::to_owned) }
    }

    pub fn missing(memory: &str) -> Self {
        let id: String = memory.chars().take(200).collect();
        Self::new(AwsFailure::not_found(format!("Resource not found: memory {id}.")))
    }

    pub fn missing_record() -> Self {
        Self::new(AwsFailure::not_found("Resource not found: this server keeps no memory records."))
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        let text = trouble.to_string();
        match trouble {
            Trouble::Wrong { reason, at, .. } => {
                let reason = match reason {
                    Reason::Field => FIELD,
                    Reason::Repeated => "IdempotentParameterMismatchException",
                    Reason::Elsewhere => "EventInOtherSession",
                    Reason::Conflict => "ResourceConflict",
                };
                Self { reason: Some(reason), ..Self::wrong(text, at) }
            }
            Trouble::Missing(_) => Self::new(AwsFailure::not_found(text)),
            Trouble::Full(_) => {
                Self::new(AwsFailure::new(StatusCode::PAYMENT_REQUIRED, "ServiceQuotaExceededException", text))
            }
            Trouble::Unavailable => {
                Self::new(AwsFailure::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceException", text))
            }
            Trouble::Internal(_) => {
                Self::new(AwsFailure::new(StatusCode::INTERNAL_SERVER_ERROR, "ServiceException", text))
            }
        }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::wrong(fault.message, fault.param.as_deref())
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let mut failure = AwsFailure::from(failure);
        failure.code = match failure.code {
            "ThrottlingException" => "ThrottledException",
            "InternalServerException" | "ServiceUnavailableException" => "ServiceException",
            other => other,
        };
        let reason = (failure.code == "ValidationException").then_some(PARSING);
        Self { failure, reason, field: None }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Some(reason) = self.reason else { return self.failure.into_response() };
        let message = self.failure.message.clone();
        let mut body = json!({ "message": message, "reason": reason });
        if let Some(field) = self.field {
            body["fieldList"] = json!([{ "name": field, "message": message }]);
        }
        let (mut parts, _) = self.failure.into_response().into_parts();
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(body.to_string()))
    }
}
