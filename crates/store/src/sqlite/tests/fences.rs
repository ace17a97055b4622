//! Two who write to one session: a node that was replaced, and two handles of one node.

use super::{Data, block_on};
use crate::contract::{Writer, record, together};
use crate::{AppendError, LogQuery, SideWrite, Store};
use std::sync::Arc;
use types::{Epoch, MicroUsd, Seq};

/// A node that slept while another took over finds every door shut, whatever it tries and however late.
#[test]
fn f09_an_old_nodes_late_writes_are_all_refused() {
    let data = Data::new();
    block_on(async {
        let store = data.open();
        let mut old = Writer::new(&store, "p", "sess_1").await;
        old.append(vec![record("a", "1")]).await;
        let mut newer = Writer::new(&store, "p", "sess_1").await;
        newer.seq = old.seq;
        // As it stands, and after the newer node has written too.
        for round in 0..2 {
            let fresh = old.beside("sess_2");
            let reserve = SideWrite::Reserve { account: "a".into(), key: format!("k{round}"), amount: MicroUsd(1) };
            for attempt in [
                old.append_of(vec![record("late", "effect")], Vec::new()),
                old.append_of(Vec::new(), vec![reserve.clone()]),
                fresh.append_of(vec![record("late", "session")], Vec::new()),
            ] {
                let answer = store.append(attempt).await;
                assert!(matches!(answer, Err(AppendError::Fenced)), "{answer:?}");
            }
            assert!(matches!(old.delete().await, Err(AppendError::Fenced)));
            newer.append(vec![record("b", "2")]).await;
        }
        let log = store.log(&old.project, &old.session, LogQuery::after(Seq(0))).await.unwrap();
        let kinds: Vec<&str> = log.iter().map(|stored| stored.record.kind.as_str()).collect();
        assert_eq!(kinds, ["a", "b", "b"]);
        assert_eq!(store.account(&old.project, "a").await.unwrap(), None, "no late reservation");
        assert_eq!(store.session(&old.project, &"sess_2".into()).await.unwrap(), None, "no late session");
    });
}

/// In one batch of the writer, with the epoch taken in the middle of it.
#[test]
fn f09_a_write_that_waited_behind_the_new_epoch_is_refused() {
    let data = Data::new();
    block_on(async {
        let store = data.open();
        let old = Writer::new(&store, "p", "sess_1").await;
        let epoch = old.epoch;
        let take = async { store.begin_epoch().await.map_err(AppendError::from).map(|epoch| Seq(epoch.0)) };
        let writes = (0..20)
            .map(|n| store.append(old.beside(&format!("sess_{n}")).append_of(vec![record("a", "1")], Vec::new())));
        let (answers, taken) = together_with(writes, take).await;
        assert!(taken.unwrap().0 > epoch.0);
        for (n, answer) in answers.iter().enumerate() {
            let there = store.session(&old.project, &format!("sess_{n}").as_str().into()).await.unwrap().is_some();
            match answer {
                Ok(_) => assert!(there),
                Err(AppendError::Fenced) => assert!(!there),
                Err(other) => panic!("{other}"),
            }
        }
        let late = store.append(old.append_of(vec![record("a", "1")], Vec::new())).await;
        assert!(matches!(late, Err(AppendError::Fenced)));
    });
}

async fn together_with<'a>(
    writes: impl Iterator<Item = types::BoxFuture<'a, Result<Seq, AppendError>>>,
    last: impl Future<Output = Result<Seq, AppendError>> + Send + 'a,
) -> (Vec<Result<Seq, AppendError>>, Result<Seq, AppendError>) {
    let mut all: Vec<types::BoxFuture<'a, _>> = writes.collect();
    let middle = all.len() / 2;
    all.insert(middle, Box::pin(last));
    let mut answers = together(all).await;
    let taken = answers.remove(middle);
    (answers, taken)
}

/// Each round both claim the next place, in any order; one has it, the other is told where the log is now.
#[test]
fn f10_of_two_claims_one_wins() {
    let data = Data::new();
    block_on(async {
        let store: Arc<dyn Store> = data.open();
        let first = Writer::new(&store, "p", "sess_1").await;
        let (mut seq, mut won) = (Seq(0), [0, 0]);
        for round in 0..50_u64 {
            let claim = |name: &str| {
                let mut writer = first.beside("sess_1");
                writer.seq = seq;
                store.append(writer.append_of(vec![record(name, &format!("{round}")), record(name, "and")], Vec::new()))
            };
            let claims = if round % 2 == 0 { [claim("one"), claim("two")] } else { [claim("two"), claim("one")] };
            let mut answers = together(claims).await;
            if round % 2 == 1 {
                answers.reverse();
            }
            let winner = answers.iter().position(Result::is_ok).expect("one wins");
            assert!(
                matches!(answers[1 - winner], Err(AppendError::Moved { head }) if head == Seq(seq.0 + 2)),
                "{answers:?}"
            );
            won[winner] += 1;
            seq = *answers[winner].as_ref().unwrap();
        }
        assert!(won.iter().all(|won| *won > 0), "{won:?}");
        let log = store.log(&first.project, &first.session, LogQuery::after(Seq(0))).await.unwrap();
        for pair in log.chunks(2) {
            assert_eq!(pair[0].record.kind, pair[1].record.kind, "no claim stands between another's records");
        }
        assert_eq!(store.verify(&first.project, &first.session).await.unwrap(), Seq(100));
    });
}

/// An epoch that was never given is as wrong as an old one.
#[test]
fn f10_a_node_cannot_name_an_epoch_of_its_own() {
    let data = Data::new();
    block_on(async {
        let store = data.open();
        let mut writer = Writer::new(&store, "p", "sess_1").await;
        writer.epoch = Epoch(writer.epoch.0 + 1);
        let answer = writer.try_append(vec![record("a", "1")], Vec::new()).await;
        assert!(matches!(answer, Err(AppendError::Fenced)), "{answer:?}");
    });
}
