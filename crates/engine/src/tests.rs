//! Data-driven: a case is a list of steps, and the log and the stream that must come of it, as text.

mod approvals;
mod attempts;
mod calls;
mod doors;
mod environments;
mod forks;
mod hosted;
mod later;
mod ledger;
mod overdue;
mod phrases;
mod programs;
mod random;
mod script;
mod tools;
mod turns;
mod withheld;

use script::{check, refused, run};
