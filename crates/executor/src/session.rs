//! Sessions: what a client has, its processes, outlives its connection. A session that nobody has come back to for a
//! while is ended with all that it started.

use crate::connection::Connection;
use crate::http::Clients;
use crate::machine::Machine;
use crate::process::Processes;
use crate::transport::{Incoming, Transport};
use crate::world;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use wire::executor::{Failure, Initialize, code};

/// Sessions at one time, attached or not.
const SESSIONS: usize = 64;

/// All sessions of one executor.
pub struct Executor {
    pub(crate) machine: Machine,
    pub(crate) http: Clients,
    kept_detached: Duration,
    sessions: Mutex<BTreeMap<String, Arc<Session>>>,
}

pub(crate) struct Session {
    pub id: String,
    pub processes: Processes,
    attachment: watch::Sender<Attachment>,
}

/// Who hears of the session's processes. Each attachment and each end of one has a number of its own, so that a clock
/// that was started for one does not end the next.
#[derive(Clone)]
pub(crate) struct Attachment {
    number: u64,
    pub listener: Option<mpsc::Sender<String>>,
}

impl Executor {
    #[must_use]
    pub fn new(machine: Machine, kept_detached: Duration) -> Arc<Self> {
        Arc::new(Self { machine, http: Clients::default(), kept_detached, sessions: Mutex::default() })
    }

    /// Serves one connection until it ends: requests one after the other, notifications at any time.
    pub async fn serve(self: &Arc<Self>, transport: Transport) {
        let Transport { mut incoming, outgoing } = transport;
        let mut connection = Connection::new(Arc::clone(self), outgoing.clone());
        loop {
            let next = tokio::select! {
                biased;
                () = outgoing.closed() => None,
                next = incoming.recv() => next,
            };
            let Some(Incoming { message, .. }) = next else { break };
            let goes_on = tokio::select! {
                biased;
                () = outgoing.closed() => false,
                goes_on = connection.receive(message) => goes_on,
            };
            if !goes_on {
                break;
            }
        }
        if let Some(session) = connection.into_session() {
            self.detach(&session);
        }
    }

    /// Ends all sessions and all of their processes.
    pub async fn end(&self) {
        let sessions = std::mem::take(&mut *self.sessions());
        for session in sessions.into_values() {
            session.processes.end().await;
        }
    }

    pub(crate) fn attach(&self, wanted: &Initialize, listener: mpsc::Sender<String>) -> Result<Arc<Session>, Failure> {
        let mut sessions = self.sessions();
        if let Some(id) = &wanted.resume_session_id {
            let unknown = || Failure::new(code::INVALID_REQUEST, format!("unknown session id {id}"));
            let session = sessions.get(id).ok_or_else(unknown)?;
            return session.resume(listener).map(|()| Arc::clone(session));
        }
        if sessions.len() >= SESSIONS {
            return Err(Failure::new(code::INVALID_REQUEST, format!("at most {SESSIONS} sessions at one time")));
        }
        let (attachment, follow) = watch::channel(Attachment { number: 0, listener: Some(listener) });
        let session = Arc::new(Session { id: session_id()?, processes: Processes::new(follow), attachment });
        sessions.insert(session.id.clone(), Arc::clone(&session));
        Ok(session)
    }

    fn detach(self: &Arc<Self>, session: &Arc<Session>) {
        let mut number = 0;
        session.attachment.send_modify(|attachment| {
            attachment.listener = None;
            attachment.number += 1;
            number = attachment.number;
        });
        let (executor, session) = (Arc::downgrade(self), Arc::downgrade(session));
        let time = self.kept_detached;
        world::spawn(async move {
            world::sleep(time).await;
            let (Some(executor), Some(session)) = (executor.upgrade(), session.upgrade()) else { return };
            let forgotten = {
                let mut sessions = executor.sessions();
                let forgotten = session.attachment.borrow().number == number;
                if forgotten {
                    sessions.remove(&session.id);
                }
                forgotten
            };
            if forgotten {
                session.processes.end().await;
            }
        });
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Session>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    fn resume(&self, listener: mpsc::Sender<String>) -> Result<(), Failure> {
        let resumed = self.attachment.send_if_modified(|attachment| {
            let free = attachment.listener.is_none();
            if free {
                *attachment = Attachment { number: attachment.number + 1, listener: Some(listener) };
            }
            free
        });
        if resumed {
            return Ok(());
        }
        let message = format!("session {} is already attached to another connection", self.id);
        Err(Failure::new(code::ALREADY_ATTACHED, message))
    }
}

/// A random UUID: who knows it has the session.
fn session_id() -> Result<String, Failure> {
    let mut id = world::random_hex(16)?;
    id.replace_range(12..13, "4");
    id.replace_range(16..17, "a");
    for place in [20, 16, 12, 8] {
        id.insert(place, '-');
    }
    Ok(id)
}
