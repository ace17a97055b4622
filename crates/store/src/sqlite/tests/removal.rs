//! Blobs that rows name, and what becomes of their files.

use super::{Data, block_on, writer};
use crate::contract::record;
use crate::{BLOB_BYTES, LogQuery, RowsChange, SideWrite, Store};
use std::fs::{File, FileTimes};
use std::sync::Arc;
use std::time::SystemTime;
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

/// Long after it was written, at a start that sweeps.
#[test]
fn what_an_append_names_is_not_swept() {
    let data = Data::new();
    let (kept, swept) = block_on(async {
        let store: Arc<dyn Store> = data.open();
        let mut writer = writer(&store).await;
        let kept = store.put_blob(&writer.project, b"all that was printed".to_vec()).await.unwrap();
        let swept = store.put_blob(&writer.project, b"of a call that was lost".to_vec()).await.unwrap();
        writer.try_append(vec![record("a", "1")], vec![SideWrite::Blob { hash: kept.clone() }]).await.unwrap();
        for hash in [&kept, &swept] {
            let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
            File::options().write(true).open(file(&data, &hash.0)).unwrap().set_times(times).unwrap();
        }
        (kept, swept)
    });
    let store = data.open();
    assert!(!file(&data, &swept.0).exists() && file(&data, &kept.0).is_file());
    drop(store);
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

/// Short ones lie among others in a page, long ones on pages of their own.
#[test]
fn a_body_that_is_deleted_or_replaced_is_in_no_file_after_a_clean_stop() {
    let data = Data::new();
    let body = |mark: &str, length: usize| format!("{mark}{}", "x".repeat(length)).into_bytes();
    let row =
        |id: &str, body| crate::Row { collection: "c".into(), id: id.into(), created_at: types::Timestamp(1), body };
    let project = ProjectId::from("p");
    block_on(async {
        let store = data.open();
        for (id, length) in [("short", 100), ("long", 60_000), ("other", 100)] {
            store.put_row(&project, row(id, body("planted-first", length)), true).await.unwrap();
            store.put_row(&project, row(id, body("planted-next", length / 2)), false).await.unwrap();
        }
        store.put_row(&project, row("other", body("kept", 10)), false).await.unwrap();
        for id in ["short", "long"] {
            assert!(store.delete_row(&project, "c", id, types::Timestamp(2)).await.unwrap());
        }
    });
    let found = |mark: &str| {
        let files = std::fs::read_dir(&*data).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
        let holds = |path: &std::path::PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
        };
        files.filter(holds).collect::<Vec<_>>()
    };
    assert_eq!(found("kept").len(), 1);
    for mark in ["planted-first", "planted-next", &"x".repeat(60)] {
        assert_eq!(found(mark), [] as [std::path::PathBuf; 0], "{mark}");
    }
}
