//! Lists of sessions: order, cursors, filters.

use super::{Writer, check_pages, page, record, settings};
use crate::{Direction, Error, SessionFilter, SideWrite, Store};
use std::sync::Arc;
use types::{Door, Metadata, ProjectId, SessionId, Timestamp};

type Pairs = &'static [(&'static str, &'static str)];

pub async fn suite(store: &Arc<dyn Store>) {
    sessions_are_listed_by_creation(store).await;
    deleted_sessions_are_cursors(store).await;
    filters_narrow_a_list(store).await;
    a_filter_follows_the_settings(store).await;
    a_list_is_of_one_door(store).await;
}

async fn create(writer: &Writer, session: &str, created_at: u64) -> Writer {
    let mut next = writer.beside(session);
    next.created_at = Timestamp(created_at);
    next.append(vec![record("session_created", "{}")]).await;
    next
}

async fn ids(
    store: &Arc<dyn Store>,
    project: &ProjectId,
    filter: &SessionFilter,
    page: crate::Page,
) -> (Vec<String>, bool) {
    let (heads, more) = store.sessions(project, filter.clone(), page).await.unwrap();
    (heads.into_iter().map(|row| row.head.session.as_str().to_owned()).collect(), more)
}

pub async fn sessions_are_listed_by_creation(store: &Arc<dyn Store>) {
    let writer = Writer::new(store, "lists-order", "sess_0").await;
    // Sessions of the same moment stay in the order in which they came, whatever their names are.
    for (session, at) in [("sess_d", 20), ("sess_z", 10), ("sess_a", 10), ("sess_c", 30), ("sess_b", 20)] {
        let mut made = create(&writer, session, at).await;
        // A later head does not move a session.
        made.created_at = Timestamp(99);
        made.append(vec![record("a", "{}")]).await;
    }
    let all = ["sess_z", "sess_a", "sess_d", "sess_b", "sess_c"];
    let none = SessionFilter::default();
    check_pages(&all, &[], async |page| ids(store, &writer.project, &none, page).await).await;
    let unknown = page(Some("sess_none"), 10, Direction::Ascending);
    let refused = store.sessions(&writer.project, none.clone(), unknown).await;
    assert!(matches!(refused, Err(Error::NoSuchCursor)), "{refused:?}");
    let empty = ids(store, &ProjectId::from("lists-empty"), &none, page(None, 1, Direction::Descending)).await;
    assert_eq!(empty, (Vec::new(), false));
}

pub async fn deleted_sessions_are_cursors(store: &Arc<dyn Store>) {
    let writer = Writer::new(store, "lists-deleted", "sess_0").await;
    for (session, at) in [("sess_1", 10), ("sess_2", 20), ("sess_3", 30), ("sess_4", 40)] {
        let made = create(&writer, session, at).await;
        if session == "sess_2" || session == "sess_4" {
            assert!(made.delete().await.unwrap());
        }
    }
    let none = SessionFilter::default();
    let places = [("sess_2", 1), ("sess_4", 2)];
    check_pages(&["sess_1", "sess_3"], &places, async |page| ids(store, &writer.project, &none, page).await).await;
}

