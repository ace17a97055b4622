//! Several keepers of root keys, one after the other: the first wraps, each opens what it wrapped. So a server can go from
//! one to another.

use crate::owner::Owner;
use crate::root::{Fresh, KeyError, RootKey, Wrapped};
use crate::seal::KEY;
use std::sync::Arc;
use types::BoxFuture;
use zeroize::Zeroizing;

pub struct Chain {
    first: Arc<dyn RootKey>,
    then: Arc<dyn RootKey>,
}

impl Chain {
    pub fn new(first: Arc<dyn RootKey>, then: Arc<dyn RootKey>) -> Self {
        Self { first, then }
    }

    /// Whoever has no keys any more has none to give.
    async fn later(&self) -> Result<Vec<String>, KeyError> {
        match self.then.ids().await {
            Err(KeyError::Missing(_)) => Ok(Vec::new()),
            ids => ids,
        }
    }
}

impl RootKey for Chain {
    fn ids(&self) -> BoxFuture<'_, Result<Vec<String>, KeyError>> {
        Box::pin(async {
            let mut ids = self.first.ids().await?;
            ids.extend(self.later().await?);
            Ok(ids)
        })
    }

    fn wrap<'a>(&'a self, data_key: &'a [u8; KEY], owner: Owner<'a>) -> BoxFuture<'a, Result<Fresh, KeyError>> {
        self.first.wrap(data_key, owner)
    }

    fn unwrap<'a>(
        &'a self,
        wrapped: &'a Wrapped,
        owner: Owner<'a>,
    ) -> BoxFuture<'a, Result<Zeroizing<[u8; KEY]>, KeyError>> {
        Box::pin(async move {
            // The first may have lost its keys, and what the other wrapped opens all the same.
            if self.then.ids().await.is_ok_and(|ids| ids.contains(&wrapped.root)) {
                return self.then.unwrap(wrapped, owner).await;
            }
            self.first.unwrap(wrapped, owner).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::ring;
    use types::ProjectId;

    #[tokio::test]
    async fn the_first_wraps_and_both_open() {
        let project = ProjectId::from("p");
        let owner = Owner { project: &project, vault: "v" };
        let (old, new) = (ring(&[1]), ring(&[2]));
        let chain = Chain::new(Arc::new(new.clone()), Arc::new(old.clone()));
        assert_eq!(RootKey::ids(&chain).await.unwrap(), [new.ids(), old.ids()].concat());
        let before = old.wrap(&[7; KEY], owner).unwrap();
        assert_eq!(*chain.unwrap(&before, owner).await.unwrap(), [7; KEY]);
        let fresh = chain.wrap(&[8; KEY], owner).await.unwrap();
        assert_eq!(fresh.wrapped.root, new.ids()[0]);
        assert_eq!(*chain.unwrap(&fresh.wrapped, owner).await.unwrap(), [8; KEY]);
        let other = ring(&[3]).wrap(&[9; KEY], owner).unwrap();
        assert_eq!(chain.unwrap(&other, owner).await.unwrap_err(), KeyError::Unknown(other.root));
    }
}
