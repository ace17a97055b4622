//! The only place where effects meet the world: session actors, timers, recovery, and [`Handle`], the only door to a
//! session. Doors (`api`) see `Handle` and [`Catalog`]; they never see the store or the engine.
//!
//! Time, chance and tasks come in a [`World`]; only `tokio::sync` is used of tokio, so that `sim` runs this very code on
//! its own executor.

mod actor;
mod call;
mod catalog;
mod context;
mod cursor;
mod files;
mod handle;
mod ledger;
mod output;
mod registry;
mod retries;
mod review;
mod slots;
mod start;
mod subscription;
mod tail;
mod telling;
mod waits;

pub use catalog::{Catalog, Identity, NewKey};
pub use engine::ledger::{Consent, Consented, EffectKind, EffectState, Entry, Outcome, Problem, Settled, Try};
pub use files::{Draft, FILE_BYTES, File, FileContent, Files, Keep, NewFile, NewUpload, Part, Upload, UploadStatus};
pub use handle::{
    Activity, EnvironmentPlace, Handle, Lease, Listed, NewFork, Place, RepeatKey, RequestKey, Respond, Response, Start,
    TurnPlace,
};
pub use ledger::{effect_id, ledger};
pub use output::command_output;
pub use registry::ModelCounters;
pub use start::start;
pub use store::{Direction, KeyRow, Page, SessionFilter};
pub use subscription::Subscription;
pub use telling::Telling;

use models::Models;
use std::sync::Arc;
use store::Store;
use types::{Clock, Entropy, Rules, Spawn, Tools};

/// Everything that the runtime is given of the world.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub store: Arc<dyn Store>,
    pub models: Arc<Models>,
    pub tools: Arc<dyn Tools>,
    pub rules: Arc<Rules>,
}
