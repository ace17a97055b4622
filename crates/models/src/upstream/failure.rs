//! What went wrong with an upstream, and what kind of error that is: by status, by the code in the body, by the words
//! where upstreams have no code. Retrying is decided by the engine from the kind alone.

use super::redaction::Redaction;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use serde_json::Value;
use std::error::Error as _;
use std::time::Duration;
use types::{ModelError, ModelErrorKind as Kind};

/// An error before it was cleaned: it may hold the upstream's words raw, so it has no `Debug` and no `Display`.
pub(crate) struct Fault {
    kind: Kind,
    /// Our words, safe to show.
    what: String,
    /// The upstream's words.
    said: Option<String>,
    retry_after: Option<Duration>,
}

impl Fault {
    pub(crate) fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), said: None, retry_after: None }
    }

    /// The answer ended before it was complete.
    pub(crate) fn torn() -> Self {
        Self::new(Kind::Torn, "the upstream's answer broke off")
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The connection failed, or broke while something was sent or read.
    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        let refused = causes(error).any(|cause| {
            cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        });
        // The library's own text may name addresses, so it goes to the debug log only.
        tracing::debug!(error = ?error, "the exchange with an upstream failed");
        if error.is_builder() {
            Self::new(Kind::Internal, "the request could not be made")
        } else if error.is_connect() && refused {
            Self::new(Kind::Connect, "the upstream refused the connection")
        } else if error.is_connect() && error.is_timeout() {
            Self::new(Kind::Connect, "connecting to the upstream took too long")
        } else if error.is_connect() {
            Self::new(Kind::Connect, "no connection to the upstream could be made")
        } else {
            Self::torn()
        }
    }

    /// An answer with a status other than 2xx.
    pub(super) fn of_answer(status: u16, body: &[u8], retry_after: Option<Duration>) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let report = Report::of(&body);
        Self {
            kind: of_status(status, &report),
            what: format!("the upstream answered with status {status}"),
            said: report.message,
            retry_after,
        }
    }

    /// An upstream that answers `status` and says nothing more.
    pub(crate) fn of_status(status: u16) -> Self {
        Self::of_answer(status, b"", None)
    }

    /// An error inside an answer that had begun well. `error` is the object that holds code and message.
    pub(crate) fn of_error_object(error: &Value) -> Self {
        let report = Report::of(error);
        let status = report.code.parse::<u16>().ok().filter(|code| (400..600).contains(code));
        let kind = match status {
            Some(status) => of_status(status, &report),
            None => of_code(&report).unwrap_or(Kind::Upstream),
        };
        Self { kind, what: "the upstream reported an error".to_owned(), said: report.message, retry_after: None }
    }

    pub(crate) fn into_error(self, redaction: &Redaction) -> ModelError {
        // What is said of a bad key often quotes part of it.
        let said = self.said.filter(|_| self.kind != Kind::Authentication);
        let message = match said.map(|said| redaction.excerpt(&said)).filter(|said| !said.is_empty()) {
            Some(said) => format!("{}: {said}", self.what),
            None => self.what,
        };
        ModelError { kind: self.kind, message, retry_after: self.retry_after }
    }
}

fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |cause| (*cause).source())
}

/// What an error body says, in whichever of the usual shapes. Empty strings for what is missing.
#[derive(Default)]
struct Report {
    code: String,
    kind: String,
    message: Option<String>,
}

impl Report {
    fn of(body: &Value) -> Self {
        let inner = match &body["error"] {
            Value::Null => body,
            inner => inner,
        };
        if let Some(message) = inner.as_str() {
            return Self { message: Some(message.to_owned()), ..Self::default() };
        }
        let word = |value: &Value| match value {
            Value::String(word) => word.to_ascii_lowercase(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        let message = ["message", "detail"].into_iter().find_map(|name| inner[name].as_str()).map(str::to_owned);
        Self { code: word(&inner["code"]), kind: word(&inner["type"]), message }
    }

    fn says(&self, phrases: &[&str]) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_ascii_lowercase();
        phrases.iter().any(|phrase| message.contains(phrase))
    }

    fn is(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.code == *word || self.kind == *word)
    }
}

fn of_status(status: u16, report: &Report) -> Kind {
    match status {
        402 => Kind::Quota,
        408 => Kind::Timeout,
        409 => Kind::Upstream,
        429 if is_quota(report) => Kind::Quota,
        429 => Kind::RateLimited,
        503 | 529 => Kind::Overloaded,
        500.. => Kind::Upstream,
        400..500 if is_context_length(report) => Kind::ContextLength,
        400..500 if is_policy(report) => Kind::Policy,
        403 if is_quota(report) => Kind::Quota,
        401 | 403 => Kind::Authentication,
        404 => Kind::NotFound,
        _ => Kind::Invalid,
    }
}

/// None where neither code nor words are known.
fn of_code(report: &Report) -> Option<Kind> {
    let is = |words: &[&str]| report.is(words);
    Some(if is_context_length(report) {
        Kind::ContextLength
    } else if is_quota(report) {
        Kind::Quota
    } else if is_policy(report) {
        Kind::Policy
    } else if is(&["rate_limit_exceeded", "rate_limit_error", "too_many_requests"]) {
        Kind::RateLimited
    } else if is(&["overloaded_error", "overloaded", "server_overloaded", "engine_overloaded", "slow_down"]) {
        Kind::Overloaded
    } else if is(&["invalid_api_key", "authentication_error", "permission_error"]) {
        Kind::Authentication
    } else if is(&["model_not_found", "not_found_error"]) {
        Kind::NotFound
    } else if is(&["request_timeout", "timeout", "timeout_error"]) {
        Kind::Timeout
    } else if report.kind == "invalid_request_error" || is_invalid_code(&report.code) {
        Kind::Invalid
    } else {
        return None;
    })
}

fn is_invalid_code(code: &str) -> bool {
    ["invalid_", "image_", "empty_image", "unsupported_", "failed_to_download_image"]
        .iter()
        .any(|prefix| code.starts_with(prefix))
}

fn is_context_length(report: &Report) -> bool {
    report.is(&["context_length_exceeded", "exceed_context_size_error"])
        || report.says(&[
            "maximum context length",
            "context length exceeded",
            "exceeds the context window",
            "exceeds the available context size",
            "context window exceeded",
            "prompt is too long",
        ])
}

fn is_quota(report: &Report) -> bool {
    report.is(&["insufficient_quota", "billing_hard_limit_reached", "billing_error", "insufficient_balance"])
}

fn is_policy(report: &Report) -> bool {
    let word = |word: &str| word == "content_filter" || word.ends_with("_policy") || word.contains("_policy_");
    word(&report.code)
        || word(&report.kind)
        || (report.is(&["invalid_prompt"]) && report.says(&["usage policy", "policies", "safety"]))
}

/// How long the upstream asked us to stay away: `retry-after-ms`, or `Retry-After` in seconds or as a date, which is
/// read against the answer's own `Date` since our clocks may differ.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|value| value.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(text(DATE.as_str())?).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests;
