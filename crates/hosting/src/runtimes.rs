//! Runtimes: agents that their authors wrote as programs of their own, as versions of code and of what is said of it, and
//! the endpoints that name versions. It starts nothing: what runs is in `guests`.
//!
//! A runtime is there as soon as it is created: its code is in place before its row is written. A version never changes; a
//! folder of the operator's is named and not copied, and what is in it is the operator's.

mod code;
mod endpoints;
mod record;
#[cfg(test)]
mod tests;

pub use code::FILES_BUCKET;
pub use endpoints::Change;
pub use record::{DEFAULT, Details, Endpoint, Language, NewRuntime, Runtime, Version};

use crate::hosting::Hosting;
use crate::rows::{GUESTS, is_guest, refusal};
use crate::wanted::Wanted;
use record::Place;
use runtime::{Listed, Page};
use std::time::Duration;
use store::{Direction, RowsChange};
use types::{NetworkAccess, NetworkSettings, ProjectId, Refusal, RefusalKind, Stamp};

const RUNTIMES: &str = "agent_runtime";
const VERSIONS: &str = "agent_runtime_version";
/// Of one project, and of one runtime.
const MOST: usize = 1_000;
const MOST_VERSIONS: u32 = 1_000;
/// Rows read at a time.
const PAGE: usize = 256;
/// Characters of an id behind the name.
const MARK: usize = 10;

fn version_id(runtime: &str, number: u32) -> String {
    format!("{runtime}/{number}")
}

fn no_runtime() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "There is no such agent runtime, or no such version or endpoint of it.")
}

impl Hosting {
    /// The first version of a new runtime, with the endpoint `DEFAULT`. `Conflict`: another has its name. The same twice
    /// under one token is one.
    pub async fn create_runtime(&self, project: &ProjectId, new: NewRuntime) -> Result<(Runtime, Version), Refusal> {
        if let Some(there) = self.named(project, &new.name).await? {
            return self.repeated(project, there, &new).await;
        }
        let place = self.put_code(project, &new.details).await?;
        let made = async {
            let _one_at_a_time = self.inner.runtimes.lock().await;
            if let Some(there) = self.named(project, &new.name).await? {
                return self.repeated(project, there, &new).await;
            }
            let now = self.inner.around.clock.now();
            let id = format!("{}-{}", new.name, self.mark());
            let runtime = Runtime::new(id, &new, now);
            let version =
                Version { number: 1, created_at: now, details: new.details, place: place.clone(), token: None };
            self.write(project, &runtime, &version, true).await?;
            Ok((runtime, version))
        };
        let made = made.await;
        if !matches!(&made, Ok((_, version)) if version.place == place) {
            self.clear_place(&place).await;
        }
        made
    }

    async fn repeated(
        &self,
        project: &ProjectId,
        there: Runtime,
        new: &NewRuntime,
    ) -> Result<(Runtime, Version), Refusal> {
        let first = self.version(project, &there.id, 1).await?;
        if new.token.is_some() && there.token == new.token && first.details == new.details {
            return Ok((there, first));
        }
        Err(Refusal::conflict(format!("An agent runtime with the name '{}' is there already.", there.name)))
    }

    /// A new version, which becomes the newest and that of `DEFAULT`.
    pub async fn update_runtime(
        &self,
        project: &ProjectId,
        id: &str,
        details: Details,
        token: Option<String>,
    ) -> Result<(Runtime, Version), Refusal> {
        self.runtime_row(project, id).await?;
        let place = self.put_code(project, &details).await?;
        let made = async {
            let _one_at_a_time = self.inner.runtimes.lock().await;
            let mut runtime = self.runtime_row(project, id).await?;
            let newest = self.version(project, id, runtime.latest).await?;
            if token.is_some() && newest.token == token {
                return Ok((runtime, newest));
            }
            if runtime.latest >= MOST_VERSIONS {
                return Err(too_many(format!("An agent runtime has at most {MOST_VERSIONS} versions.")));
            }
            let now = self.inner.around.clock.now();
            runtime.renew(now);
            let version = Version { number: runtime.latest, created_at: now, details, place: place.clone(), token };
            self.write(project, &runtime, &version, false).await?;
            Ok((runtime, version))
        };
        let made = made.await;
        if !matches!(&made, Ok((_, version)) if version.place == place) {
            self.clear_place(&place).await;
        }
        made
    }

