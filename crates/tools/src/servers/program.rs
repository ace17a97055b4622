//! An MCP server that is a program in the session's environment: started there as a process with pipes, a line a message.
//!
//! Its name is made of its session and what was asked for, so that the next server of ours finds what this one left
//! behind: that is ended, and another one begun. What was under way in it is judged by its class.

mod names;
#[cfg(test)]
mod registry;
mod running;

use super::{Place, short};
use environments::machine::{Command, Fault};
use environments::workbench::Machines;
use mcp::{Opener, Pipe};
use names::Names;
use running::Running;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::{BoxFuture, Clock, McpTransport, ProjectId, SessionId, Spawn};

/// How long the environment may take to be there.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a name may turn out to be taken that was free just before.
const TRIES: usize = 3;

/// What a program has of its environment's variables without being told: who and where it is, and the way out.
const INHERITED: [&str; 21] = [
    "HOME",
    "LOGNAME",
    "USER",
    "PATH",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TERM",
    "TMPDIR",
    "TZ",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
];

/// How to start it.
pub struct Program {
    project: ProjectId,
    session: SessionId,
    command: Command,
    machines: Arc<dyn Machines>,
    clock: Arc<dyn Clock>,
    spawn: Arc<dyn Spawn>,
    last: Mutex<Option<Last>>,
}

/// The process that was started last.
struct Last {
    stem: String,
    number: u64,
}

impl Program {
    pub fn new(place: &Place<'_>, machines: Arc<dyn Machines>, clock: Arc<dyn Clock>, spawn: Arc<dyn Spawn>) -> Self {
        let (mut argv, mut working_directory, mut variables) = (Vec::new(), String::new(), BTreeMap::new());
        let mut inherited: Vec<String> = INHERITED.map(str::to_owned).to_vec();
        if let McpTransport::Stdio { command, cwd, args, env, env_vars } = &place.server.transport {
            inherited.extend(env_vars.iter().map(|name| literal(name)));
            argv.push(command.clone());
            argv.extend(args.iter().cloned());
            working_directory.clone_from(cwd);
            variables.clone_from(env);
        }
        let label = &place.server.server_label;
        let said = format!("{label:?} {argv:?} {working_directory:?} {inherited:?} {variables:?}");
        let process = format!("mcp-{}-{}", place.session.digits(), short(&said));
        let command = Command { process, argv, working_directory, inherited, variables, terminal: false, input: true };
        let (project, session) = (place.project.clone(), place.session.clone());
        Self { project, session, command, machines, clock, spawn, last: Mutex::default() }
    }

    /// The same for the same program of the same session.
    pub fn name(&self) -> &str {
        &self.command.process
    }

    async fn start(&self) -> Result<Arc<dyn Pipe>, String> {
        let found = self.machines.find(&self.project, &self.session, PATIENCE).await;
        let station = found.ok_or("the environment is not connected")?;
        let directory = station.absolute(&self.command.working_directory);
        let machine = station.machine;
        // With another session of its executor the processes of the one before are gone, and their names are free.
        let stem = format!("{}-{}", self.command.process, short(&machine.session().unwrap_or_default()));
        let names = Names { machine: &*machine, stem: &stem, directory: &directory };
        for _ in 0..TRIES {
            let known = self.last().take().filter(|last| last.stem == stem).map(|last| last.number);
            let earlier = match known {
                Some(number) => names.end(number).await.map(|()| Some(number)),
                None => names.end_earlier().await,
            };
            let number = earlier.map_err(|fault| fault.to_string())?.map_or(0, |number| number + 1);
            let process = names.name(number);
            let command =
                Command { process: process.clone(), working_directory: directory.clone(), ..self.command.clone() };
            match machine.start(command).await {
                Ok(()) => {
                    *self.last() = Some(Last { stem, number });
                    return Ok(Arc::new(Running::new(machine, process, self.clock.clone(), self.spawn.clone())));
                }
                // Somebody else begins it too: looked for anew.
                Err(Fault::Exists(_)) => {}
                Err(fault) => return Err(format!("it cannot be started: {fault}")),
            }
        }
        Err("its name in this environment is taken again and again".to_owned())
    }

    fn last(&self) -> MutexGuard<'_, Option<Last>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name as a pattern that fits nothing else.
fn literal(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '*' | '?')).collect()
}

impl Opener for Program {
    fn open(&self) -> BoxFuture<'_, Result<Arc<dyn Pipe>, String>> {
        Box::pin(self.start())
    }
}

#[cfg(test)]
mod tests;
