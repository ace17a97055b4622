//! Hosted environments on this machine, from `pending` to `expired`: their rows, their disks, the sandbox in which their
//! executor runs, the way out of it, how they are set up, and what of them is kept as artifacts.
//!
//! [`Hosting`] is the face. It speaks to the agent's tools as a self-hosted executor does (`environments::client`), so
//! that there is one way to run a command. A sandbox outlives its server: the next one finds it, and what runs in it.
//!
//! It decides nothing about sessions: it tells them what became of their environment, as the rendezvous does.
//!
//! Agents that their authors wrote as programs run in environments of the same kind (`guests`), by what is kept of them
//! (`runtimes`); so do the sessions of code interpreters (`interpreters`).

mod archive;
mod artifacts;
mod begin;
mod claims;
mod crowd;
mod detached;
mod disk;
mod ear;
mod files;
mod guests;
mod hosting;
mod idle;
mod interpreters;
mod life;
mod link;
mod live;
mod noted;
mod packages;
mod plan;
mod raise;
pub mod record;
mod rows;
mod runtimes;
mod seat;
mod secrets;
mod setup;
#[cfg(test)]
mod stage;
mod start;
mod templates;
mod wanted;
mod ways;

pub use files::{Content, EnvironmentFile, FilePage, NewFile};
pub use guests::{Call, Piece, Reply, Run, SESSION, Said, Socket, Unserved};
pub use hosting::{AgentSettings, Around, FILES, Hosting, Settings};
pub use interpreters::{
    Block, CodeSessionPage, Desk, Interpreter, Kind, Mode, NewCodeSession, NewInterpreter, OWN, Structured, TaskStatus,
    Tool, ToolResult,
};
pub use plan::HANDED;
pub use runtimes::{Change, DEFAULT, Details, Endpoint, FILES_BUCKET, Language, NewRuntime, Runtime, Version};
pub use wanted::{Claim, TemplateChange, Wanted};
