//! Data-driven: a case is a list of steps, and the log and the stream that must come of it, as text.

mod attempts;
mod calls;
mod doors;
mod environments;
mod forks;
mod hosted;
mod ledger;
mod random;
mod script;
mod tools;
mod turns;

use script::{check, refused, run};
