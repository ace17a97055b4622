//! Our own executor: the server side of the exec-server protocol. It starts processes, reads and writes files, and
//! keeps what a client began while the client's connection is gone.
//!
//! It has no sandbox and asks nobody's leave: what it may do is what its own process may do, and who can speak to it can
//! do all of that. A request that asks it to restrict something is refused, so that nobody takes it for enforced.

mod connection;
mod files;
mod http;
mod machine;
mod process;
mod session;
pub mod transport;
mod world;

pub use machine::Machine;
pub use session::Executor;
pub use transport::Transport;

use std::time::Duration;

/// How long a session is kept after its connection was lost, unless the executor is told otherwise.
pub const KEPT_DETACHED: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests;
