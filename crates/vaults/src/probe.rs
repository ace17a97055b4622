//! Whether the keepers of root keys do what a server will ask of them. Nothing is changed.

use crate::owner::Owner;
use crate::record::VaultKey;
use crate::rewrap::{RewrapError, keys};
use crate::root::{KeyError, RootKey};
use crate::rows;
use crate::seal::SealingKey;
use std::collections::BTreeSet;
use store::Store;
use types::{Entropy, ProjectId};

/// Opens one data key under each root key that is needed, and wraps and opens one that nobody uses, as that of one of
/// these vaults where there is any: a policy may ask for an owner.
pub async fn probe(store: &dyn Store, root: &dyn RootKey, entropy: &dyn Entropy) -> Result<(), RewrapError> {
    let mut tried = BTreeSet::new();
    let mut as_owner = (ProjectId::from("doctor"), "none".to_owned());
    for (project, row) in keys(store).await? {
        let key: VaultKey = rows::body(&row).map_err(|refusal| RewrapError::Row(refusal.message))?;
        if tried.insert(key.wrapped.root.clone()) {
            root.unwrap(&key.wrapped, Owner { project: &project, vault: &row.id }).await?;
            as_owner = (project, row.id);
        }
    }
    let owner = Owner { project: &as_owner.0, vault: &as_owner.1 };
    let drawn = SealingKey::draw(entropy);
    let fresh = root.wrap(drawn.bytes(), owner).await?;
    let opened = root.unwrap(&fresh.wrapped, owner).await?;
    match *opened == *drawn.bytes() {
        true => Ok(()),
        false => Err(KeyError::Damaged(fresh.wrapped.root).into()),
    }
}
