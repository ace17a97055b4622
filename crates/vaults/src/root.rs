//! Root keys: what wraps the data keys of vaults. Whoever has one (a file, the environment, a key service) is behind
//! [`RootKey`]; [`Ring`] is one in memory. It knows neither rows nor files.

use crate::owner::Owner;
use crate::seal::{KEY, SealingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use types::{BoxFuture, Entropy};
use zeroize::Zeroizing;

/// A data key under a root key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wrapped {
    /// The id of the root key.
    pub root: String,
    /// As the root key's keeper writes it.
    pub key: String,
}

/// A data key that was wrapped just now.
pub struct Fresh {
    pub wrapped: Wrapped,
    /// Kept until the row is written: until then the root key is not taken out of use.
    pub hold: Option<Box<dyn Any + Send>>,
}

#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum KeyError {
    /// There is none, or it cannot be read.
    #[error("the root key is not there: {0}")]
    Missing(String),
    /// The id names a key that is not there.
    #[error("what is wrapped under the root key {0} cannot be opened: that key is not there")]
    Unknown(String),
    /// The key is there, and what is wrapped does not open with it.
    #[error("what is wrapped under the root key {0} is damaged, or belongs elsewhere")]
    Damaged(String),
    /// A key service gives no answer, or says that another time it may. Nothing is wrong with what is wrapped.
    #[error("the key service does not serve the root key {root} now: {why}")]
    Away { root: String, why: String },
    /// A key service refuses, and will until somebody changes something there or here.
    #[error("the key service refuses the root key {root}: {why}")]
    Refused { root: String, why: String },
    /// A key service answers what cannot be: it is not used.
    #[error("what the key service answers about the root key {root} is not believed: {why}")]
    Odd { root: String, why: String },
}

/// Who has the root keys. A data key opens as its owner's alone.
pub trait RootKey: Send + Sync + 'static {
    /// The ids of all keys that there are. The first is the one that wraps.
    fn ids(&self) -> BoxFuture<'_, Result<Vec<String>, KeyError>>;
    fn wrap<'a>(&'a self, data_key: &'a [u8; KEY], owner: Owner<'a>) -> BoxFuture<'a, Result<Fresh, KeyError>>;
    fn unwrap<'a>(
        &'a self,
        wrapped: &'a Wrapped,
        owner: Owner<'a>,
    ) -> BoxFuture<'a, Result<Zeroizing<[u8; KEY]>, KeyError>>;
}

/// Root keys in memory. The first wraps, all unwrap.
#[derive(Clone)]
pub struct Ring {
    keys: Vec<(String, SealingKey)>,
    entropy: Arc<dyn Entropy>,
}

impl Ring {
    /// The first is the one that wraps.
    pub fn new(keys: impl IntoIterator<Item = [u8; KEY]>, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys: keys.into_iter().map(|bytes| (id(&bytes), SealingKey::new(bytes))).collect(), entropy }
    }

    pub fn ids(&self) -> Vec<String> {
        self.keys.iter().map(|(id, _)| id.clone()).collect()
    }

    pub fn wrap(&self, data_key: &[u8; KEY], owner: Owner<'_>) -> Result<Wrapped, KeyError> {
        let (root, key) = self.keys.first().ok_or_else(|| KeyError::Missing("no key is configured".to_owned()))?;
        let sealed =
            key.seal(&*self.entropy, &owner.place(), data_key).ok_or_else(|| KeyError::Damaged(root.clone()))?;
        Ok(Wrapped { root: root.clone(), key: sealed })
    }

    pub fn unwrap(&self, wrapped: &Wrapped, owner: Owner<'_>) -> Result<Zeroizing<[u8; KEY]>, KeyError> {
        let named = self.keys.iter().find(|(id, _)| *id == wrapped.root);
        let (id, key) = named.ok_or_else(|| KeyError::Unknown(wrapped.root.clone()))?;
        let damaged = || KeyError::Damaged(id.clone());
        let bytes = key.open(&owner.place(), &wrapped.key).map_err(|_| damaged())?;
        <[u8; KEY]>::try_from(&**bytes).map(Zeroizing::new).map_err(|_| damaged())
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ring").field(&self.ids()).finish()
    }
}

impl RootKey for Ring {
    fn ids(&self) -> BoxFuture<'_, Result<Vec<String>, KeyError>> {
        Box::pin(async { Ok(Self::ids(self)) })
    }

    fn wrap<'a>(&'a self, data_key: &'a [u8; KEY], owner: Owner<'a>) -> BoxFuture<'a, Result<Fresh, KeyError>> {
        Box::pin(async move { Ok(Fresh { wrapped: Self::wrap(self, data_key, owner)?, hold: None }) })
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a Wrapped,
        owner: Owner<'a>,
    ) -> BoxFuture<'a, Result<Zeroizing<[u8; KEY]>, KeyError>> {
        Box::pin(async move { Self::unwrap(self, wrapped, owner) })
    }
}

/// The key for vaults that belongs to a root key which is used for something else as well.
#[must_use]
pub fn of_root(root: &[u8; KEY]) -> [u8; KEY] {
    digest("outcrop vaults: root key", root)
}

/// Says which key it is, and nothing of what it is.
fn id(key: &[u8; KEY]) -> String {
    BASE64.encode(&digest("outcrop vaults: id", key)[..9])
}

fn digest(label: &str, key: &[u8; KEY]) -> [u8; KEY] {
    let mut hash = Sha256::new();
    hash.update(label);
    hash.update(key);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::Counting;
    use types::ProjectId;

    #[test]
    fn the_first_wraps_and_all_unwrap() {
        let entropy: Arc<dyn Entropy> = Arc::new(Counting::default());
        let (old, new) = ([1; KEY], [2; KEY]);
        let project = ProjectId::from("p");
        let (v, w) = (Owner { project: &project, vault: "v" }, Owner { project: &project, vault: "w" });
        let ring = |keys: &[[u8; KEY]]| Ring::new(keys.iter().copied(), entropy.clone());
        let wrapped = ring(&[old]).wrap(&[9; KEY], v).unwrap();
        assert_eq!(*ring(&[new, old]).unwrap(&wrapped, v).unwrap(), [9; KEY]);
        assert_eq!(ring(&[new, old]).unwrap(&wrapped, w), Err(KeyError::Damaged(id(&old))));
        assert_eq!(ring(&[new]).unwrap(&wrapped, v), Err(KeyError::Unknown(id(&old))));
        assert_eq!(ring(&[new, old]).wrap(&[9; KEY], v).unwrap().root, id(&new));
        assert!(matches!(ring(&[]).wrap(&[9; KEY], v), Err(KeyError::Missing(_))));
        assert_ne!(of_root(&old), old);
    }
}
