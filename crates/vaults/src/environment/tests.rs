//! What environments hold of vaults, and that it changes with them.

use super::*;
use crate::auth::AuthChange;
use crate::credentials::CredentialChange;
use crate::stage::{Stage, bearer, ring, variable};

fn values(held: &Held) -> Vec<(String, String)> {
    held.secrets().iter().map(|secret| (secret.name.clone(), secret.value.reveal().to_owned())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn the_first_of_a_name_counts() {
    let stage = Stage::new().await;
    let (first, second) = (stage.vault().await, stage.vault().await);
    let id = stage.credential(&second, variable("A", "2a")).await;
    stage.credential(&first, bearer("https://a.test", "t")).await;
    stage.credential(&first, variable("B", "1b")).await;
    stage.credential(&second, variable("B", "2b")).await;
    let all = stage.vaults.environment(&stage.project, &[first, second]).await.unwrap();
    let found: Vec<_> = all.iter().map(|secret| (&*secret.name, secret.value.reveal())).collect();
    assert_eq!(found, [("B", "1b"), ("A", "2a")]);
    assert_eq!(all[1].placeholder, format!("outcrop-secret-{id}"));
    assert_eq!(all[1].allowed_hosts.as_deref(), Some(&["api.example.com".to_owned()][..]));
    assert!(!format!("{all:?}").contains("1b"));
}

#[tokio::test]
async fn whoever_changed_a_vault_knows_that_it_is_held_nowhere_as_it_was() {
    let stage = Stage::new().await;
    let (vault, other) = (stage.vault().await, stage.vault().await);
    let held = stage.vaults.hold(&stage.project, vec![vault.clone()]).await;
    assert_eq!(values(&held), []);
    let id = stage.credential(&vault, variable("A", "1")).await;
    stage.credential(&other, variable("B", "2")).await;
    assert_eq!(values(&held), pairs(&[("A", "1")]));
    let change = AuthChange::EnvironmentVariable { value: Secret::new("3") };
    let change = CredentialChange { auth: Some(change), metadata: None };
    stage.vaults.update_credential(&stage.project, &vault, &id, change).await.unwrap();
    assert_eq!(values(&held), pairs(&[("A", "3")]));
    held.change(vec![vault.clone(), other.clone()]).await;
    assert_eq!(values(&held), pairs(&[("A", "3"), ("B", "2")]));
    stage.vaults.delete_credential(&stage.project, &vault, &id).await.unwrap();
    assert_eq!(values(&held), pairs(&[("B", "2")]));
    stage.vaults.delete(&stage.project, &other).await.unwrap();
    assert_eq!((values(&held), held.variables().len()), (vec![], 0));
}

#[tokio::test]
async fn another_project_holds_nothing() {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    stage.credential(&vault, variable("A", "1")).await;
    assert_eq!(values(&stage.vaults.hold(&ProjectId::from("q"), vec![vault]).await), []);
}

#[tokio::test]
async fn what_cannot_be_opened_is_not_held_and_looked_for_again() {
    let stage = Stage::new().await;
    let vault = stage.vault().await;
    stage.credential(&vault, variable("A", "1")).await;
    let locked = stage.again(ring(&[]));
    let held = locked.hold(&stage.project, vec![vault]).await;
    assert_eq!(values(&held), []);
    held.look().await;
    assert!(held.one.state().is_stale);
}
