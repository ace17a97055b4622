//! A sandbox of namespaces from the server's side: the keeper's channel and process, and the control group.

use super::cgroup::Group;
use super::channel::{self, Ended, Message};
use crate::driver::{Exit, Hold};
use crate::error::Error;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::Shutdown;
use rustix::process::Signal;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// A keeper that has told the end is gone at once; one that is not is no reason to wait for ever. Seconds.
const GONE: i64 = 5;

pub struct Kept {
    process: u32,
    channel: OwnedFd,
    is_standing: bool,
    /// It is not this server's any more.
    is_parted: AtomicBool,
    /// Whoever waits has it; who comes later finds how it ended.
    end: Mutex<End>,
}

struct End {
    keeper: Keeper,
    group: Option<Group>,
    exit: Option<Exit>,
}

/// The process outside.
pub enum Keeper {
    /// This server's child.
    Started(Child),
    /// An earlier server's; none where it was gone already.
    Found(Option<OwnedFd>),
}

impl Kept {
    pub fn new(process: u32, keeper: Keeper, channel: OwnedFd, group: Option<Group>, is_standing: bool) -> Self {
        let end = Mutex::new(End { keeper, group, exit: None });
        Self { process, channel, is_standing, is_parted: AtomicBool::new(false), end }
    }

    fn part(&self, end: &mut End) -> Error {
        self.is_parted.store(true, Ordering::SeqCst);
        if let Some(group) = end.group.take() {
            group.leave();
        }
        Error::Parted
    }
}

impl Hold for Kept {
    fn kill(&self) {
        let _ = channel::send(&self.channel, &Message::Kill, &[]);
    }

    fn wait(&self) -> Result<Exit, Error> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exit) = end.exit {
            return Ok(exit);
        }
        if self.is_parted.load(Ordering::SeqCst) {
            return Err(self.part(&mut end));
        }
        let heard = channel::receive(&self.channel);
        let mut exit = match heard {
            _ if self.is_parted.load(Ordering::SeqCst) => return Err(self.part(&mut end)),
            Ok(Some((Message::Taken, _))) => return Err(self.part(&mut end)),
            Ok(Some((Message::Exited(Ended { code, signal, out_of_disk }), _))) => {
                if self.is_standing {
                    let _ = channel::send(&self.channel, &Message::Heard, &[]);
                }
                Exit { code, signal, out_of_memory: None, out_of_disk }
            }
            // The keeper was killed; the kernel has then killed what it kept.
            _ => {
                end.keeper.kill();
                Exit { signal: Some(Signal::KILL.as_raw()), ..Exit::default() }
            }
        };
        end.keeper.wait()?;
        if let Some(group) = end.group.take() {
            exit.out_of_memory = group.out_of_memory();
            group.kill();
        }
        end.exit = Some(exit);
        Ok(exit)
    }

    fn news(&self) -> Option<BorrowedFd<'_>> {
        Some(self.channel.as_fd())
    }

    fn leave(&self) {
        // Whoever waits holds what is at the end: it is woken first.
        if self.is_standing {
            self.is_parted.store(true, Ordering::SeqCst);
        }
        let _ = rustix::net::shutdown(&self.channel, Shutdown::Both);
        if self.is_standing {
            self.part(&mut self.end.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    fn process(&self) -> u32 {
        self.process
    }
}

impl Keeper {
    fn kill(&mut self) {
        match self {
            Self::Started(child) => drop(child.kill()),
            Self::Found(handle) => {
                let handle = handle.as_ref();
                handle.map(|handle| rustix::process::pidfd_send_signal(handle, Signal::KILL).is_ok());
            }
        }
    }

    fn wait(&mut self) -> Result<(), Error> {
        match self {
            Self::Started(child) => child.wait().map(drop).map_err(|error| Error::Keeper(error.to_string())),
            Self::Found(handle) => {
                let Some(handle) = handle else { return Ok(()) };
                let patience = Timespec { tv_sec: GONE, tv_nsec: 0 };
                let gone = poll(&mut [PollFd::new(handle, PollFlags::IN)], Some(&patience));
                gone.map(drop).map_err(|error| Error::Keeper(error.to_string()))
            }
        }
    }
}
