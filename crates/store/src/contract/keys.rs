//! API keys.

use crate::{Error, KeyRow, Store};
use std::sync::Arc;
use types::{KeyId, ProjectId, Timestamp};

pub async fn suite(store: &Arc<dyn Store>) {
    a_key_is_found_by_its_hash(store).await;
    a_revoked_key_stays(store).await;
}

fn key(id: &str, hash: &str, at: u64) -> KeyRow {
    KeyRow {
        id: KeyId::from(id),
        project: ProjectId::from("keys"),
        hash: hash.into(),
        hint: "sk-abc".into(),
        scopes: vec!["a.read".into(), "b\"quoted\"".into()],
        created_at: Timestamp(at),
        revoked_at: None,
    }
}

pub async fn a_key_is_found_by_its_hash(store: &Arc<dyn Store>) {
    assert_eq!(store.key_by_hash("keys-h1").await.unwrap(), None);
    let (first, mut second) = (key("key_1", "keys-h1", 20), key("key_2", "keys-h2", 10));
    second.scopes.clear();
    store.put_key(first.clone()).await.unwrap();
    store.put_key(second.clone()).await.unwrap();
    assert_eq!(store.key_by_hash("keys-h1").await.unwrap(), Some(first.clone()));
    assert_eq!(store.key_by_hash("keys-h2").await.unwrap(), Some(second.clone()));
    for taken in [key("key_1", "keys-h3", 1), key("key_3", "keys-h1", 1)] {
        let refused = store.put_key(taken).await;
        assert!(matches!(refused, Err(Error::Exists)), "{refused:?}");
    }
    let keys = store.keys().await.unwrap();
    let ours: Vec<KeyRow> = keys.into_iter().filter(|key| key.project.as_str() == "keys").collect();
    assert_eq!(ours, [second, first], "by creation");
}

pub async fn a_revoked_key_stays(store: &Arc<dyn Store>) {
    store.put_key(key("key_r", "keys-hr", 30)).await.unwrap();
    assert!(store.revoke_key(&KeyId::from("key_r"), Timestamp(50)).await.unwrap());
    assert!(store.revoke_key(&KeyId::from("key_r"), Timestamp(60)).await.unwrap());
    assert!(!store.revoke_key(&KeyId::from("key_none"), Timestamp(50)).await.unwrap());
    let found = store.key_by_hash("keys-hr").await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(Timestamp(50)));
}
