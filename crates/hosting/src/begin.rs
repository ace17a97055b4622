//! A server begins: what an earlier one left is taken up.

use crate::disk::{Disk, remove_folder};
use crate::hosting::Hosting;
use crate::life::{self, Left, Need};
use crate::plan;
use crate::record::Environment;
use crate::rows::{CODE_SESSIONS, ENVIRONMENTS, GUESTS, refusal};
use crate::seat::Seat;
use runtime::{Files, Handle};
use std::collections::BTreeSet;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::{Direction, Page};
use types::{EnvironmentStatus, ProjectId, Refusal, RefusalKind};

/// Rows read at a time.
const PAGE: usize = 256;

impl Hosting {
    /// Takes up what an earlier server left: adopts its sandboxes, goes on with setups, drops claims without a session.
    /// From now on sessions are told, and what is idle is suspended and expires.
    pub async fn begin(&self, handle: Handle, files: Files) -> Result<(), Refusal> {
        self.inner.serve(handle, files);
        make_folder(&self.inner.settings.folder).map_err(|error| {
            let folder = self.inner.settings.folder.display();
            Refusal::new(RefusalKind::Internal, format!("The folder {folder} cannot be made: {error}."))
        })?;
        let keys = self.inner.around.store.keys().await.map_err(|error| refusal(&error))?;
        let projects: BTreeSet<ProjectId> = keys.into_iter().map(|key| key.project).collect();
        let mut known = BTreeSet::new();
        for project in &projects {
            for collection in [ENVIRONMENTS, GUESTS, CODE_SESSIONS] {
                self.take_up_all(project, collection, &mut known).await?;
            }
        }
        self.clear(&known);
        self.clear_code(&projects).await?;
        self.inner.begin();
        self.inner.around.spawn.spawn("idle environments", Box::pin(self.clone().look_after()));
        Ok(())
    }

    async fn take_up_all(
        &self,
        project: &ProjectId,
        collection: &str,
        known: &mut BTreeSet<String>,
    ) -> Result<(), Refusal> {
        let mut after = None;
        loop {
            let page = Page { after, limit: PAGE, direction: Direction::Ascending };
            let rows = self.inner.rows.list::<Environment>(project, collection, "environment", page).await?;
            for row in &rows.data {
                if self.take_up(project, row).await? {
                    known.insert(row.settings.id.to_string());
                }
            }
            after = rows.data.last().map(|row| row.settings.id.to_string());
            if !rows.has_more {
                return Ok(());
            }
        }
    }

    /// Whether it is still there.
    async fn take_up(&self, project: &ProjectId, row: &Environment) -> Result<bool, Refusal> {
        let id = row.settings.id.as_str();
        let head = match &row.session {
            Some(session) => {
                let found = self.inner.around.store.head(project, session).await;
                found.map_err(|error| refusal(&error))?
            }
            None => None,
        };
        let left = life::left(row, head.is_some());
        if left == Left::Drop {
            match &row.session {
                Some(session) => self.remove_claimed(project, session, id).await?,
                None => self.remove(project, id).await?,
            }
            return Ok(false);
        }
        let seat = self.seat(project, id);
        // One that ran was used until the end.
        if row.status != EnvironmentStatus::Connected {
            let unused = self.inner.around.clock.now().0.saturating_sub(row.used_at.0);
            seat.unused_before(Duration::from_millis(unused));
        }
        if let Some(session) = &row.session {
            self.inner.own(session, id);
            if left == Left::Forget {
                self.forget_soon(project, session, id);
                return Ok(true);
            }
        }
        // After a restore, the data folder has the rows and no disk.
        let lacks_disk = !Disk::new(&self.inner.folder(id)).is_there();
        let row = self.inner.change(project, id, |row| {
            match left {
                Left::GiveBack => row.give_back(),
                _ => row.is_told = row.session.is_some(),
            }
            if lacks_disk && life::has_disk(row.status) {
                row.lose_disk();
            }
        });
        let row = row.await?;
        let state = head.and_then(|head| head.environment);
        if state.is_none_or(|state| state.status != row.status || state.resets < row.resets) {
            self.tell(&seat, &row);
        }
        if let Some(session) = row.session.as_ref().filter(|_| life::has_disk(row.status)) {
            // An earlier server may have died over it.
            self.publish_soon(project, session);
        }
        // One that is nobody's again, or has lost its disk, may be any of these.
        match life::need(row.status) {
            _ if row.status == EnvironmentStatus::Pending => self.set_up_soon(&seat),
            Need::Start => self.find_soon(&seat, &row),
            Need::SetUp | Need::Nothing => self.clear_disk_soon(&seat),
        }
        Ok(true)
    }

