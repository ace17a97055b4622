//! A new root key, also where it is cut off in the middle.

use super::*;
use crate::stage::{Stage, bearer, ring};

#[tokio::test]
async fn everything_opens_under_the_new_key_alone() {
    let stage = Stage::new().await;
    let mut vaults = Vec::new();
    for n in 0..3 {
        vaults.push(stage.vault().await);
        stage.credential(&vaults[n], bearer("https://a.test", &format!("t{n}"))).await;
    }
    let store = &*stage.around.store;
    let (old, new) = (ring(&[1]).ids()[0].clone(), ring(&[2]).ids()[0].clone());
    assert_eq!(standing(store).await.unwrap(), Standing::from([(old, 3)]));
    let done = rewrap(store, &ring(&[2, 1])).await.unwrap();
    assert_eq!(done, Rewrapped { changed: 3, vaults: 3, needed: BTreeMap::from([(new.clone(), 3)]) });
    assert_eq!(rewrap(store, &ring(&[2, 1])).await.unwrap().changed, 0);
    assert_eq!(standing(store).await.unwrap(), Standing::from([(new, 3)]));
    let again = stage.again(ring(&[2]));
    for (n, vault) in vaults.into_iter().enumerate() {
        let found = again.bearer(&stage.project, &[vault], "https://a.test", None).await.unwrap().unwrap();
        assert_eq!(found.token.reveal(), format!("t{n}"));
    }
}

#[tokio::test]
async fn a_key_that_is_needed_is_named_and_what_does_not_open_stays() {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    let before = stage.written(&vault).await;
    let old = ring(&[1]).ids()[0].clone();
    let done = rewrap(&*stage.around.store, &ring(&[3, 2])).await.unwrap();
    assert_eq!(done, Rewrapped { changed: 0, vaults: 1, needed: BTreeMap::from([(old, 1)]) });
    assert_eq!(stage.written(&vault).await, before);
    assert!(rewrap(&*stage.around.store, &ring(&[])).await.is_err());
}