    /// The runtime and one of its versions, the newest if none is said. `NotFound`.
    pub async fn runtime(
        &self,
        project: &ProjectId,
        id: &str,
        number: Option<u32>,
    ) -> Result<(Runtime, Version), Refusal> {
        let runtime = self.runtime_row(project, id).await?;
        let version = self.version(project, id, number.unwrap_or(runtime.latest)).await?;
        Ok((runtime, version))
    }

    /// What an agent's session has that runs its commands where a runtime would run: its code, its variables, its way out.
    /// Its program is not started. `NotFound`.
    pub async fn in_runtime(&self, project: &ProjectId, id: &str, endpoint: &str) -> Result<Wanted, Refusal> {
        let (_, endpoint) = self.endpoint(project, id, endpoint).await?;
        let version = self.version(project, id, endpoint.version).await?;
        Ok(Wanted {
            network: Some(NetworkSettings { access: NetworkAccess::Enabled, ..NetworkSettings::default() }),
            code: Some(self.inner.code(&version.place)),
            env: Some(version.details.variables),
            ..Wanted::default()
        })
    }

    /// Seconds that a session of a version may be idle, and that it may run.
    #[must_use]
    pub fn lifecycle(&self, details: &Details) -> (u32, u32) {
        let agents = &self.inner.settings.agents;
        let seconds = |span: Duration| u32::try_from(span.as_secs()).unwrap_or(u32::MAX).max(1);
        let idle = details.idle.unwrap_or_else(|| seconds(agents.idle_after));
        (idle, details.lifetime.unwrap_or_else(|| seconds(agents.lifetime)))
    }

