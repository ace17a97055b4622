//! Registrations as rows: one for each environment, which holds its newest executors and the hashes of their tokens.

use anyhow::anyhow;
use environments::rendezvous::{Keep, Registration, Registrations, Roll, Site, TokenHash, Trouble};
use runtime::Handle;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::{Direction, Page, Row, Store};
use types::{BoxFuture, Clock, EnvironmentId, EnvironmentStatus, ProjectId, RefusalKind};

const COLLECTION: &str = "executors";
const PAGE: usize = 256;

pub struct Rows {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// A row is read, changed and written: one at a time.
    changing: tokio::sync::Mutex<()>,
}

impl Rows {
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock, changing: tokio::sync::Mutex::default() }
    }

    async fn read(&self, site: &Site) -> Result<Option<Roll>, Trouble> {
        let row = self.store.row(&site.project, COLLECTION, &site.environment).await.map_err(trouble)?;
        row.map(|row| serde_json::from_slice(&row.body).map_err(|error| Trouble(error.to_string()))).transpose()
    }

    async fn change(&self, site: &Site, change: impl FnOnce(&mut Roll)) -> Result<(), Trouble> {
        let _one = self.changing.lock().await;
        let mut roll = self.read(site).await?.unwrap_or_default();
        change(&mut roll);
        let row = Row {
            collection: COLLECTION.to_owned(),
            id: site.environment.clone(),
            created_at: self.clock.now(),
            body: serde_json::to_vec(&roll).map_err(|error| Trouble(error.to_string()))?,
        };
        self.store.put_row(&site.project, row, false).await.map_err(trouble)
    }

    async fn removed(&self, site: &Site) -> Result<(), Trouble> {
        let _one = self.changing.lock().await;
        if self.read(site).await?.is_some() {
            let deleted = self.store.delete_row(&site.project, COLLECTION, &site.environment, self.clock.now()).await;
            deleted.map_err(trouble)?;
        }
        Ok(())
    }
}

impl Registrations for Rows {
    fn put<'a>(&'a self, site: &'a Site, token: TokenHash, registration: Registration) -> Keep<'a, ()> {
        Box::pin(self.change(site, |roll| roll.put(token, registration)))
    }

    fn get<'a>(&'a self, site: &'a Site, token: &'a TokenHash) -> Keep<'a, Option<Registration>> {
        Box::pin(async move { Ok(self.read(site).await?.and_then(|roll| roll.get(token).cloned())) })
    }

    fn newest<'a>(&'a self, site: &'a Site) -> Keep<'a, Option<Registration>> {
        Box::pin(async move { Ok(self.read(site).await?.and_then(|roll| roll.newest().cloned())) })
    }

    fn keep_session<'a>(&'a self, site: &'a Site, session: &'a str) -> Keep<'a, ()> {
        Box::pin(self.change(site, move |roll| roll.keep_session(session)))
    }

    fn remove<'a>(&'a self, site: &'a Site) -> BoxFuture<'a, Result<(), Trouble>> {
        Box::pin(self.removed(site))
    }
}

fn trouble(error: store::Error) -> Trouble {
    Trouble(error.to_string())
}

/// Every environment whose log says that it is connected is not, right after a start.
pub async fn all_disconnected(store: &Arc<dyn Store>, handle: &Handle) -> anyhow::Result<()> {
    let projects: BTreeSet<ProjectId> = store.keys().await?.into_iter().map(|key| key.project).collect();
    for project in projects {
        let mut after = None;
        loop {
            let page = Page { after, limit: PAGE, direction: Direction::Ascending };
            let (rows, has_more) = store.rows(&project, COLLECTION, page).await?;
            for row in &rows {
                disconnected(handle, &project, &EnvironmentId::new(&row.id)).await?;
            }
            after = rows.last().map(|row| row.id.clone());
            if !has_more {
                break;
            }
        }
    }
    Ok(())
}

async fn disconnected(handle: &Handle, project: &ProjectId, environment: &EnvironmentId) -> anyhow::Result<()> {
    let place = match handle.environment_of(project, environment).await {
        Ok(place) if place.state.status == EnvironmentStatus::Connected => place,
        Ok(_) => return Ok(()),
        Err(refusal) if refusal.kind == RefusalKind::NotFound => return Ok(()),
        Err(refusal) => return Err(anyhow!(refusal)),
    };
    let change = EnvironmentStatus::Disconnected.into();
    match handle.environment_changed(project, &place.session, change).await {
        Ok(()) => Ok(()),
        // A session that cannot be run keeps what it says of itself.
        Err(refusal) => {
            tracing::warn!(session = %place.session, %refusal, "an environment is not connected, and its session cannot be told");
            Ok(())
        }
    }
}
