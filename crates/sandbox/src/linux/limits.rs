//! The kernel's limits of single processes. Where control groups bound the whole, they are a second line; where there are
//! none, they are all there is: each process may then use the whole's memory.

use crate::plan::Limits;
use rustix::io;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Most files that a process may have open.
const OPEN_FILES: u64 = 4_096;

/// `alone`: there is no control group.
pub fn set(limits: &Limits, alone: bool) -> io::Result<()> {
    // The sandbox's first process is counted as well.
    let processes = u64::from(limits.processes) + 1;
    let mut bounds = vec![
        (Resource::Core, 0),
        (Resource::Nofile, OPEN_FILES),
        (Resource::Nproc, processes),
        (Resource::Fsize, limits.disk),
        (Resource::Memlock, 64 << 10),
        (Resource::Msgqueue, 800 << 10),
    ];
    if alone {
        // Address space is cheap, and runtimes reserve much of it; what is written to is counted as data.
        bounds.push((Resource::Data, limits.memory));
        bounds.push((Resource::As, limits.memory.saturating_mul(2).saturating_add(4 << 30)));
    }
    for (resource, bound) in bounds {
        let most = rustix::process::getrlimit(resource).maximum;
        let bound = most.map_or(bound, |most| bound.min(most));
        setrlimit(resource, Rlimit { current: Some(bound), maximum: Some(bound) })?;
    }
    Ok(())
}
