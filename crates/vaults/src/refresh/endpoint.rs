//! A token endpoint, as this crate asks it. Who connects, and which addresses may be reached, is behind the trait.

use crate::secret::Secret;
use types::BoxFuture;

/// What an endpoint is asked for, by POST.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TokenRequest {
    pub url: String,
    /// The client's id and secret for the header (RFC 6749, section 2.3.1: each is encoded as in a form first).
    pub basic: Option<(String, Secret)>,
    /// Sent as `application/x-www-form-urlencoded`.
    pub form: Vec<(&'static str, Secret)>,
}

/// What it answered. The body may hold tokens.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    /// At most 1 MiB: what is longer is `Unanswered::Network`.
    pub body: zeroize::Zeroizing<Vec<u8>>,
}

/// Why there is no answer. The texts are shown to clients: they hold nothing of the request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nothing of the request was sent: another try may go well.
    #[error("{0}")]
    NotSent(String),
    /// It may have reached the endpoint, and what that answered is lost.
    #[error("{0}")]
    Network(String),
    /// The address may not be reached: asking again changes nothing.
    #[error("{0}")]
    Forbidden(String),
}

/// Redirects are not followed: the request holds secrets.
pub trait TokenEndpoint: Send + Sync + 'static {
    fn post<'a>(&'a self, request: &'a TokenRequest) -> BoxFuture<'a, Result<Answer, Unanswered>>;
}
