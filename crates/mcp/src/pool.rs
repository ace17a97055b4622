//! Connections that are kept: one for each server of one project, under one set of headers and one credential. Never
//! shared across projects; bounded; closed when nobody uses them.

use crate::connection::Connection;
use crate::failure::Failure;
use crate::http::Http;
use crate::{Target, Way};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use types::ProjectId;

/// Whose connection it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    pub project: ProjectId,
    /// Where it leaves from: empty for this service, else what names the environment, and the server in it. Programs
    /// are told apart by nothing else.
    pub place: String,
}

type Key = (Owner, String, [u8; 32]);

/// All connections of a server.
pub struct Servers {
    http: Http,
    kept: Mutex<BTreeMap<Key, Arc<Connection>>>,
}

impl Servers {
    /// Starts a task that closes what is idle; it ends when the last handle is dropped.
    #[must_use]
    pub fn new(http: Http) -> Arc<Self> {
        let world = http.world().clone();
        let every = http.limits().idle / 10;
        let servers = Arc::new(Self { http, kept: Mutex::default() });
        let weak: Weak<Self> = Arc::downgrade(&servers);
        let (clock, spawn) = (world.clock.clone(), world.spawn.clone());
        world.spawn.spawn(
            "mcp idle connections",
            Box::pin(async move {
                loop {
                    clock.sleep(every).await;
                    let Some(servers) = weak.upgrade() else { return };
                    for idle in servers.take_idle() {
                        // A server that is slow to hear of it holds up no other project's.
                        spawn.spawn("mcp close", Box::pin(async move { idle.close().await }));
                    }
                }
            }),
        );
        servers
    }

    #[must_use]
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// The connection to a server, made where there is none. It dials nothing yet.
    pub fn connection(&self, owner: &Owner, way: Way) -> Result<Arc<Connection>, Failure> {
        let key = key(owner, &way);
        let mut kept = self.kept();
        self.make_room(&kept, &owner.project);
        if let Some(connection) = kept.get(&key) {
            return Ok(connection.clone());
        }
        let limits = self.http.limits();
        let of_project = kept.keys().filter(|(other, ..)| other.project == owner.project).count();
        if of_project >= limits.per_project || kept.len() >= limits.all {
            let oldest = oldest(&kept, (of_project >= limits.per_project).then_some(&owner.project));
            let Some(oldest) = oldest else {
                return Err(Failure::not_sent("too many connections to MCP servers are in use"));
            };
            if let Some(closed) = kept.remove(&oldest) {
                let close = async move { closed.close().await };
                self.http.world().spawn.spawn("mcp close", Box::pin(close));
            }
        }
        let connection = Arc::new(Connection::new(way, &self.http).map_err(Failure::not_sent)?);
        kept.insert(key, connection.clone());
        Ok(connection)
    }

    /// Closes all connections of one place, such as an environment that is gone.
    pub async fn close(&self, owner: &Owner) {
        let closed: Vec<Arc<Connection>> = {
            let mut kept = self.kept();
            let keys: Vec<Key> = kept.keys().filter(|(other, ..)| other == owner).cloned().collect();
            keys.iter().filter_map(|key| kept.remove(key)).collect()
        };
        for connection in closed {
            connection.close().await;
        }
    }

    /// Ends all programs but those that are at work, and waits for that, but not for long: who goes leaves nothing behind
    /// that the next one would only end.
    pub async fn end_programs(&self) {
        let at_rest: Vec<Arc<Connection>> = {
            let mut kept = self.kept();
            let is_at_rest =
                |connection: &Arc<Connection>| Arc::strong_count(connection) == 1 && connection.is_program_at_rest();
            let keys: Vec<Key> =
                kept.iter().filter(|(_, connection)| is_at_rest(connection)).map(|(key, _)| key.clone()).collect();
            keys.iter().filter_map(|key| kept.remove(key)).collect()
        };
        let mut ends: Vec<_> = at_rest.iter().map(|connection| Box::pin(connection.close())).collect();
        std::future::poll_fn(|context| {
            ends.retain_mut(|end| end.as_mut().poll(context).is_pending());
            if ends.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Lets go of listings where too many bytes of them are kept: those that nobody used for the longest time go first.
    fn make_room(&self, kept: &BTreeMap<Key, Arc<Connection>>, project: &ProjectId) {
        let limits = self.http.limits();
        let (mut own, mut all) = (0, 0);
        let mut holding = Vec::new();
        for ((owner, ..), connection) in kept.iter().filter(|(_, connection)| connection.held() > 0) {
            let is_own = owner.project == *project;
            all += connection.held();
            own += if is_own { connection.held() } else { 0 };
            holding.push((connection.idle(), is_own, connection));
        }
        if own <= limits.kept_of_project && all <= limits.kept {
            return;
        }
        holding.sort_by_key(|(idle, ..)| std::cmp::Reverse(*idle));
        for (_, is_own, connection) in holding {
            let of_own = is_own && own > limits.kept_of_project;
            if of_own || all > limits.kept {
                let held = connection.held();
                connection.let_go();
                all -= held;
                own -= if is_own { held } else { 0 };
            }
        }
    }

    fn take_idle(&self) -> Vec<Arc<Connection>> {
        let idle = self.http.limits().idle;
        let mut kept = self.kept();
        let old: Vec<Key> = kept
            .iter()
            .filter(|(_, connection)| Arc::strong_count(connection) == 1 && connection.idle() >= idle)
            .map(|(key, _)| key.clone())
            .collect();
        old.iter().filter_map(|key| kept.remove(key)).collect()
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Connection>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one that nobody uses for the longest time; of one project, if it is that which has too many.
fn oldest(kept: &BTreeMap<Key, Arc<Connection>>, project: Option<&ProjectId>) -> Option<Key> {
    kept.iter()
        .filter(|((owner, ..), connection)| {
            Arc::strong_count(connection) == 1 && project.is_none_or(|project| owner.project == *project)
        })
        .max_by_key(|(_, connection)| connection.idle())
        .map(|(key, _)| key.clone())
}

fn key(owner: &Owner, way: &Way) -> Key {
    let (url, digest) = match way {
        Way::Service(target) | Way::Through(target, _) => (target.url.to_string(), digest(target)),
        Way::Program { .. } => (String::new(), [0; 32]),
    };
    (owner.clone(), url, digest)
}

/// Of all that is sent along: no secret can be read from it. Each part is told apart from the next by its length.
fn digest(target: &Target) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    for (name, value) in &target.headers {
        part(name);
        part(value);
    }
    part(&serde_json::to_string(&target.request_metadata).unwrap_or_default());
    part(if target.bearer.is_some() { "bearer" } else { "" });
    part(target.credential.as_deref().unwrap_or_default());
    hash.finalize().into()
}
