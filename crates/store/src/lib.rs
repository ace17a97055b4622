//! Where everything is kept: the log, heads, rows, accounts, timers, blobs. [`Store`] is the only way to it; `sqlite`
//! is its implementation for one machine, and `contract` the suite that every implementation passes.
//!
//! The store knows no engine. It appends, it reads, it checks three things (the expected head, the epoch, the money),
//! and it decides nothing else.

mod append;
pub mod chain;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod memory;
mod restored;
mod rows;
#[cfg(feature = "sqlite")]
mod sqlite;
mod traits;

pub use append::{BLOB_BYTES, MAX_SEGMENTS};
pub use rows::RowsChange;
#[cfg(feature = "sqlite")]
pub use sqlite::{Copied, CopyError, Damage, Present, Sqlite};
pub use traits::{
    Account, Append, AppendError, BlobHash, Direction, DueTimer, Error, HeadRow, Idempotency, KeyRow, LogQuery, Page,
    Row, SessionFilter, SideWrite, Store, Stored,
};
