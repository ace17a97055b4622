//! Places in a stream, as clients send them back.

use types::{EventId, SessionId};

pub fn target(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let session = SessionId::new("sess_0a1b");
    let other = SessionId::new("sess_0a1c");
    for written in [text, &format!("evt_0a1b_{text}")] {
        if let Ok(id) = EventId::parse(written, &session) {
            assert_eq!(id.text(&session), written, "not our own form");
            assert!(EventId::parse(written, &other).is_err(), "a place of two sessions: {written}");
        }
    }
}
