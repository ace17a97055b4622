//! The contract over SQLite, and what only a file can show: reopening, other processes, damage.

mod copies;
mod damage;
mod fences;
mod files;
mod flips;
mod forks;
mod forms;
mod group;
mod removal;
mod stop;
mod torn;

use super::Sqlite;
use crate::Store;
use crate::contract::{self, Writer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder of its own, gone at the end.
struct Data(PathBuf);

impl Data {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("outcrop-store-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> Arc<dyn Store> {
        Arc::new(Sqlite::open(&self.0).unwrap())
    }
}

impl std::ops::Deref for Data {
    type Target = Path;
    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

macro_rules! claims {
    ($($area:ident),* $(,)?) => {$(
        #[test]
        fn $area() {
            let data = Data::new();
            block_on(contract::$area::suite(&data.open()));
        }
    )*};
}

claims!(appends, bodies, files, forks, keys, lists, logs, money, rows, sessions, tenants);

/// All of them in one store: what is there already disturbs no claim of another project.
#[test]
fn the_whole_contract_in_one_store() {
    let data = Data::new();
    block_on(contract::suite(data.open()));
}

async fn writer(store: &Arc<dyn Store>) -> Writer {
    Writer::new(store, "p", "sess_1").await
}
