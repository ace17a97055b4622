//! An environment that runs: its sandbox, the executor in it and the way out of it, and how it ended.

use crate::link;
use crate::secrets::OfEnvironment;
use crate::ways::Ways;
use egress::Proxy;
use environments::client::{self, Client};
use sandbox::{Exit, Running};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use types::BoxFuture;

pub(crate) struct Live {
    pub(crate) client: Arc<Client>,
    pub(crate) proxy: Arc<Proxy>,
    running: Arc<Running>,
    /// Set, the line and the way out end.
    over: watch::Sender<bool>,
    ended: watch::Receiver<Option<Ended>>,
    connected: watch::Receiver<bool>,
}

/// How a sandbox ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    Exited(Exit),
    /// Nobody knows how.
    Lost,
    /// It runs, for another server.
    Parted,
}

/// One of the places in which sandboxes may run. Whoever runs keeps it to its end.
pub(crate) type Place = Arc<OwnedSemaphorePermit>;

/// What is needed to have one.
pub(crate) struct Parts {
    pub(crate) running: Running,
    pub(crate) proxy: Proxy,
    /// Where the executor's socket is.
    pub(crate) folder: PathBuf,
    /// The executor's session, where there was one.
    pub(crate) session: Option<String>,
    pub(crate) secrets: Arc<OfEnvironment>,
    pub(crate) place: Place,
}

/// Who is told of the executor's sessions, before they are used.
pub(crate) type Keep = Arc<dyn Fn(String) -> BoxFuture<'static, bool> + Send + Sync>;

struct Ear {
    keep: Keep,
    secrets: Arc<OfEnvironment>,
    connected: watch::Sender<bool>,
}

impl client::Listener for Ear {
    fn begun<'a>(&'a self, session: &'a str) -> BoxFuture<'a, bool> {
        (self.keep)(session.to_owned())
    }

    fn connected(&self) {
        self.connected.send_replace(true);
    }

    fn disconnected(&self) {
        self.connected.send_replace(false);
    }

    fn variables(&self) -> BTreeMap<String, String> {
        self.secrets.variables()
    }
}

impl Live {
    /// From now on its executor is spoken to, its way out served, and its end heard of.
    pub(crate) fn begin(mut parts: Parts, keep: Keep, places: Arc<Semaphore>, world: client::World) -> Arc<Self> {
        let spawn = world.spawn.clone();
        let clock = world.clock.clone();
        let (connection, connected) = watch::channel(false);
        let ways = Ways { places, clock: clock.clone(), spawn: spawn.clone() };
        let settings = client::Settings { all_variables: true, ..client::Settings::default() };
        let ear = Arc::new(Ear { keep, secrets: parts.secrets, connected: connection });
        let client = Arc::new(Client::new(world, settings, ear, parts.session));
        let proxy = Arc::new(parts.proxy);
        let (over, is_over) = watch::channel(false);
        for listener in std::mem::take(&mut parts.running.listeners) {
            spawn.spawn("way out", Box::pin(ways.clone().serve(listener, proxy.clone(), is_over.clone())));
        }
        let line = link::hold(parts.folder, client.clone(), clock, is_over);
        spawn.spawn("executor's line", Box::pin(line));
        let running = Arc::new(parts.running);
        let (end, ended) = watch::channel(None);
        spawn.spawn("sandbox", Box::pin(watched(running.clone(), end, parts.place)));
        Arc::new(Self { client, proxy, running, over, ended, connected })
    }

    /// Returns when the executor answers; `false` where the sandbox ended first.
    pub(crate) async fn connected(&self) -> bool {
        let mut connected = self.connected.clone();
        tokio::select! {
            biased;
            there = connected.wait_for(|there| *there) => there.is_ok(),
            _ = self.ended() => false,
        }
    }

    /// Returns when the sandbox has ended, however.
    pub(crate) async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(end) => (*end).unwrap_or(Ended::Lost),
            Err(_) => Ended::Lost,
        }
    }

    /// Ends everything in it, and returns when that is done. Whoever waits for it learns it.
    pub(crate) async fn end(&self) {
        self.running.kill();
        self.ended().await;
        self.close();
    }

    /// Leaves it to the next server.
    pub(crate) fn leave(&self) {
        self.over.send_replace(true);
        self.running.leave();
    }

    /// After its end: nobody waits for its executor any more.
    pub(crate) fn close(&self) {
        self.over.send_replace(true);
        self.client.abandon();
    }
}

/// A thread waits only where it is known that it need not.
#[expect(clippy::disallowed_methods, reason = "an edge: waiting for a sandbox blocks its thread")]
#[expect(deprecated, reason = "it is about descriptors that may change hands; this one is owned")]
async fn watched(running: Arc<Running>, end: watch::Sender<Option<Ended>>, place: Place) {
    let news = running.news().and_then(|news| news.try_clone_to_owned().ok());
    if let Some(news) = news.and_then(|news| AsyncFd::with_interest(news, Interest::READABLE).ok()) {
        let _ = news.readable().await;
    }
    let waited = tokio::task::spawn_blocking(move || running.wait()).await;
    let ended = match waited {
        Ok(Ok(exit)) => Ended::Exited(exit),
        Ok(Err(sandbox::Error::Parted)) => Ended::Parted,
        Ok(Err(error)) => {
            tracing::warn!(%error, "a sandbox was lost");
            Ended::Lost
        }
        Err(_) => Ended::Lost,
    };
    drop(place);
    end.send_replace(Some(ended));
}
