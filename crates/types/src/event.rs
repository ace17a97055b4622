//! Neutral events: what doors see of a session. They are derived, never stored; an event's id is a position.

use crate::effect::Attempt;
use crate::id::{ItemId, Seq, TurnId};
use crate::item::{Item, Origin};
use crate::session::{SessionView, TurnError, TurnView};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// One event of a session's stream.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    pub id: EventId,
    pub body: EventBody,
}

#[derive(Clone, PartialEq, Debug)]
pub enum EventBody {
    SessionCreated(SessionView),
    SessionInProgress(SessionView),
    SessionIdle(SessionView),
    SessionRequiresAction(SessionView),
    SessionBudgetReached(SessionView),
    SessionFailed(SessionView),
    TurnCreated(TurnView),
    TurnInProgress(TurnView),
    TurnCompleted(TurnView),
    TurnFailed(TurnView),
    TurnCancelled(TurnView),
    /// Said before the `TurnFailed` or `SessionFailed` that it explains.
    Error(TurnError),
    /// A whole item, from its record.
    ItemAdded(Arc<Item>),
    ItemDone(Arc<Item>),
    /// An output item that has only begun, from a draft.
    DraftAdded {
        item: ItemId,
        kind: ItemKind,
        turn: TurnId,
        output_index: u32,
    },
    /// A drafted item whose attempt was abandoned; nothing more of it will come.
    DraftDropped {
        item: ItemId,
        kind: ItemKind,
        turn: TurnId,
        output_index: u32,
    },
    /// `part` is the content index of a message (0) or the summary index of a reasoning item.
    PartAdded {
        item: ItemId,
        kind: ItemKind,
        turn: TurnId,
        output_index: u32,
        part: u32,
    },
    Delta {
        item: ItemId,
        kind: ItemKind,
        turn: TurnId,
        output_index: u32,
        part: u32,
        text: String,
    },
    TextDone {
        item: Arc<Item>,
        kind: ItemKind,
        part: u32,
    },
    PartDone {
        item: Arc<Item>,
        kind: ItemKind,
        part: u32,
    },
    /// All that was drafted by this attempt and is not in a record will never come. Doors never see it: the cursor
    /// turns it into `DraftDropped` for what its reader has seen.
    AttemptDropped {
        origin: Origin,
        turn: TurnId,
    },
}

/// The kinds of item that are streamed while they are said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ItemKind {
    Message,
    Reasoning,
}

impl ItemKind {
    pub fn id_prefix(self) -> &'static str {
        match self {
            Self::Message => "msg",
            Self::Reasoning => "rs",
        }
    }
}

/// A position in a session's stream; a reader that names it has everything up to and including it.
///
/// Text form: `evt_<seq>_<k>` for the k-th event of a record, and
/// `evt_<seq>_<output index><m|r>_<effect>_<attempt>_<offset>` for a frame of a draft that was open after record `seq`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EventId {
    Record { seq: Seq, index: u32 },
    Draft { seq: Seq, position: DraftPosition },
}

impl EventId {
    /// Nothing read yet.
    pub const START: Self = Self::Record { seq: Seq(0), index: 0 };
}

/// How much of a draft was read. Offsets count what was said of the item: 1 for its beginning, 1 for the beginning of
/// each part, and the bytes of text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DraftPosition {
    pub output_index: u32,
    pub kind: ItemKind,
    pub origin: OriginKey,
    pub offset: u64,
}

/// [`Origin`] in an order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct OriginKey {
    pub effect: u64,
    pub attempt: u32,
}

impl From<Origin> for OriginKey {
    fn from(origin: Origin) -> Self {
        Self { effect: origin.effect.0, attempt: origin.attempt.0 }
    }
}

impl From<OriginKey> for Origin {
    fn from(key: OriginKey) -> Self {
        Self { effect: crate::id::EffectId(key.effect), attempt: Attempt(key.attempt) }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record { seq, index } => write!(f, "evt_{:010}_{index:04}", seq.0),
            Self::Draft { seq, position } => write!(
                f,
                "evt_{:010}_{:04}{}_{}_{}_{:08}",
                seq.0,
                position.output_index,
                match position.kind {
                    ItemKind::Message => 'm',
                    ItemKind::Reasoning => 'r',
                },
                position.origin.effect,
                position.origin.attempt,
                position.offset
            ),
        }
    }
}

/// The text is no event id of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAnEventId;

impl FromStr for EventId {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        fn number<T: FromStr>(digits: Option<&str>) -> Result<T, NotAnEventId> {
            let digits = digits.ok_or(NotAnEventId)?;
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(NotAnEventId);
            }
            digits.parse().map_err(|_| NotAnEventId)
        }
        let mut parts = text.strip_prefix("evt_").ok_or(NotAnEventId)?.split('_');
        let seq = Seq(number(parts.next())?);
        let second = parts.next().ok_or(NotAnEventId)?;
        let kind = match second.as_bytes().last() {
            Some(b'm') => Some(ItemKind::Message),
            Some(b'r') => Some(ItemKind::Reasoning),
            _ => None,
        };
        let id = match kind {
            None => Self::Record { seq, index: number(Some(second))? },
            Some(kind) => Self::Draft {
                seq,
                position: DraftPosition {
                    output_index: number(Some(&second[..second.len() - 1]))?,
                    kind,
                    origin: OriginKey { effect: number(parts.next())?, attempt: number(parts.next())? },
                    offset: number(parts.next())?,
                },
            },
        };
        // Only our own form: an id that would print otherwise was not made here.
        if parts.next().is_some() || id.to_string() != text { Err(NotAnEventId) } else { Ok(id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse() {
        let record = EventId::Record { seq: Seq(12), index: 3 };
        let draft = EventId::Draft {
            seq: Seq(12),
            position: DraftPosition {
                output_index: 1,
                kind: ItemKind::Reasoning,
                origin: OriginKey { effect: 4, attempt: 2 },
                offset: 77,
            },
        };
        assert_eq!(record.to_string(), "evt_0000000012_0003");
        assert_eq!(draft.to_string(), "evt_0000000012_0001r_4_2_00000077");
        for id in [record, draft] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for wrong in
            ["", "evt_", "evt_1_0", "evt_0000000012_0003_1", "evt_+000000012_0003", "evt_0000000012_0001m_4_2", "42"]
        {
            assert_eq!(wrong.parse::<EventId>(), Err(NotAnEventId), "{wrong}");
        }
    }
}
