//! Processes that an earlier call left running: input, signals, and what they said since. Which process is meant, the
//! number of its call says, within the same session: no session reaches another's.

use super::arguments::{self, Signal, within};
use super::follow::Follow;
use super::shell::{MAX_YIELD_MS, YIELD_MS, ended, ran, report, running};
use super::{Problem, Station, Workbench, process_name, whole};
use crate::machine::{Fault, Written};
use types::{CommandResult, Progress, ToolOutcome, ToolRequest};

const MAX_INPUT: usize = 1 << 20;

impl Workbench {
    pub(super) async fn write_stdin(
        &self,
        request: &ToolRequest,
        asked: arguments::WriteStdin,
        progress: &dyn Progress,
    ) -> Result<ToolOutcome, Problem> {
        let time = within("yield_time_ms", asked.yield_time_ms, YIELD_MS, MAX_YIELD_MS)?;
        let station = self.station(request).await?;
        let process = process_name(&request.session, asked.process_id);
        let id = asked.process_id;
        let input = asked.input.filter(|input| !input.is_empty());
        let is_given = input.is_some();
        if let Some(input) = input {
            write(&station, &process, id, input).await?;
        }
        let is_given =
            signal(&station, &process, id, asked.signal).await.map_err(|problem| behind(is_given, problem))?
                || is_given;
        let mut follow = Follow::new(&*station.machine, &*self.clock, progress, &process, asked.after.unwrap_or(0));
        let has_ended = follow.read_for(time).await.map_err(|fault| behind(is_given, unheard(id, "read", &fault)))?;
        let state = if has_ended { ended(&follow, "") } else { running(id, &follow) };
        let whole = whole::keep(&station, &*self.clock, &*self.keeper, request, &follow.said).await;
        let told = report(&state, &follow, whole.file);
        Ok(ToolOutcome::Ran(CommandResult { whole: whole.kept, ..ran(follow, told, None) }))
    }
}

/// Whether there was one.
async fn signal(station: &Station, process: &str, id: u64, signal: Option<Signal>) -> Result<bool, Problem> {
    match signal {
        None => return Ok(false),
        Some(Signal::Interrupt) => {
            station.machine.interrupt(process).await.map_err(|fault| unheard(id, "interrupted", &fault))?;
        }
        // Whether it still ran, the exit code says.
        Some(Signal::Terminate) => {
            station.machine.terminate(process).await.map_err(|fault| unheard(id, "terminated", &fault))?;
        }
    }
    Ok(true)
}

/// What fails behind something that the process was given: that has happened, and nobody can see what came of it.
fn behind(is_given: bool, problem: Problem) -> Problem {
    match problem {
        Problem::Failed(why) if is_given => {
            Problem::Unknown(format!("what the process was given before reached it, but then {why}"))
        }
        problem => problem,
    }
}

async fn write(station: &Station, process: &str, id: u64, input: String) -> Result<(), Problem> {
    if input.len() > MAX_INPUT {
        return Err(Problem::Failed(format!("input has at most {MAX_INPUT} bytes; nothing was written")));
    }
    match station.machine.write(process, input.into_bytes()).await {
        Ok(Written::Accepted) => Ok(()),
        Ok(Written::Closed) => Err(Problem::Failed(format!("process {id} takes no input (any more)"))),
        Err(fault) => Err(unheard(id, "written to", &fault)),
    }
}

fn unheard(id: u64, done: &str, fault: &Fault) -> Problem {
    match fault {
        Fault::Missing(_) => Problem::Failed(format!("there is no process {id} (any more)")),
        fault => Problem::changing(&format!("process {id} could not be {done}"), fault),
    }
}
