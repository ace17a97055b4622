//! What is stored is not what was written: it is found, and named.

use super::{Data, block_on, writer};
use crate::contract::{item, record, turn};
use crate::{BLOB_BYTES, Error, LogQuery, Store};
use rusqlite::Connection;
use std::sync::Arc;
use types::{ProjectId, Seq, SessionId};

/// Five records; the fourth is a blob.
fn written() -> Data {
    let data = Data::new();
    block_on(async {
        let mut writer = writer(&data.open()).await;
        writer.append(vec![record("a", "one"), turn("turn_1"), item("turn_1", "msg_1")]).await;
        writer.append(vec![record("b", &"x".repeat(BLOB_BYTES)), record("c", "five")]).await;
    });
    data
}

fn spoil(data: &Data, sql: &str) {
    let changed = Connection::open(data.join("outcrop.db")).unwrap().execute(sql, []).unwrap();
    assert_eq!(changed, 1, "{sql}");
}

async fn verify(store: &Arc<dyn Store>) -> Result<Seq, Error> {
    store.verify(&ProjectId::from("p"), &SessionId::from("sess_1")).await
}

async fn read(store: &Arc<dyn Store>) -> Result<usize, Error> {
    let log = store.log(&ProjectId::from("p"), &SessionId::from("sess_1"), LogQuery::after(Seq(0))).await;
    log.map(|log| log.len())
}

fn damaged_at<T: std::fmt::Debug>(answer: Result<T, Error>) -> u64 {
    match answer {
        Err(Error::Damaged { seq, .. }) => seq.0,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_flipped_bit_is_found() {
    // The first record that does not fit, and the one that reading names: what a lost record is followed by.
    let cases = [
        ("UPDATE batches SET data = zeroblob(length(data)) WHERE last = 3", 1, 1),
        ("UPDATE batches SET data = x'' WHERE last = 5", 4, 4),
        ("UPDATE batches SET hash = zeroblob(32) WHERE last = 3", 3, 3),
        ("UPDATE batches SET hash = x'00' WHERE last = 3", 3, 3),
        ("UPDATE batches SET count = 2 WHERE last = 3", 1, 2),
        ("UPDATE batches SET last = 4 WHERE last = 3", 1, 2),
        ("DELETE FROM batches WHERE last = 3", 1, 4),
        ("DELETE FROM batches WHERE last = 5", 4, 4),
        ("UPDATE sessions SET seq = 4", 5, 5),
        ("UPDATE sessions SET hash = zeroblob(32)", 5, 5),
    ];
    for (sql, seq, read_at) in cases {
        let data = written();
        spoil(&data, sql);
        block_on(async {
            let store = data.open();
            assert_eq!(damaged_at(verify(&store).await), seq, "{sql}");
            assert_eq!(damaged_at(read(&store).await), read_at, "{sql}");
        });
    }
    let data = written();
    assert_eq!(block_on(async { verify(&data.open()).await.unwrap() }), Seq(5), "undamaged, it verifies");
}

/// Straight in the file, under SQLite's feet.
#[test]
fn a_flipped_bit_in_the_file_is_found() {
    let data = written();
    let path = data.join("outcrop.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let place = bytes.windows(4).position(|window| window == b"five").unwrap();
    bytes[place] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    block_on(async {
        let store = data.open();
        assert_eq!(damaged_at(verify(&store).await), 5);
        assert_eq!(damaged_at(read(&store).await), 5);
    });
}

#[test]
fn a_spoiled_blob_is_found_and_mended_by_writing_it_again() {
    let data = written();
    let blob = blob(&data);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[BLOB_BYTES / 2] ^= 0x10;
    std::fs::write(&blob, bytes).unwrap();
    block_on(async {
        let store = data.open();
        assert_eq!(damaged_at(verify(&store).await), 4);
        assert_eq!(damaged_at(read(&store).await), 4);
        let hash = crate::BlobHash(blob.file_name().unwrap().to_str().unwrap().to_owned());
        assert!(store.blob(&ProjectId::from("p"), &hash).await.is_err());
        std::fs::remove_file(&blob).unwrap();
        assert_eq!(damaged_at(verify(&store).await), 4);
        std::fs::write(&blob, "nonsense").unwrap();
        store.put_blob(&ProjectId::from("p"), "x".repeat(BLOB_BYTES).into_bytes()).await.unwrap();
        assert_eq!(verify(&store).await.unwrap(), Seq(5));
    });
}

fn blob(data: &Data) -> std::path::PathBuf {
    let shelf = std::fs::read_dir(data.join("blobs/p")).unwrap().next().unwrap().unwrap().path();
    std::fs::read_dir(shelf).unwrap().next().unwrap().unwrap().path()
}
