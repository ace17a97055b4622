//! Names become addresses here and nowhere else: the sandbox has no resolver of its own, and each connection goes to an
//! address that was checked, without a second look at the name.
//!
//! The machine's resolver blocks its thread for as long as it likes, and a sandbox chooses the names. So look-ups have
//! threads of their own, few for all environments and fewer for one; the server's own work never waits for them.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use tokio::sync::{Semaphore, oneshot};
use types::BoxFuture;

/// Look-ups under way at one time: of all environments, and of one.
const ALL: usize = 32;
const ONE: usize = 4;

/// Who finds the addresses of a name.
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of a name in its one form ([`crate::Host`]); none is an error of its own kind or an empty list.
    /// It may take for ever: whoever asks bounds the time.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

type Find = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// The machine's own resolver, for all environments of a server. Cheap to clone.
#[derive(Clone)]
pub struct Lookups {
    places: Arc<Semaphore>,
    find: Arc<Find>,
}

/// One environment's share of it.
pub struct SystemResolver {
    all: Lookups,
    places: Arc<Semaphore>,
}

impl Default for Lookups {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(ALL)), find: Arc::new(find) }
    }
}

impl Lookups {
    /// What one environment asks; a few names at a time.
    #[must_use]
    pub fn of_one(&self) -> SystemResolver {
        SystemResolver { all: self.clone(), places: Arc::new(Semaphore::new(ONE)) }
    }
}

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            // Its own place first: one environment waits for the common ones with a few names only.
            let own = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
            let common = self.all.places.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (tell, told) = oneshot::channel();
            let (find, name) = (self.all.find.clone(), name.to_owned());
            let look_up = move || {
                let _ = tell.send(find(&name));
                // Whoever asked may be gone for long; the places are free when the thread is.
                drop((own, common));
            };
            std::thread::Builder::new().name("look-up".to_owned()).spawn(look_up)?;
            told.await.map_err(io::Error::other)?
        })
    }
}

fn find(name: &str) -> io::Result<Vec<IpAddr>> {
    // The dot makes it a whole name: no search domain of this machine is tried after it.
    let found = (format!("{name}."), 0).to_socket_addrs()?;
    Ok(found.map(|socket| socket.ip()).collect())
}

#[cfg(test)]
mod tests;
