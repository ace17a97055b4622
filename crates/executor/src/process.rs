//! The processes of one session: a table under the ids that the client chose. An id is never used twice, also when
//! what it named is long over; so a start that is repeated cannot run anything again.

mod group;
mod input;
mod output;
mod side;
mod start;
mod terminal;
mod variables;
mod watch;

use crate::machine::Machine;
use crate::session::Attachment;
use crate::world;
use group::Group;
use input::Input;
use output::Output;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch as news};
use tokio::task::JoinHandle;
use wire::executor::{
    Failure, ProcessRead, ProcessReadings, ProcessStart, ProcessStarted, ProcessTerminated, ProcessWrite,
    ProcessWritten, SandboxKind, WriteStatus, code,
};

/// Processes of a session, running or over; the oldest that is over makes room for a new one.
const PROCESSES: usize = 256;
/// Ids of processes that made room.
const REMEMBERED: usize = 16 * 1024;
/// In bytes.
const ID_LENGTH: usize = 256;
/// The longest wait of one `process/read`; who wants more asks again.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub struct Processes {
    table: Mutex<Table>,
    attachment: news::Receiver<Attachment>,
}

#[derive(Default)]
struct Table {
    known: BTreeMap<String, Process>,
    /// How many have been started, to find the oldest.
    started: u64,
    over: VecDeque<String>,
    ended: bool,
}

struct Process {
    number: u64,
    group: Arc<Group>,
    output: Arc<Output>,
    input: Option<Input>,
    watch: JoinHandle<()>,
}

impl Processes {
    pub fn new(attachment: news::Receiver<Attachment>) -> Self {
        Self { table: Mutex::default(), attachment }
    }

    pub fn start(&self, wanted: ProcessStart, machine: &Machine) -> Result<ProcessStarted, Failure> {
        let id = wanted.process_id.clone();
        check(&wanted)?;
        let mut table = self.table();
        if table.ended {
            return Err(Failure::new(code::INVALID_REQUEST, "the session has ended"));
        }
        if table.known.contains_key(&id) || table.over.contains(&id) {
            return Err(Failure::new(code::INVALID_REQUEST, format!("process {id} already exists")));
        }
        table.make_room()?;
        let variables = variables::of(&wanted, &machine.variables)?;
        // Before the process is there: its end must not be missed.
        let ends = group::ends().map_err(refused)?;
        let started = start::start(&wanted, &variables).map_err(refused)?;
        let group = Arc::new(Group::new(started.child, wanted.tty));
        let output = Arc::new(Output::default());
        let (here, gone) = oneshot::channel();
        let watch = world::spawn(watch::watch(watch::Watched {
            id: id.clone(),
            group: Arc::clone(&group),
            output: Arc::clone(&output),
            streams: started.streams,
            ends,
            attachment: self.attachment.clone(),
            _here: here,
        }));
        table.started += 1;
        let number = table.started;
        let input = started.input.map(|side| Input::new(side, gone));
        table.known.insert(id.clone(), Process { number, group, output, input, watch });
        Ok(ProcessStarted { process_id: id, sandbox_type: SandboxKind::None })
    }

    pub async fn read(&self, wanted: ProcessRead) -> Result<ProcessReadings, Failure> {
        let output = match self.table().known.get(&wanted.process_id) {
            Some(process) => Arc::clone(&process.output),
            None => return Err(unknown(&wanted.process_id)),
        };
        let after = wanted.after_seq.unwrap_or(0);
        let most = wanted.max_bytes.unwrap_or(usize::MAX);
        let wait = Duration::from_millis(wanted.wait_ms.unwrap_or(0)).min(LONGEST_WAIT);
        let mut changes = output.changes();
        let found = async {
            loop {
                changes.mark_unchanged();
                let (readings, news) = output.read(after, most);
                // The sender lives as long as the output.
                if news || changes.changed().await.is_err() {
                    return readings;
                }
            }
        };
        tokio::select! {
            biased;
            readings = found => Ok(readings),
            () = world::sleep(wait) => Ok(output.read(after, most).0),
        }
    }

    pub fn write(&self, wanted: ProcessWrite) -> Result<ProcessWritten, Failure> {
        let mut table = self.table();
        let Some(process) = table.known.get_mut(&wanted.process_id) else {
            return Ok(ProcessWritten { status: WriteStatus::UnknownProcess });
        };
        let status = match &mut process.input {
            Some(input) => input.write(wanted.write_id, wanted.chunk.0, &wanted.process_id)?,
            None => WriteStatus::StdinClosed,
        };
        Ok(ProcessWritten { status })
    }

    pub fn interrupt(&self, id: &str) -> Result<(), Failure> {
        match self.table().known.get(id) {
            Some(process) => process.group.interrupt().map_err(refused),
            None => Err(unknown(id)),
        }
    }

    pub fn terminate(&self, id: &str) -> ProcessTerminated {
        let table = self.table();
        let Some(process) = table.known.get(id) else { return ProcessTerminated { running: false } };
        process.group.kill();
        ProcessTerminated { running: !process.output.has_exited() }
    }

    /// Ends every process, and what they started; none can be started afterwards.
    pub async fn end(&self) {
        let known = {
            let mut table = self.table();
            table.ended = true;
            std::mem::take(&mut table.known)
        };
        for process in known.into_values() {
            process.group.kill();
            process.watch.abort();
            let group = process.group;
            _ = world::blocking(move || {
                group.bury();
                Ok(())
            })
            .await;
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn make_room(&mut self) -> Result<(), Failure> {
        if self.known.len() < PROCESSES {
            return Ok(());
        }
        let over = self.known.iter().filter(|(_, process)| process.group.is_gone());
        let oldest = over.min_by_key(|(_, process)| process.number).map(|(id, _)| id.clone());
        let Some(oldest) = oldest else {
            let message = format!("at most {PROCESSES} processes run at one time in a session");
            return Err(Failure::new(code::INVALID_REQUEST, message));
        };
        self.known.remove(&oldest);
        self.over.push_back(oldest);
        if self.over.len() > REMEMBERED {
            self.over.pop_front();
        }
        Ok(())
    }
}

fn check(wanted: &ProcessStart) -> Result<(), Failure> {
    let bad = |message: &str| Err(Failure::new(code::INVALID_PARAMS, message));
    if wanted.argv.is_empty() {
        return bad("argv must not be empty");
    }
    if wanted.process_id.is_empty() || wanted.process_id.len() > ID_LENGTH {
        return bad("processId must have 1 to 256 bytes");
    }
    // Nobody must believe that a process is held to something that it is not held to.
    if wanted.sandbox.as_ref().is_some_and(wire::executor::Sandbox::restricts) {
        return bad("this executor has no sandbox: it cannot hold a process to one");
    }
    if wanted.enforce_managed_network {
        return bad("this executor has no sandbox: it cannot hold a process to a managed network");
    }
    Ok(())
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::new(code::INTERNAL, error.to_string())
}

fn unknown(id: &str) -> Failure {
    Failure::new(code::INVALID_REQUEST, format!("unknown process id {id}"))
}
