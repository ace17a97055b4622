//! Neutral events: what doors see of a session. They are derived, never stored; an event's id is a position.

mod printed;

pub use printed::{CommandPosition, CommandPositions};

use crate::effect::Attempt;
use crate::id::{EnvironmentId, ItemId, Seq, SessionId, TurnId};
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
    /// What is known of the session's environment, as its head says.
    Environment(SessionView),
    /// Its disk was replaced by a fresh one: what was on the old one is gone. Said before what it is from then on.
    EnvironmentReset {
        environment: EnvironmentId,
        count: u64,
    },
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
    /// What a command printed: while it runs, or, before the `ItemDone` of its outcome, what is shown of it beyond that.
    CommandOutput {
        item: ItemId,
        turn: TurnId,
        output_index: u32,
        text: String,
    },
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
    /// All that was drafted by this attempt and is not in a record will never come. It comes after the `DraftDropped` of
    /// what its reader has seen, also to one that has seen nothing.
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
/// Text form, with the session's digits in it: `evt_<session>_<seq>_<k>` for the k-th event of a record, followed by
/// `_<position>` where its reader was within a draft; and `evt_<session>_<seq>_<position>` for a frame of a draft that
/// was open after record `seq`. A position is `<output index><m|r><earlier>_<effect>_<attempt>_<offset>`, where `earlier`
/// is a hexadecimal number, or nothing for none; or, of commands that run,
/// `<output index>c<digest>_<effect>_<attempt>_<offset>` for each, joined by `_`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum EventId {
    /// The `index`-th event of a record; `draft` is how far its reader was in a draft whose outcome it had not read.
    Record {
        seq: Seq,
        index: u32,
        draft: Option<DraftPlace>,
    },
    Draft {
        seq: Seq,
        position: DraftPlace,
    },
}

/// A place in what is not in the log yet: in a model's answer, or in what commands print. A session has one or the other.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DraftPlace {
    Said(DraftPosition),
    Printed(CommandPositions),
}

/// How much of a draft was read. Offsets count what was said of the item: 1 for its beginning, 1 for the beginning of
/// each part, and the bytes of text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DraftPosition {
    pub output_index: u32,
    pub kind: ItemKind,
    /// What was shown of the attempt before this item.
    pub earlier: Earlier,
    pub origin: OriginKey,
    pub offset: u64,
}

/// The items before one, by how far back they are, as far as they were shown to its reader: who comes back must be told
/// what becomes of each. Those more than [`Earlier::REACH`] back are not remembered.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Earlier(u64);

impl Earlier {
    pub const REACH: u32 = 32;

    /// An item of this kind was shown, so many places back: 1 is the one just before.
    pub fn note(&mut self, back: u32, kind: ItemKind) {
        if (1..=Self::REACH).contains(&back) {
            let code = if kind == ItemKind::Message { 1 } else { 2 };
            self.0 |= code << (2 * (back - 1));
        }
    }

    /// How far back each is, and its kind.
    pub fn items(self) -> impl Iterator<Item = (u32, ItemKind)> {
        (1..=Self::REACH).filter_map(move |back| match (self.0 >> (2 * (back - 1))) & 3 {
            1 => Some((back, ItemKind::Message)),
            2 => Some((back, ItemKind::Reasoning)),
            _ => None,
        })
    }
}

impl fmt::Display for Earlier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 { Ok(()) } else { write!(f, "{:x}", self.0) }
    }
}

impl FromStr for Earlier {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        if text.is_empty() { Ok(Self(0)) } else { u64::from_str_radix(text, 16).map(Self).map_err(|_| NotAnEventId) }
    }
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

impl EventId {
    /// The id as clients see it; no two sessions share one.
    pub fn text(self, session: &SessionId) -> String {
        let session = session.digits();
        match self {
            Self::Record { seq, index, draft: None } => format!("evt_{session}_{:010}_{index:04}", seq.0),
            Self::Record { seq, index, draft: Some(draft) } => {
                format!("evt_{session}_{:010}_{index:04}_{draft}", seq.0)
            }
            Self::Draft { seq, position } => format!("evt_{session}_{:010}_{position}", seq.0),
        }
    }

    /// Reads an id of this session. Only our own form counts: a text that would print otherwise was not made here.
    pub fn parse(text: &str, session: &SessionId) -> Result<Self, NotAnEventId> {
        let place = text.strip_prefix("evt_").and_then(|text| text.strip_prefix(session.digits()));
        let place = place.and_then(|text| text.strip_prefix('_')).ok_or(NotAnEventId)?;
        let id: Self = place.parse()?;
        if id.text(session) == text { Ok(id) } else { Err(NotAnEventId) }
    }
}

/// The text is no event id of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAnEventId;

impl FromStr for EventId {
    type Err = NotAnEventId;

    /// Reads what follows the session's digits.
    fn from_str(place: &str) -> Result<Self, NotAnEventId> {
        let (seq, place) = place.split_once('_').ok_or(NotAnEventId)?;
        let seq = Seq(number(seq)?);
        if let Ok(position) = place.parse() {
            return Ok(Self::Draft { seq, position });
        }
        let (index, draft) = match place.split_once('_') {
            Some((index, draft)) => (index, Some(draft.parse()?)),
            None => (place, None),
        };
        Ok(Self::Record { seq, index: number(index)?, draft })
    }
}

