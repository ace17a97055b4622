//! Whether everything is as it was written: the database's own structure, and every session's chain with its blobs.

use super::blobs::Folder;
use super::log;
use super::settings::KnownSettings;
use crate::Error;
use rusqlite::Connection;
use std::fmt;
use types::{ProjectId, SessionId};

/// Faults of the database's structure that are named; more only repeat the first ones.
const STRUCTURAL: usize = 20;

/// Something that is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Whose it is; None for the database as a whole.
    pub session: Option<(ProjectId, SessionId)>,
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.session {
            Some((project, session)) => write!(f, "session {session} of project {project}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// All that is damaged, as far as the database lets itself be read. Takes as long as reading everything does.
pub(super) fn check(connection: &Connection, folder: &Folder) -> Vec<Damage> {
    let whole = |what: String| Damage { session: None, what };
    let mut damage: Vec<Damage> = match structure(connection) {
        Ok(faults) => faults.into_iter().map(whole).collect(),
        Err(error) => vec![whole(format!("the database cannot be read: {error}"))],
    };
    let sessions = match sessions(connection) {
        Ok(sessions) => sessions,
        Err(error) => {
            damage.push(whole(format!("the list of sessions cannot be read: {error}")));
            return damage;
        }
    };
    for (project, session) in sessions {
        let mut what = log::verify_own(connection, folder, &project, &session).err();
        if what.is_none() {
            what = super::sessions::read(connection, &KnownSettings::default(), &project, &session).err();
        }
        if let Some(what) = what {
            damage.push(Damage { session: Some((project, session)), what: what.to_string() });
        }
    }
    damage
}

fn structure(connection: &Connection) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = connection.prepare(&format!("PRAGMA integrity_check({STRUCTURAL})"))?;
    let faults = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(faults.into_iter().filter(|fault| fault != "ok").collect())
}

/// Deleted ones too: their chains hold as long as they are there.
pub(super) fn sessions(connection: &Connection) -> Result<Vec<(ProjectId, SessionId)>, Error> {
    let mut statement = connection.prepare("SELECT project, id FROM sessions ORDER BY ord")?;
    let rows = statement.query_map([], |row| {
        Ok((ProjectId::new(row.get::<_, String>(0)?), SessionId::new(row.get::<_, String>(1)?)))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
