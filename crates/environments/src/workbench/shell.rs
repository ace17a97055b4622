//! A command line: started under the name of its call, read until it ends, stopped when its time is over. A second
//! attempt only looks for it.

use super::arguments::{self, within};
use super::follow::Follow;
use super::path::absolute;
use super::{FOR_MODEL, Problem, Station, Workbench, process_name, whole};
use crate::machine::{Command, Fault, Info};
use std::collections::BTreeMap;
use std::time::Duration;
use types::{CommandResult, Progress, ToolOutcome, ToolRequest};

const TIMEOUT_MS: u64 = 120_000;
/// Below the time that a tool call may take at all.
const MAX_TIMEOUT_MS: u64 = 540_000;
pub(super) const YIELD_MS: u64 = 1000;
pub(super) const MAX_YIELD_MS: u64 = 300_000;
const MAX_COMMAND: usize = 256 << 10;
/// How long a machine may take to stop a process, and how long its last words are waited for.
const STOPPING: Duration = Duration::from_secs(10);
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How the wait for a process came to its end.
enum End {
    /// By itself, or because it was told to end.
    Itself,
    /// Its time was over, and it was stopped.
    TimedOut,
    /// Its time was over, and it could not be stopped.
    Unstoppable(Fault),
    /// It goes on.
    Runs,
}

/// How long, and what then.
struct Patience {
    time: Duration,
    background: bool,
}

impl Workbench {
    pub(super) async fn shell(
        &self,
        request: &ToolRequest,
        asked: arguments::Shell,
        progress: &dyn Progress,
    ) -> Result<ToolOutcome, Problem> {
        let patience = patience(&asked)?;
        let station = self.station(request).await?;
        let process = process_name(&request.session, request.call.effect.0);
        let workdir = absolute(&station.workspace_directory, asked.workdir.as_deref().unwrap_or("."));
        let started = self.clock.monotonic();
        if !request.attach {
            let info = station.machine.info().await.map_err(|fault| not_started(&fault))?;
            let command = command(&process, &info, &asked, &workdir, patience.background);
            match station.machine.start(command).await {
                // Started by this very call, whose name it bears.
                Ok(()) | Err(Fault::Exists(_)) => {}
                Err(fault) => return Err(not_started(&fault)),
            }
        }
        // Whoever took it back before found nothing to stop.
        if self.calls.is_withdrawn(request) {
            let _ = station.machine.terminate(&process).await;
        }
        let mut follow = Follow::new(&*station.machine, &*self.clock, progress, &process, 0);
        let end = self.wait(&station, &mut follow, &patience, request.attach).await?;
        // How long it ran before a crash, nobody knows.
        let duration = (!request.attach).then(|| self.clock.monotonic().saturating_sub(started));
        let whole = whole::keep(&station, &*self.clock, &*self.keeper, request, &follow.said).await;
        let state = state(request.call.effect.0, &follow, &end, duration, &patience);
        let told = report(&state, &follow, whole.file);
        let result =
            CommandResult { working_directory: Some(workdir), whole: whole.kept, ..ran(follow, told, duration) };
        Ok(ToolOutcome::Ran(result))
    }

    async fn wait(
        &self,
        station: &Station,
        follow: &mut Follow<'_>,
        patience: &Patience,
        attach: bool,
    ) -> Result<End, Problem> {
        let gone = |fault: Fault| gone(&fault, attach);
        if follow.read_for(patience.time).await.map_err(gone)? {
            return Ok(End::Itself);
        }
        if patience.background {
            return Ok(End::Runs);
        }
        let stopped = tokio::select! {
            biased;
            stopped = station.machine.terminate(follow.process) => stopped,
            () = self.clock.sleep(STOPPING) => Err(Fault::Lost),
        };
        match stopped {
            Err(fault) => Ok(End::Unstoppable(fault)),
            Ok(still_ran) => {
                follow.read_for(LAST_WORDS).await.map_err(gone)?;
                Ok(if still_ran { End::TimedOut } else { End::Itself })
            }
        }
    }
}

fn patience(asked: &arguments::Shell) -> Result<Patience, Problem> {
    let failed = |problem: &str| Err(Problem::Failed(problem.to_owned()));
    if asked.command.trim().is_empty() || asked.command.contains('\0') || asked.command.len() > MAX_COMMAND {
        return failed("that is no command line");
    }
    let background = asked.background.unwrap_or(false);
    if background && asked.timeout_ms.is_some() {
        return failed("timeout_ms is not for background commands; they run until they end or are terminated");
    }
    if !background && asked.terminal == Some(true) {
        return failed("terminal is for background commands only");
    }
    let time = if background {
        within("yield_time_ms", asked.yield_time_ms, YIELD_MS, MAX_YIELD_MS)?
    } else {
        within("timeout_ms", asked.timeout_ms, TIMEOUT_MS, MAX_TIMEOUT_MS)?
    };
    Ok(Patience { time, background })
}

