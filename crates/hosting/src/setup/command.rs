//! Processes in the environment, one after the other: each is started, heard until it ends or its time is over, and ended
//! then.

use super::{Context, SetupFailed};
use environments::client::plain;
use environments::machine::{Command, Fault, FileKind, Machine, Output};
use std::time::Duration;
use types::Clock;

/// Bytes of the end of what a process says that are kept.
const SAID: usize = 64 << 10;
/// The longest that a machine is asked to wait for news, and how much longer its answer may take.
const WAIT: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(10);
/// How long the output of a process that ended may still come. What it started may hold it open for ever.
const AFTER_EXIT: Duration = Duration::from_secs(1);
/// Before a machine is asked again that had nothing new.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) struct Runner<'a> {
    machine: &'a dyn Machine,
    context: &'a Context<'a>,
    /// No process of an earlier setup in the same sandbox is named so.
    name: String,
    number: u32,
}

/// How a process ended.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Ran {
    /// None: its time was over.
    pub exit_code: Option<i32>,
    /// The end of what it said on both its streams.
    pub said: Vec<u8>,
}

impl<'a> Runner<'a> {
    pub(crate) fn new(context: &'a Context<'a>, machine: &'a dyn Machine) -> Self {
        let mut bytes = [0; 4];
        context.entropy.fill(&mut bytes);
        Self { machine, context, name: format!("setup-{:08x}", u32::from_be_bytes(bytes)), number: 0 }
    }

    /// Bash where it is, else the POSIX one.
    pub(crate) async fn shell(&self) -> Result<String, SetupFailed> {
        const BASH: &str = "/bin/bash";
        match self.machine.metadata(BASH).await {
            Ok(_) => Ok(BASH.to_owned()),
            Err(Fault::Disconnected | Fault::Lost) => Err(SetupFailed::gone()),
            Err(_) => Ok("/bin/sh".to_owned()),
        }
    }

    /// Whether there is such a folder in the environment.
    pub(crate) async fn has_folder(&self, path: &str) -> Result<bool, SetupFailed> {
        match self.machine.metadata(path).await {
            Ok(metadata) => Ok(metadata.kind == FileKind::Directory),
            Err(Fault::Disconnected | Fault::Lost) => Err(SetupFailed::gone()),
            // A link is judged by the machine itself.
            Err(_) => Ok(false),
        }
    }

    /// Errs where it could not be started, or the sandbox is gone.
    pub(crate) async fn run(&mut self, argv: Vec<String>, cwd: &str, time: Duration) -> Result<Ran, SetupFailed> {
        self.number += 1;
        let process = self.last();
        let command = Command {
            process: process.clone(),
            argv,
            working_directory: cwd.to_owned(),
            variables: self.context.variables.clone(),
            ..Command::default()
        };
        self.machine.start(command).await.map_err(|fault| failed(&fault))?;
        let ran = self.follow(&process, time).await;
        if !matches!(ran, Ok(Ran { exit_code: Some(_), .. })) {
            // Whether it still ran makes no difference.
            let _ = self.machine.terminate(&process).await;
        }
        ran
    }

    /// The process that was begun last.
    pub(super) fn last(&self) -> String {
        format!("{}-{}", self.name, self.number)
    }

    async fn follow(&self, process: &str, time: Duration) -> Result<Ran, SetupFailed> {
        let clock = self.context.clock;
        let began = clock.monotonic();
        let (mut after, mut said, mut exit_code) = (0, Vec::new(), None);
        loop {
            let left = time.saturating_sub(clock.monotonic().saturating_sub(began));
            let wait = if exit_code.is_some() { AFTER_EXIT } else { left.min(WAIT) };
            let output = self.look(clock, process, after, wait).await?;
            let is_news = output.as_ref().is_some_and(|output| output.next > after);
            let mut is_over = left.is_zero() || (exit_code.is_some() && !is_news);
            if let Some(output) = output {
                for chunk in output.chunks.iter().filter(|chunk| chunk.seq > after) {
                    said.extend_from_slice(&chunk.bytes);
                }
                said.drain(..said.len().saturating_sub(SAID));
                after = after.max(output.next);
                exit_code = exit_code.or(output.exit_code);
                is_over |= output.closed && exit_code.is_some();
                if let Some(why) = output.failure {
                    return Err(not_run(&why));
                }
            }
            if is_over {
                return Ok(Ran { exit_code, said });
            }
            if !is_news {
                clock.sleep(PAUSE).await;
            }
        }
    }

    /// One question; an answer that does not come is none.
    async fn look(
        &self,
        clock: &dyn Clock,
        process: &str,
        after: u64,
        wait: Duration,
    ) -> Result<Option<Output>, SetupFailed> {
        tokio::select! {
            biased;
            output = self.machine.read(process, after, wait) => match output {
                Ok(output) => Ok(Some(output)),
                // The line is away; the process does not mind.
                Err(Fault::Disconnected) => Ok(None),
                Err(fault) => Err(failed(&fault)),
            },
            () = clock.sleep(wait + SLACK) => Ok(None),
        }
    }
}

fn failed(fault: &Fault) -> SetupFailed {
    match fault {
        Fault::Disconnected | Fault::Lost => SetupFailed::gone(),
        fault => not_run(&fault.to_string()),
    }
}

/// In the machine's words, which go into the environment's row.
fn not_run(why: &str) -> SetupFailed {
    SetupFailed::new(format!("A command of the setup could not be run: {}.", plain(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_words_are_short_and_plain() {
        let said = failed(&Fault::Refused(format!("a\n\u{1b}b{}", "x".repeat(1 << 20)))).message;
        assert!(said.starts_with("A command of the setup could not be run: a bx") && said.len() < 1100, "{said}");
        assert_eq!(failed(&Fault::Lost), SetupFailed::gone());
    }
}