    /// A server may have died between the word that a disk is gone, and its going.
    fn clear_disk_soon(&self, seat: &Arc<Seat>) {
        let (hosting, seat) = (self.clone(), seat.clone());
        let clearing = async move {
            let _turn = seat.turn.lock().await;
            match hosting.inner.environment(&seat.project, &seat.id).await {
                Ok(row)
                    if seat.live().is_none()
                        && matches!(row.status, EnvironmentStatus::Expired | EnvironmentStatus::Failed) =>
                {
                    hosting.end_left(&hosting.inner.folder(&seat.id)).await;
                    hosting.clear_disk(&seat).await;
                }
                _ => {}
            }
        };
        self.inner.around.spawn.spawn("left disk", Box::pin(clearing));
    }

    /// What should run, or may: it is looked for.
    fn find_soon(&self, seat: &Arc<Seat>, row: &Environment) {
        let may_run = self.inner.folder(&seat.id).join(plan::CONTROL).exists();
        if !may_run && row.status != EnvironmentStatus::Connected {
            return;
        }
        // What runs already comes before what would like to.
        if let Ok(place) = self.inner.places.clone().try_acquire_owned() {
            seat.reserve(Arc::new(place));
        }
        let (hosting, seat) = (self.clone(), seat.clone());
        let finding = async move {
            if let Err(refusal) = hosting.found(&seat).await {
                tracing::warn!(environment = seat.id, %refusal, "an environment is not taken up");
            }
        };
        self.inner.around.spawn.spawn("environment", Box::pin(finding));
    }

    async fn found(&self, seat: &Arc<Seat>) -> Result<(), Refusal> {
        let _turn = seat.turn.lock().await;
        let row = self.inner.environment(&seat.project, &seat.id).await?;
        if seat.live().is_some() || !life::has_disk(row.status) {
            seat.take_place();
            return Ok(());
        }
        let Some(place) = self.place(seat).await else { return Ok(()) };
        match self.find(seat, &row, place).await {
            Some(live) => self.arrive(seat, &live).await,
            None if row.status == EnvironmentStatus::Connected => {
                let error = Some(life::died(None));
                self.became(seat, EnvironmentStatus::Disconnected, error).await.map(|_| ())
            }
            None => Ok(()),
        }
    }

    /// Removes folders that belong to no row, beside everything else.
    fn clear(&self, known: &BTreeSet<String>) {
        let entries = match std::fs::read_dir(&self.inner.settings.folder) {
            Ok(entries) => entries,
            Err(error) => return tracing::warn!(%error, "the folder of the environments cannot be read"),
        };
        let is_known = |entry: &std::fs::DirEntry| entry.file_name().to_str().is_some_and(|name| known.contains(name));
        let left: Vec<_> = entries.flatten().filter(|entry| !is_known(entry)).map(|entry| entry.path()).collect();
        if left.is_empty() {
            return;
        }
        let hosting = self.clone();
        let clearing = async move {
            for folder in left {
                hosting.end_left(&folder).await;
                if let Err(error) = remove_folder(folder).await {
                    tracing::warn!(%error, "what is left of an environment cannot be removed");
                }
            }
        };
        self.inner.around.spawn.spawn("left environments", Box::pin(clearing));
    }
}

/// For the server's own user alone.
fn make_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests;
