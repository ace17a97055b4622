//! The only place where effects meet the world: session actors, timers, recovery, and [`Handle`], the only door to a
//! session. Doors (`api`) see `Handle` and [`Catalog`]; they never see the store or the engine.

mod catalog;
mod handle;

pub use catalog::{Catalog, Identity, NewKey};
pub use handle::{Handle, Listed, RequestKey, Start, Subscription};
pub use store::{Direction, KeyRow, Page, SessionFilter};

use models::Models;
use std::sync::Arc;
use store::Store;
use types::{Clock, Entropy, Environment, Rules, Spawn};

/// Everything that the runtime is given of the world.
#[derive(Clone)]
pub struct World {
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub spawn: Arc<dyn Spawn>,
    pub store: Arc<dyn Store>,
    pub models: Arc<Models>,
    pub environments: Vec<Arc<dyn Environment>>,
    pub rules: Arc<Rules>,
}
