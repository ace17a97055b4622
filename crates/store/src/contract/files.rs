//! Rows that name blobs.

use crate::{BlobHash, Direction, Error, Page, Row, RowsChange, Store};
use std::sync::Arc;
use types::{ProjectId, Timestamp};

pub async fn suite(store: &Arc<dyn Store>) {
    rows_and_blobs_change_together(store).await;
    a_refused_change_changes_nothing(store).await;
    a_forgotten_blob_is_gone(store).await;
}

fn row(id: &str, body: &[u8]) -> Row {
    Row { collection: "files".into(), id: id.into(), created_at: Timestamp(1), body: body.to_vec() }
}

async fn blob(store: &Arc<dyn Store>, project: &ProjectId, body: &[u8]) -> (BlobHash, u64) {
    (store.put_blob(project, body.to_vec()).await.unwrap(), body.len() as u64)
}

async fn ids(store: &Arc<dyn Store>, project: &ProjectId) -> Vec<String> {
    let page = Page { after: None, limit: 10, direction: Direction::Ascending };
    let (rows, _) = store.rows(project, "files", page).await.unwrap();
    rows.into_iter().map(|row| row.id).collect()
}

pub async fn rows_and_blobs_change_together(store: &Arc<dyn Store>) {
    let project = ProjectId::from("files-together");
    let named = blob(store, &project, b"content").await;
    let puts = vec![(row("a", b"one"), true), (row("b", b"two"), true)];
    let change = RowsChange { puts, names: vec![named.clone()], ..RowsChange::default() };
    store.change_rows(&project, change).await.unwrap();
    assert_eq!(ids(store, &project).await, ["a", "b"]);
    let change = RowsChange {
        at: Timestamp(2),
        puts: vec![(row("b", b"three"), false), (row("c", b"four"), true)],
        // One that never was is passed over.
        deletes: vec![("files".into(), "a".into()), ("files".into(), "z".into())],
        ..RowsChange::default()
    };
    store.change_rows(&project, change).await.unwrap();
    assert_eq!(ids(store, &project).await, ["b", "c"]);
    assert_eq!(store.row(&project, "files", "b").await.unwrap().unwrap().body, b"three");
    assert_eq!(store.blob(&project, &named.0).await.unwrap(), Some(b"content".to_vec()));
}

pub async fn a_refused_change_changes_nothing(store: &Arc<dyn Store>) {
    let project = ProjectId::from("files-refused");
    let kept = blob(store, &project, b"kept").await;
    let change = RowsChange { puts: vec![(row("a", b"1"), true)], names: vec![kept.clone()], ..RowsChange::default() };
    store.change_rows(&project, change).await.unwrap();
    let change = RowsChange {
        puts: vec![(row("b", b"2"), true), (row("a", b"3"), true)],
        forgets: vec![kept.0.clone()],
        ..RowsChange::default()
    };
    assert!(matches!(store.change_rows(&project, change).await, Err(Error::Exists)));
    assert_eq!(ids(store, &project).await, ["a"]);
    assert_eq!(store.row(&project, "files", "a").await.unwrap().unwrap().body, b"1");
    assert_eq!(store.blob(&project, &kept.0).await.unwrap(), Some(b"kept".to_vec()));
}

pub async fn a_forgotten_blob_is_gone(store: &Arc<dyn Store>) {
    let (project, other) = (ProjectId::from("files-forget"), ProjectId::from("files-other"));
    let (named, unnamed) = (blob(store, &project, b"named").await, blob(store, &project, b"unnamed").await);
    let elsewhere = blob(store, &other, b"named").await;
    let change = RowsChange { names: vec![named.clone()], ..RowsChange::default() };
    store.change_rows(&project, change).await.unwrap();
    let forgets = vec![named.0.clone(), unnamed.0.clone(), BlobHash("0".repeat(64)), BlobHash("../x".into())];
    store.change_rows(&project, RowsChange { forgets, ..RowsChange::default() }).await.unwrap();
    assert_eq!(store.blob(&project, &named.0).await.unwrap(), None);
    assert_eq!(store.blob(&project, &unnamed.0).await.unwrap(), None);
    assert_eq!(store.blob(&other, &elsewhere.0).await.unwrap(), Some(b"named".to_vec()), "another project's stays");
}
