//! Whose an environment is: made for nobody or for a session, taken, given back, copied for a fork, forgotten.

use crate::artifacts::Published;
use crate::disk::{Disk, Most, remove_folder};
use crate::hosting::Hosting;
use crate::life;
use crate::noted::AGAIN;
use crate::record::{Environment, Setup};
use crate::rows::{ENVIRONMENTS, SETUPS, home, is_set_apart, refusal};
use crate::seat::Seat;
use crate::wanted::{Claim, Wanted};
use crate::{plan, rows};
use runtime::{Listed, Page, RequestKey};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::{Error, RowsChange};
use types::{EnvironmentId, EnvironmentStatus, HostedSettings, ProjectId, Refusal, RefusalKind, SessionId, Stamp};

impl Hosting {
    /// A prewarmed environment, being set up. `key`: the Idempotency-Key with a hash of the request; the same twice is one
    /// environment, another request under it a `Conflict`.
    pub async fn create(
        &self,
        project: &ProjectId,
        wanted: Wanted,
        key: Option<RequestKey>,
    ) -> Result<Environment, Refusal> {
        let around = &self.inner.around;
        let now = around.clock.now();
        let id = match &key {
            Some(key) => derived(project, &key.key),
            None => Stamp::new(now, &*around.entropy).id("env"),
        };
        if let Some(key) = &key
            && let Some(row) = self.inner.rows.read(project, ENVIRONMENTS, &id).await?
        {
            return repeated(row, key);
        }
        let vaults = wanted.vaults.clone();
        let (settings, setup) = self.inner.settle(project, EnvironmentId::new(&id), wanted, "environment.").await?;
        let mut row = Environment::new(settings, EnvironmentStatus::Pending, now);
        row.is_prewarmed = true;
        row.vaults = vaults;
        row.request = key.as_ref().map(|key| key.body_hash.clone());
        match (self.make(project, &row, &setup).await, key) {
            (Ok(()), _) => {}
            // Somebody else was faster with the same key.
            (Err(taken), Some(key)) => {
                let there = self.inner.rows.read(project, ENVIRONMENTS, &id).await?;
                let Some(row) = there else { return Err(taken) };
                self.inner.crowd.note(project, &row);
                return repeated(row, &key);
            }
            (Err(taken), None) => return Err(taken),
        }
        self.set_up_soon(&self.seat(project, &id));
        Ok(row)
    }

    pub async fn environment(&self, project: &ProjectId, id: &str) -> Result<Environment, Refusal> {
        self.inner.clients_environment(project, id).await
    }

    pub async fn environments(&self, project: &ProjectId, page: Page) -> Result<Listed<Environment>, Refusal> {
        let mut listed = self.inner.rows.list(project, ENVIRONMENTS, "environment", page).await?;
        listed.data.retain(|row: &Environment| !self.inner.seats.is_doomed(row.settings.id.as_str()));
        Ok(listed)
    }

    /// The environment of a session that is about to be created, to be written into its settings.
    pub async fn claim(
        &self,
        project: &ProjectId,
        session: &SessionId,
        claim: Claim,
    ) -> Result<HostedSettings, Refusal> {
        let wanted = match claim {
            Claim::New(wanted) => *wanted,
            Claim::Existing(id) => return self.take(project, session, &id).await,
        };
        let code = wanted.code.clone();
        let (settings, setup) = self.inner.settle(project, EnvironmentId::of(session), wanted, "environment.").await?;
        let mut row = Environment::new(settings, EnvironmentStatus::Pending, self.inner.around.clock.now());
        (row.session, row.code) = (Some(session.clone()), code);
        self.make(project, &row, &setup).await?;
        Ok(row.settings)
    }

    async fn take(&self, project: &ProjectId, session: &SessionId, id: &str) -> Result<HostedSettings, Refusal> {
        if is_set_apart(id) {
            return Err(Refusal::not_found("environment", id).at("environment.environment_id"));
        }
        let mut why = None;
        let row = self.inner.change(project, id, |row| match (&row.session, row.status) {
            (Some(_), _) => why = Some("The environment belongs to a session already."),
            (None, EnvironmentStatus::Failed) => why = Some("The environment has failed and cannot be used."),
            (None, _) => row.session = Some(session.clone()),
        });
        let row = row.await.map_err(|refusal| refusal.at("environment.environment_id"))?;
        if let Some(why) = why {
            return Err(Refusal::conflict(why).at("environment.environment_id"));
        }
        self.inner.owners().insert(session.clone(), id.to_owned());
        Ok(row.settings)
    }

    /// The session is there: from now on it is told.
    pub async fn begin_session(&self, project: &ProjectId, session: &SessionId) {
        let Err(refusal) = self.session_begun(project, session).await else { return };
        // Where this server does not come to it, the next one begins with it.
        tracing::warn!(%session, %refusal, "a session's environment is not begun");
        if !self.may_try_again(&refusal) {
            return;
        }
        let (hosting, project, session) = (self.clone(), project.clone(), session.clone());
        let beginning = async move {
            loop {
                hosting.inner.around.clock.sleep(AGAIN).await;
                match hosting.session_begun(&project, &session).await {
                    Err(refusal) if hosting.may_try_again(&refusal) => {}
                    _ => return,
                }
            }
        };
        self.inner.around.spawn.spawn("environment", Box::pin(beginning));
    }

