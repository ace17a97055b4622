//! How many environments of a project are being set up, and how many are nobody's: one that has too many makes no more.
//! It knows what it is told, and reads nothing.

use crate::record::Environment;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::{EnvironmentStatus, ProjectId, Refusal, RefusalKind};

/// Of one project.
const PENDING: usize = 64;
const NOBODYS: usize = 1_000;
const GUESTS: usize = 1_000;
/// When a client may ask again.
const PAUSE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(crate) struct Crowd(Mutex<BTreeMap<ProjectId, Ids>>);

#[derive(Default)]
struct Ids {
    pending: BTreeSet<String>,
    nobodys: BTreeSet<String>,
    guests: BTreeSet<String>,
}

impl Ids {
    fn note(&mut self, row: &Environment) {
        let id = row.settings.id.as_str();
        let is_nobodys = row.session.is_none() && !row.is_set_apart();
        for (ids, is_one) in [
            (&mut self.pending, row.status == EnvironmentStatus::Pending),
            (&mut self.nobodys, is_nobodys),
            (&mut self.guests, is_kept(row)),
        ] {
            if is_one {
                ids.insert(id.to_owned());
            } else {
                ids.remove(id);
            }
        }
    }
}

impl Crowd {
    fn all(&self) -> MutexGuard<'_, BTreeMap<ProjectId, Ids>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new one. `Busy` where there are too many of its kind.
    pub(crate) fn enter(&self, project: &ProjectId, row: &Environment) -> Result<(), Refusal> {
        let mut all = self.all();
        let ids = all.entry(project.clone()).or_default();
        let full = |what: String| Err(Refusal::new(RefusalKind::Busy { retry_after: PAUSE }, what));
        if row.status == EnvironmentStatus::Pending && ids.pending.len() >= PENDING {
            return full(format!("{PENDING} environments are being set up. Try again when one of them is ready."));
        }
        if is_kept(row) && ids.guests.len() >= GUESTS {
            return full(format!(
                "{GUESTS} sessions of runtimes and code interpreters are kept. Try again when some of them have ended."
            ));
        }
        if row.session.is_none() && !row.is_set_apart() && ids.nobodys.len() >= NOBODYS {
            return full(format!(
                "{NOBODYS} environments wait for a session. Use them, or try again when they expire."
            ));
        }
        ids.note(row);
        Ok(())
    }

    /// One that is there, as it is now.
    pub(crate) fn note(&self, project: &ProjectId, row: &Environment) {
        self.all().entry(project.clone()).or_default().note(row);
    }

    /// One that is gone.
    pub(crate) fn leave(&self, project: &ProjectId, id: &str) {
        if let Some(ids) = self.all().get_mut(project) {
            ids.pending.remove(id);
            ids.nobodys.remove(id);
            ids.guests.remove(id);
        }
    }
}

/// Of what is set apart: one of an interpreter that has ended is a row and nothing else.
fn is_kept(row: &Environment) -> bool {
    row.guest.is_some() || row.code_session.as_ref().is_some_and(|code_session| code_session.ended_at.is_none())
}

#[cfg(test)]
mod tests;
