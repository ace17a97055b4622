//! Isolation of a hosted environment on this machine.
//!
//! A [`Plan`] says what is to run and how much it may use; a [`Driver`] starts it and answers with a [`Running`], which
//! can be waited for and killed whole. The driver of this crate, `Namespaces`, stands on what a Linux kernel gives an
//! ordinary process: namespaces, a root of its own, seccomp, Landlock, control groups. What the machine lacks is in its
//! [`Ability`]; a weaker sandbox than was asked for is refused, unless the plan allows it in so many words.
//!
//! This crate never talks to the network, knows no session and no tenant, and decides nothing about what may be run.

mod ability;
mod driver;
mod error;
mod isolation;
#[cfg(target_os = "linux")]
mod linux;
mod plan;

pub use ability::{Ability, Finding};
pub use driver::{Driver, Exit, Hold, Running};
pub use error::Error;
pub use isolation::{Isolation, Layer};
#[cfg(target_os = "linux")]
pub use linux::{Namespaces, keeper, owner};
pub use plan::{Bind, Disk, Keeper, Limits, Plan, Size, Standing};
