//! The sessions of code interpreters: begun, found, listed, ended by their clients or by their time.

use super::digest;
use crate::guests::Visit;
use crate::hosting::Hosting;
use crate::record::{CodeSession, Environment, Setup};
use crate::rows::{CODE_SESSION, CODE_SESSIONS};
use crate::seat::Seat;
use runtime::{Listed, Page};
use std::sync::Arc;
use std::time::Duration;
use store::Direction;
use types::{
    ContainerSize, EnvironmentId, EnvironmentStatus, HostedSettings, NetworkSettings, Packages, ProjectId, Refusal,
    RefusalKind, Timestamp,
};

/// How long it is known of one that has ended.
const KNOWN: Duration = Duration::from_secs(3600);
/// Rows read at a time.
const PAGE: usize = 256;
/// Characters of a session's id.
const ID: usize = 26;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCodeSession {
    pub interpreter: String,
    pub name: Option<String>,
    /// Seconds.
    pub timeout: u32,
    /// The same twice under one token is one.
    pub token: Option<String>,
}

/// Which sessions of an interpreter are listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodeSessionPage {
    /// The id of the last one of the page before.
    pub after: Option<String>,
    pub limit: usize,
    /// Those that have ended, or those that have not.
    pub ended: Option<bool>,
}

/// A session that runs, while somebody asks something of it.
pub struct Desk {
    pub session: String,
    pub(super) hosting: Hosting,
    pub(super) visit: Visit,
}

impl Hosting {
    /// Begins a session; it runs when this returns. Its id, and since when it is.
    pub async fn begin_code_session(
        &self,
        project: &ProjectId,
        new: NewCodeSession,
    ) -> Result<(String, Environment), Refusal> {
        self.inner.begun().await;
        let mode = self.mode(project, &new.interpreter).await?;
        let drawn = self.new_session_id();
        let parts = ["code session", project.as_str(), &new.interpreter, new.token.as_deref().unwrap_or(&drawn)];
        let session = digest(&parts)[..ID].to_owned();
        let settings = HostedSettings {
            id: EnvironmentId::new(environment_id(&session)),
            container_size: ContainerSize::Medium,
            network: NetworkSettings { access: mode.access(), ..NetworkSettings::default() },
            capability_directories: Vec::new(),
            files: Vec::new(),
            packages: Packages::default(),
            plugins: Vec::new(),
            skills: Vec::new(),
        };
        let mut row = Environment::new(settings, EnvironmentStatus::Pending, self.inner.around.clock.now());
        row.code_session = Some(CodeSession {
            interpreter: new.interpreter.clone(),
            name: new.name.clone(),
            timeout: new.timeout,
            ended_at: None,
            starts: 0,
            has_python: false,
            stopped: Vec::new(),
        });
        match self.make(project, &row, &Setup::default()).await {
            Ok(()) => {}
            Err(taken) if taken.kind == RefusalKind::Conflict => {
                row = self.inner.environment(project, row.settings.id.as_str()).await?;
                self.inner.crowd.note(project, &row);
                let is_same = |there: &CodeSession| (&there.name, there.timeout) == (&new.name, new.timeout);
                if !row.code_session.as_ref().is_some_and(is_same) {
                    return Err(Refusal::conflict("This clientToken was used with another request."));
                }
            }
            Err(refusal) => return Err(refusal),
        }
        if !has_ended(&row) {
            let seat = self.seat(project, row.settings.id.as_str());
            self.raised_code_session(&seat).await?;
        }
        Ok((session, row))
    }

    /// A session that is known, ended or not. `NotFound`.
    pub async fn code_session(
        &self,
        project: &ProjectId,
        interpreter: &str,
        session: &str,
    ) -> Result<Environment, Refusal> {
        self.inner.begun().await;
        let row = self.inner.environment(project, &environment_id(session)).await?;
        let is_its = |known: &CodeSession| known.interpreter == interpreter;
        if row.code_session.as_ref().is_some_and(is_its) { Ok(row) } else { Err(no_session()) }
    }

    /// The newest first.
    pub async fn code_sessions(
        &self,
        project: &ProjectId,
        interpreter: &str,
        page: CodeSessionPage,
    ) -> Result<Listed<Environment>, Refusal> {
        self.inner.begun().await;
        self.mode(project, interpreter).await?;
        let (mut after, mut data) = (page.after.as_deref().map(environment_id), Vec::new());
        let now = self.inner.around.clock.now();
        loop {
            let asked = Page { after, limit: PAGE, direction: Direction::Descending };
            let rows: Listed<Environment> =
                self.inner.rows.list(project, CODE_SESSIONS, "code interpreter session", asked).await?;
            after = rows.data.last().map(|row| row.settings.id.to_string());
            for row in rows.data {
                let is_its = row.code_session.as_ref().is_some_and(|known| known.interpreter == interpreter);
                if !is_its || page.ended.is_some_and(|ended| ended != (has_ended(&row) || is_over(&row, now))) {
                    continue;
                }
                if data.len() == page.limit {
                    return Ok(Listed { data, has_more: true });
                }
                data.push(row);
            }
            if !rows.has_more {
                return Ok(Listed { data, has_more: false });
            }
        }
    }

