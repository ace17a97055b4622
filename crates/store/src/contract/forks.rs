//! Forks: logs that begin with another session's records. Whatever is asked of one, it answers as if the shared records
//! were its own; what the sessions say after the fork stays apart.

use super::{Writer, item, record, turn};
use crate::chain;
use crate::{AppendError, BLOB_BYTES, Direction, LogQuery, MAX_SEGMENTS, Store};
use std::sync::Arc;
use types::{Encoded, ItemId, Seq, SessionId, TurnId};

pub async fn suite(store: &Arc<dyn Store>) {
    a_fork_has_the_shared_records_and_its_own(store).await;
    the_chain_goes_on_from_the_shared_link(store).await;
    a_query_reads_across_the_cut(store).await;
    a_fork_outlives_what_it_stands_on(store).await;
    a_fork_of_a_fork_stands_where_its_records_are(store).await;
    a_fork_stands_on_something(store).await;
    a_chain_ends_somewhere(store).await;
}

/// 1 created, 2 turn, 3 item; 4 intended, 5 item (a blob), 6 committed; 7 turn, 8 item.
async fn parent(store: &Arc<dyn Store>, project: &str) -> Writer {
    let mut writer = Writer::new(store, project, "sess_1").await;
    let of = |kind: &str| Encoded { turn: Some("turn_1".into()), ..record(kind, "{}") };
    let large = Encoded { body: vec![b'x'; BLOB_BYTES], ..item("turn_1", "msg_2") };
    writer.append(vec![record("session_created", "{}"), turn("turn_1"), item("turn_1", "msg_1")]).await;
    writer.append(vec![of("intended"), large, of("committed")]).await;
    writer.append(vec![turn("turn_2"), item("turn_2", "msg_3")]).await;
    writer
}

/// What a session's log says: the seq of each record, and a word of it.
async fn told(writer: &Writer, query: LogQuery) -> Vec<(u64, String)> {
    let log = writer.store.log(&writer.project, &writer.session, query).await.unwrap();
    let word = |record: &Encoded| record.item.as_ref().map_or(record.kind.clone(), |item| item.to_string());
    log.iter().map(|stored| (stored.seq.0, word(&stored.record))).collect()
}

fn words(told: &[(u64, &str)]) -> Vec<(u64, String)> {
    told.iter().map(|(seq, word)| (*seq, (*word).to_owned())).collect()
}

pub async fn a_fork_has_the_shared_records_and_its_own(store: &Arc<dyn Store>) {
    let mut mother = parent(store, "forks-records").await;
    let all = LogQuery::after(Seq(0));
    let whole = store.log(&mother.project, &mother.session, all.clone()).await.unwrap();
    // At every place, also within an append.
    for cut in 1..=8 {
        let mut fork = mother.fork(&format!("sess_f{cut}"), Seq(cut));
        assert_eq!(fork.append(vec![record("forked", "{}"), item("turn_9", "msg_9")]).await, Seq(cut + 2));
        let log = store.log(&fork.project, &fork.session, all.clone()).await.unwrap();
        let shared = usize::try_from(cut).unwrap();
        assert_eq!(log[..shared], whole[..shared], "cut at {cut}");
        assert_eq!(told(&fork, LogQuery::after(Seq(cut))).await, words(&[(cut + 1, "forked"), (cut + 2, "msg_9")]));
        assert_eq!(store.verify(&fork.project, &fork.session).await.unwrap(), Seq(cut + 2));
        assert_eq!(store.session(&fork.project, &fork.session).await.unwrap().unwrap().head.seq, Seq(cut + 2));
    }
    // They go on, each for itself.
    mother.append(vec![item("turn_2", "msg_4")]).await;
    let mut fork = mother.fork("sess_late", Seq(8));
    fork.append(vec![record("forked", "{}")]).await;
    fork.append(vec![record("own", "{}")]).await;
    assert_eq!(told(&fork, LogQuery::after(Seq(7))).await, words(&[(8, "msg_3"), (9, "forked"), (10, "own")]));
    assert_eq!(told(&mother, LogQuery::after(Seq(7))).await, words(&[(8, "msg_3"), (9, "msg_4")]));
}

