//! Nothing of one project is ever visible in another, and a foreign id answers as a missing one does.

use super::{Writer, item, page, turn};
use crate::{Direction, Error, Idempotency, LogQuery, Row, SessionFilter, SideWrite, Store};
use std::sync::Arc;
use types::{ItemId, MicroUsd, ProjectId, Seq, SessionId, Timestamp, TurnId};

pub async fn suite(store: &Arc<dyn Store>) {
    a_foreign_session_is_a_missing_one(store).await;
    two_projects_may_use_the_same_names(store).await;
}

async fn furnish(store: &Arc<dyn Store>, project: &str) -> Writer {
    let mut writer = Writer::new(store, project, "sess_1").await;
    let answer = Idempotency { body_hash: project.into(), status: 202, body: Vec::new() };
    let side = vec![
        SideWrite::Idempotency { route: "r".into(), key: "k".into(), answer, expires: Timestamp(u64::MAX) },
        SideWrite::Settle { account: "a".into(), key: "k".into(), spent: MicroUsd(project.len() as u64) },
    ];
    writer.try_append(vec![turn("turn_1"), item("turn_1", "msg_1")], side).await.unwrap();
    let row = Row { collection: "c".into(), id: "row_1".into(), created_at: Timestamp(1), body: project.into() };
    store.put_row(&writer.project, row, true).await.unwrap();
    writer
}

pub async fn a_foreign_session_is_a_missing_one(store: &Arc<dyn Store>) {
    let mine = furnish(store, "tenants-mine").await;
    let other = ProjectId::from("tenants-other");
    for session in [&mine.session, &SessionId::from("sess_none")] {
        assert_eq!(store.session(&other, session).await.unwrap(), None);
        assert_eq!(store.head(&other, session).await.unwrap(), None);
        assert_eq!(store.log(&other, session, LogQuery::after(Seq(0))).await.unwrap(), []);
        assert_eq!(store.turn_seq(&other, session, &TurnId::from("turn_1")).await.unwrap(), None);
        assert_eq!(store.item_seq(&other, session, &ItemId::from("msg_1")).await.unwrap(), None);
        assert_eq!(store.verify(&other, session).await.unwrap(), Seq(0));
        let deleted = store.delete_session(&other, session, Seq(2), mine.epoch, Timestamp(1)).await;
        assert!(!deleted.unwrap());
        assert!(!store.is_deleted(&other, session).await.unwrap());
        let answer = store.idempotency(&other, "r", session, "k", Timestamp(0)).await.unwrap();
        assert_eq!(answer, None);
        let cursor = page(Some(session.as_str()), 10, Direction::Ascending);
        let refused = store.sessions(&other, SessionFilter::default(), cursor).await;
        assert!(matches!(refused, Err(Error::NoSuchCursor)), "{refused:?}");
    }
    assert_eq!(store.account(&other, "a").await.unwrap(), None);
    assert_eq!(store.row(&other, "c", "row_1").await.unwrap(), None);
    assert!(!store.delete_row(&other, "c", "row_1", Timestamp(1)).await.unwrap());
    for cursor in ["row_1", "row_none"] {
        let refused = store.rows(&other, "c", page(Some(cursor), 10, Direction::Ascending)).await;
        assert!(matches!(refused, Err(Error::NoSuchCursor)), "{refused:?}");
    }
    let hash = store.put_blob(&mine.project, b"mine".to_vec()).await.unwrap();
    assert_eq!(store.blob(&other, &hash).await.unwrap(), None);
    // And all that was tried has changed nothing.
    assert!(store.session(&mine.project, &mine.session).await.unwrap().is_some());
    assert!(store.row(&mine.project, "c", "row_1").await.unwrap().is_some());
}

pub async fn two_projects_may_use_the_same_names(store: &Arc<dyn Store>) {
    let first = furnish(store, "tenants-a").await;
    let second = furnish(store, "tenants-bb").await;
    for writer in [&first, &second] {
        let name = writer.project.as_str();
        let log = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
        assert_eq!(log.len(), 2);
        let answer = store.idempotency(&writer.project, "r", &writer.session, "k", Timestamp(0)).await.unwrap();
        assert_eq!(answer.unwrap().body_hash, name);
        let account = store.account(&writer.project, "a").await.unwrap().unwrap();
        assert_eq!(account.spent.0, name.len() as u64);
        let row = store.row(&writer.project, "c", "row_1").await.unwrap().unwrap();
        assert_eq!(row.body, name.as_bytes());
        let all = page(None, 10, Direction::Ascending);
        let (sessions, more) = store.sessions(&writer.project, SessionFilter::default(), all).await.unwrap();
        assert_eq!((sessions.len(), more), (1, false));
        let first = store.verify(&writer.project, &writer.session).await.unwrap();
        assert_eq!(first, Seq(2));
    }
    let (one, two) = (
        store.log(&first.project, &first.session, LogQuery::after(Seq(0))).await.unwrap(),
        store.log(&second.project, &second.session, LogQuery::after(Seq(0))).await.unwrap(),
    );
    assert_ne!(one[0].hash, two[0].hash, "the project is part of the chain");
    store.delete_session(&second.project, &second.session, Seq(2), second.epoch, Timestamp(1)).await.unwrap();
    assert!(store.session(&first.project, &first.session).await.unwrap().is_some());
}
