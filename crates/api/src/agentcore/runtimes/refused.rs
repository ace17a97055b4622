//! Errors of runtimes: with a wrong request the reason and the field, and the runtime's own fault as what it is.

use crate::aws::AwsFailure;
use crate::failure::Failure;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hosting::Unserved;
use serde_json::json;
use types::{Refusal, RefusalKind};
use wire::Fault;

const MISSING: &str = "There is no such agent runtime, or no such version, endpoint or session of it.";

pub struct Refused {
    failure: AwsFailure,
    field: Option<String>,
}

impl Refused {
    pub fn wrong(message: impl Into<String>, field: Option<&str>) -> Self {
        Self { failure: AwsFailure::validation(message), field: field.map(str::to_owned) }
    }

    /// The same for what is another's and what never was.
    pub fn missing() -> Self {
        AwsFailure::not_found(MISSING).into()
    }

    /// Where the operation has no exception for what is missing, `field` is wrong.
    pub fn or_wrong(self, field: &str) -> Self {
        match self.failure.status {
            StatusCode::NOT_FOUND => Self::wrong(self.failure.message, Some(field)),
            _ => self,
        }
    }
}

impl Refused {
    /// Where the answer has begun: the name of a member of the stream, and the message.
    pub fn in_stream(self) -> (&'static str, String) {
        let name = match self.failure.code {
            "RuntimeClientError" => "runtimeClientError",
            "ResourceNotFoundException" => "resourceNotFoundException",
            "ThrottlingException" => "throttlingException",
            _ => "internalServerException",
        };
        (name, self.failure.message)
    }
}

impl From<AwsFailure> for Refused {
    fn from(failure: AwsFailure) -> Self {
        Self { failure, field: None }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        let field = failure.param.clone();
        Self { failure: failure.into(), field }
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Failure::from(fault).into()
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal.kind {
            RefusalKind::NotFound => Self::missing(),
            _ => Failure::from(refusal).into(),
        }
    }
}

impl From<Unserved> for Refused {
    fn from(unserved: Unserved) -> Self {
        match unserved {
            Unserved::Refused(refusal) => refusal.into(),
            Unserved::Program(message) => {
                AwsFailure::new(StatusCode::FAILED_DEPENDENCY, "RuntimeClientError", message).into()
            }
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self { failure, field } = self;
        if failure.code != "ValidationException" {
            return failure.into_response();
        }
        let mut body = json!({ "message": failure.message, "reason": "FieldValidationFailed" });
        if let Some(field) = field {
            body["fieldList"] = json!([{ "name": field, "message": failure.message }]);
        }
        let mut response = failure.into_response();
        // The same error with more said of it.
        let (said, headers) = (Json(body).into_response(), response.headers_mut());
        headers.remove(axum::http::header::CONTENT_LENGTH);
        *response.body_mut() = said.into_body();
        response
    }
}
