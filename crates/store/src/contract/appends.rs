//! Appends: the expected head, epochs, all or nothing, idempotency keys, timers.

use super::{Writer, record, together};
use crate::{AppendError, Idempotency, LogQuery, SideWrite, Store};
use std::sync::Arc;
use types::{Encoded, Epoch, MicroUsd, Seq, SessionId, Timestamp};

pub async fn suite(store: &Arc<dyn Store>) {
    numbers_follow_the_expected_head(store).await;
    of_two_writers_one_moves_the_other(store).await;
    an_older_epoch_is_fenced(store).await;
    a_refused_append_leaves_nothing(store).await;
    a_session_needs_a_head(store).await;
    a_key_is_taken_until_it_expires(store).await;
    a_session_has_one_timer(store).await;
}

pub async fn numbers_follow_the_expected_head(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "appends-numbers", "sess_1").await;
    assert_eq!(writer.append(vec![record("a", "1"), record("b", "2")]).await, Seq(2));
    assert_eq!(writer.append(vec![record("c", "3")]).await, Seq(3));
    assert_eq!(writer.append(Vec::new()).await, Seq(3), "an append without records moves nothing");
    let log = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
    let seqs: Vec<u64> = log.iter().map(|stored| stored.seq.0).collect();
    assert_eq!(seqs, [1, 2, 3]);
    for wrong in [0, 2, 4, u64::MAX] {
        writer.seq = Seq(wrong);
        let refused = writer.try_append(vec![record("d", "4")], Vec::new()).await;
        assert!(matches!(refused, Err(AppendError::Moved { head: Seq(3) })), "expected {wrong}: {refused:?}");
    }
    let mut missing = writer.beside("sess_2");
    missing.seq = Seq(1);
    let refused = missing.try_append(vec![record("d", "4")], Vec::new()).await;
    assert!(matches!(refused, Err(AppendError::Moved { head: Seq(0) })), "{refused:?}");
}

pub async fn of_two_writers_one_moves_the_other(store: &Arc<dyn Store>) {
    let writer = Writer::new(store, "appends-race", "sess_1").await;
    let tries = (0..8).map(|n| store.append(writer.append_of(vec![record("a", &n.to_string())], Vec::new())));
    let answers = together(tries).await;
    let taken = answers.iter().filter(|answer| matches!(answer, Ok(Seq(1)))).count();
    let moved = answers.iter().filter(|answer| matches!(answer, Err(AppendError::Moved { head: Seq(1) }))).count();
    assert_eq!((taken, moved), (1, 7), "{answers:?}");
    let log = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
    assert_eq!(log.len(), 1);
}

pub async fn an_older_epoch_is_fenced(store: &Arc<dyn Store>) {
    let mut old = Writer::new(store, "appends-epoch", "sess_1").await;
    old.append(vec![record("a", "1")]).await;
    let new = store.begin_epoch().await.unwrap();
    assert!(new > old.epoch);
    let refused = old.try_append(vec![record("b", "2")], Vec::new()).await;
    assert!(matches!(refused, Err(AppendError::Fenced)), "{refused:?}");
    let refused = old.delete().await;
    assert!(matches!(refused, Err(AppendError::Fenced)), "{refused:?}");
    old.epoch = Epoch(new.0 + 1);
    let refused = old.try_append(vec![record("b", "2")], Vec::new()).await;
    assert!(matches!(refused, Err(AppendError::Fenced)), "an epoch that nobody took: {refused:?}");
    old.epoch = new;
    assert_eq!(old.append(vec![record("b", "2")]).await, Seq(2));
}

/// Whatever refuses an append, none of what stood before the refusal is left.
pub async fn a_refused_append_leaves_nothing(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "appends-nothing", "sess_1").await;
    writer.append(vec![record("a", "1")]).await;
    writer.side(SideWrite::Limit { account: "poor".into(), limit: Some(MicroUsd(5)) }).await.unwrap();
    let before = store.session(&writer.project, &writer.session).await.unwrap();
    writer.needs_work = true;
    let side = vec![
        SideWrite::Reserve { account: "rich".into(), key: "k".into(), amount: MicroUsd(7) },
        SideWrite::Settle { account: "rich".into(), key: "l".into(), spent: MicroUsd(7) },
        SideWrite::Timer { at: Some(Timestamp(1)) },
        answer("r", "k", "h", 9_000),
        SideWrite::Reserve { account: "poor".into(), key: "k".into(), amount: MicroUsd(6) },
    ];
    let refused = writer.try_append(vec![record("b", "2")], side).await;
    let Err(AppendError::OverBudget { account }) = refused else { panic!("{refused:?}") };
    assert_eq!(account, "poor");

    let (project, session) = (&writer.project, &writer.session);
    assert_eq!(store.session(project, session).await.unwrap(), before);
    assert_eq!(store.log(project, session, LogQuery::after(Seq(0))).await.unwrap().len(), 1);
    assert_eq!(store.account(project, "rich").await.unwrap(), None);
    assert_eq!(store.idempotency(project, "r", session, "k", Timestamp(0)).await.unwrap(), None);
    assert!(!store.due_timers(Timestamp(u64::MAX)).await.unwrap().iter().any(|(owner, ..)| owner == project));
    assert!(!store.unfinished().await.unwrap().iter().any(|(owner, _)| owner == project));
    writer.needs_work = false;
    assert_eq!(writer.append(vec![record("b", "2")]).await, Seq(2));
}

