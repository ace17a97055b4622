//! What ends a store, and what it survives.

use super::{Data, block_on, writer};
use crate::contract::{record, together};
use crate::sqlite::fault::Fault;
use crate::sqlite::health::Health;
use crate::sqlite::writer::Writer;
use crate::sqlite::{schema, timers};
use crate::{AppendError, Error, LogQuery, Sqlite};
use rusqlite::Connection;
use std::sync::Arc;
use types::{ProjectId, Seq, SessionId, Timestamp};

/// A reference that only the commit checks makes a commit fail.
const POISON: &str = "
CREATE TABLE parents (id INTEGER PRIMARY KEY);
CREATE TABLE children (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED);
CREATE TRIGGER poison AFTER INSERT ON batches WHEN new.count = 3 BEGIN INSERT INTO children VALUES (1); END;
";

#[test]
fn a_failed_commit_stops_the_store_for_good() {
    let data = Data::new();
    drop(Sqlite::open(&data).unwrap());
    Connection::open(data.join("outcrop.db")).unwrap().execute_batch(POISON).unwrap();
    block_on(async {
        let store = data.open();
        let mut first = writer(&store).await;
        first.append(vec![record("a", "1")]).await;
        let second = first.beside("sess_2");
        let poison = (2..5).map(|n| record("poison", &n.to_string())).collect();
        let answers = together([
            store.append(first.append_of(poison, Vec::new())),
            store.append(second.append_of(vec![record("a", "1")], Vec::new())),
        ])
        .await;
        assert!(matches!(answers[0], Err(AppendError::Store(Error::Stopped(_)))), "{answers:?}");
        assert!(!store.is_healthy());

        let again = store.append(second.append_of(vec![record("a", "1")], Vec::new())).await;
        assert!(matches!(again, Err(AppendError::Store(Error::Stopped(_)))), "{again:?}");
        let read = store.session(&first.project, &first.session).await;
        assert!(matches!(read, Err(Error::Stopped(_))), "{read:?}");
        assert!(matches!(store.begin_epoch().await, Err(Error::Stopped(_))));
        assert!(matches!(store.put_blob(&first.project, vec![1]).await, Err(Error::Stopped(_))));
    });
    block_on(async {
        let store = data.open();
        let log = store.log(&"p".into(), &"sess_1".into(), LogQuery::after(Seq(0))).await.unwrap();
        assert_eq!(log.len(), 1, "the next process reads what is there");
        writer(&store).await;
        assert!(store.is_healthy());
    });
}

/// Full, as SQLite sees it before the commit: nothing was written, and there may be room again.
#[test]
fn a_full_disk_refuses_and_the_store_goes_on() {
    let data = Data::new();
    let connection = schema::open(&data.join("outcrop.db"), || Ok(())).unwrap();
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = connection.query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |row| row.get::<_, i64>(0));
    assert_eq!(limit.unwrap(), pages + 2);
    let health = Arc::new(Health::default());
    let writer = Writer::start(connection, &data.join("outcrop.db"), health.clone()).unwrap();
    block_on(async {
        let large = writer.write(|connection| {
            connection.execute("INSERT INTO blobs (hash, project, size) VALUES (hex(zeroblob(100000)), 'p', 1)", [])?;
            Ok::<_, Fault<Error>>(())
        });
        assert!(matches!(large.await, Err(Error::Failed(_))));
        health.check().unwrap();
        let small = writer.write(|connection| {
            Ok::<_, Fault<Error>>(timers::set(
                connection,
                &ProjectId::from("p"),
                &SessionId::from("sess_1"),
                Some(Timestamp(1)),
            )?)
        });
        small.await.unwrap();
    });
    drop(writer);
    let raw = Connection::open(data.join("outcrop.db")).unwrap();
    let counts: (i64, i64) = raw
        .query_row("SELECT (SELECT count(*) FROM timers), (SELECT count(*) FROM blobs)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(counts, (1, 0));
}
