//! The way out of one sandbox: accepts what is connected to inside and gives it to the proxy, so many connections at a
//! time for one environment, and so many for all, since descriptors are the server's. It judges nothing.

use egress::Proxy;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use types::{Clock, Spawn};

/// Connections beside those that the proxy serves: each is told that there are too many.
const SPARE: usize = 16;
/// Pause after the kernel refused a connection (mostly: no descriptor left).
const BREATH: Duration = Duration::from_millis(100);

/// What the ways out of all environments share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Ways {
    pub(crate) places: Arc<Semaphore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) spawn: Arc<dyn Spawn>,
}

type Places = (OwnedSemaphorePermit, OwnedSemaphorePermit);

impl Ways {
    /// Serves one environment until it is over.
    pub(crate) async fn serve(self, listener: TcpListener, proxy: Arc<Proxy>, mut is_over: watch::Receiver<bool>) {
        let listener = listener.set_nonblocking(true).and_then(|()| tokio::net::TcpListener::from_std(listener));
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return tracing::warn!(%error, "a sandbox has no way out"),
        };
        let own = Arc::new(Semaphore::new(proxy.limits().connections.saturating_add(SPARE)));
        let mut was_refused = false;
        loop {
            let next = tokio::select! {
                biased;
                _ = is_over.wait_for(|over| *over) => return,
                next = self.next(&listener, &own) => next,
            };
            match next {
                Ok((stream, places)) => {
                    was_refused = false;
                    self.begin(stream, places, proxy.clone(), is_over.clone());
                }
                Err(error) => {
                    if !was_refused {
                        tracing::warn!(%error, "a connection out of a sandbox could not be accepted");
                    }
                    was_refused = true;
                    tokio::select! {
                        biased;
                        _ = is_over.wait_for(|over| *over) => return,
                        () = self.clock.sleep(BREATH) => {}
                    }
                }
            }
        }
    }

    /// The common place comes last: an environment waits for it with a single connection, in turn with the others, and
    /// one that is silent holds none.
    async fn next(&self, listener: &tokio::net::TcpListener, own: &Arc<Semaphore>) -> io::Result<(TcpStream, Places)> {
        let own = own.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = listener.accept().await?;
        let common = self.places.clone().acquire_owned().await.map_err(io::Error::other)?;
        Ok((stream, (own, common)))
    }

    fn begin(&self, stream: TcpStream, places: Places, proxy: Arc<Proxy>, mut is_over: watch::Receiver<bool>) {
        let served = async move {
            let _places = places;
            tokio::select! {
                biased;
                _ = is_over.wait_for(|over| *over) => {}
                () = proxy.serve(stream) => {}
            }
        };
        self.spawn.spawn("egress", Box::pin(served));
    }
}

#[cfg(test)]
mod tests;
