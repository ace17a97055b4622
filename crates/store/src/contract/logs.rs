//! Reading a log: bounds, directions, filters, and the cursors of turns and items.

use super::{Writer, item, record, turn};
use crate::{Direction, LogQuery, Store};
use std::sync::Arc;
use types::{Encoded, ItemId, ProjectId, Seq, SessionId, TurnId};

pub async fn suite(store: &Arc<dyn Store>) {
    a_query_shows_what_it_asks_for(store).await;
    cursors_name_first_records(store).await;
}

/// 1 created, 2 turn, 3 item, 4 intended, 5 item, 6 turn, 7 item, 8 committed, 9 without a turn.
async fn log(store: &Arc<dyn Store>, project: &str) -> Writer {
    let mut writer = Writer::new(store, project, "sess_1").await;
    let of = |name: &str, kind: &str| Encoded { turn: Some(name.into()), ..record(kind, "{}") };
    writer.append(vec![record("session_created", "{}"), turn("turn_1"), item("turn_1", "msg_1")]).await;
    writer.append(vec![of("turn_1", "intended"), item("turn_1", "msg_2")]).await;
    writer.append(vec![turn("turn_2"), item("turn_2", "msg_3"), of("turn_1", "committed")]).await;
    writer.append(vec![record("session_updated", "{}")]).await;
    // A neighbour whose records must never show.
    let mut neighbour = writer.beside("sess_2");
    neighbour.append(vec![turn("turn_1"), item("turn_1", "msg_1"), item("turn_9", "msg_9")]).await;
    writer
}

pub async fn a_query_shows_what_it_asks_for(store: &Arc<dyn Store>) {
    let writer = log(store, "logs-query").await;
    let all = LogQuery::after(Seq(0));
    let turn_1 = || Some(TurnId::from("turn_1"));
    let cases: [(LogQuery, &[u64]); 14] = [
        (all.clone(), &[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (LogQuery::after(Seq(6)), &[7, 8, 9]),
        (LogQuery::after(Seq(9)), &[]),
        (LogQuery::after(Seq(u64::MAX)), &[]),
        (LogQuery { before: Some(Seq(3)), ..all.clone() }, &[1, 2]),
        (LogQuery { before: Some(Seq(8)), ..LogQuery::after(Seq(5)) }, &[6, 7]),
        (LogQuery { before: Some(Seq(u64::MAX)), limit: 2, ..all.clone() }, &[1, 2]),
        (LogQuery { limit: 0, ..all.clone() }, &[]),
        (LogQuery { kinds: vec!["turn_created"], ..all.clone() }, &[2, 6]),
        (LogQuery { kinds: vec!["intended", "committed", "nothing"], ..all.clone() }, &[4, 8]),
        (LogQuery { turn: turn_1(), ..all.clone() }, &[2, 3, 4, 5, 8]),
        (LogQuery { turn: turn_1(), kinds: vec!["turn_created"], ..all.clone() }, &[2]),
        (LogQuery { listed_items: true, ..all.clone() }, &[3, 5, 7]),
        (LogQuery { listed_items: true, turn: turn_1(), ..LogQuery::after(Seq(3)) }, &[5]),
    ];
    for (query, want) in cases {
        for direction in [Direction::Ascending, Direction::Descending] {
            let query = LogQuery { direction, ..query.clone() };
            let found = store.log(&writer.project, &writer.session, query.clone()).await.unwrap();
            let got: Vec<u64> = found.iter().map(|stored| stored.seq.0).collect();
            let mut want = want.to_vec();
            if direction == Direction::Descending {
                // The limit counts from the end then.
                want = if query.limit == 2 { vec![9, 8] } else { want.into_iter().rev().collect() };
            }
            assert_eq!(got, want, "{query:?}");
        }
    }
    let listed = LogQuery { kinds: vec!["turn_created"], listed_items: true, ..all.clone() };
    assert!(store.log(&writer.project, &writer.session, listed).await.unwrap().is_empty());
    assert!(store.log(&writer.project, &SessionId::from("sess_none"), all).await.unwrap().is_empty());
}

pub async fn cursors_name_first_records(store: &Arc<dyn Store>) {
    let writer = log(store, "logs-cursors").await;
    let (project, session) = (&writer.project, &writer.session);
    let turn = async |project: &ProjectId, session: &SessionId, id: &str| {
        store.turn_seq(project, session, &TurnId::from(id)).await.unwrap().map(|seq| seq.0)
    };
    let item = async |project: &ProjectId, session: &SessionId, id: &str| {
        store.item_seq(project, session, &ItemId::from(id)).await.unwrap().map(|seq| seq.0)
    };
    assert_eq!(turn(project, session, "turn_1").await, Some(2));
    assert_eq!(turn(project, session, "turn_2").await, Some(6));
    assert_eq!(turn(project, session, "turn_3").await, None);
    // The neighbour names this turn in an item only: nothing introduced it.
    let neighbour = SessionId::from("sess_2");
    assert_eq!(turn(project, &neighbour, "turn_9").await, None);
    assert_eq!(item(project, session, "msg_1").await, Some(3));
    assert_eq!(item(project, session, "msg_3").await, Some(7));
    assert_eq!(item(project, session, "msg_9").await, None);
    assert_eq!(item(project, &neighbour, "msg_9").await, Some(3));
}
