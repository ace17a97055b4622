//! A sandbox of namespaces from the server's side: the keeper's channel and process, and the control group.

use super::cgroup::Group;
use super::channel::{self, Message};
use crate::driver::{Exit, Hold};
use crate::error::Error;
use rustix::fd::OwnedFd;
use rustix::net::Shutdown;
use std::process::Child;
use std::sync::{Mutex, PoisonError};

pub struct Kept {
    process: u32,
    channel: OwnedFd,
    /// Whoever waits has it; who comes later finds how it ended.
    end: Mutex<End>,
}

struct End {
    keeper: Child,
    group: Option<Group>,
    exit: Option<Exit>,
}

impl Kept {
    pub fn new(keeper: Child, channel: OwnedFd, group: Option<Group>) -> Self {
        Self { process: keeper.id(), channel, end: Mutex::new(End { keeper, group, exit: None }) }
    }
}

impl Hold for Kept {
    fn kill(&self) {
        let _ = rustix::net::shutdown(&self.channel, Shutdown::Write);
    }

    fn wait(&self) -> Result<Exit, Error> {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(exit) = end.exit {
            return Ok(exit);
        }
        let mut exit = match channel::receive(&self.channel) {
            Ok(Some((Message::Exited { code, signal, out_of_disk }, _))) => {
                Exit { code, signal, out_of_memory: None, out_of_disk }
            }
            // The keeper was killed; the kernel has then killed what it kept.
            _ => {
                let _ = end.keeper.kill();
                Exit { signal: Some(rustix::process::Signal::KILL.as_raw()), ..Exit::default() }
            }
        };
        end.keeper.wait().map_err(|error| Error::Keeper(error.to_string()))?;
        if let Some(group) = end.group.take() {
            exit.out_of_memory = group.out_of_memory();
            group.kill();
        }
        end.exit = Some(exit);
        Ok(exit)
    }

    fn process(&self) -> u32 {
        self.process
    }
}