    async fn session_begun(&self, project: &ProjectId, session: &SessionId) -> Result<(), Refusal> {
        let id = self.inner.id_of(session);
        let seat = self.seat(project, &id);
        seat.used(self.inner.around.clock.monotonic());
        let (runs, now) = (seat.live().is_some(), self.inner.around.clock.now());
        let change = |row: &mut Environment| {
            row.used_at = now;
            row.is_told |= row.session.as_ref() == Some(session);
            // What nobody had was ready, whether it ran or not.
            if row.is_told && runs && row.status == EnvironmentStatus::Ready {
                row.status = EnvironmentStatus::Connected;
            }
        };
        let row = self.inner.change(project, &id, change).await?;
        self.tell(&seat, &row);
        if row.status == EnvironmentStatus::Pending {
            self.set_up_soon(&seat);
        }
        Ok(())
    }

    /// The session could not be created: what was claimed for it is dropped, a prewarmed one given back.
    pub async fn drop_claim(&self, project: &ProjectId, session: &SessionId) {
        let id = self.inner.id_of(session);
        let was_there = self.inner.owners().remove(session);
        let dropped = match was_there {
            Some(_) => self.inner.change(project, &id, Environment::give_back).await.map(|_| ()),
            None => self.remove_claimed(project, session, &id).await,
        };
        if let Err(refusal) = dropped {
            tracing::warn!(%session, %refusal, "what was claimed for a session is still there");
        }
    }

    /// The session is gone: its sandbox ends, its disk, its rows and its artifacts are removed. Returns at once; what is
    /// not done when the server ends is done by the next.
    pub async fn forget(&self, project: &ProjectId, session: &SessionId) {
        let id = self.inner.id_of(session);
        match self.inner.environment(project, &id).await {
            Ok(row) if row.session.as_ref() == Some(session) => self.forget_soon(project, session, &id),
            _ => {}
        }
    }

    pub(crate) fn forget_soon(&self, project: &ProjectId, session: &SessionId, id: &str) {
        let (hosting, seat, session) = (self.clone(), self.seat(project, id), session.clone());
        seat.doom();
        let forgetting = async move {
            let _turn = seat.turn.lock().await;
            if let Some(live) = seat.take() {
                live.end().await;
            }
            hosting.end_left(&hosting.inner.folder(&seat.id)).await;
            let forgotten = match hosting.forget_artifacts(&seat.project, &session).await {
                Ok(()) => hosting.remove(&seat.project, &seat.id).await,
                failed => failed,
            };
            if let Err(refusal) = forgotten {
                tracing::warn!(%session, %refusal, "a deleted session's environment is still there");
            }
            hosting.inner.owners().remove(&session);
        };
        self.inner.around.spawn.spawn("environment", Box::pin(forgetting));
    }

    /// The environment of a fork: a copy of the parent's disk as it is now.
    pub async fn fork(
        &self,
        project: &ProjectId,
        parent: &SessionId,
        fork: &SessionId,
    ) -> Result<HostedSettings, Refusal> {
        let from = self.inner.id_of(parent);
        let seat = self.seat(project, &from);
        // Until it is copied, the disk stays.
        let _turn = seat.turn.lock().await;
        // Whoever wants to use it waits for the copy.
        let _work = seat.begin_work();
        let row = self.inner.environment(project, &from).await?;
        let setup: Option<Setup> = self.inner.rows.read(project, SETUPS, &from).await?;
        let id = EnvironmentId::of(fork);
        let settings = HostedSettings { id: id.clone(), ..row.settings };
        let status = match row.status {
            EnvironmentStatus::Pending => {
                return Err(Refusal::conflict(
                    "The session's environment is still being set up. Try again when it is.",
                ));
            }
            EnvironmentStatus::Failed => {
                return Err(Refusal::conflict("The session's environment has failed and cannot be copied."));
            }
            EnvironmentStatus::Expired => EnvironmentStatus::Expired,
            _ => EnvironmentStatus::Ready,
        };
        let mut heritage = Published::default();
        if life::has_disk(status) {
            heritage = self.heritage(project, parent).await?;
            let limits = plan::size(settings.container_size).limits();
            let most = Most { bytes: limits.disk, entries: limits.files };
            let target = Disk::new(&self.inner.folder(id.as_str()));
            let copies = self.inner.copies.acquire().await;
            let _copy = copies.map_err(|_| Refusal::new(RefusalKind::Unavailable, "The server ends."))?;
            let copied = Disk::new(&self.inner.folder(&from)).copy_to(&target, most).await;
            copied.map_err(|error| {
                tracing::warn!(environment = from, %error, "the disk of an environment is not copied");
                Refusal::conflict(format!("The environment's files cannot be copied: {error}."))
            })?;
        }
        let row = Environment {
            session: Some(fork.clone()),
            vaults: row.vaults,
            session_vaults: row.session_vaults,
            code: row.code,
            ..Environment::new(settings, status, self.inner.around.clock.now())
        };
        self.make(project, &row, &setup.unwrap_or_default()).await?;
        if let Err(refusal) = self.inherit(project, fork, &heritage).await {
            tracing::warn!(session = %fork, %refusal, "a fork publishes what it was forked with");
        }
        Ok(row.settings)
    }

