//! What ends by itself: files and uploads whose time has come are taken away with their blobs. They are unknown before
//! that already; this gives back their room.

use super::{ENDINGS, FILES, Files, read};
use crate::actor::store_refusal;
use std::collections::BTreeSet;
use std::time::Duration;
use store::{Direction, Page};
use types::{ProjectId, Refusal};

/// How long what has ended may still take room.
const PAUSE: Duration = Duration::from_secs(60);
/// Endings read at a time.
const ENDED: usize = 64;

impl Files {
    /// Takes away what has ended, now and ever again, until the store stops.
    pub async fn sweep(self) {
        while self.world.store.is_healthy() {
            if let Err(refusal) = self.sweep_once().await {
                tracing::warn!(%refusal, "expired files cannot be removed");
            }
            self.world.clock.sleep(PAUSE).await;
        }
    }

    /// Takes away what has ended by now.
    pub async fn sweep_once(&self) -> Result<(), Refusal> {
        // Whoever has files has, or had, a key.
        let keys = self.world.store.keys().await.map_err(|error| store_refusal(&error))?;
        let projects: BTreeSet<ProjectId> = keys.into_iter().map(|key| key.project).collect();
        for project in projects {
            while self.sweep_some(&project).await? {}
        }
        Ok(())
    }

    /// Whether more may have ended.
    async fn sweep_some(&self, project: &ProjectId) -> Result<bool, Refusal> {
        let page = Page { after: None, limit: ENDED, direction: Direction::Ascending };
        let endings = self.world.store.rows(project, ENDINGS, page).await;
        let (endings, more) = endings.map_err(|error| store_refusal(&error))?;
        let now = self.world.clock.now();
        for ending in &endings {
            if ending.created_at > now {
                return Ok(false);
            }
            let _one_at_a_time = self.changing.lock().await;
            let file = self.world.store.row(project, FILES, &ending.id).await;
            match file.map_err(|error| store_refusal(&error))? {
                Some(row) => self.remove(project, &read(&row)?).await?,
                None => self.expire(project, &ending.id).await?,
            }
        }
        Ok(more)
    }
}