    /// The newest first, each with its newest version.
    pub async fn runtimes(&self, project: &ProjectId, page: Page) -> Result<Listed<(Runtime, Version)>, Refusal> {
        let listed: Listed<Runtime> = self.inner.rows.list(project, RUNTIMES, "agent runtime", page).await?;
        let mut data = Vec::with_capacity(listed.data.len());
        for runtime in listed.data {
            match self.version(project, &runtime.id, runtime.latest).await {
                Ok(version) => data.push((runtime, version)),
                // Deleted since.
                Err(gone) if gone.kind == RefusalKind::NotFound => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(Listed { data, has_more: listed.has_more })
    }

    /// The newest first, from below `before` on.
    pub async fn versions(
        &self,
        project: &ProjectId,
        id: &str,
        before: Option<u32>,
        limit: usize,
    ) -> Result<(Runtime, Listed<Version>), Refusal> {
        let runtime = self.runtime_row(project, id).await?;
        let top = before.map_or(runtime.latest, |before| before.saturating_sub(1).min(runtime.latest));
        let mut data = Vec::new();
        for number in (1..=top).rev().take(limit) {
            data.push(self.version(project, id, number).await?);
        }
        let has_more = data.last().is_some_and(|version| version.number > 1);
        Ok((runtime, Listed { data, has_more }))
    }

    /// Its sessions end, and their disks, its versions and its code are removed.
    pub async fn delete_runtime(&self, project: &ProjectId, id: &str) -> Result<Runtime, Refusal> {
        let runtime = {
            let _one_at_a_time = self.inner.runtimes.lock().await;
            let runtime = self.runtime_row(project, id).await?;
            let versions = (1..=runtime.latest).map(|number| (VERSIONS.to_owned(), version_id(id, number)));
            let mut places = Vec::new();
            for number in 1..=runtime.latest {
                places.extend(self.version(project, id, number).await.ok().map(|version| version.place));
            }
            let deletes = versions.chain([(RUNTIMES.to_owned(), id.to_owned())]).collect();
            let change = RowsChange { at: self.inner.around.clock.now(), deletes, ..RowsChange::default() };
            let deleted = self.inner.around.store.change_rows(project, change).await;
            deleted.map_err(|error| refusal(&error))?;
            (runtime, places)
        };
        let (runtime, places) = runtime;
        let hosting = self.clone();
        let (project, id) = (project.clone(), id.to_owned());
        let clearing = async move {
            hosting.forget_guests(&project, &id).await;
            for place in places {
                hosting.clear_place(&place).await;
            }
        };
        self.inner.around.spawn.spawn("agent runtime", Box::pin(clearing));
        Ok(runtime)
    }

    pub(crate) async fn runtime_row(&self, project: &ProjectId, id: &str) -> Result<Runtime, Refusal> {
        self.inner.rows.read(project, RUNTIMES, id).await?.ok_or_else(no_runtime)
    }

    pub(crate) async fn version(&self, project: &ProjectId, id: &str, number: u32) -> Result<Version, Refusal> {
        self.inner.rows.read(project, VERSIONS, &version_id(id, number)).await?.ok_or_else(no_runtime)
    }

    async fn write(
        &self,
        project: &ProjectId,
        runtime: &Runtime,
        version: &Version,
        insert: bool,
    ) -> Result<(), Refusal> {
        let rows = &self.inner.rows;
        let number = version_id(&runtime.id, version.number);
        let puts = vec![
            (rows.row((RUNTIMES, &runtime.id), version.created_at, runtime)?, insert),
            (rows.row((VERSIONS, &number), version.created_at, version)?, true),
        ];
        let change = RowsChange { at: version.created_at, puts, ..RowsChange::default() };
        let written = self.inner.around.store.change_rows(project, change).await;
        written.map_err(|error| refusal(&error))
    }

    /// Every runtime of a project, in pages.
    async fn each_runtime(&self, project: &ProjectId, mut take: impl FnMut(Runtime)) -> Result<usize, Refusal> {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = Page { after, limit: PAGE, direction: Direction::Ascending };
            let listed: Listed<Runtime> = self.inner.rows.list(project, RUNTIMES, "agent runtime", page).await?;
            after = listed.data.last().map(|runtime| runtime.id.clone());
            count += listed.data.len();
            listed.data.into_iter().for_each(&mut take);
            if !listed.has_more {
                return Ok(count);
            }
        }
    }

    async fn named(&self, project: &ProjectId, name: &str) -> Result<Option<Runtime>, Refusal> {
        let mut found = None;
        let count = self.each_runtime(project, |runtime| {
            if runtime.name == name {
                found = Some(runtime);
            }
        });
        if count.await? >= MOST && found.is_none() {
            return Err(too_many(format!("A project has at most {MOST} agent runtimes.")));
        }
        Ok(found)
    }

    /// Lower-case hex digits are among what may stand there.
    fn mark(&self) -> String {
        let id = Stamp::new(self.inner.around.clock.now(), &*self.inner.around.entropy).id("a");
        id.chars().skip(2).take(MARK).collect()
    }

    /// Ends the sessions of a runtime that is gone.
    async fn forget_guests(&self, project: &ProjectId, runtime: &str) {
        for seat in self.inner.seats.list() {
            if seat.project != *project || !is_guest(&seat.id) {
                continue;
            }
            let row = self.inner.environment(project, &seat.id).await;
            let is_its = row.is_ok_and(|row| row.guest.is_some_and(|guest| guest.runtime == runtime));
            if !is_its {
                continue;
            }
            seat.doom();
            let _turn = seat.turn.lock().await;
            if let Some(live) = seat.take() {
                live.end().await;
            }
            self.end_left(&self.inner.folder(&seat.id)).await;
            if let Err(refusal) = self.remove(project, &seat.id).await {
                tracing::warn!(collection = GUESTS, session = seat.id, %refusal, "the session of a runtime that is gone is still there");
            }
        }
    }

    /// Removes unpacked code that no version names.
    pub(crate) async fn clear_code(&self, projects: &std::collections::BTreeSet<ProjectId>) -> Result<(), Refusal> {
        let mut known = std::collections::BTreeSet::new();
        for project in projects {
            let mut runtimes = Vec::new();
            self.each_runtime(project, |runtime| runtimes.push((runtime.id, runtime.latest))).await?;
            for (id, latest) in runtimes {
                for number in 1..=latest {
                    if let Place::Unpacked(name) = self.version(project, &id, number).await?.place {
                        known.insert(name);
                    }
                }
            }
        }
        self.clear_unknown_code(known);
        Ok(())
    }
}

fn too_many(message: String) -> Refusal {
    Refusal::new(RefusalKind::Busy { retry_after: Duration::from_secs(60) }, message)
}
