//! What the store in memory may lose, and what it may not.

use crate::{MemStore, Sim};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::contract::{Writer, record};
use store::{AppendError, Error, LogQuery, Store};
use types::Seq;

async fn log(writer: &Writer) -> usize {
    writer.store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap().len()
}

/// One crash at a moment of the seed's choosing: how many appends were answered, and how many are there after.
fn crash(seed: u64) -> (usize, usize) {
    let sim = Sim::new(seed);
    let memory = MemStore::new(&sim);
    let store: Arc<dyn Store> = memory.clone();
    let answered = Arc::new(Mutex::new(0));
    let told = answered.clone();
    let kept = sim.run(async {
        let mut writer = Writer::new(&store, "p", "sess_1").await;
        let after = writer.beside("sess_1");
        let task = async move {
            while writer.try_append(vec![record("a", "{}")], Vec::new()).await.is_ok() {
                *told.lock().unwrap() += 1;
            }
        };
        sim.spawn().spawn("writer", Box::pin(task));
        let mut byte = [0];
        sim.entropy().fill(&mut byte);
        sim.clock().sleep(Duration::from_millis(u64::from(byte[0]))).await;
        memory.crash();
        sim.kill();
        assert_eq!(memory.in_flight(), 0);
        assert!(memory.is_healthy());
        assert_eq!(store.verify(&after.project, &after.session).await.unwrap().0, log(&after).await as u64);
        log(&after).await
    });
    (*answered.lock().unwrap(), kept.unwrap())
}

#[test]
fn a_crash_loses_nothing_that_was_answered() {
    let mut differences = BTreeSet::new();
    for seed in 0..100 {
        let (answered, kept) = crash(seed);
        assert!(kept == answered || kept == answered + 1, "seed {seed}: {answered} answered, {kept} kept");
        differences.insert(kept - answered);
    }
    assert_eq!(differences, BTreeSet::from([0, 1]), "what was on its way is lost by one seed and kept by another");
    assert_eq!(crash(7), crash(7));
}

#[test]
fn a_failed_commit_stops_the_store_until_it_crashes() {
    let mut outcomes = BTreeSet::new();
    for seed in 0..20 {
        let sim = Sim::new(seed);
        let memory = MemStore::new(&sim);
        let store: Arc<dyn Store> = memory.clone();
        let kept = sim.run(async {
            let mut writer = Writer::new(&store, "p", "sess_1").await;
            writer.append(vec![record("a", "{}")]).await;
            memory.fail_next_commit();
            let failed = writer.try_append(vec![record("b", "{}")], Vec::new()).await;
            assert!(matches!(failed, Err(AppendError::Store(Error::Stopped(_)))), "{failed:?}");
            assert!(!store.is_healthy());
            let read = store.session(&writer.project, &writer.session).await;
            assert!(matches!(read, Err(Error::Stopped(_))), "{read:?}");
            let again = writer.try_append(vec![record("b", "{}")], Vec::new()).await;
            assert!(matches!(again, Err(AppendError::Store(Error::Stopped(_)))), "{again:?}");
            memory.crash();
            assert!(store.is_healthy());
            log(&writer).await
        });
        outcomes.insert(kept.unwrap());
    }
    assert_eq!(outcomes, BTreeSet::from([1, 2]), "a failed commit was written by one seed and not by another");
}

/// As on disk: the write is on its way, with or without somebody who waits for it.
#[test]
fn a_write_outlives_its_caller() {
    let sim = Sim::new(1);
    let store: Arc<dyn Store> = MemStore::new(&sim);
    let kept = sim.run(async {
        let writer = Writer::new(&store, "p", "sess_1").await;
        let mut append = store.append(writer.append_of(vec![record("a", "{}")], Vec::new()));
        std::future::poll_fn(|context| {
            assert!(append.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        drop(append);
        log(&writer).await
    });
    assert_eq!(kept, Ok(1));
}