    /// Ends a session; its disk goes with it. One that has ended may be ended again.
    pub async fn stop_code_session(
        &self,
        project: &ProjectId,
        interpreter: &str,
        session: &str,
    ) -> Result<Environment, Refusal> {
        let row = self.code_session(project, interpreter, session).await?;
        let (hosting, seat) = (self.clone(), self.seat(project, row.settings.id.as_str()));
        self.to_its_end((), async move { hosting.end_code_session(&seat).await }).await?;
        self.code_session(project, interpreter, session).await
    }

    /// A session that runs. `NotFound`: there is none, or it has ended.
    pub async fn desk(&self, project: &ProjectId, interpreter: &str, session: &str) -> Result<Desk, Refusal> {
        let row = self.code_session(project, interpreter, session).await?;
        if has_ended(&row) || is_over(&row, self.inner.around.clock.now()) {
            return Err(no_session());
        }
        let visit = Visit::begin(&self.inner, self.seat(project, row.settings.id.as_str()))?;
        self.raised_code_session(&visit.seat).await?;
        Ok(Desk { session: session.to_owned(), hosting: self.clone(), visit })
    }

    /// A client that goes away leaves nothing half started.
    async fn raised_code_session(&self, seat: &Arc<Seat>) -> Result<(), Refusal> {
        let (hosting, raised) = (self.clone(), seat.clone());
        let raising = async move { hosting.raise(&raised, None).await };
        if self.to_its_end((), raising).await??.is_some() {
            return Ok(());
        }
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        if has_ended(&row) {
            return Err(no_session());
        }
        if row.status == EnvironmentStatus::Failed {
            self.end_code_session(seat).await;
        }
        let why = row.error.map(|error| format!(" ({})", error.message)).unwrap_or_default();
        let message = format!("The session cannot be started now{why}. Try again shortly.");
        Err(Refusal::new(RefusalKind::Unavailable, message))
    }

    /// Whether its time is over, or nobody needs to know of it any more.
    pub(crate) async fn look_after_code_session(&self, seat: &Arc<Seat>) {
        let Ok(row) = self.inner.environment(&seat.project, &seat.id).await else { return };
        let now = self.inner.around.clock.now();
        match row.code_session.as_ref().and_then(|session| session.ended_at) {
            Some(ended) if ended.until(now) >= KNOWN => {
                if let Err(refusal) = self.remove(&seat.project, &seat.id).await {
                    tracing::warn!(session = seat.id, %refusal, "a session that has ended is still there");
                }
            }
            Some(_) => {}
            None if is_over(&row, now) => self.end_code_session(seat).await,
            None => {}
        }
    }

    /// Whatever it does. First the word, then the disk: one that is gone is never taken for one that is there.
    pub(super) async fn end_code_session(&self, seat: &Arc<Seat>) {
        let now = self.inner.around.clock.now();
        let _turn = seat.turn.lock().await;
        if let Some(live) = seat.take() {
            live.end().await;
        }
        let ended = self.inner.change(&seat.project, &seat.id, |row| {
            // For good: nothing sets it up again.
            row.status = EnvironmentStatus::Failed;
            if let Some(session) = row.code_session.as_mut() {
                session.ended_at.get_or_insert(now);
            }
        });
        if let Err(refusal) = ended.await {
            return tracing::warn!(session = seat.id, %refusal, "the end of a session is not noted");
        }
        self.inner.pythons.forget(&seat.id);
        self.end_left(&self.inner.folder(&seat.id)).await;
        self.clear_disk(seat).await;
        seat.rest();
    }
}

/// A session's environment.
fn environment_id(session: &str) -> String {
    format!("{CODE_SESSION}{session}")
}

fn has_ended(row: &Environment) -> bool {
    row.code_session.as_ref().is_none_or(|session| session.ended_at.is_some())
}

/// Its time has passed, whether or not that was seen to.
fn is_over(row: &Environment, now: Timestamp) -> bool {
    let time = row.code_session.as_ref().map_or(0, |session| session.timeout);
    row.created_at.until(now) >= Duration::from_secs(time.into())
}

impl Environment {
    /// The id of the session of an interpreter, as its clients know it.
    #[must_use]
    pub fn code_session_id(&self) -> &str {
        self.settings.id.as_str().strip_prefix(CODE_SESSION).unwrap_or_default()
    }

    /// When the session of an interpreter ended, as far as it has.
    #[must_use]
    pub fn code_session_end(&self, now: Timestamp) -> Option<Timestamp> {
        let session = self.code_session.as_ref()?;
        session.ended_at.or_else(|| is_over(self, now).then_some(now))
    }
}

fn no_session() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "There is no such session of that code interpreter, or it has ended.")
}
