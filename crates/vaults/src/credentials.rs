//! Credentials of vaults: made, listed, changed, deleted. A change of a secret counts with the next use.

use crate::auth::{AuthChange, NewCredential};
use crate::listing::{Listed, Wanted, all, list};
use crate::record::{Credential, Sealed};
use crate::seal::{Place, SealingKey};
use crate::vaults::{Inner, Vaults, trimmed};
use crate::{limits, rows};
use std::collections::BTreeMap;
use store::{Error, Page, RowsChange};
use types::{ProjectId, Refusal, RefusalKind, Stamp};

/// The word for one in errors.
pub(crate) const WORD: &str = "credential";

/// None: as it is.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct CredentialChange {
    pub auth: Option<AuthChange>,
    pub metadata: Option<BTreeMap<String, String>>,
}

impl Vaults {
    pub async fn create_credential(
        &self,
        project: &ProjectId,
        vault: &str,
        new: NewCredential,
    ) -> Result<Credential, Refusal> {
        let name = trimmed(&new.name)?;
        let (auth, secrets) = new.auth.split()?;
        let around = &self.inner.around;
        let credential = {
            let _one_at_a_time = self.inner.turn(vault).await;
            self.inner.vault(project, vault).await?;
            let there: Vec<Credential> = all(&*around.store, project, &rows::credentials(vault)).await?;
            if there.len() >= limits::CREDENTIALS {
                let message = format!("A vault may have at most {} credentials.", limits::CREDENTIALS);
                return Err(Refusal::conflict(message));
            }
            let now = around.clock.now();
            let id = Stamp::new(now, &*around.entropy).id("cred");
            let mut sealed = Sealed::default();
            self.inner.seal(project, vault, &id, &mut sealed, secrets).await?;
            let metadata = new.metadata;
            let (created_at, updated_at) = (now, now);
            let credential = Credential { id, vault: vault.to_owned(), name, metadata, auth, created_at, updated_at };
            self.inner.put(project, &credential, &sealed, true).await?;
            credential
        };
        self.inner.watched.look_again(&self.inner, vault).await;
        Ok(credential)
    }

    pub async fn credential(&self, project: &ProjectId, vault: &str, id: &str) -> Result<Credential, Refusal> {
        self.inner.vault(project, vault).await?;
        self.inner.credential(project, vault, id).await
    }

    pub async fn credentials(
        &self,
        project: &ProjectId,
        vault: &str,
        wanted: &Wanted,
        page: Page,
    ) -> Result<Listed<Credential>, Refusal> {
        self.inner.vault(project, vault).await?;
        let (store, collection) = (&*self.inner.around.store, rows::credentials(vault));
        list(store, project, (&collection, WORD), wanted, page, |found: &Credential| &found.metadata).await
    }

    /// `Invalid` where nothing is to change.
    pub async fn update_credential(
        &self,
        project: &ProjectId,
        vault: &str,
        id: &str,
        change: CredentialChange,
    ) -> Result<Credential, Refusal> {
        if change == CredentialChange::default() {
            return Err(Refusal::invalid("At least one of 'auth' and 'metadata' is required."));
        }
        let credential = {
            let _one_at_a_time = self.inner.turn(vault).await;
            self.inner.vault(project, vault).await?;
            let mut credential = self.inner.credential(project, vault, id).await?;
            let mut sealed = self.inner.sealed(project, vault, id).await?;
            if let Some(auth) = change.auth {
                let secrets = auth.apply(&mut credential.auth)?;
                self.inner.seal(project, vault, id, &mut sealed, secrets).await?;
                // Whatever failed before may go well with what is new.
                (sealed.dead, sealed.begun) = (None, false);
            }
            credential.metadata = change.metadata.unwrap_or(credential.metadata);
            credential.updated_at = self.inner.around.clock.now();
            self.inner.put(project, &credential, &sealed, false).await?;
            credential
        };
        self.inner.watched.look_again(&self.inner, vault).await;
        Ok(credential)
    }

    pub async fn delete_credential(&self, project: &ProjectId, vault: &str, id: &str) -> Result<(), Refusal> {
        {
            let _one_at_a_time = self.inner.turn(vault).await;
            self.inner.vault(project, vault).await?;
            self.inner.credential(project, vault, id).await?;
            let around = &self.inner.around;
            let deletes = vec![(rows::credentials(vault), id.to_owned()), (rows::sealed(vault), id.to_owned())];
            let change = RowsChange { at: around.clock.now(), deletes, ..RowsChange::default() };
            around.store.change_rows(project, change).await.map_err(|error| rows::refusal(&error))?;
        }
        self.inner.watched.look_again(&self.inner, vault).await;
        Ok(())
    }
}

impl Inner {
    pub(crate) async fn credential(&self, project: &ProjectId, vault: &str, id: &str) -> Result<Credential, Refusal> {
        let row = rows::read(&*self.around.store, project, &rows::credentials(vault), id).await?;
        row.ok_or_else(|| Refusal::not_found(WORD, id))
    }

    pub(crate) async fn sealed(&self, project: &ProjectId, vault: &str, id: &str) -> Result<Sealed, Refusal> {
        let row = rows::read(&*self.around.store, project, &rows::sealed(vault), id).await?;
        row.ok_or_else(|| Refusal::not_found(WORD, id))
    }

    pub(crate) async fn seal(
        &self,
        project: &ProjectId,
        vault: &str,
        credential: &str,
        sealed: &mut Sealed,
        secrets: crate::auth::Secrets,
    ) -> Result<(), Refusal> {
        if secrets.is_empty() {
            return Ok(());
        }
        let key = self.data_key(project, vault).await?;
        self.seal_with(&key, Place { project, vault, credential }, sealed, secrets)
    }

    pub(crate) fn seal_with(
        &self,
        key: &SealingKey,
        place: Place<'_>,
        sealed: &mut Sealed,
        secrets: crate::auth::Secrets,
    ) -> Result<(), Refusal> {
        for (field, secret) in secrets {
            let text = place.seal(key, &*self.around.entropy, field, &secret);
            let text = text.ok_or_else(|| Refusal::new(RefusalKind::Internal, "a secret cannot be sealed"))?;
            sealed.fields.insert(field.to_owned(), text);
        }
        Ok(())
    }

    /// Both rows, or neither.
    pub(crate) async fn put(
        &self,
        project: &ProjectId,
        credential: &Credential,
        sealed: &Sealed,
        insert: bool,
    ) -> Result<(), Refusal> {
        let (vault, id, created_at) = (&*credential.vault, &*credential.id, credential.created_at);
        let puts = vec![
            (rows::row(rows::credentials(vault), id, created_at, credential)?, insert),
            (rows::row(rows::sealed(vault), id, created_at, sealed)?, insert),
        ];
        let change = RowsChange { at: self.around.clock.now(), puts, ..RowsChange::default() };
        match self.around.store.change_rows(project, change).await {
            Err(Error::Exists) => Err(Refusal::not_found(WORD, id)),
            done => done.map_err(|error| rows::refusal(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
