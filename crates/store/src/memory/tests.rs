//! What this store adds to the contract: it forgets, and it is full.

use super::{Access, MemoryStore};
use crate::contract::{self, Writer, record, turn};
use crate::{AppendError, Error, Idempotency, LogQuery, SideWrite, Store};
use std::sync::Arc;
use types::{MicroUsd, Seq, Timestamp};

const MIB: usize = 1 << 20;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn stores(bytes: usize) -> (Arc<MemoryStore>, Arc<dyn Store>) {
    let memory = Arc::new(MemoryStore::new(bytes));
    (memory.clone(), memory)
}

#[test]
fn it_keeps_the_contract() {
    run(contract::suite(stores(64 * MIB).1));
}

/// A session with a bit of everything that an append can write.
async fn furnish(writer: &mut Writer) {
    let answer = Idempotency { body_hash: "h".into(), status: 200, body: vec![7; 100] };
    let account = writer.session.to_string();
    let side = vec![
        SideWrite::Idempotency { route: "r".into(), key: "k".into(), answer, expires: Timestamp(u64::MAX) },
        SideWrite::Limit { account: account.clone(), limit: Some(MicroUsd(9)) },
        SideWrite::Reserve { account: account.clone(), key: "1".into(), amount: MicroUsd(2) },
        SideWrite::Settle { account, key: "2".into(), spent: MicroUsd(1) },
        SideWrite::Timer { at: Some(Timestamp(5)) },
        SideWrite::Blob { hash: writer.store.put_blob(&writer.project, vec![3; 1000]).await.unwrap() },
    ];
    writer.try_append(vec![turn("turn_1"), record("a", &"x".repeat(50_000))], side).await.unwrap();
}

#[test]
fn what_is_deleted_is_gone() {
    run(async {
        let (memory, store) = stores(64 * MIB);
        let mut writer = Writer::new(&store, "p", "sess_1").await;
        furnish(&mut writer).await;
        assert!(memory.bytes() > 50_000);
        assert!(writer.delete().await.unwrap());
        assert_eq!(memory.bytes(), 0);
        let inside = |memory: &super::Memory| {
            let left = [
                memory.sessions.len(),
                memory.answers.len(),
                memory.expiries.len(),
                memory.accounts.len(),
                memory.reservations.len(),
                memory.timers.len(),
                memory.blobs.len(),
                memory.named.len(),
            ];
            Ok(left)
        };
        assert_eq!(Access::read(&*memory, inside).await.unwrap(), [0; 8]);
        assert!(store.is_deleted(&writer.project, &writer.session).await.unwrap());
        let again = writer.try_append(vec![record("a", "{}")], Vec::new()).await;
        assert!(matches!(again, Err(AppendError::Deleted)), "{again:?}");
    });
}

#[test]
fn what_a_fork_stands_on_goes_with_the_last_of_them() {
    run(async {
        let (memory, store) = stores(64 * MIB);
        let mut parent = Writer::new(&store, "p", "sess_1").await;
        furnish(&mut parent).await;
        let whole = memory.bytes();
        let mut forks = Vec::new();
        for (name, of) in [("sess_2", "sess_1"), ("sess_3", "sess_1"), ("sess_4", "sess_3")] {
            let mut fork = parent.fork(name, Seq(2));
            fork.base = Some((of.into(), Seq(2)));
            fork.append(vec![record("forked", "{}")]).await;
            forks.push(fork);
        }
        assert!(memory.bytes() < whole + 10_000, "nothing is copied");
        assert!(parent.delete().await.unwrap());
        for fork in &forks {
            let log = store.log(&fork.project, &fork.session, LogQuery::after(Seq(0))).await.unwrap();
            assert_eq!(log.len(), 3);
            assert_eq!(store.verify(&fork.project, &fork.session).await.unwrap(), Seq(3));
        }
        for fork in &forks {
            assert!(memory.bytes() > 50_000);
            assert!(fork.delete().await.unwrap());
        }
        assert_eq!(memory.bytes(), 0);
        assert!(store.is_deleted(&parent.project, &parent.session).await.unwrap());
    });
}

#[test]
fn it_is_full_until_something_is_deleted() {
    run(async {
        let (memory, store) = stores(MIB);
        let writer = Writer::new(&store, "p", "sess_0").await;
        let mut kept = Vec::new();
        let refused = loop {
            let mut next = writer.beside(&format!("sess_{}", kept.len() + 1));
            match next.try_append(vec![record("a", &"x".repeat(10_000))], Vec::new()).await {
                Ok(_) => kept.push(next),
                Err(error) => break error,
            }
        };
        assert!(matches!(&refused, AppendError::Store(Error::Failed(why)) if why.contains("full")), "{refused}");
        assert!((50..100).contains(&kept.len()), "{}", kept.len());
        assert!(store.is_healthy());
        let refused = store.put_blob(&writer.project, vec![0; MIB / 2]).await;
        assert!(matches!(refused, Err(Error::Failed(_))), "{refused:?}");
        // What has begun can end.
        kept[0].append(vec![record("b", &"x".repeat(10_000))]).await;
        let too_much = kept[0].try_append(vec![record("b", &"x".repeat(MIB))], Vec::new()).await;
        assert!(matches!(too_much, Err(AppendError::Store(Error::Failed(_)))), "{too_much:?}");
        for writer in &kept {
            writer.delete().await.unwrap();
        }
        assert_eq!(memory.bytes(), 0);
        let mut next = writer.beside("sess_next");
        next.append(vec![record("a", &"x".repeat(10_000))]).await;
    });
}

#[test]
fn only_so_many_tombstones_stand() {
    run(async {
        let (memory, store) = stores(MIB);
        let writer = Writer::new(&store, "p", "sess_0").await;
        for number in 0..super::TOMBSTONES + 2 {
            let mut next = writer.beside(&format!("sess_{number}"));
            next.append(vec![record("a", "{}")]).await;
            next.delete().await.unwrap();
        }
        let is_deleted = async |session: &str| store.is_deleted(&writer.project, &session.into()).await.unwrap();
        assert!(!is_deleted("sess_1").await);
        assert!(is_deleted("sess_2").await);
        assert_eq!(memory.bytes(), 0);
    });
}