/// A session that nobody could list is not made.
pub async fn a_session_needs_a_head(store: &Arc<dyn Store>) {
    let writer = Writer::new(store, "appends-head", "sess_1").await;
    let whole = writer.append_of(vec![record("a", "1")], Vec::new());
    let mut headless = whole.clone();
    headless.side.clear();
    assert!(matches!(store.append(headless).await, Err(AppendError::Store(_))));
    let mut bare = whole.clone();
    for write in &mut bare.side {
        if let SideWrite::Head { settings, .. } = write {
            *settings = None;
        }
    }
    assert!(matches!(store.append(bare).await, Err(AppendError::Store(_))));
    assert_eq!(store.session(&writer.project, &writer.session).await.unwrap(), None);
    assert_eq!(store.append(whole).await.unwrap(), Seq(1));
}

fn answer(route: &str, key: &str, body_hash: &str, expires: u64) -> SideWrite {
    SideWrite::Idempotency {
        route: route.into(),
        key: key.into(),
        answer: Idempotency { body_hash: body_hash.into(), status: 202, body: vec![0, 255] },
        expires: Timestamp(expires),
    }
}

/// Records carry the time against which a key expires.
pub async fn a_key_is_taken_until_it_expires(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "appends-idempotency", "sess_1").await;
    let at = |at: u64| vec![Encoded { at: Timestamp(at), ..record("a", "1") }];
    writer.try_append(at(1_000), vec![answer("events", "k", "first", 5_000)]).await.unwrap();
    let refused = writer.try_append(at(4_999), vec![answer("events", "k", "first", 8_999)]).await;
    assert!(matches!(refused, Err(AppendError::IdempotencyTaken)), "{refused:?}");
    writer.try_append(at(2_000), vec![answer("other", "k", "route", 6_000)]).await.unwrap();
    writer.try_append(at(2_000), vec![answer("events", "K", "case", 6_000)]).await.unwrap();

    let (project, session) = (writer.project.clone(), writer.session.clone());
    let recall = async |route: &str, session: &SessionId, key: &str, now: u64| {
        let found = store.idempotency(&project, route, session, key, Timestamp(now)).await.unwrap();
        found.map(|answer| (answer.body_hash, answer.status, answer.body))
    };
    let first = Some(("first".to_owned(), 202, vec![0, 255]));
    assert_eq!(recall("events", &session, "k", 1_000).await, first);
    assert_eq!(recall("events", &session, "k", 4_999).await, first);
    assert_eq!(recall("events", &session, "k", 5_000).await, None);
    assert_eq!(recall("events", &SessionId::from("sess_2"), "k", 1_000).await, None);
    assert_eq!(recall("other", &session, "k", 1_000).await.unwrap().0, "route");
    assert_eq!(recall("events", &session, "K", 1_000).await.unwrap().0, "case");

    writer.try_append(at(5_000), vec![answer("events", "k", "second", 9_000)]).await.unwrap();
    assert_eq!(recall("events", &session, "k", 5_000).await.unwrap().0, "second");
}

pub async fn a_session_has_one_timer(store: &Arc<dyn Store>) {
    let mut first = Writer::new(store, "appends-timers", "sess_1").await;
    let mut second = first.beside("sess_2");
    first.try_append(vec![record("a", "1")], vec![SideWrite::Timer { at: Some(Timestamp(300)) }]).await.unwrap();
    second.try_append(vec![record("a", "1")], vec![SideWrite::Timer { at: Some(Timestamp(200)) }]).await.unwrap();
    let project = first.project.clone();
    let due = async |now: u64| {
        let due = store.due_timers(Timestamp(now)).await.unwrap();
        let ours = due.into_iter().filter(|(owner, ..)| *owner == project);
        ours.map(|(_, session, at)| (session.as_str().to_owned(), at.0)).collect::<Vec<_>>()
    };
    let (one, two) = (|at| ("sess_1".to_owned(), at), |at| ("sess_2".to_owned(), at));
    assert_eq!(due(199).await, []);
    assert_eq!(due(200).await, [two(200)]);
    assert_eq!(due(1_000).await, [two(200), one(300)]);
    first.side(SideWrite::Timer { at: Some(Timestamp(100)) }).await.unwrap();
    assert_eq!(due(1_000).await, [one(100), two(200)]);
    first.side(SideWrite::Timer { at: None }).await.unwrap();
    assert_eq!(due(1_000).await, [two(200)]);
    assert!(second.delete().await.unwrap());
    assert_eq!(due(1_000).await, []);
}
