//! Ids of responses and conversations. They say where the thing is, so no table has to: a response is a turn, named by
//! its session and the record that began it.

use crate::failure::Failure;
use types::{Seq, SessionId};

/// Characters of an id that an error says back.
const SHOWN: usize = 64;

/// Where a response is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub session: SessionId,
    /// Of the record that began its turn.
    pub seq: Seq,
}

impl Place {
    /// `resp_<session>t<seq>`.
    pub fn id(&self) -> String {
        format!("resp_{}t{}", self.session.digits(), self.seq)
    }

    /// Only our own form counts: what would print otherwise names nothing.
    pub fn parse(id: &str) -> Option<Self> {
        let (digits, seq) = id.strip_prefix("resp_")?.split_once('t')?;
        let place = Self { session: session(digits)?, seq: Seq(seq.parse().ok()?) };
        (place.id() == id).then_some(place)
    }
}

fn session(digits: &str) -> Option<SessionId> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (digits.len() == 24 && digits.bytes().all(is_hex)).then(|| SessionId::new(format!("sess_{digits}")))
}

/// The session of `conv_<session>`.
pub fn conversation(id: &str) -> Option<SessionId> {
    session(id.strip_prefix("conv_")?)
}

/// The other way.
pub fn conversation_id(session: &SessionId) -> String {
    format!("conv_{}", session.digits())
}

/// The session of an item that was made here: `msg_<session>e…`.
pub fn session_of_item(id: &str) -> Option<SessionId> {
    let (_, rest) = id.split_once('_')?;
    session(rest.get(..24)?)
}

/// 404: nothing has this id, or nothing of this project's.
pub fn unknown(id: &str) -> Failure {
    Failure::not_found(format!("Response with id '{}' not found.", clip(id)))
}

/// 400: there is nothing to go on from.
pub fn unknown_previous(id: &str) -> Failure {
    let message = format!("Previous response with id '{}' not found.", clip(id));
    Failure::invalid_as("previous_response_not_found", message).at("previous_response_id")
}

/// 404: no conversation has this id.
pub fn unknown_conversation(id: &str) -> Failure {
    Failure::not_found(format!("Conversation with id '{}' not found.", clip(id))).at("conversation")
}

/// 400: something else is done in the conversation.
pub fn locked() -> Failure {
    let message = "Another process is currently operating on this conversation. Please retry in a few seconds.";
    Failure::invalid_as("conversation_locked", message)
}

fn clip(id: &str) -> String {
    id.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_where_a_response_is() {
        let id = format!("resp_{}t12", "0a".repeat(12));
        let place = Place::parse(&id).unwrap();
        assert_eq!((place.session.digits(), place.seq), ("0a".repeat(12).as_str(), Seq(12)));
        assert_eq!(place.id(), id);
        let digits = "0a".repeat(12);
        for wrong in [
            String::new(),
            "resp_".to_owned(),
            format!("resp_{digits}"),
            format!("resp_{digits}t"),
            format!("resp_{digits}t012"),
            format!("resp_{digits}t+1"),
            format!("resp_{digits}t99999999999999999999"),
            format!("resp_{}t1", digits.to_uppercase()),
            format!("resp_{digits}0t1"),
            format!("sess_{digits}t1"),
        ] {
            assert_eq!(Place::parse(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn items_and_conversations_name_their_session() {
        let digits = "0a".repeat(12);
        assert_eq!(session_of_item(&format!("msg_{digits}e1a0i0")).unwrap().digits(), digits);
        assert_eq!(conversation(&format!("conv_{digits}")).unwrap().digits(), digits);
        for wrong in ["", "msg", "msg_1", "conv_1", "msg_äöüäöüäöüäöüäöüäöüäöüäöü"] {
            assert_eq!((session_of_item(wrong), conversation(wrong)), (None, None), "{wrong}");
        }
    }
}