impl fmt::Display for DraftPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(position) => position.fmt(f),
            Self::Printed(positions) => positions.fmt(f),
        }
    }
}

impl FromStr for DraftPlace {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        match text.find(|c: char| !c.is_ascii_digit()) {
            Some(letter) if text[letter..].starts_with('c') => CommandPositions::parse(text).map(Self::Printed),
            _ => text.parse().map(Self::Said),
        }
    }
}

impl fmt::Display for DraftPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ItemKind::Message => 'm',
            ItemKind::Reasoning => 'r',
        };
        let OriginKey { effect, attempt } = self.origin;
        write!(f, "{:04}{kind}{}_{effect}_{attempt}_{:08}", self.output_index, self.earlier, self.offset)
    }
}

impl FromStr for DraftPosition {
    type Err = NotAnEventId;

    fn from_str(text: &str) -> Result<Self, NotAnEventId> {
        let mut parts = text.split('_');
        let item = parts.next().ok_or(NotAnEventId)?;
        let (kind, (index, earlier)) = match (item.split_once('m'), item.split_once('r')) {
            (Some(rest), _) => (ItemKind::Message, rest),
            (_, Some(rest)) => (ItemKind::Reasoning, rest),
            (None, None) => return Err(NotAnEventId),
        };
        let earlier = earlier.parse()?;
        let mut next = || number::<u64>(parts.next().ok_or(NotAnEventId)?);
        let (effect, attempt, offset) = (next()?, next()?, next()?);
        let attempt = u32::try_from(attempt).map_err(|_| NotAnEventId)?;
        Ok(Self { output_index: number(index)?, kind, earlier, origin: OriginKey { effect, attempt }, offset })
    }
}

fn number<T: FromStr>(digits: &str) -> Result<T, NotAnEventId> {
    digits.parse().map_err(|_| NotAnEventId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_and_parse() {
        let session = SessionId::new("sess_ab");
        let record = EventId::Record { seq: Seq(12), index: 3, draft: None };
        let position = DraftPosition {
            output_index: 1,
            kind: ItemKind::Reasoning,
            earlier: Earlier::default(),
            origin: OriginKey { effect: 4, attempt: 2 },
            offset: 77,
        };
        let mut earlier = Earlier::default();
        earlier.note(1, ItemKind::Message);
        earlier.note(3, ItemKind::Reasoning);
        earlier.note(33, ItemKind::Message);
        assert_eq!(earlier.items().collect::<Vec<_>>(), [(1, ItemKind::Message), (3, ItemKind::Reasoning)]);
        let third = DraftPlace::Said(DraftPosition { earlier, output_index: 3, ..position });
        let third = EventId::Draft { seq: Seq(12), position: third };
        let mut command = CommandPosition::begin(4, position.origin.into());
        command.read("abc");
        let printed = DraftPlace::Printed(CommandPositions::new([command]).unwrap());
        let running = EventId::Draft { seq: Seq(12), position: printed };
        let beside = EventId::Record { seq: Seq(12), index: 0, draft: Some(printed) };
        assert_eq!(running.text(&session), "evt_ab_0000000012_0004c1a47e90b_4_2_00000003");
        assert_eq!(beside.text(&session), "evt_ab_0000000012_0000_0004c1a47e90b_4_2_00000003");
        assert_eq!(third.text(&session), "evt_ab_0000000012_0003r21_4_2_00000077");
        let said = DraftPlace::Said(position);
        let draft = EventId::Draft { seq: Seq(12), position: said };
        let within = EventId::Record { seq: Seq(12), index: 3, draft: Some(said) };
        assert_eq!(record.text(&session), "evt_ab_0000000012_0003");
        assert_eq!(draft.text(&session), "evt_ab_0000000012_0001r_4_2_00000077");
        assert_eq!(within.text(&session), "evt_ab_0000000012_0003_0001r_4_2_00000077");
        for id in [record, draft, within, third, running, beside] {
            assert_eq!(EventId::parse(&id.text(&session), &session), Ok(id));
            assert_eq!(EventId::parse(&id.text(&SessionId::new("sess_cd")), &session), Err(NotAnEventId));
        }
        for wrong in [
            "",
            "evt_",
            "evt_ab_1_0",
            "evt_ab_0000000012_0003_1",
            "evt_ab_+000000012_0003",
            "evt_ab_0000000012_0001m_4_2",
            "evt_ab_0000000012_m",
            "evt_ab_0000000012_0004c01a47e90b_4_2_00000003",
            "evt_ab_0000000012_c1_4_2_00000003",
            "evt_ab_0000000012_0001m0_4_2_00000077",
            "evt_ab_0000000012_0001mG_4_2_00000077",
            "42",
        ] {
            assert_eq!(EventId::parse(wrong, &session), Err(NotAnEventId), "{wrong}");
        }
    }
}
