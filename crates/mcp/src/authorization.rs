//! Where the token of a request comes from. Who keeps it is nobody's affair here.

use crate::challenge::Challenge;
use types::BoxFuture;

/// The bearer token of one server. What it gives goes to that server's origin alone.
pub trait Bearer: Send + Sync + 'static {
    /// The token to send now, without `Bearer `; none where there is none yet. The error is for the caller of a tool and
    /// holds no secret.
    fn current(&self) -> BoxFuture<'_, Result<Option<String>, String>>;

    /// The server refused the last one. Another token to try, or `None` to give up.
    fn refused<'a>(&'a self, challenge: &'a Challenge) -> BoxFuture<'a, Result<Option<String>, String>>;
}
