//! Starting a process: in a group of its own, with the variables that it is to have and no others.

use super::side::Side;
use super::terminal;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use wire::executor::{ProcessStart, Stream};

pub struct Started {
    pub child: Child,
    pub streams: Vec<(Stream, Side)>,
    pub input: Option<Side>,
}

pub fn start(wanted: &ProcessStart, variables: &[(OsString, OsString)]) -> io::Result<Started> {
    let Some((program, arguments)) = wanted.argv.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    #[expect(clippy::disallowed_methods, reason = "starting processes is what an executor is for")]
    let mut command = Command::new(program);
    command.args(arguments).current_dir(wanted.cwd.path()).env_clear();
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    if let Some(name) = &wanted.arg0 {
        command.arg0(name);
    }
    #[expect(unsafe_code, reason = "the dispositions of signals can only be set between fork and exec")]
    // SAFETY: system calls only, no allocation and no lock: allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // An executor that a script has put into the background ignores some of them, and so would all that it starts.
            for signal in
                [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU]
            {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
    if wanted.tty { terminal::start(command) } else { with_pipes(command, wanted.pipe_stdin) }
}

fn with_pipes(mut command: Command, keep_input: bool) -> io::Result<Started> {
    command.stdin(if keep_input { Stdio::piped() } else { Stdio::null() });
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()?;
    let (input, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let sides = || -> io::Result<_> {
        let mut streams = Vec::new();
        if let Some(stdout) = stdout {
            streams.push((Stream::Stdout, Side::new(stdout)?));
        }
        if let Some(stderr) = stderr {
            streams.push((Stream::Stderr, Side::new(stderr)?));
        }
        Ok((streams, input.map(Side::new).transpose()?))
    };
    match sides() {
        Ok((streams, input)) => Ok(Started { child, streams, input }),
        Err(error) => Err(abandon(child, error)),
    }
}

/// Ends a process that nobody could hear.
fn abandon(mut child: Child, error: io::Error) -> io::Error {
    _ = child.kill();
    _ = child.wait();
    error
}
