//! Hosted environments on this machine, from `pending` to `expired`: their rows, their disks, the sandbox in which their
//! executor runs, the way out of it, how they are set up, and what of them is kept as artifacts.
//!
//! [`Hosting`] is the face. It speaks to the agent's tools as a self-hosted executor does (`environments::client`), so
//! that there is one way to run a command. A sandbox outlives its server: the next one finds it, and what runs in it.
//!
//! It decides nothing about sessions: it tells them what became of their environment, as the rendezvous does.

mod archive;
mod artifacts;
mod begin;
mod claims;
mod crowd;
mod detached;
mod disk;
mod files;
mod hosting;
mod idle;
mod life;
mod link;
mod live;
mod noted;
mod packages;
mod plan;
mod raise;
pub mod record;
mod rows;
mod seat;
mod setup;
#[cfg(test)]
mod stage;
mod start;
mod templates;
mod wanted;
mod ways;

pub use files::{Content, EnvironmentFile, FilePage, NewFile};
pub use hosting::{Around, FILES, Hosting, Settings};
pub use plan::HANDED;
pub use wanted::{Claim, TemplateChange, Wanted};