pub async fn filters_narrow_a_list(store: &Arc<dyn Store>) {
    let writer = Writer::new(store, "lists-filters", "sess_0").await;
    let made: [(&str, &str, Pairs); 6] = [
        ("sess_1", "agent_a", &[("team", "red"), ("env", "prod")]),
        ("sess_2", "agent_b", &[("team", "red")]),
        ("sess_3", "agent_a", &[("team", "red"), ("env", "prod"), ("more", "")]),
        ("sess_4", "agent_a", &[]),
        ("sess_5", "agent_a", &[("team", "blue"), ("env", "prod")]),
        ("sess_6", "agent_a", &[("env", "red"), ("team", "prod")]),
    ];
    for (session, agent, pairs) in made {
        let mut made = writer.beside(session);
        made.settings = settings(agent);
        made.settings.metadata = metadata(pairs);
        made.append(vec![record("session_created", "{}")]).await;
    }
    let cases: [(Option<&str>, Pairs, &[&str]); 9] = [
        (Some("agent_a"), &[], &["sess_1", "sess_3", "sess_4", "sess_5", "sess_6"]),
        (Some("agent_c"), &[], &[]),
        (None, &[("team", "red")], &["sess_1", "sess_2", "sess_3"]),
        (None, &[("team", "red"), ("env", "prod")], &["sess_1", "sess_3"]),
        (None, &[("env", "prod"), ("team", "red"), ("team", "red")], &["sess_1", "sess_3"]),
        (Some("agent_b"), &[("team", "red")], &["sess_2"]),
        (None, &[("team", "red"), ("team", "blue")], &[]),
        (None, &[("more", "")], &["sess_3"]),
        (None, &[("team", "RED")], &[]),
    ];
    for (agent, pairs, want) in cases {
        let filter = SessionFilter {
            door: Door::Agents,
            agent_id: agent.map(str::to_owned),
            metadata: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        };
        check_pages(want, &[], async |page| ids(store, &writer.project, &filter, page).await).await;
        // The cursor need not match the filter.
        let (got, _) = ids(store, &writer.project, &filter, page(Some("sess_4"), 10, Direction::Ascending)).await;
        let later: Vec<&str> = want.iter().copied().filter(|id| *id > "sess_4").collect();
        assert_eq!(got, later, "{filter:?}");
    }
    let many = (0..1_000).map(|n| (format!("key {n}"), "x".to_owned())).collect();
    let filter = SessionFilter { metadata: many, ..SessionFilter::default() };
    let got = ids(store, &writer.project, &filter, page(None, 10, Direction::Ascending)).await;
    assert_eq!(got, (Vec::new(), false));
}

fn metadata(pairs: Pairs) -> Metadata {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub async fn a_filter_follows_the_settings(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "lists-changed", "sess_1").await;
    writer.settings.metadata = metadata(&[("stage", "old"), ("kept", "yes")]);
    writer.append(vec![record("session_created", "{}")]).await;
    let mut changed = writer.settings.clone();
    changed.metadata = metadata(&[("stage", "new"), ("kept", "yes")]);
    let head = Box::new(writer.head(writer.seq));
    writer.side(SideWrite::Head { head, settings: Some(Box::new(changed.clone())) }).await.unwrap();
    let matches = async |key: &str, value: &str| {
        let metadata = vec![(key.to_owned(), value.to_owned())];
        let filter = SessionFilter { metadata, ..SessionFilter::default() };
        ids(store, &writer.project, &filter, page(None, 10, Direction::Ascending)).await.0.len()
    };
    assert_eq!(matches("stage", "old").await, 0);
    assert_eq!(matches("stage", "new").await, 1);
    assert_eq!(matches("kept", "yes").await, 1);
    let row = store.session(&writer.project, &SessionId::from("sess_1")).await.unwrap().unwrap();
    assert_eq!(*row.settings, changed);
}

pub async fn a_list_is_of_one_door(store: &Arc<dyn Store>) {
    let writer = Writer::new(store, "lists-doors", "sess_0").await;
    let doors = [Door::Agents, Door::Responses, Door::Conversations, Door::Chat];
    for (n, door) in (0..12_u64).zip(doors.into_iter().cycle()) {
        let mut made = writer.beside(&format!("sess_{n:02}"));
        made.created_at = Timestamp(1_000 + n);
        made.settings.door = door;
        made.settings.metadata = metadata(&[("k", "v")]);
        made.append(vec![record("session_created", "{}")]).await;
    }
    let wants =
        [["sess_00", "sess_04", "sess_08"], ["sess_01", "sess_05", "sess_09"], ["sess_02", "sess_06", "sess_10"]];
    for (door, want) in doors.into_iter().zip(&wants) {
        for pairs in [Vec::new(), vec![("k".to_owned(), "v".to_owned())]] {
            let filter = SessionFilter { door, agent_id: Some("agent_1".to_owned()), metadata: pairs };
            check_pages(want, &[], async |page| ids(store, &writer.project, &filter, page).await).await;
            let filter = SessionFilter { agent_id: None, ..filter };
            check_pages(want, &[], async |page| ids(store, &writer.project, &filter, page).await).await;
        }
    }
    // Another door's session keeps a place all the same.
    let filter = SessionFilter::default();
    let (got, _) = ids(store, &writer.project, &filter, page(Some("sess_05"), 10, Direction::Ascending)).await;
    assert_eq!(got, ["sess_08"]);
}
