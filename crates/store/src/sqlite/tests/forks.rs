//! What only a file can show of forks: what they take, what a copy of the store makes of them, and damage.

use super::{Data, block_on};
use crate::contract::{Writer, item, record, turn};
use crate::{BLOB_BYTES, Error, LogQuery, Present, Sqlite, Store};
use rusqlite::Connection;
use std::sync::Arc;
use types::{ProjectId, Seq, SessionId, Timestamp};

/// A session of a megabyte, its fork in the middle of an append, and a fork of that.
async fn family(store: &Arc<dyn Store>) -> [Writer; 3] {
    let mut mother = Writer::new(store, "p", "sess_1").await;
    let mut number = 1_u64;
    let mut letter = || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        char::from(b'a' + u8::try_from(number >> 60).unwrap())
    };
    mother.append(vec![record("session_created", "{}"), turn("turn_1")]).await;
    for n in 0..16 {
        let text: String = (0..30_000).map(|_| letter()).collect();
        let long = types::Encoded { body: format!("{n} {text}").into_bytes(), ..item("turn_1", &format!("msg_{n}")) };
        mother.append(vec![long.clone(), record("between", "{}"), long]).await;
    }
    let blob = record("blob", &"x".repeat(BLOB_BYTES));
    mother.append(vec![blob]).await;
    let mut child = mother.fork("sess_2", Seq(mother.seq.0 - 3));
    child.append(vec![record("forked", "{}"), item("turn_1", "msg_c")]).await;
    let mut grandchild = child.fork("sess_3", child.seq);
    grandchild.append(vec![record("forked", "{}")]).await;
    [mother, child, grandchild]
}

#[test]
fn a_fork_takes_only_its_own_records() {
    let data = Data::new();
    let family = block_on(async {
        let family = family(&data.open()).await;
        assert_eq!(family[2].seq, Seq(51));
        family
    });
    drop(family);
    let raw = Connection::open(data.join("outcrop.db")).unwrap();
    let bytes = |id: &str| {
        let sql = "SELECT sum(length(data)) FROM batches b JOIN sessions s ON s.ord = b.session WHERE s.id = ?1";
        raw.query_row(sql, [id], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert!(bytes("sess_1") > 400_000, "{}", bytes("sess_1"));
    assert!(bytes("sess_2") + bytes("sess_3") < 500, "{} and {}", bytes("sess_2"), bytes("sess_3"));
}

#[test]
fn a_copy_of_the_store_has_the_forks() {
    let (data, place, back) = (Data::new(), Data::new(), Data::new());
    let before = block_on(async {
        let store = data.open();
        let [mother, child, grandchild] = family(&store).await;
        mother.delete().await.unwrap();
        child.delete().await.unwrap();
        store.log(&grandchild.project, &grandchild.session, LogQuery::after(Seq(0))).await.unwrap()
    });
    let file = place.join("the.backup");
    let copied = Sqlite::backup(&data, &file, Timestamp(1)).unwrap();
    assert_eq!((copied.sessions, copied.records), (1, 54));
    Sqlite::restore(&file, &back.join("new"), Present::Refused, Timestamp(1_800_000_000_000)).unwrap();
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&back.join("new")).unwrap());
        let mut last = Writer::new(&store, "p", "sess_3").await;
        let log = store.log(&last.project, &last.session, LogQuery::after(Seq(0))).await.unwrap();
        assert_eq!(log[..before.len()], before);
        let mark = log.last().unwrap();
        assert_eq!((log.len(), mark.record.kind.as_str()), (before.len() + 1, types::RESTORED));
        last.seq = mark.seq;
        last.append(vec![record("own", "{}")]).await;
        // Beyond the restore, and before it; but not where it left numbers out.
        last.fork("sess_4", last.seq).append(vec![record("forked", "{}")]).await;
        last.fork("sess_5", Seq(10)).append(vec![record("forked", "{}")]).await;
        let gap = last.fork("sess_6", Seq(mark.seq.0 - 1)).try_append(vec![record("forked", "{}")], Vec::new()).await;
        assert!(matches!(gap, Err(crate::AppendError::NoBase { .. })), "{gap:?}");
        for (session, end) in [("sess_3", mark.seq.next()), ("sess_4", Seq(mark.seq.0 + 2)), ("sess_5", Seq(11))] {
            assert_eq!(store.verify(&last.project, &SessionId::from(session)).await.unwrap(), end);
        }
    });
}

#[test]
fn a_fork_that_does_not_stand_where_it_says_is_found() {
    let spoilt = [
        "UPDATE sessions SET base_seq = base_seq - 1 WHERE id = 'sess_2'",
        "UPDATE sessions SET base_seq = base_seq + 1 WHERE id = 'sess_2'",
        "UPDATE sessions SET base_hash = zeroblob(32) WHERE id = 'sess_2'",
        "UPDATE sessions SET base = 3 WHERE id = 'sess_2'",
        "UPDATE sessions SET base = 77 WHERE id = 'sess_2'",
        "UPDATE sessions SET base = NULL WHERE id = 'sess_2'",
        "DELETE FROM batches WHERE session = 1 AND last = 5",
    ];
    let data = Data::new();
    block_on(async { drop(family(&data.open()).await) });
    let project = ProjectId::from("p");
    for spoil in spoilt {
        let copy = Data::new();
        std::fs::copy(data.join("outcrop.db"), copy.join("outcrop.db")).unwrap();
        let raw = Connection::open(copy.join("outcrop.db")).unwrap();
        assert_eq!(raw.execute(spoil, []).unwrap(), 1);
        drop(raw);
        block_on(async {
            let store = copy.open();
            for session in ["sess_2", "sess_3"].map(SessionId::from) {
                let read = store.log(&project, &session, LogQuery::after(Seq(0))).await;
                assert!(matches!(read, Err(Error::Damaged { .. })), "{spoil}: {read:?}");
                let verified = store.verify(&project, &session).await;
                assert!(matches!(verified, Err(Error::Damaged { .. })), "{spoil}: {verified:?}");
            }
        });
        let backup = Sqlite::backup(&copy, &copy.join("the.backup"), Timestamp(1));
        assert!(backup.is_err(), "{spoil}: a backup says so");
    }
}
