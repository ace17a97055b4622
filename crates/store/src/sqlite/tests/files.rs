//! Opening, reopening, and who may open beside whom.

use super::{Data, block_on, writer};
use crate::contract::{item, record, turn};
use crate::{AppendError, BLOB_BYTES, Error, LogQuery, RowsChange, Sqlite, Store};
use rusqlite::Connection;
use std::fs::{self, File, FileTimes};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use types::{Seq, Timestamp};

fn refusal(opened: Result<Sqlite, Error>) -> String {
    match opened {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn everything_is_there_after_reopening() {
    let data = Data::new();
    let (before, epoch) = block_on(async {
        let store = data.open();
        let mut writer = writer(&store).await;
        writer.needs_work = true;
        writer.append(vec![turn("turn_1"), item("turn_1", "msg_1"), record("a", &"x".repeat(BLOB_BYTES))]).await;
        (store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap(), writer.epoch)
    });
    block_on(async {
        let store = data.open();
        let mut writer = writer(&store).await;
        assert!(writer.epoch > epoch, "an epoch is never given again");
        let after = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
        assert_eq!(after, before);
        assert_eq!(store.unfinished().await.unwrap().len(), 1);
        writer.seq = Seq(3);
        writer.append(vec![record("b", "2")]).await;
        assert_eq!(store.verify(&writer.project, &writer.session).await.unwrap(), Seq(4));
    });
}

#[test]
fn a_second_server_is_refused() {
    let data = Data::new();
    let first = Sqlite::open(&data).unwrap();
    let text = refusal(Sqlite::open(&data));
    assert!(text.contains("another outcrop serves"), "{text}");
    drop(first);
    Sqlite::open(&data).unwrap();
}

#[test]
fn the_command_line_works_beside_a_server() {
    let data = Data::new();
    let server = data.open();
    let beside: Arc<dyn Store> = Arc::new(Sqlite::open_shared(&data).unwrap());
    block_on(async {
        let mut writer = writer(&server).await;
        writer.append(vec![record("a", "1")]).await;
        let log = beside.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
        assert_eq!(log.len(), 1);
        crate::contract::keys::suite(&beside).await;
        assert!(server.key_by_hash("keys-h1").await.unwrap().is_some());

        let append = writer.append_of(vec![record("b", "2")], Vec::new());
        assert!(matches!(beside.append(append).await, Err(AppendError::Store(Error::Failed(_)))));
        assert!(matches!(beside.begin_epoch().await, Err(Error::Failed(_))));
        assert!(matches!(beside.put_blob(&writer.project, Vec::new()).await, Err(Error::Failed(_))));
        let deleted = beside.delete_session(&writer.project, &writer.session, Seq(1), writer.epoch, Timestamp(1)).await;
        assert!(matches!(deleted, Err(AppendError::Store(Error::Failed(_)))));
        writer.append(vec![record("b", "2")]).await;
    });
}

#[test]
fn the_command_line_may_be_first_and_does_not_hold_the_folder() {
    let data = Data::new();
    let beside = Sqlite::open_shared(&data.join("new")).unwrap();
    Sqlite::open(&data.join("new")).unwrap();
    drop(beside);
}

#[test]
fn a_newer_database_is_refused() {
    let data = Data::new();
    drop(Sqlite::open(&data).unwrap());
    raw(&data).execute_batch("PRAGMA user_version = 99").unwrap();
    for opened in [Sqlite::open(&data), Sqlite::open_shared(&data)] {
        let text = refusal(opened);
        assert!(text.contains("newer outcrop (schema 99"), "{text}");
    }
}

#[test]
fn an_older_database_is_not_changed_beside_a_server() {
    let data = Data::new();
    let server = Sqlite::open(&data).unwrap();
    raw(&data).execute_batch("PRAGMA user_version = 0").unwrap();
    let text = refusal(Sqlite::open_shared(&data));
    assert!(text.contains("another outcrop serves"), "{text}");
    drop(server);
}

#[test]
fn a_foreign_file_is_left_alone() {
    let data = Data::new();
    raw(&data).execute_batch("CREATE TABLE theirs (x)").unwrap();
    let text = refusal(Sqlite::open(&data));
    assert!(text.contains("another program's database"), "{text}");
    fs::write(data.join("outcrop.db"), "no database at all, but some text of more than a few bytes".repeat(20))
        .unwrap();
    let text = refusal(Sqlite::open(&data));
    assert!(text.contains("cannot be read as a database"), "{text}");
}

#[test]
fn the_file_has_the_form_that_cannot_be_changed_later() {
    let data = Data::new();
    drop(Sqlite::open(&data).unwrap());
    let raw = raw(&data);
    let pragma = |name: &str| raw.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!((pragma("page_size"), pragma("auto_vacuum"), pragma("user_version")), (8192, 2, 3));
    let mode: String = raw.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn old_files_that_nothing_names_are_swept() {
    let data = Data::new();
    let (project, kept, folder) = block_on(async {
        let store = data.open();
        let mut writer = writer(&store).await;
        writer.append(vec![record("a", &"x".repeat(BLOB_BYTES))]).await;
        let kept = store.put_blob(&writer.project, b"kept".to_vec()).await.unwrap();
        let change = RowsChange { names: vec![(kept.clone(), 4)], ..RowsChange::default() };
        store.change_rows(&writer.project, change).await.unwrap();
        // One that no row came to name.
        store.put_blob(&writer.project, b"unnamed".to_vec()).await.unwrap();
        // Its blob is written before it is refused.
        writer.seq = Seq(0);
        let refused = writer.try_append(vec![record("a", &"y".repeat(BLOB_BYTES))], Vec::new()).await;
        assert!(matches!(refused, Err(AppendError::Moved { .. })));
        (writer.project.clone(), kept, data.join("blobs").join("p"))
    });
    fs::write(folder.join("half.tmp"), "a file beside the shelves").unwrap();
    let shelf = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    fs::write(shelf.join("aa.1-0.tmp"), "a write that was cut short").unwrap();
    assert_eq!(files(&folder).len(), 5);
    drop(data.open());
    assert_eq!(files(&folder).len(), 5, "young files stay");
    #[expect(clippy::disallowed_methods, reason = "file times are the system's")]
    let old = SystemTime::now() - Duration::from_secs(3 * 3600);
    for file in files(&folder) {
        File::options().write(true).open(file).unwrap().set_times(FileTimes::new().set_modified(old)).unwrap();
    }
    block_on(async {
        let store = data.open();
        assert_eq!(files(&folder).len(), 2);
        assert_eq!(store.blob(&project, &kept).await.unwrap(), Some(b"kept".to_vec()));
        assert_eq!(store.verify(&project, &"sess_1".into()).await.unwrap(), Seq(1));
    });
}

/// The files on the shelves.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let shelves = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    shelves.flat_map(|shelf| fs::read_dir(shelf).unwrap()).map(|entry| entry.unwrap().path()).collect()
}

fn raw(data: &Data) -> Connection {
    Connection::open(data.join("outcrop.db")).unwrap()
}
