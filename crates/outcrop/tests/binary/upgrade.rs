//! A log that a newer outcrop went on with: it can be read, it is not run, and nothing of it is skipped.

use crate::server::{Place, SCRIPT};
use serde_json::json;
use store::{Append, LogQuery, Sqlite, Store};
use types::{Encoded, ProjectId, Seq, SessionId, Timestamp};

/// Writes a record as a newer binary would, while no server runs.
async fn write(place: &Place, session: &str, kind: &str, v: u32) {
    let store = Sqlite::open(&place.path().join("outcrop-data")).expect("a store");
    let epoch = store.begin_epoch().await.expect("an epoch");
    let (project, session) = (ProjectId::from("default"), SessionId::from(session));
    let log = store.log(&project, &session, LogQuery::after(Seq(0))).await.expect("a log");
    let record =
        Encoded { at: Timestamp(1), v, kind: kind.to_owned(), turn: None, item: None, body: b"{\"new\":1}".to_vec() };
    let expected = log.last().expect("records").seq;
    let at = Timestamp(1);
    let append = Append { project, session, epoch, at, expected, base: None, records: vec![record], side: Vec::new() };
    store.append(append).await.expect("written");
}

#[test]
fn f25_a_record_of_a_newer_outcrop_makes_a_session_readable_and_not_runnable() {
    let executor = tokio::runtime::Builder::new_current_thread().build().expect("an executor");
    for (kind, v, named) in [("session_dreamed", 1, "session_dreamed"), ("session_updated", 9, "version 9")] {
        let place = Place::new(SCRIPT);
        let mut server = place.serve(&[]);
        let newer = server.create_session("say hello");
        let plain = server.create_session("say hello");
        server.wait_until_idle(&newer);
        server.wait_until_idle(&plain);
        server.signal(rustix::process::Signal::TERM);
        server.end();
        executor.block_on(write(&place, &newer, kind, v));

        let server = place.serve(&[]);
        let say = |session: &str| {
            let message = json!({ "type": "agent.session.input.message", "input": [
                { "role": "user", "content": [{ "type": "input_text", "text": "say more" }] } ] });
            server.post(&format!("/v1/agents/sessions/{session}/events"), &json!({ "events": [message] })).0
        };
        assert_eq!(say(&newer), 500, "it is not run");
        assert_eq!(say(&plain), 202, "its neighbours are");
        let items = server.get(&format!("/v1/agents/sessions/{newer}/items"), crate::server::KEY);
        assert!(items.0 == 200 && items.1.contains("hello"), "it can be read: {items:?}");
        let show = place.run(&["session", "show", &newer]).well();
        assert!(show.contains(named) && show.contains("newer outcrop"), "nothing is skipped in silence: {show}");
        assert!(show.contains("hello"), "{show}");
        // A backup carries it along as it is.
        place.run(&["backup", "the.backup"]).well();
        place.run(&["--data", "other", "restore", "the.backup"]).well();
        let show = place.run(&["--data", "other", "session", "show", &newer]).well();
        assert!(show.contains(named) && show.contains("diverged"), "{show}");
    }
}
