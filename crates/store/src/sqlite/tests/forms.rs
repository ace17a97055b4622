//! A database of the first form is brought to the newest one, and says what it said.

use super::{Data, block_on};
use crate::contract::{Writer, item, record, turn};
use crate::sqlite::schema;
use crate::{Append, BLOB_BYTES, Idempotency, LogQuery, SideWrite, Store, chain};
use rusqlite::{Connection, params};
use std::sync::Arc;
use types::{Seq, Timestamp};

/// Writes a store of today, and puts its log back into the tables of the first form.
fn made_old(data: &Data, append: impl Fn(&Writer) -> Append) {
    block_on(async {
        let store: Arc<dyn Store> = data.open();
        let mut writer = Writer::new(&store, "p", "sess_1").await;
        writer.append(vec![record("session_created", "{}"), turn("turn_1"), item("turn_1", "msg_1")]).await;
        writer.append((0..20).map(|n| record("a", &format!("{{\"n\":{n}}}"))).collect()).await;
        writer.append(vec![record("b", &"x".repeat(BLOB_BYTES))]).await;
        store.append(append(&writer)).await.unwrap();
        let log = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
        drop((store, writer));
        let old = Connection::open(data.join("outcrop.db")).unwrap();
        old.execute_batch("DROP TABLE batches; DROP TABLE marks; DROP TABLE record_blobs; DROP TABLE answers;")
            .unwrap();
        old.execute_batch("DROP INDEX sessions_created; DROP INDEX sessions_agent;").unwrap();
        for column in ["base", "base_seq", "base_hash", "depth", "door"] {
            old.execute_batch(&format!("ALTER TABLE sessions DROP COLUMN {column}")).unwrap();
        }
        let first = schema::FIRST;
        for table in [" records ", " idempotency ", "sessions_created ", "sessions_agent "] {
            for part in first.split(';').filter(|part| part.contains(table)) {
                old.execute_batch(part).unwrap();
            }
        }
        for stored in log {
            let record = stored.record;
            let hash: Vec<u8> = chain::of_body(&record.body).to_vec();
            let size = (record.body.len() >= BLOB_BYTES).then_some(record.body.len() as i64);
            old.execute(
                "INSERT INTO records VALUES ('p', 'sess_1', ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, zeroblob(32))",
                params![
                    stored.seq.0 as i64,
                    record.v,
                    record.kind,
                    record.turn.as_ref().map(|turn| turn.as_str()),
                    record.item.as_ref().map(|item| item.as_str()),
                    record.at.0 as i64,
                    size.is_none().then_some(record.body),
                    size,
                    hash,
                ],
            )
            .unwrap();
        }
        old.execute("INSERT INTO idempotency VALUES ('p', 'r', 'sess_1', 'k', 'h', 202, x'', 1 << 40)", []).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
    });
}

#[test]
fn a_log_of_the_first_form_goes_on() {
    let data = Data::new();
    let answer = Idempotency { body_hash: "h".into(), status: 202, body: Vec::new() };
    made_old(&data, |writer| writer.append_of(vec![item("turn_1", "msg_2")], Vec::new()));
    block_on(async {
        let store = data.open();
        let mut writer = Writer::new(&store, "p", "sess_1").await;
        let (project, session) = (writer.project.clone(), writer.session.clone());
        assert_eq!(store.verify(&project, &session).await.unwrap(), Seq(25));
        assert_eq!(store.item_seq(&project, &session, &"msg_2".into()).await.unwrap(), Some(Seq(25)));
        assert_eq!(store.turn_seq(&project, &session, &"turn_1".into()).await.unwrap(), Some(Seq(2)));
        let known = store.idempotency(&project, "r", &session, "k", Timestamp(1)).await.unwrap();
        assert_eq!(known.as_ref(), Some(&answer));
        let again = SideWrite::Idempotency { route: "r".into(), key: "k".into(), answer, expires: Timestamp(1 << 40) };
        writer.seq = Seq(25);
        assert!(store.append(writer.append_of(Vec::new(), vec![again])).await.is_err());
        writer.append(vec![record("c", "and on")]).await;
        assert_eq!(store.verify(&project, &session).await.unwrap(), Seq(26));
        let mut fork = writer.fork("sess_2", Seq(10));
        fork.append(vec![record("forked", "{}")]).await;
        assert_eq!(store.verify(&project, &fork.session).await.unwrap(), Seq(11));
    });
    drop(data.open());
    assert_eq!(block_on(async { data.open().verify(&"p".into(), &"sess_1".into()).await.unwrap() }), Seq(26));
}
