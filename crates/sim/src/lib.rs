//! Deterministic simulation: one seed decides the order of tasks, the time, every random byte and every fault. A run
//! that fails can be run again by its seed.
//!
//! [`Sim`] is the executor and the world (`Clock`, `Entropy`, `Spawn`); [`MemStore`] is a store in memory that passes the
//! same contract as the one on disk, and can fail and crash. Nothing here starts a thread or looks at the real clock.

mod executor;
mod mem_store;
mod random;
#[cfg(test)]
mod tests;
mod world;

pub use executor::{Sim, Stuck, Trace};
pub use mem_store::MemStore;
