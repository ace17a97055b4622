//! The MCP servers of sessions: how each is reached, and with whose token. What a session may call is not decided here.

mod bearer;
mod environment;
mod program;

use bearer::Token;
use environment::Inside;
use environments::workbench::Machines;
use mcp::{Connection, Owner, Target, Way};
use program::Program;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use types::{Clock, McpTool, McpTransport, ProjectId, SessionId, SessionSettings, Spawn};
use url::Url;
use vaults::Vaults;

/// The header that says who asks.
const AUTHORIZATION: &str = "authorization";

pub struct Servers {
    pool: Arc<mcp::Servers>,
    vaults: Option<Vaults>,
    machines: Arc<dyn Machines>,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
}

/// One server of one session.
pub struct Place<'a> {
    pub project: &'a ProjectId,
    pub session: &'a SessionId,
    pub settings: &'a SessionSettings,
    pub server: &'a McpTool,
}

/// Where a server is: another address is another server, whatever its label says. No secret.
pub fn address(server: &McpTool) -> String {
    match &server.transport {
        McpTransport::Http { server_url, .. } => format!("{} {server_url}", server.connection_origin),
        McpTransport::Stdio { command, cwd, args, .. } => format!("stdio {cwd:?} {command:?} {args:?}"),
    }
}

/// Whether it runs in, or is reached from, the session's environment.
pub fn is_inside(server: &McpTool) -> bool {
    matches!(server.transport, McpTransport::Stdio { .. }) || server.connection_origin == "environment"
}

impl Servers {
    pub fn new(
        pool: Arc<mcp::Servers>,
        vaults: Option<Vaults>,
        machines: Arc<dyn Machines>,
        clock: Arc<dyn Clock>,
        spawn: Arc<dyn Spawn>,
    ) -> Self {
        Self { pool, vaults, machines, clock, spawn }
    }

    pub fn vaults(&self) -> Option<&Vaults> {
        self.vaults.as_ref()
    }

    /// The way to a server. It dials nothing yet. The error is for a model or a client and holds no secret.
    pub async fn connection(&self, place: &Place<'_>) -> Result<Arc<Connection>, String> {
        let owner = |from: String| Owner { project: place.project.clone(), place: from };
        let (owner, way) = match &place.server.transport {
            McpTransport::Http { server_url, headers, authorization } => {
                let mut target =
                    Target::new(Url::parse(server_url).map_err(|error| format!("its URL is wrong: {error}"))?);
                target.headers = headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
                target.request_metadata = place.server.request_metadata.clone();
                match authorization {
                    Some(said) => {
                        target.headers.retain(|(name, _)| name != AUTHORIZATION);
                        target.headers.push((AUTHORIZATION.to_owned(), authorized(said)));
                    }
                    // Whoever runs the environment would see it.
                    None if is_inside(place.server) => {}
                    None => self.authorize(place, server_url, &mut target).await?,
                }
                if is_inside(place.server) {
                    let inside = Inside {
                        machines: self.machines.clone(),
                        project: place.project.clone(),
                        session: place.session.clone(),
                    };
                    (owner(place.session.to_string()), Way::Through(target, Arc::new(inside)))
                } else {
                    (owner(String::new()), Way::Service(target))
                }
            }
            McpTransport::Stdio { .. } => {
                let program = Program::new(place, self.machines.clone(), self.clock.clone(), self.spawn.clone());
                let request_metadata = place.server.request_metadata.clone();
                let named = format!("{} {}", place.session, program.name());
                (owner(named), Way::Program { opener: Arc::new(program), request_metadata })
            }
        };
        self.pool.connection(&owner, way).map_err(|failure| failure.message)
    }

    /// Ends the programs that nobody waits for: an environment in which nothing else runs is free then.
    pub async fn end_programs(&self) {
        self.pool.end_programs().await;
    }

    /// A token of the session's vaults, where one fits. The credential is chosen anew each time, so that a deleted one counts
    /// no more.
    async fn authorize(&self, place: &Place<'_>, server_url: &str, target: &mut Target) -> Result<(), String> {
        let Some(vaults) = &self.vaults else { return Ok(()) };
        let (project, ids) = (place.project, &place.settings.vault_ids);
        let named = place.server.credential_id.as_deref();
        let chosen = vaults.choose(project, ids, server_url, named).await.map_err(|error| error.to_string())?;
        let Some(chosen) = chosen else { return Ok(()) };
        target.headers.retain(|(name, _)| name != AUTHORIZATION);
        target.bearer = Some(Arc::new(Token::new(
            vaults.clone(),
            project.clone(),
            vec![chosen.vault.clone()],
            server_url.to_owned(),
            chosen.id.clone(),
        )));
        // One that was changed is another: what failed with the old one is not waited for.
        target.credential = Some(format!("{} {}", chosen.id, chosen.updated_at.0));
        Ok(())
    }
}

/// The header's value. A token alone is a bearer's.
fn authorized(said: &str) -> String {
    let said = said.trim();
    if said.contains(' ') { said.to_owned() } else { format!("Bearer {said}") }
}

/// A short name of anything that has one.
pub fn short(text: &str) -> String {
    types::hex(&Sha256::digest(text.as_bytes())[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_alone_is_a_bearers() {
        assert_eq!(authorized(" abc "), "Bearer abc");
        assert_eq!(authorized("Basic abc"), "Basic abc");
    }
}
