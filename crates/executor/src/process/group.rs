//! A process and all that it started: one group, or on a terminal one session. It is ended as a whole.
//!
//! The process is not reaped while anything of its group may live: until then its number cannot go to a stranger, who
//! would be hit in its place.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid};
use std::io;
use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};

pub struct Group {
    pid: Option<Pid>,
    /// A terminal's shell puts its jobs into groups of their own.
    is_session: bool,
    /// Until it is reaped.
    leader: Mutex<Option<Child>>,
}

/// Says that some process of ours has ended, whichever.
pub fn ends() -> io::Result<Signals> {
    signal(SignalKind::child())
}

impl Group {
    pub fn new(leader: Child, is_session: bool) -> Self {
        Self { pid: Pid::from_raw(leader.id().cast_signed()), is_session, leader: Mutex::new(Some(leader)) }
    }

    /// The exit code, if the process has ended; 128 and the signal's number where a signal ended it.
    pub fn exit_code(&self) -> Option<i32> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.pid?), options) {
            Ok(None) => None,
            Ok(Some(status)) => status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal)),
            // It is not ours to wait for; whatever became of it is not known.
            Err(_) => Some(-1),
        }
    }

    pub fn interrupt(&self) -> io::Result<()> {
        let leader = self.leader();
        let (Some(pid), Some(_)) = (self.pid, leader.as_ref()) else { return Ok(()) };
        let foreground = || self.members().into_iter().find(|member| member.foreground > 0);
        let group = if self.is_session {
            foreground().and_then(|member| Pid::from_raw(member.foreground)).unwrap_or(pid)
        } else {
            pid
        };
        match kill_process_group(group, Signal::INT) {
            Err(error) if error != rustix::io::Errno::SRCH => Err(error.into()),
            _ => Ok(()),
        }
    }

    pub fn kill(&self) {
        let leader = self.leader();
        let (Some(pid), Some(_)) = (self.pid, leader.as_ref()) else { return };
        _ = kill_process_group(pid, Signal::KILL);
        if self.is_session {
            for member in self.members() {
                _ = kill_process(member.pid, Signal::KILL);
            }
        }
    }

    /// Reaps the process, if it has ended and nobody of its group is left.
    pub fn release(&self) {
        let mut leader = self.leader();
        if leader.is_some() && self.exit_code().is_some() && self.members().is_empty() {
            // It has ended: there is nothing to wait for.
            _ = leader.take().map(|mut leader| leader.wait());
        }
    }

    /// Nothing of it is left. What lingered may have ended since it was last looked for.
    pub fn is_gone(&self) -> bool {
        self.release();
        self.leader().is_none()
    }

    /// Waits for a process that was killed. Blocks.
    pub fn bury(&self) {
        _ = self.leader().take().map(|mut leader| leader.wait());
    }

    fn leader(&self) -> MutexGuard<'_, Option<Child>> {
        self.leader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody of the group or session but its leader; nobody where the system does not tell.
    fn members(&self) -> Vec<Member> {
        let Some(pid) = self.pid else { return Vec::new() };
        let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
        let numbers = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        numbers
            .filter(|&number| number != pid.as_raw_nonzero().get())
            .filter_map(|number| Member::read(number, pid, self.is_session))
            .collect()
    }
}

struct Member {
    pid: Pid,
    /// The group that has the terminal; -1 without one.
    foreground: i32,
}

impl Member {
    fn read(number: i32, of: Pid, by_session: bool) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        // `pid (name) state parent group session terminal foreground …`; the name may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let group: i32 = fields.nth(1)?.parse().ok()?;
        let session: i32 = fields.next()?.parse().ok()?;
        let foreground: i32 = fields.nth(1)?.parse().ok()?;
        let of = of.as_raw_nonzero().get();
        let belongs = group == of || (by_session && session == of);
        let lives = !matches!(state, "Z" | "X");
        (belongs && lives).then_some(Self { pid: Pid::from_raw(number)?, foreground })
    }
}
