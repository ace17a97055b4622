//! The names that the processes of one program bear on a machine, one after the other: a stem and a number. No name is used
//! twice there as long as the machine remembers it, and nobody here may remember which was the last.
//!
//! Some machines remember a name for long, so the numbers that are taken are all those up to the last: it is found by
//! doubling and halving. Others forget it soon after its process, so that numbers stay small: the first few are ended
//! whoever bears them.

use environments::machine::{Command, Fault, Machine};
use futures_util::future::join_all;

/// As many as are ended without a look.
const FIRST: u64 = 16;
/// More than can have been started.
const MOST: u64 = 1 << 32;

pub struct Names<'a> {
    pub machine: &'a dyn Machine,
    pub stem: &'a str,
    /// Where its processes are started.
    pub directory: &'a str,
}

impl Names<'_> {
    pub fn name(&self, number: u64) -> String {
        format!("{}-{number}", self.stem)
    }

    /// Ends what bears that name.
    pub async fn end(&self, number: u64) -> Result<(), Fault> {
        self.machine.terminate(&self.name(number)).await.map(|_| ())
    }

    /// Ends whatever an earlier server of ours has left behind. The last number that was used, where one was.
    pub async fn end_earlier(&self) -> Result<Option<u64>, Fault> {
        for ended in join_all((0..FIRST).map(|number| self.end(number))).await {
            ended?;
        }
        let Some(last) = self.last().await? else { return Ok(None) };
        if last >= FIRST {
            self.end(last).await?;
        }
        Ok(Some(last))
    }

    async fn last(&self) -> Result<Option<u64>, Fault> {
        if !self.is_taken(0).await? {
            return Ok(None);
        }
        let (mut taken, mut free) = (0, 1);
        while self.is_taken(free).await? {
            if free >= MOST {
                return Err(Fault::Refused("the environment takes every name for one that was used".to_owned()));
            }
            (taken, free) = (free, free * 2);
        }
        while free - taken > 1 {
            let between = taken.midpoint(free);
            if self.is_taken(between).await? {
                taken = between;
            } else {
                free = between;
            }
        }
        Ok(Some(taken))
    }

    /// Asked by starting what cannot be started: a name that is taken is refused before that is found out.
    async fn is_taken(&self, number: u64) -> Result<bool, Fault> {
        let nothing = Command {
            process: self.name(number),
            argv: vec!["\0".to_owned()],
            working_directory: self.directory.to_owned(),
            ..Command::default()
        };
        match self.machine.start(nothing).await {
            Ok(()) | Err(Fault::Exists(_)) => Ok(true),
            Err(fault @ (Fault::Disconnected | Fault::Lost)) => Err(fault),
            Err(_) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;
