//! Only with the feature `failpoints`, for tests of crashes: `OUTCROP_FAILPOINT=NAME:N` ends the process by SIGKILL when
//! it passes the mark `NAME` for the `N`-th time, with no chance to tidy up. `outcrop failpoints` lists the marks.
//!
//! It decides nothing else: what must hold after such a death is for the tests to say.

use crate::configuration::{Complaint, Variables};
use crate::terminal;
use rustix::process::{Signal, getpid, kill_process};
use std::sync::atomic::{AtomicU64, Ordering};
use types::marks::{Failpoint, watch};

const VARIABLE: &str = "OUTCROP_FAILPOINT";

/// Sets the trap that the variable asks for, if it does.
pub fn arm(variables: &Variables) -> Result<(), Complaint> {
    let Some(wanted) = variables.get(VARIABLE) else { return Ok(()) };
    let (name, number) = wanted.split_once(':').unwrap_or((wanted, "1"));
    let point = Failpoint::ALL.iter().copied().find(|point| point.name() == name);
    let (Some(point), Ok(fatal)) = (point, number.parse::<u64>()) else {
        return Err(Complaint::word(
            VARIABLE,
            format!("`{wanted}` is not NAME:N; `outcrop failpoints` lists the names"),
        ));
    };
    let passed = AtomicU64::new(0);
    watch(move |at| {
        if at == point && passed.fetch_add(1, Ordering::Relaxed) + 1 == fatal {
            // The signal is there before the call returns: nothing after the mark is done.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    });
    Ok(())
}

/// `outcrop failpoints`: a name a line.
pub fn list() {
    for point in Failpoint::ALL {
        terminal::say(format_args!("{}", point.name()));
    }
}
