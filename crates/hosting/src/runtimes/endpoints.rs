//! Endpoints: names for versions of a runtime. `DEFAULT` always names the newest, and stays.

use super::record::{DEFAULT, Endpoint, Runtime};
use super::{RUNTIMES, no_runtime, too_many};
use crate::hosting::Hosting;
use types::{ProjectId, Refusal};

/// Of one runtime.
const MOST: usize = 100;

/// An endpoint to be, or what of one is to change: None leaves it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Change {
    pub version: Option<u32>,
    pub description: Option<String>,
    pub token: Option<String>,
}

impl Hosting {
    /// `Conflict`: the name is taken. The same twice under one token is one.
    pub async fn create_endpoint(
        &self,
        project: &ProjectId,
        id: &str,
        name: &str,
        change: Change,
    ) -> Result<(Runtime, Endpoint), Refusal> {
        let _one_at_a_time = self.inner.runtimes.lock().await;
        let mut runtime = self.runtime_row(project, id).await?;
        if let Some(there) = runtime.endpoint(name) {
            if change.token.is_some() && there.token == change.token {
                return Ok((runtime.clone(), there.clone()));
            }
            return Err(Refusal::conflict(format!("The endpoint '{name}' is there already.")));
        }
        if runtime.endpoints.len() >= MOST {
            return Err(too_many(format!("An agent runtime has at most {MOST} endpoints.")));
        }
        let version = change.version.unwrap_or(runtime.latest);
        self.version(project, id, version).await?;
        let now = self.inner.around.clock.now();
        let Change { description, token, .. } = change;
        let (created_at, updated_at, name) = (now, now, name.to_owned());
        let endpoint = Endpoint { name, version, description, created_at, updated_at, token };
        runtime.endpoints.push(endpoint.clone());
        self.inner.rows.write(project, (RUNTIMES, id), &runtime, false).await?;
        Ok((runtime, endpoint))
    }

    pub async fn endpoint(&self, project: &ProjectId, id: &str, name: &str) -> Result<(Runtime, Endpoint), Refusal> {
        let runtime = self.runtime_row(project, id).await?;
        let endpoint = runtime.endpoint(name).cloned().ok_or_else(no_runtime)?;
        Ok((runtime, endpoint))
    }

    /// What runs under it goes on with its version until it is started again. `Conflict`: `DEFAULT` cannot be moved.
    pub async fn update_endpoint(
        &self,
        project: &ProjectId,
        id: &str,
        name: &str,
        change: Change,
    ) -> Result<(Runtime, Endpoint), Refusal> {
        let _one_at_a_time = self.inner.runtimes.lock().await;
        let mut runtime = self.runtime_row(project, id).await?;
        if name == DEFAULT && change.version.is_some_and(|version| version != runtime.latest) {
            return Err(Refusal::conflict("The endpoint 'DEFAULT' always names the newest version."));
        }
        if let Some(version) = change.version {
            self.version(project, id, version).await?;
        }
        let now = self.inner.around.clock.now();
        let endpoint = runtime.endpoints.iter_mut().find(|endpoint| endpoint.name == name).ok_or_else(no_runtime)?;
        endpoint.version = change.version.unwrap_or(endpoint.version);
        endpoint.description = change.description.or(endpoint.description.take());
        endpoint.updated_at = now;
        let endpoint = endpoint.clone();
        self.inner.rows.write(project, (RUNTIMES, id), &runtime, false).await?;
        Ok((runtime, endpoint))
    }

    /// `Conflict`: `DEFAULT` goes with its runtime alone. Its sessions are not found under it any more, and expire.
    pub async fn delete_endpoint(&self, project: &ProjectId, id: &str, name: &str) -> Result<Runtime, Refusal> {
        let _one_at_a_time = self.inner.runtimes.lock().await;
        let mut runtime = self.runtime_row(project, id).await?;
        if runtime.endpoint(name).is_none() {
            return Err(no_runtime());
        }
        if name == DEFAULT {
            return Err(Refusal::conflict("The endpoint 'DEFAULT' goes with its agent runtime alone."));
        }
        runtime.endpoints.retain(|endpoint| endpoint.name != name);
        self.inner.rows.write(project, (RUNTIMES, id), &runtime, false).await?;
        Ok(runtime)
    }
}
