//! Secrets of one environment: its commands see placeholders, and the way out puts the values in, at the hosts that each may
//! go to. The vaults say what there is, whenever it is asked.

use crate::hosting::{Hosting, Inner};
use crate::seat::Seat;
use egress::{Host, Secrets, Substitution, domains};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use types::{HostedSettings, NetworkAccess, ProjectId, Refusal, SessionId};
use vaults::Held;

pub(crate) struct OfEnvironment {
    held: Option<Held>,
    /// Where a secret may go that names no hosts: to those that the environment names itself.
    named: BTreeSet<Host>,
}

impl OfEnvironment {
    fn new(held: Option<Held>, settings: &HostedSettings) -> Self {
        let network = &settings.network;
        let named = match network.access {
            NetworkAccess::Restricted => domains(&network.allowed_domains).unwrap_or_default(),
            NetworkAccess::Disabled | NetworkAccess::Enabled => BTreeSet::new(),
        };
        Self { held, named }
    }

    /// Names and placeholders.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        self.held.as_ref().map(Held::variables).unwrap_or_default()
    }

    /// Reads again what could not be read before.
    pub(crate) async fn look(&self) {
        if let Some(held) = &self.held {
            held.look().await;
        }
    }

    async fn change(&self, vaults: Vec<String>) {
        if let Some(held) = &self.held {
            held.change(vaults).await;
        }
    }
}

impl Secrets for OfEnvironment {
    fn of(&self, host: &Host) -> Vec<Substitution> {
        let Some(held) = &self.held else { return Vec::new() };
        let all = held.secrets();
        let goes = all.iter().filter(|secret| match &secret.allowed_hosts {
            None => self.named.contains(host),
            Some(hosts) => hosts.iter().any(|text| Host::parse(text).as_ref() == Ok(host)),
        });
        goes.filter_map(|secret| Substitution::new(&*secret.placeholder, secret.value.reveal()).ok()).collect()
    }
}

impl Hosting {
    /// The vaults of the session that has claimed this environment. Its commands see their variables from the next one on,
    /// whether the sandbox runs already or not.
    pub async fn attach(&self, project: &ProjectId, session: &SessionId, vaults: Vec<String>) -> Result<(), Refusal> {
        let id = self.inner.id_of(session);
        let row = self.inner.change(project, &id, |row| row.session_vaults = vaults).await?;
        if let Some(secrets) = self.inner.secrets_now(&id) {
            secrets.change(row.all_vaults()).await;
        }
        Ok(())
    }
}

impl Inner {
    /// Those of an environment that is about to run.
    pub(crate) async fn secrets_of(&self, seat: &Seat, settings: &HostedSettings) -> Arc<OfEnvironment> {
        let held = match &self.around.vaults {
            Some(vaults) => Some(vaults.hold(&seat.project, Vec::new()).await),
            None => None,
        };
        let secrets = Arc::new(OfEnvironment::new(held, settings));
        let weak = Arc::downgrade(&secrets);
        {
            let mut all = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|_, one| one.strong_count() > 0);
            all.insert(seat.id.clone(), weak);
        }
        // Read afterwards: a session that attaches its vaults meanwhile finds it.
        if let Ok(row) = self.environment(&seat.project, &seat.id).await {
            secrets.change(row.all_vaults()).await;
        }
        secrets
    }

    /// Those of an environment that runs.
    pub(crate) fn secrets_now(&self, id: &str) -> Option<Arc<OfEnvironment>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).get(id)?.upgrade()
    }
}

#[cfg(test)]
mod tests;