    /// Both rows of a new environment. `Busy`: the project has too many.
    pub(crate) async fn make(&self, project: &ProjectId, row: &Environment, setup: &Setup) -> Result<(), Refusal> {
        let (rows, id) = (&self.inner.rows, row.settings.id.as_str());
        let puts = vec![
            (rows.row((home(id), id), row.created_at, row)?, true),
            (rows.row((SETUPS, id), row.created_at, setup)?, true),
        ];
        let change = RowsChange { at: row.created_at, puts, ..RowsChange::default() };
        self.inner.crowd.enter(project, row)?;
        let made = self.inner.around.store.change_rows(project, change).await;
        made.map_err(|error| {
            self.inner.crowd.leave(project, id);
            match error {
                Error::Exists => Refusal::conflict(format!("The environment '{id}' is there already, or was.")),
                error => refusal(&error),
            }
        })
    }

    /// Its rows, then its folder: a folder without a row is removed at the next start.
    pub(crate) async fn remove(&self, project: &ProjectId, id: &str) -> Result<(), Refusal> {
        self.delete(project, id, &[home(id), SETUPS]).await?;
        self.leave_nothing(project, id).await;
        Ok(())
    }

    /// What was made for a session that never came, and what a fork was to begin with.
    pub(crate) async fn remove_claimed(
        &self,
        project: &ProjectId,
        session: &SessionId,
        id: &str,
    ) -> Result<(), Refusal> {
        self.forget_artifacts(project, session).await?;
        self.remove(project, id).await
    }

    /// The same, unless a session has taken it. Whether it did.
    pub(crate) async fn remove_nobodys(&self, project: &ProjectId, id: &str) -> Result<bool, Refusal> {
        {
            // A session that would take it comes before this or after it.
            let _one_at_a_time = self.inner.one_at_a_time(id).await;
            if self.inner.environment(project, id).await?.session.is_some() {
                return Ok(false);
            }
            self.delete(project, id, &[home(id), SETUPS]).await?;
        }
        self.leave_nothing(project, id).await;
        Ok(true)
    }

    pub(crate) async fn delete(&self, project: &ProjectId, id: &str, collections: &[&str]) -> Result<(), Refusal> {
        let rows = collections.iter().map(|collection| ((*collection).to_owned(), id.to_owned())).collect();
        let at = self.inner.around.clock.now();
        let change = match is_set_apart(id) {
            // Its id is its names': a session that begins anew has the same.
            true => RowsChange { at, erases: rows, ..RowsChange::default() },
            false => RowsChange { at, deletes: rows, ..RowsChange::default() },
        };
        let deleted = self.inner.around.store.change_rows(project, change).await;
        deleted.map_err(|error| rows::refusal(&error))
    }

    async fn leave_nothing(&self, project: &ProjectId, id: &str) {
        self.inner.seats.remove(id);
        self.inner.guests.forget(id);
        self.inner.pythons.forget(id);
        self.inner.crowd.leave(project, id);
        if let Err(error) = remove_folder(self.inner.folder(id)).await {
            tracing::warn!(environment = id, %error, "the folder of an environment is not removed");
        }
    }

    pub(crate) fn seat(&self, project: &ProjectId, id: &str) -> Arc<Seat> {
        self.inner.seats.of(project, id, self.inner.around.clock.monotonic())
    }

    pub(crate) fn set_up_soon(&self, seat: &Arc<Seat>) {
        let (hosting, seat) = (self.clone(), seat.clone());
        let raising = async move {
            while let Err(refusal) = hosting.raise(&seat, None).await {
                tracing::warn!(environment = seat.id, %refusal, "an environment is not set up");
                if !hosting.may_try_again(&refusal) {
                    return;
                }
                hosting.inner.around.clock.sleep(AGAIN).await;
            }
        };
        self.inner.around.spawn.spawn("environment", Box::pin(raising));
    }
}

fn repeated(row: Environment, key: &RequestKey) -> Result<Environment, Refusal> {
    if row.request.as_ref() == Some(&key.body_hash) {
        return Ok(row);
    }
    Err(Refusal::conflict("This Idempotency-Key was used with another request."))
}

/// The id of the environment that is made under a key: a repeat finds it.
fn derived(project: &ProjectId, key: &str) -> String {
    let mut hash = Sha256::new();
    for part in ["environment", project.as_str(), key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("env_{}", types::hex(&hash.finalize()[..12]))
}

#[cfg(test)]
mod tests;
