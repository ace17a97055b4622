//! Environment variables of hosted environments: what their commands see in place of a secret, and the secret for the way
//! out. What is held changes with the vaults: whoever changes one waits until it is held nowhere any more.

use crate::auth::{Auth, Networking};
use crate::listing::all;
use crate::record::{Credential, field};
use crate::rows;
use crate::secret::Secret;
use crate::vaults::{Inner, Vaults};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use types::{ProjectId, Refusal, RefusalKind};

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvironmentSecret {
    /// The variable's.
    pub name: String,
    /// What the variable holds: `outcrop-secret-` and the credential's id.
    pub placeholder: String,
    pub value: Secret,
    /// Where it may go; None: wherever the environment is explicitly allowed to go.
    pub allowed_hosts: Option<Vec<String>>,
}

/// The secrets of one environment as they are now.
#[derive(Clone)]
pub struct Held {
    one: Arc<One>,
    inner: Weak<Inner>,
}

struct One {
    project: ProjectId,
    state: Mutex<State>,
    /// Whoever reads the vaults anew.
    looking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    vaults: Vec<String>,
    secrets: Arc<Vec<EnvironmentSecret>>,
    /// They could not be read when they last changed.
    is_stale: bool,
}

/// Everything that is held.
#[derive(Default)]
pub(crate) struct Watched(Mutex<Vec<Weak<One>>>);

impl Vaults {
    /// All variables of these vaults. Of several with one name that of the first vault counts, and in a vault the oldest.
    /// A vault that is not there any more has none.
    pub async fn environment(&self, project: &ProjectId, vaults: &[String]) -> Result<Vec<EnvironmentSecret>, Refusal> {
        self.inner.environment(project, vaults).await
    }

    /// Kept up to date until it is dropped. What cannot be read now is read at the next look.
    pub async fn hold(&self, project: &ProjectId, vaults: Vec<String>) -> Held {
        let state = State { vaults, is_stale: true, ..State::default() };
        let one = One { project: project.clone(), state: Mutex::new(state), looking: tokio::sync::Mutex::default() };
        let held = Held { one: Arc::new(one), inner: Arc::downgrade(&self.inner) };
        self.inner.watched.add(&held.one);
        held.look().await;
        held
    }
}

impl Held {
    pub fn secrets(&self) -> Arc<Vec<EnvironmentSecret>> {
        self.one.state().secrets.clone()
    }

    /// Names and placeholders.
    pub fn variables(&self) -> BTreeMap<String, String> {
        self.secrets().iter().map(|secret| (secret.name.clone(), secret.placeholder.clone())).collect()
    }

    /// Other vaults count from now on.
    pub async fn change(&self, vaults: Vec<String>) {
        {
            let mut state = self.one.state();
            if state.vaults == vaults {
                return;
            }
            (state.vaults, state.is_stale) = (vaults, true);
        }
        self.look().await;
    }

    /// Reads again what could not be read before.
    pub async fn look(&self) {
        let is_stale = self.one.state().is_stale;
        if let (true, Some(inner)) = (is_stale, self.inner.upgrade()) {
            self.one.look(&inner).await;
        }
    }
}

impl One {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, inner: &Inner) {
        let _looking = self.looking.lock().await;
        loop {
            let vaults = self.state().vaults.clone();
            let read = inner.environment(&self.project, &vaults).await;
            let mut state = self.state();
            if state.vaults != vaults {
                continue;
            }
            state.is_stale = read.is_err();
            // What cannot be opened is not put in either.
            state.secrets = Arc::new(read.unwrap_or_else(|refusal| {
                tracing::warn!(%refusal, "an environment is without the secrets of its vaults");
                Vec::new()
            }));
            return;
        }
    }
}

impl Watched {
    fn all(&self) -> MutexGuard<'_, Vec<Weak<One>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, one: &Arc<One>) {
        let mut all = self.all();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(one));
    }

    /// A vault has changed. Returns when nothing of how it was is held.
    pub(crate) async fn look_again(&self, inner: &Inner, vault: &str) {
        let all: Vec<Arc<One>> = self.all().iter().filter_map(Weak::upgrade).collect();
        for one in all {
            let concerned = one.state().vaults.iter().any(|id| id == vault);
            if concerned {
                one.look(inner).await;
            }
        }
    }
}

impl Inner {
    async fn environment(&self, project: &ProjectId, vaults: &[String]) -> Result<Vec<EnvironmentSecret>, Refusal> {
        let mut secrets: Vec<EnvironmentSecret> = Vec::new();
        for vault in vaults {
            let credentials: Vec<Credential> = all(&*self.around.store, project, &rows::credentials(vault)).await?;
            for credential in credentials {
                let Auth::EnvironmentVariable { name, networking } = &credential.auth else { continue };
                if secrets.iter().any(|secret| secret.name == *name) {
                    continue;
                }
                let value = match self.value(project, &credential).await {
                    Ok(value) => value,
                    // Deleted meanwhile.
                    Err(refusal) if refusal.kind == RefusalKind::NotFound => continue,
                    Err(refusal) => return Err(refusal),
                };
                let placeholder = format!("outcrop-secret-{}", credential.id);
                let allowed_hosts = match networking {
                    Networking::Unrestricted => None,
                    Networking::Limited { allowed_hosts } => Some(allowed_hosts.clone()),
                };
                secrets.push(EnvironmentSecret { name: name.clone(), placeholder, value, allowed_hosts });
            }
        }
        Ok(secrets)
    }

    async fn value(&self, project: &ProjectId, credential: &Credential) -> Result<Secret, Refusal> {
        let sealed = self.sealed(project, &credential.vault, &credential.id).await?;
        self.opened(project, credential, &sealed, field::VALUE).await
    }
}

#[cfg(test)]
mod tests;
