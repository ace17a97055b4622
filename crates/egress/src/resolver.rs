//! Names become addresses here and nowhere else: the sandbox has no resolver of its own, and each connection goes to an
//! address that was checked, without a second look at the name.

use std::io;
use std::net::IpAddr;
use types::BoxFuture;

/// Who finds the addresses of a name.
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of a name in its one form ([`crate::Host`]); none is an error of its own kind or an empty list.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver.
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            // The dot makes it a whole name: no search domain of this machine is tried after it.
            let found = tokio::net::lookup_host((format!("{name}."), 0)).await?;
            Ok(found.map(|socket| socket.ip()).collect())
        })
    }
}
