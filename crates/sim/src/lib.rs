//! Deterministic simulation: one seed decides the order of tasks, the time, every random byte and every fault. A run
//! that fails can be run again by its seed.
//!
//! [`Sim`] is the executor and the world (`Clock`, `Entropy`, `Spawn`); [`MemStore`] is a store in memory that passes the
//! same contract as the one on disk, and can fail and crash. [`run()`] puts the very runtime among clients, models and
//! tools that misbehave, lets its process die, and has [`check`] look at what is left. Nothing here starts a thread or
//! looks at the real clock.

mod arena;
mod case;
pub mod check;
mod client;
mod executor;
mod mem_store;
mod model;
pub mod notes;
mod offers;
mod plan;
mod printing;
mod programs;
mod random;
mod restores;
mod run;
mod summary;
#[cfg(test)]
mod tests;
mod tools;
mod world;

pub use case::{Case, Replay, case};
pub use executor::{Fate, Group, Sim, Stuck, Trace};
pub use mem_store::{Backup, Kept, MemStore, Moment, Moments};
pub use plan::{Crashes, Faults, Line, MODEL, ModelFault, Plan, SPARE, ToolFault};
pub use run::{Report, look, run};
pub use summary::Summary;
