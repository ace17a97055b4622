//! Vaults: names, bounds, and what a wrong root key keeps from happening.

use super::*;
use crate::listing::Status;
use crate::stage::{Stage, bearer, ring};
use types::RefusalKind;

#[tokio::test]
async fn a_name_is_trimmed_and_bounded() {
    let stage = Stage::new().await;
    let create = |name: &str| stage.vaults.create(&stage.project, Some(name.to_owned()), BTreeMap::new());
    assert_eq!(create("  ä b ").await.unwrap().name.as_deref(), Some("ä b"));
    assert!(create(&"x".repeat(256)).await.is_ok());
    for wrong in ["", "   ", &"x".repeat(257), &"ä".repeat(129)] {
        assert_eq!(create(wrong).await.unwrap_err().param.as_deref(), Some("name"), "{wrong}");
    }
    let vault = stage.vault().await;
    let change = VaultChange { name: Some(Some(" ".to_owned())), metadata: None };
    assert_eq!(stage.vaults.update(&stage.project, &vault, change).await.unwrap_err().kind, RefusalKind::Invalid);
    let heavy = BTreeMap::from([("k".to_owned(), "x".repeat(limits::METADATA))]);
    let made = stage.vaults.create(&stage.project, None, heavy).await;
    assert_eq!(made.unwrap_err().param.as_deref(), Some("metadata"));
}

#[tokio::test]
async fn a_project_has_so_many_vaults_and_another_has_its_own() {
    let stage = Stage::new().await;
    for _ in 0..limits::VAULTS {
        stage.vault().await;
    }
    let more = stage.vaults.create(&stage.project, None, BTreeMap::new()).await;
    assert_eq!(more.unwrap_err().kind, RefusalKind::Conflict);
    let other = ProjectId::from("q");
    let vault = stage.vaults.create(&other, None, BTreeMap::new()).await.unwrap();
    assert_eq!(stage.vaults.vault(&stage.project, &vault.id).await.unwrap_err().kind, RefusalKind::NotFound);
    let page = Page { after: None, limit: 3, direction: Direction::Descending };
    let listed = stage.vaults.vaults(&stage.project, &Wanted::default(), page.clone()).await.unwrap();
    assert_eq!((listed.data.len(), listed.has_more), (3, true));
    let archived = Wanted { statuses: vec![Status::Archived], ..Wanted::default() };
    let listed = stage.vaults.vaults(&stage.project, &archived, page).await.unwrap();
    assert_eq!((listed.data.len(), listed.has_more), (0, false));
}

#[tokio::test]
async fn under_a_wrong_root_key_nothing_opens_and_nothing_is_overwritten() {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    let id = stage.credential(&vault, bearer("https://a.test", "s3cret")).await;
    let before = stage.written(&vault).await;
    for keys in [&[2_u8][..], &[]] {
        let wrong = stage.again(ring(keys));
        let project = &stage.project;
        let refused = [
            wrong.create(project, None, BTreeMap::new()).await.err(),
            wrong.create_credential(project, &vault, crate::stage::new(bearer("https://a.test", "t"))).await.err(),
            wrong.bearer(project, std::slice::from_ref(&vault), "https://a.test", None).await.err().map(|error| {
                match error {
                    crate::BearerError::Vault(refusal) => refusal,
                    other => panic!("{other}"),
                }
            }),
        ];
        for refusal in refused {
            let refusal = refusal.unwrap();
            assert_eq!(refusal.kind, RefusalKind::Unavailable);
            assert!(refusal.message.contains("root key"), "{refusal}");
        }
        assert_eq!(stage.written(&vault).await, before);
        // What is not secret is still there, and may be removed.
        assert_eq!(wrong.credential(project, &vault, &id).await.unwrap().id, id);
    }
    let again = stage.again(ring(&[1]));
    let found = again.bearer(&stage.project, &[vault], "https://a.test", None).await.unwrap().unwrap();
    assert_eq!(found.token.reveal(), "s3cret");
}

#[tokio::test]
async fn what_is_deleted_is_gone_with_all_that_was_sealed() {
    let stage = Stage::new().await;
    let (vault, other) = (stage.vault().await, stage.vault().await);
    let id = stage.credential(&vault, bearer("https://a.test", "s3cret")).await;
    stage.credential(&other, bearer("https://b.test", "s3cret")).await;
    stage.vaults.delete(&stage.project, &vault).await.unwrap();
    assert_eq!(
        stage.vaults.missing(&stage.project, &[other.clone(), vault.clone()]).await.unwrap(),
        Some(vault.clone())
    );
    assert_eq!(stage.vaults.vault(&stage.project, &vault).await.unwrap_err().kind, RefusalKind::NotFound);
    assert_eq!(stage.vaults.credential(&stage.project, &vault, &id).await.unwrap_err().kind, RefusalKind::NotFound);
    assert_eq!(stage.vaults.delete(&stage.project, &vault).await.unwrap_err().kind, RefusalKind::NotFound);
    for collection in [rows::credentials(&vault), rows::sealed(&vault)] {
        let (rows, _) = stage.around.store.rows(&stage.project, &collection, whole()).await.unwrap();
        assert_eq!(rows, []);
    }
    assert!(stage.around.store.row(&stage.project, KEYS, &vault).await.unwrap().is_none());
    let found = stage.vaults.bearer(&stage.project, &[vault, other], "https://b.test", None).await.unwrap();
    assert_eq!(found.unwrap().token.reveal(), "s3cret");
}
