//! A key service, as this crate asks it, and who asks. Who connects is behind the trait.

pub use crate::refresh::endpoint::{Answer, Unanswered};
use crate::secret::Secret;
use types::BoxFuture;
use zeroize::Zeroizing;

/// An access key of AWS.
#[derive(Clone, Debug)]
pub struct Access {
    pub id: String,
    pub secret: Secret,
    /// With temporary credentials.
    pub session_token: Option<Secret>,
}

/// Signed already: it is sent as it is, by POST.
pub struct ServiceRequest {
    pub url: String,
    /// All but `host`, which is that of the URL, with its port where that is not the scheme's own.
    pub headers: Vec<(&'static str, Secret)>,
    /// It may hold a data key.
    pub body: Zeroizing<Vec<u8>>,
}

/// Redirects are not followed, and nothing is sent twice.
pub trait KeyService: Send + Sync + 'static {
    fn post<'a>(&'a self, request: &'a ServiceRequest) -> BoxFuture<'a, Result<Answer, Unanswered>>;
}
