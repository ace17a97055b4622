//! Executors from this side: what a machine can be asked for ([`machine`]), whoever it is that answers.
//!
//! It never starts a process by itself and never sees a session's log: it is a part of the world, as models are.

pub mod client;
pub mod instructions;
pub mod line;
pub mod machine;
pub mod patch;
pub mod rendezvous;
pub mod skills;
pub mod truncate;
pub mod workbench;

#[cfg(test)]
mod stage;