fn command(process: &str, info: &Info, asked: &arguments::Shell, workdir: &str, background: bool) -> Command {
    let shell = info.shell.clone().unwrap_or_else(|| "/bin/sh".to_owned());
    let program = shell.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
    let flags: &[&str] = match program.strip_suffix(".exe").unwrap_or(&program) {
        "powershell" | "pwsh" => &["-NoProfile", "-Command"],
        "cmd" => &["/c"],
        _ => &["-lc"],
    };
    let mut argv = vec![shell];
    argv.extend(flags.iter().map(|flag| (*flag).to_owned()));
    argv.push(asked.command.clone());
    let terminal = asked.terminal.unwrap_or(false);
    // Programs are asked for plain text that does not wait for anybody.
    let mut plain = vec![("PAGER", "cat"), ("GIT_PAGER", "cat"), ("GIT_TERMINAL_PROMPT", "0"), ("NO_COLOR", "1")];
    if !terminal {
        plain.push(("TERM", "dumb"));
    }
    let variables: BTreeMap<String, String> = plain.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let working_directory = workdir.to_owned();
    Command {
        process: process.to_owned(),
        argv,
        working_directory,
        variables,
        terminal,
        input: background,
        ..Command::default()
    }
}

/// The process was not, or perhaps not, started.
fn not_started(fault: &Fault) -> Problem {
    match fault {
        Fault::Lost => Problem::Unknown("the connection was lost while the command was started".to_owned()),
        fault => Problem::Failed(format!("the command was not started: {fault}")),
    }
}

/// A process that was started is not to be heard any more.
fn gone(fault: &Fault, attach: bool) -> Problem {
    Problem::Unknown(match fault {
        Fault::Missing(_) if attach => {
            "the environment does not know the process (any more); whether the command ran cannot be told".to_owned()
        }
        Fault::Missing(_) => "the environment lost the process while it ran".to_owned(),
        fault => format!("while the command ran: {fault}"),
    })
}

/// The result of a command or of a look at it.
pub(super) fn ran(follow: Follow<'_>, told: String, duration: Option<Duration>) -> CommandResult {
    CommandResult {
        told,
        exit_code: follow.exit_code,
        duration_ms: duration.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        output: Some(follow.shown()),
        ..CommandResult::default()
    }
}

fn state(id: u64, follow: &Follow<'_>, end: &End, duration: Option<Duration>, patience: &Patience) -> String {
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let after = duration.map_or_else(String::new, |time| format!(" after {}", seconds(time)));
    match end {
        End::Runs => running(id, follow),
        End::TimedOut => format!("stopped: it still ran after {}, the time that it was given", seconds(patience.time)),
        End::Unstoppable(fault) => {
            let time = seconds(patience.time);
            format!("it still ran after {time}, and whether it was stopped is not known: {fault}")
        }
        End::Itself => ended(follow, &after),
    }
}

pub(super) fn running(id: u64, follow: &Follow<'_>) -> String {
    format!("still running: process_id {id}; to read on, call write_stdin with after={}", follow.next)
}

/// Of a process that ended, how.
pub(super) fn ended(follow: &Follow<'_>, after: &str) -> String {
    let mut state = match (follow.exit_code, &follow.failure) {
        (_, Some(failure)) => format!("could not run: {failure}"),
        (Some(code), None) => format!("exit code {code}{after}"),
        (None, None) => format!("ended{after}, with no exit code"),
    };
    if !follow.closed && follow.failure.is_none() {
        state.push_str("; something that it started holds its output open and may print more");
    }
    state
}

/// What the model is told: the state, where the whole output is, then the output.
pub(super) fn report(state: &str, follow: &Follow<'_>, whole: Option<String>) -> String {
    let lost = if follow.lost { "[earlier output is not kept any more]\n" } else { "" };
    if follow.said.total() == 0 {
        return format!("{state}\n{lost}(no output)");
    }
    let whole = whole.map_or_else(String::new, |whole| format!("; {whole}"));
    format!("{state}{whole}\noutput:\n{lost}{}", follow.said.shown(FOR_MODEL))
}
