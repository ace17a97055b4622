//! What carries HTTP requests: the service's own guarded client, or an environment. Only shapes; no rule is here.

use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use types::BoxFuture;
use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Delete,
}

impl Method {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Delete => "DELETE",
        }
    }
}

/// One request. Whoever carries it calls [`Begun::mark`] before the first byte of it can have left.
pub struct HttpRequest {
    pub method: Method,
    pub url: Url,
    /// Names in lower case; values without line breaks.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub begun: Begun,
}

/// Whether the server may have had anything of a request. Shared with whoever waits for the answer, who may give up.
#[derive(Clone, Default)]
pub struct Begun(Arc<AtomicBool>);

impl Begun {
    pub fn mark(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// What had begun was refused by the server, whole.
    pub(crate) fn clear(&self) {
        self.0.store(false, Ordering::SeqCst);
    }

    #[must_use]
    pub fn is_marked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The head of an answer; the body comes piece by piece.
pub struct HttpAnswer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Box<dyn HttpBody>,
}

impl HttpAnswer {
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The rest of an answer. Dropping it ends the exchange.
pub trait HttpBody: Send {
    /// The next piece, of no particular size; `None` at the end.
    fn next(&mut self) -> BoxFuture<'_, Result<Option<Bytes>, HttpLost>>;
}

/// No answer, or not all of it.
#[derive(Clone, Debug)]
pub struct HttpLost {
    /// Without the URL's query and without headers.
    pub why: String,
    /// A rule forbids it: asking again is of no use.
    pub forbidden: bool,
}

impl HttpLost {
    #[must_use]
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), forbidden: false }
    }

    #[must_use]
    pub fn forbidden(why: impl Into<String>) -> Self {
        Self { why: why.into(), forbidden: true }
    }
}

/// Who sends a request and follows no redirect that its own rules do not allow.
pub trait HttpThrough: Send + Sync + 'static {
    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpAnswer, HttpLost>>;
}
