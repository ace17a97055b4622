//! Blobs that rows name, and what becomes of their files.

use super::{Data, block_on, writer};
use crate::contract::record;
use crate::{BLOB_BYTES, LogQuery, RowsChange, Store};
use std::fs::File;
use std::sync::Arc;
use types::{ProjectId, Seq};

fn file(data: &Data, hash: &str) -> std::path::PathBuf {
    data.join("blobs/p").join(&hash[..2]).join(hash)
}

#[test]
fn the_file_of_a_forgotten_blob_is_removed() {
    let data = Data::new();
    block_on(async {
        let store = data.open();
        let project = ProjectId::from("p");
        let hash = store.put_blob(&project, b"content".to_vec()).await.unwrap();
        let change = RowsChange { names: vec![(hash.clone(), 7)], ..RowsChange::default() };
        store.change_rows(&project, change).await.unwrap();
        assert!(file(&data, &hash.0).is_file());
        let change = RowsChange { forgets: vec![hash.clone()], ..RowsChange::default() };
        store.change_rows(&project, change.clone()).await.unwrap();
        assert!(!file(&data, &hash.0).exists());
        store.change_rows(&project, change).await.unwrap();
    });
}

#[test]
fn a_backup_keeps_files_where_they_are() {
    let data = Data::new();
    block_on(async {
        let store = data.open();
        let project = ProjectId::from("p");
        let hash = store.put_blob(&project, b"content".to_vec()).await.unwrap();
        let copying = File::options().create(true).append(true).open(data.join("blobs.lock")).unwrap();
        copying.lock_shared().unwrap();
        let change = RowsChange { forgets: vec![hash.clone()], ..RowsChange::default() };
        store.change_rows(&project, change.clone()).await.unwrap();
        assert!(file(&data, &hash.0).is_file(), "the backup may have seen its name");
        drop(copying);
        store.change_rows(&project, change).await.unwrap();
        assert!(!file(&data, &hash.0).exists());
    });
}

#[test]
fn what_a_record_names_stays() {
    let data = Data::new();
    block_on(async {
        let store: Arc<dyn Store> = data.open();
        let mut writer = writer(&store).await;
        let body = "x".repeat(BLOB_BYTES);
        writer.append(vec![record("a", &body)]).await;
        let hash = store.put_blob(&writer.project, body.into_bytes()).await.unwrap();
        let change = RowsChange { forgets: vec![hash], ..RowsChange::default() };
        store.change_rows(&writer.project, change).await.unwrap();
        let log = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
        assert_eq!(log.last().unwrap().record.body.len(), BLOB_BYTES);
    });
}
