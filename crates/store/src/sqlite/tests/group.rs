//! Group commit: many writers, few fsyncs, and nobody spoils it for the others.

use super::{Data, block_on, writer};
use crate::contract::{Writer, record, together};
use crate::{AppendError, Error, LogQuery, Sqlite, Store};
use std::sync::Arc;
use types::Seq;

#[test]
fn appends_that_wait_together_share_a_commit() {
    let data = Data::new();
    let sqlite = Arc::new(Sqlite::open(&data).unwrap());
    let store: Arc<dyn Store> = sqlite.clone();
    block_on(async {
        let first = writer(&store).await;
        let before = sqlite.commits();
        let writers: Vec<Writer> = (0..200).map(|n| first.beside(&format!("sess_{n}"))).collect();
        let appends = writers.iter().map(|writer| store.append(writer.append_of(vec![record("a", "{}")], Vec::new())));
        for answer in together(appends).await {
            assert_eq!(answer.unwrap(), Seq(1));
        }
        let commits = sqlite.commits() - before;
        assert!(commits < 100, "{commits} commits for 200 appends");
    });
}

#[test]
fn a_refused_append_does_not_spoil_the_others() {
    let data = Data::new();
    let sqlite = Arc::new(Sqlite::open(&data).unwrap());
    let store: Arc<dyn Store> = sqlite.clone();
    block_on(async {
        let first = writer(&store).await;
        let writers: Vec<Writer> = (0..60)
            .map(|n| {
                let mut writer = first.beside(&format!("sess_{n}"));
                match n % 3 {
                    0 => {}
                    1 => writer.seq = Seq(7),
                    _ => writer.epoch = types::Epoch(0),
                }
                writer
            })
            .collect();
        let appends = writers.iter().map(|writer| store.append(writer.append_of(vec![record("a", "{}")], Vec::new())));
        for (n, answer) in together(appends).await.into_iter().enumerate() {
            match n % 3 {
                0 => assert_eq!(answer.unwrap(), Seq(1)),
                1 => assert!(matches!(answer, Err(AppendError::Moved { head: Seq(0) })), "{answer:?}"),
                _ => assert!(matches!(answer, Err(AppendError::Fenced)), "{answer:?}"),
            }
        }
        for (n, writer) in writers.iter().enumerate() {
            let log = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
            assert_eq!(log.len(), usize::from(n % 3 == 0));
        }
    });
}

/// One session whose rows are broken fails alone: its savepoint is undone, its neighbours' are kept.
#[test]
fn a_broken_session_fails_alone() {
    let data = Data::new();
    block_on(async {
        let store = data.open();
        let mut broken = writer(&store).await;
        broken.append(vec![record("a", "{}"), record("b", "{}")]).await;
    });
    let raw = rusqlite::Connection::open(data.join("outcrop.db")).unwrap();
    raw.execute("UPDATE sessions SET seq = 1", []).unwrap();
    drop(raw);
    block_on(async {
        let store = data.open();
        let mut broken = writer(&store).await;
        broken.seq = Seq(1);
        let sound = broken.beside("sess_2");
        let answers = together([
            store.append(broken.append_of(vec![record("c", "{}")], Vec::new())),
            store.append(sound.append_of(vec![record("c", "{}")], Vec::new())),
        ])
        .await;
        assert!(matches!(answers[0], Err(AppendError::Store(Error::Failed(_)))), "{answers:?}");
        assert!(matches!(answers[1], Ok(Seq(1))), "{answers:?}");
        assert!(store.is_healthy());
    });
}

/// Nobody waits for the answer any more; the append is made all the same, whole or not at all.
#[test]
fn an_append_outlives_its_caller() {
    let data = Data::new();
    let first = block_on(async {
        let store = data.open();
        let first = writer(&store).await;
        let mut append = store.append(first.append_of(vec![record("a", "{}"), record("b", "{}")], Vec::new()));
        std::future::poll_fn(|context| {
            assert!(append.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(append);
        first
    });
    drop(first.store);
    block_on(async {
        let store = data.open();
        assert_eq!(store.verify(&first.project, &first.session).await.unwrap(), Seq(2));
    });
}