pub async fn the_chain_goes_on_from_the_shared_link(store: &Arc<dyn Store>) {
    let mother = parent(store, "forks-chain").await;
    let mut fork = mother.fork("sess_2", Seq(4));
    fork.append(vec![record("forked", "{}")]).await;
    let log = store.log(&fork.project, &fork.session, LogQuery::after(Seq(3))).await.unwrap();
    let shared = store.log(&mother.project, &mother.session, LogQuery::after(Seq(3))).await.unwrap();
    assert_eq!(log[0], shared[0]);
    // The link of record 4, from the first one on.
    let mut hash = chain::GENESIS;
    for stored in store.log(&mother.project, &mother.session, LogQuery::after(Seq(0))).await.unwrap().iter().take(4) {
        let body = chain::of_body(&stored.record.body);
        hash = chain::link(&hash, &mother.project, &mother.session, stored.seq, &stored.record, &body);
    }
    assert_eq!(chain::hex(&hash), log[0].hash);
    let body = chain::of_body(b"{}");
    let own = chain::link(&hash, &fork.project, &fork.session, Seq(5), &log[1].record, &body);
    assert_eq!(chain::hex(&own), log[1].hash);
}

pub async fn a_query_reads_across_the_cut(store: &Arc<dyn Store>) {
    let mother = parent(store, "forks-queries").await;
    let mut fork = mother.fork("sess_2", Seq(5));
    let of = |kind: &str| Encoded { turn: Some("turn_1".into()), ..record(kind, "{}") };
    fork.append(vec![record("forked", "{}"), of("turn_ended"), turn("turn_3"), item("turn_3", "msg_5")]).await;
    let all = LogQuery::after(Seq(0));
    let turn_1 = Some(TurnId::from("turn_1"));
    let cases: [(LogQuery, &[u64]); 10] = [
        (all.clone(), &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (LogQuery { before: Some(Seq(5)), ..all.clone() }, &[1, 2, 3, 4]),
        (LogQuery { before: Some(Seq(6)), ..all.clone() }, &[1, 2, 3, 4, 5]),
        (LogQuery { before: Some(Seq(8)), ..LogQuery::after(Seq(3)) }, &[4, 5, 6, 7]),
        (LogQuery { before: Some(Seq(1)), ..all.clone() }, &[]),
        (LogQuery { kinds: vec!["turn_created"], ..all.clone() }, &[2, 8]),
        (LogQuery { kinds: vec!["committed", "turn_ended"], ..all.clone() }, &[7]),
        (LogQuery { turn: turn_1.clone(), ..all.clone() }, &[2, 3, 4, 5, 7]),
        (LogQuery { listed_items: true, ..all.clone() }, &[3, 5, 9]),
        (LogQuery { listed_items: true, turn: turn_1, ..LogQuery::after(Seq(3)) }, &[5]),
    ];
    for (query, want) in cases {
        for direction in [Direction::Ascending, Direction::Descending] {
            for limit in [1, 2, usize::MAX] {
                let query = LogQuery { direction, limit, ..query.clone() };
                let got: Vec<u64> = told(&fork, query.clone()).await.into_iter().map(|(seq, _)| seq).collect();
                let mut want = want.to_vec();
                if direction == Direction::Descending {
                    want.reverse();
                }
                want.truncate(limit);
                assert_eq!(got, want, "{query:?}");
            }
        }
    }
    let item = async |id: &str| store.item_seq(&fork.project, &fork.session, &ItemId::from(id)).await.unwrap();
    assert_eq!((item("msg_2").await, item("msg_5").await, item("msg_3").await), (Some(Seq(5)), Some(Seq(9)), None));
    let turn = async |id: &str| store.turn_seq(&fork.project, &fork.session, &TurnId::from(id)).await.unwrap();
    assert_eq!((turn("turn_1").await, turn("turn_3").await, turn("turn_2").await), (Some(Seq(2)), Some(Seq(8)), None));
}

pub async fn a_fork_outlives_what_it_stands_on(store: &Arc<dyn Store>) {
    let mother = parent(store, "forks-deleted").await;
    let mut child = mother.fork("sess_2", Seq(6));
    child.append(vec![record("forked", "{}")]).await;
    let mut grandchild = child.fork("sess_3", Seq(7));
    grandchild.append(vec![record("forked", "{}")]).await;
    let before = store.log(&mother.project, &grandchild.session, LogQuery::after(Seq(0))).await.unwrap();
    assert_eq!(before[4].record.body.len(), BLOB_BYTES);
    for gone in [&mother, &child] {
        assert!(gone.delete().await.unwrap());
        assert!(store.is_deleted(&gone.project, &gone.session).await.unwrap());
        assert_eq!(told(gone, LogQuery::after(Seq(0))).await, []);
        assert_eq!(store.log(&mother.project, &grandchild.session, LogQuery::after(Seq(0))).await.unwrap(), before);
        assert_eq!(store.verify(&mother.project, &grandchild.session).await.unwrap(), Seq(8));
    }
    grandchild.append(vec![record("own", "{}")]).await;
    let mut next = grandchild.fork("sess_4", Seq(3));
    next.append(vec![record("forked", "{}")]).await;
    assert_eq!(told(&next, LogQuery::after(Seq(2))).await, words(&[(3, "msg_1"), (4, "forked")]));
}

pub async fn a_fork_of_a_fork_stands_where_its_records_are(store: &Arc<dyn Store>) {
    let mother = parent(store, "forks-forks").await;
    let mut child = mother.fork("sess_2", Seq(5));
    child.append(vec![record("forked", "{}"), record("of the child", "{}")]).await;
    let cuts: [(u64, &[&str]); 4] = [
        (4, &["msg_1", "intended"]),
        (5, &["msg_1", "intended", "msg_2"]),
        (6, &["msg_1", "intended", "msg_2", "forked"]),
        (7, &["msg_1", "intended", "msg_2", "forked", "of the child"]),
    ];
    for (cut, shared) in cuts {
        let mut grandchild = child.fork(&format!("sess_3{cut}"), Seq(cut));
        grandchild.append(vec![record("forked again", "{}")]).await;
        let got: Vec<String> = told(&grandchild, LogQuery::after(Seq(2))).await.into_iter().map(|(_, w)| w).collect();
        let want: Vec<&str> = shared.iter().copied().chain(["forked again"]).collect();
        assert_eq!(got, want, "cut at {cut}");
        assert_eq!(store.verify(&mother.project, &grandchild.session).await.unwrap(), Seq(cut + 1));
    }
}

pub async fn a_fork_stands_on_something(store: &Arc<dyn Store>) {
    let mother = parent(store, "forks-bases").await;
    let mut gone = mother.beside("sess_gone");
    gone.append(vec![record("session_created", "{}")]).await;
    gone.delete().await.unwrap();
    let mut foreign = Writer::new(store, "forks-bases-other", "sess_foreign").await;
    foreign.append(vec![record("session_created", "{}")]).await;
    let mother = Writer { epoch: foreign.epoch, ..mother };
    let bases = [("sess_gone", 1), ("sess_foreign", 1), ("sess_none", 1), ("sess_2", 1), ("sess_1", 0), ("sess_1", 9)];
    for (session, seq) in bases {
        let mut fork = mother.fork("sess_2", Seq(seq));
        fork.base = Some((SessionId::from(session), Seq(seq)));
        let refused = fork.try_append(vec![record("forked", "{}")], Vec::new()).await;
        let named = matches!(&refused, Err(AppendError::NoBase { session: named }) if named.as_str() == session);
        assert!(named, "{session} at {seq}: {refused:?}");
        assert_eq!(store.session(&mother.project, &fork.session).await.unwrap(), None, "nothing of it is there");
    }
    let mut fork = mother.fork("sess_2", Seq(3));
    fork.seq = Seq(2);
    let refused = fork.try_append(vec![record("forked", "{}")], Vec::new()).await;
    assert!(matches!(refused, Err(AppendError::Moved { head: Seq(3) })), "{refused:?}");
    fork.seq = Seq(3);
    fork.append(vec![record("forked", "{}")]).await;
    let mut again = mother.fork("sess_2", Seq(4));
    let refused = again.try_append(vec![record("forked", "{}")], Vec::new()).await;
    assert!(matches!(refused, Err(AppendError::Moved { head: Seq(4) })), "it is there already: {refused:?}");
}

pub async fn a_chain_ends_somewhere(store: &Arc<dyn Store>) {
    let mut last = Writer::new(store, "forks-deep", "sess_1").await;
    last.append(vec![record("session_created", "{}")]).await;
    for n in 2..=MAX_SEGMENTS {
        let mut next = last.fork(&format!("sess_{n}"), last.seq);
        next.append(vec![record("forked", "{}")]).await;
        last = next;
    }
    assert_eq!(last.seq.0, MAX_SEGMENTS as u64);
    assert_eq!(store.verify(&last.project, &last.session).await.unwrap(), last.seq);
    let newest = LogQuery { direction: Direction::Descending, limit: 3, ..LogQuery::after(Seq(0)) };
    assert_eq!(told(&last, newest).await.len(), 3);
    let refused = last.fork("sess_x", last.seq).try_append(vec![record("forked", "{}")], Vec::new()).await;
    assert!(matches!(refused, Err(AppendError::TooDeep)), "{refused:?}");
    // Below its own records the chain is shorter.
    last.fork("sess_x", Seq(last.seq.0 - 1)).append(vec![record("forked", "{}")]).await;
}
