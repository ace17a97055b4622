//! Heads, tombstones, and what start-up goes through.

use super::{Writer, item, record, turn};
use crate::{AppendError, LogQuery, SideWrite, Store};
use std::sync::Arc;
use types::{ItemId, Seq, SessionId, TurnId};

pub async fn suite(store: &Arc<dyn Store>) {
    a_head_is_what_was_written_last(store).await;
    settings_are_what_was_written_last(store).await;
    a_deleted_session_is_a_tombstone(store).await;
    unfinished_work_is_found(store).await;
}

pub async fn a_head_is_what_was_written_last(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "sessions-head", "sess_1").await;
    assert_eq!(store.session(&writer.project, &writer.session).await.unwrap(), None);
    assert_eq!(store.head(&writer.project, &writer.session).await.unwrap(), None);
    writer.settings.metadata.insert("k".into(), "v".into());
    writer.append(vec![record("session_created", "{}")]).await;
    let row = store.session(&writer.project, &writer.session).await.unwrap().unwrap();
    assert_eq!((&row.head, &*row.settings), (&writer.head(Seq(1)), &writer.settings));

    let mut head = writer.head(Seq(2));
    head.status = types::SessionStatus::Failed;
    head.error = Some("a \u{0} and an é".into());
    let mut append = writer.append_of(vec![record("session_failed", "{}")], Vec::new());
    append.side = vec![SideWrite::Head { head: Box::new(head.clone()), settings: None }];
    store.append(append).await.unwrap();
    let row = store.session(&writer.project, &writer.session).await.unwrap().unwrap();
    assert_eq!((&row.head, &*row.settings), (&head, &writer.settings), "settings stay where none came");
    assert_eq!(store.head(&writer.project, &writer.session).await.unwrap(), Some(head), "the head alone");
}

/// Whatever a store keeps of settings that it has read: what it answers is what was written last.
pub async fn settings_are_what_was_written_last(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "sessions-settings", "sess_1").await;
    let session = writer.session.clone();
    for text in ["a", "b", "a"] {
        writer.settings.agent.instructions = Some(text.repeat(40_000));
        let (head, settings) = (writer.head(writer.seq.next()), writer.settings.clone());
        let mut append = writer.append_of(vec![record("session_updated", "{}")], Vec::new());
        append.side = vec![SideWrite::Head { head: Box::new(head), settings: Some(Box::new(settings.clone())) }];
        writer.seq = store.append(append).await.unwrap();
        for _ in 0..2 {
            let row = store.session(&writer.project, &session).await.unwrap().unwrap();
            assert!(*row.settings == settings, "as of {text}");
        }
    }
}

pub async fn a_deleted_session_is_a_tombstone(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "sessions-delete", "sess_1").await;
    let (project, session) = (writer.project.clone(), writer.session.clone());
    assert!(!writer.delete().await.unwrap(), "one that never was");
    assert!(!store.is_deleted(&project, &session).await.unwrap());
    writer.append(vec![turn("turn_1"), item("turn_1", "msg_1")]).await;
    assert!(!store.is_deleted(&project, &session).await.unwrap());
    writer.seq = Seq(1);
    let refused = writer.delete().await;
    assert!(matches!(refused, Err(AppendError::Moved { head: Seq(2) })), "{refused:?}");
    writer.seq = Seq(2);
    assert!(writer.delete().await.unwrap());
    writer.seq = Seq(1);
    assert!(writer.delete().await.unwrap(), "again, from wherever");

    assert!(store.is_deleted(&project, &session).await.unwrap());
    assert_eq!(store.session(&project, &session).await.unwrap(), None);
    assert_eq!(store.head(&project, &session).await.unwrap(), None);
    assert_eq!(store.log(&project, &session, LogQuery::after(Seq(0))).await.unwrap(), []);
    assert_eq!(store.turn_seq(&project, &session, &TurnId::from("turn_1")).await.unwrap(), None);
    assert_eq!(store.item_seq(&project, &session, &ItemId::from("msg_1")).await.unwrap(), None);
    for seq in [0, 2] {
        writer.seq = Seq(seq);
        let refused = writer.try_append(vec![record("a", "{}")], Vec::new()).await;
        assert!(matches!(refused, Err(AppendError::Deleted)), "{refused:?}");
    }
}

pub async fn unfinished_work_is_found(store: &Arc<dyn Store>) {
    let mut first = Writer::new(store, "sessions-work", "sess_1").await;
    let mut second = first.beside("sess_2");
    let mut idle = first.beside("sess_3");
    (first.needs_work, second.needs_work) = (true, true);
    for writer in [&mut first, &mut second, &mut idle] {
        writer.append(vec![record("session_created", "{}")]).await;
    }
    let project = first.project.clone();
    let unfinished = async || {
        let all = store.unfinished().await.unwrap();
        all.into_iter().filter(|(owner, _)| *owner == project).map(|(_, session)| session).collect::<Vec<_>>()
    };
    assert_eq!(unfinished().await, [SessionId::from("sess_1"), SessionId::from("sess_2")]);
    second.needs_work = false;
    second.append(vec![record("turn_ended", "{}")]).await;
    assert_eq!(unfinished().await, [SessionId::from("sess_1")]);
    first.delete().await.unwrap();
    assert_eq!(unfinished().await, []);
}
