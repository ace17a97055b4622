//! From a call to a session that runs: its row is found or made, its sandbox raised, its program started.

use super::{Call, Unserved, Visit};
use crate::hosting::Hosting;
use crate::record::{Environment, Guest, Setup};
use crate::rows::GUEST;
use crate::runtimes::Version;
use crate::seat::Seat;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use types::{
    ContainerSize, EnvironmentId, EnvironmentStatus, HostedSettings, NetworkAccess, NetworkSettings, Packages,
    ProjectId, Refusal, RefusalKind, Timestamp,
};

impl Hosting {
    /// A session that runs, who it is, and of which version its program is to be.
    pub(super) async fn visit(&self, project: &ProjectId, call: &Call) -> Result<(Visit, Guest, Version), Unserved> {
        self.inner.begun().await;
        let runtime = self.runtime_row(project, &call.runtime).await?;
        let endpoint = runtime.endpoint(&call.qualifier).ok_or_else(no_endpoint)?;
        let version = self.version(project, &call.runtime, endpoint.version).await?;
        let session = call.session.clone().unwrap_or_else(|| self.new_session_id());
        let guest = self.guest(call, &version, session);
        let row = self.row_of(project, &guest).await?;
        let seat = self.seat(project, row.settings.id.as_str());
        let visit = Visit::begin(&self.inner, seat)?;
        // A client that goes away leaves nothing half started.
        let (hosting, project, seat, wanted) = (self.clone(), project.clone(), visit.seat.clone(), version.clone());
        let raising = async move { hosting.brought_up(&project, &seat, guest, &wanted).await };
        let guest = self.to_its_end((), raising).await.map_err(Unserved::Refused)??;
        Ok((visit, guest, version))
    }

    fn guest(&self, call: &Call, version: &Version, session: String) -> Guest {
        let (idle, lifetime) = self.lifecycle(&version.details);
        Guest {
            runtime: call.runtime.clone(),
            endpoint: call.qualifier.clone(),
            session,
            version: version.number,
            code: self.inner.code(&version.place),
            starts: 0,
            started_at: self.inner.around.clock.now(),
            idle,
            lifetime,
        }
    }

    /// In a session that is used: its sandbox and its program run.
    async fn brought_up(
        &self,
        project: &ProjectId,
        seat: &Arc<Seat>,
        wanted: Guest,
        version: &Version,
    ) -> Result<Guest, Unserved> {
        let host = self.inner.guests.of(&seat.id);
        let _turn = host.turn.lock().await;
        let mut row = self.inner.environment(project, &seat.id).await?;
        if seat.live().is_none() {
            if !wanted.code.is_dir() {
                let message =
                    "The runtime's code is not on this server; a backup does not hold it. Update the runtime.";
                return Err(Unserved::Program(message.to_owned()));
            }
            row = self
                .inner
                .change(project, &seat.id, |row| row.guest = row.guest.take().map(|was| again(was, &wanted)))
                .await?;
        }
        let Some(live) = self.raise(seat, None).await? else { return Err(self.not_raised(project, &row).await) };
        self.program(seat, &host, &live, version).await
    }

    /// Why a sandbox is not there. One that failed is forgotten: the next invocation begins anew.
    async fn not_raised(&self, project: &ProjectId, row: &Environment) -> Unserved {
        let id = row.settings.id.as_str();
        match self.inner.environment(project, id).await {
            Ok(Environment { status: EnvironmentStatus::Failed, error, .. }) => {
                if let Err(refusal) = self.remove(project, id).await {
                    tracing::warn!(session = id, %refusal, "a session that failed is still there");
                }
                self.inner.guests.forget(id);
                let why = error.map(|error| error.message).unwrap_or_default();
                Unserved::Program(format!("The session could not be set up: {why}"))
            }
            _ => Unserved::Refused(Refusal::new(
                RefusalKind::Unavailable,
                "The session cannot be started now. Try again shortly.",
            )),
        }
    }

    /// The row of a session, made where there is none.
    async fn row_of(&self, project: &ProjectId, guest: &Guest) -> Result<Environment, Refusal> {
        let id = derived(project, [&guest.runtime, &guest.endpoint, &guest.session]);
        match self.inner.environment(project, &id).await {
            Err(missing) if missing.kind == RefusalKind::NotFound => {}
            found => return found,
        }
        let row = fresh(EnvironmentId::new(&id), guest, self.inner.around.clock.now());
        match self.make(project, &row, &Setup::default()).await {
            Ok(()) => Ok(row),
            // Somebody else was faster.
            Err(taken) if taken.kind == RefusalKind::Conflict => {
                let there = self.inner.environment(project, &id).await?;
                self.inner.crowd.note(project, &there);
                Ok(there)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// The seat of a session that is there.
    pub(super) async fn seat_of(&self, project: &ProjectId, call: &Call, session: &str) -> Result<Arc<Seat>, Refusal> {
        self.inner.begun().await;
        let id = derived(project, [&call.runtime, &call.qualifier, session]);
        self.inner.environment(project, &id).await?;
        Ok(self.seat(project, &id))
    }

    /// As the original's are: 36 characters.
    pub(crate) fn new_session_id(&self) -> String {
        let mut bytes = [0_u8; 16];
        self.inner.around.entropy.fill(&mut bytes);
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let (a, b, c, d, e) = (&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]);
        format!("{a}-{b}-{c}-{d}-{e}")
    }
}

/// The same session's with each start: what it counts goes on.
fn again(was: Guest, wanted: &Guest) -> Guest {
    Guest { starts: was.starts, ..wanted.clone() }
}

/// The id of the environment of a session: who has the same names finds it.
fn derived(project: &ProjectId, names: [&str; 3]) -> String {
    let mut hash = Sha256::new();
    for part in ["runtime session", project.as_str()].into_iter().chain(names) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digits: String = hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("{GUEST}{digits}")
}

fn fresh(id: EnvironmentId, guest: &Guest, now: Timestamp) -> Environment {
    let settings = HostedSettings {
        id,
        container_size: ContainerSize::Medium,
        network: NetworkSettings { access: NetworkAccess::Enabled, ..NetworkSettings::default() },
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    };
    let mut row = Environment::new(settings, EnvironmentStatus::Pending, now);
    row.guest = Some(guest.clone());
    row
}

fn no_endpoint() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "There is no such agent runtime, or no such version or endpoint of it.")
}
