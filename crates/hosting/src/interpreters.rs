//! Code interpreters: what is kept of them, and their sessions, in each of which a client's code and commands run until its
//! time is over. A session is a hosted environment; its Python is a process in it, which keeps what it was told.

mod cell;
mod kept;
mod place;
mod python;
mod session;
#[cfg(test)]
mod tests;
mod tools;

pub use session::{CodeSessionPage, Desk, NewCodeSession};
pub use tools::{Block, Kind, Structured, TaskStatus, Tool, ToolResult};

pub(crate) use python::Pythons;

use crate::hosting::Hosting;
use crate::rows::is_code_session;
use runtime::{Listed, Page};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use store::RowsChange;
use types::{NetworkAccess, ProjectId, Refusal, RefusalKind, Timestamp};

/// The one that everybody has.
pub const OWN: &str = "aws.codeinterpreter.v1";

const INTERPRETERS: &str = "code_interpreter";
/// Of one project.
const MOST: usize = 1_000;
/// Characters of an id behind the name.
const MARK: usize = 10;

/// An interpreter that a project has made.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Interpreter {
    /// Its name, a hyphen and ten characters that follow from it.
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub description: Option<String>,
    /// Kept and shown; nobody takes it on.
    #[serde(default)]
    pub role: Option<String>,
    pub mode: Mode,
    pub created_at: Timestamp,
    /// Of the request that made it.
    #[serde(default)]
    token: Option<String>,
}

/// What its sessions reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Mode {
    /// Nothing.
    Sandbox,
    /// Every public host.
    Public,
}

impl Mode {
    fn access(self) -> NetworkAccess {
        match self {
            Self::Sandbox => NetworkAccess::Disabled,
            Self::Public => NetworkAccess::Enabled,
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewInterpreter {
    pub name: String,
    pub description: Option<String>,
    pub role: Option<String>,
    pub mode: Mode,
    /// The same twice under one token is one.
    pub token: Option<String>,
}

impl Hosting {
    /// `Conflict`: another has its name.
    pub async fn create_interpreter(&self, project: &ProjectId, new: NewInterpreter) -> Result<Interpreter, Refusal> {
        let id = format!("{}-{}", new.name, &digest(&["code interpreter", project.as_str(), &new.name])[..MARK]);
        let NewInterpreter { name, description, role, mode, token } = new;
        let created_at = self.inner.around.clock.now();
        let made = Interpreter { id, name, description, role, mode, created_at, token };
        let _one_at_a_time = self.inner.runtimes.lock().await;
        if let Some(there) = self.inner.rows.read::<Interpreter>(project, INTERPRETERS, &made.id).await? {
            let is_same = made.token.is_some() && there == Interpreter { created_at: there.created_at, ..made };
            let conflict = || Refusal::conflict(format!("A code interpreter with the name '{}' is there.", there.name));
            return if is_same { Ok(there) } else { Err(conflict()) };
        }
        let all = Page { after: None, limit: MOST, direction: store::Direction::Ascending };
        let all: Listed<Interpreter> = self.inner.rows.list(project, INTERPRETERS, "code interpreter", all).await?;
        if all.data.len() >= MOST {
            let kind = RefusalKind::Busy { retry_after: Duration::from_secs(60) };
            return Err(Refusal::new(kind, format!("A project has at most {MOST} code interpreters.")));
        }
        self.inner.rows.write(project, (INTERPRETERS, &made.id), &made, true).await?;
        Ok(made)
    }

    /// `NotFound`. The one that everybody has is no row.
    pub async fn interpreter(&self, project: &ProjectId, id: &str) -> Result<Interpreter, Refusal> {
        let row = self.inner.rows.read(project, INTERPRETERS, id).await?;
        row.ok_or_else(|| Refusal::not_found("code interpreter", id))
    }

    /// The newest first.
    pub async fn interpreters(&self, project: &ProjectId, page: Page) -> Result<Listed<Interpreter>, Refusal> {
        self.inner.rows.list(project, INTERPRETERS, "code interpreter", page).await
    }

    /// Its sessions end with it.
    pub async fn delete_interpreter(&self, project: &ProjectId, id: &str) -> Result<Interpreter, Refusal> {
        let interpreter = {
            let _one_at_a_time = self.inner.runtimes.lock().await;
            let interpreter = self.interpreter(project, id).await?;
            let erases = vec![(INTERPRETERS.to_owned(), id.to_owned())];
            let change = RowsChange { at: self.inner.around.clock.now(), erases, ..RowsChange::default() };
            let erased = self.inner.around.store.change_rows(project, change).await;
            erased.map_err(|error| crate::rows::refusal(&error))?;
            interpreter
        };
        let (hosting, project, gone) = (self.clone(), project.clone(), id.to_owned());
        let ending = async move {
            for seat in hosting.inner.seats.list() {
                if seat.project != project || !is_code_session(&seat.id) {
                    continue;
                }
                let row = hosting.inner.environment(&project, &seat.id).await;
                if row.is_ok_and(|row| row.code_session.is_some_and(|session| session.interpreter == gone)) {
                    hosting.end_code_session(&seat).await;
                }
            }
        };
        self.inner.around.spawn.spawn("code interpreter", Box::pin(ending));
        Ok(interpreter)
    }

    /// What sessions of it reach. `NotFound`.
    async fn mode(&self, project: &ProjectId, id: &str) -> Result<Mode, Refusal> {
        if id == OWN { Ok(Mode::Sandbox) } else { Ok(self.interpreter(project, id).await?.mode) }
    }
}

/// Hexadecimal digits.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    types::hex(&hash.finalize())
}
