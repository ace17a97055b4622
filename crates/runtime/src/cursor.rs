//! A reader's place in a session's stream, and what it makes of records and drafts: pure.
//!
//! A reader may have seen part of an item as a draft before the item's record came. The cursor knows how much, and
//! cuts the record's events down to what is new; where the attempt was abandoned instead, it closes what was shown.

mod commands;

use crate::tail::{Draft, Printed};
use commands::Commands;
use std::collections::BTreeMap;
use types::{
    DraftPlace, DraftPosition, Earlier, EffectId, Event, EventBody, EventId, Item, ItemBody, ItemKind, Origin,
    OriginKey, Said, Seq, SessionId, TurnId,
};

/// The place of the word that an attempt is gone: behind those of everything that it closes.
const ALL_CLOSED: u32 = u32::MAX - 1;

pub(crate) struct Cursor {
    session: SessionId,
    /// Every event of every record up to here was read.
    pub(crate) seq: Seq,
    /// Of the record after `seq`, this many events were read too.
    skip: u32,
    /// What was read of drafts whose outcome has not been read.
    drafts: Vec<DraftPosition>,
    /// The same of what commands print.
    commands: Commands,
}

impl Cursor {
    /// After everything up to `seq`.
    pub(crate) fn at(session: SessionId, seq: Seq) -> Self {
        Self { session, seq, skip: 0, drafts: Vec::new(), commands: Commands::default() }
    }

    /// After the event `id`.
    pub(crate) fn after(session: SessionId, id: EventId) -> Self {
        let (seq, skip, draft) = match id {
            EventId::Record { seq, index, draft } => (Seq(seq.0.saturating_sub(1)), index.saturating_add(1), draft),
            EventId::Draft { seq, position } => (seq, 0, Some(position)),
        };
        let mut cursor = Self { skip, ..Self::at(session, seq) };
        match draft {
            Some(DraftPlace::Said(position)) => cursor.drafts = read_up_to(position).collect(),
            Some(DraftPlace::Printed(positions)) => cursor.commands = Commands::at(positions),
            None => {}
        }
        cursor
    }

    /// What is new in the record at `seq`, which follows the last one read.
    pub(crate) fn read_record(&mut self, seq: Seq, events: &[Event]) -> Vec<Event> {
        let skip = std::mem::take(&mut self.skip);
        self.seq = seq;
        let item = match events.first().map(|event| &event.body) {
            Some(EventBody::ItemAdded(item)) => Some(item.clone()),
            _ => None,
        };
        let read = item.as_ref().map_or(0, |item| self.read_of(item));
        let mut fresh = Vec::new();
        for (event, number) in events.iter().zip(0..) {
            match &event.body {
                // One event here, and one before it for each item that was shown: of these, some may have been read.
                EventBody::AttemptDropped { origin, turn } => {
                    fresh.extend(self.close(seq, skip, *origin, turn));
                    if skip <= ALL_CLOSED {
                        let id = EventId::Record { seq, index: ALL_CLOSED, draft: said(&self.drafts) };
                        fresh.push(Event { id, body: event.body.clone() });
                    }
                }
                _ if number < skip => {}
                EventBody::CommandOutput { .. } => {
                    let id = self.place(event.id);
                    fresh.extend(self.commands.cut(events, &event.body).map(|body| Event { id, body }));
                }
                body => {
                    let id = self.place(event.id);
                    fresh.extend(cut(item.as_deref(), read, body).map(|body| Event { id, body }));
                }
            }
        }
        if let Some(Item { origin: Some(origin), output_index: Some(index), .. }) = item.as_deref() {
            self.drafts.retain(|known| known.origin != (*origin).into() || known.output_index != *index);
        }
        self.commands.end(events);
        fresh
    }

    /// A record's event as a place of this reader: with how far it was in a draft whose outcome it has not read.
    fn place(&self, id: EventId) -> EventId {
        match id {
            EventId::Record { seq, index, .. } => {
                let printed = self.commands.positions().map(DraftPlace::Printed);
                EventId::Record { seq, index, draft: printed.or_else(|| said(&self.drafts)) }
            }
            draft => draft,
        }
    }

    /// What is new of that which commands have printed since the last record.
    pub(crate) fn read_printed(&mut self, open: &BTreeMap<EffectId, Printed>) -> Vec<Event> {
        let mut fresh = Vec::new();
        for printed in open.values() {
            let Some(body) = self.commands.read(printed) else { continue };
            let Some(positions) = self.commands.positions() else { continue };
            let id = EventId::Draft { seq: self.seq, position: DraftPlace::Printed(positions) };
            fresh.push(Event { id, body });
        }
        fresh
    }

    /// What is new in the draft that is open after the last record.
    pub(crate) fn read_draft(&mut self, draft: &Draft) -> Vec<Event> {
        let mut fresh = Vec::new();
        for (said, index) in draft.answer.items.iter().zip(0..) {
            let texts: &[String] = match said {
                Said::Message { text, .. } if !text.is_empty() => std::slice::from_ref(text),
                Said::Reasoning { parts, .. } if !parts.is_empty() => parts,
                _ => continue,
            };
            let kind = if matches!(said, Said::Message { .. }) { ItemKind::Message } else { ItemKind::Reasoning };
            self.read_said(draft, kind, index, texts, &mut fresh);
        }
        fresh
    }

    fn read_said(&mut self, draft: &Draft, kind: ItemKind, index: u32, texts: &[String], fresh: &mut Vec<Event>) {
        let output_index = draft.base + index;
        let mut read = self.read(draft.origin, output_index);
        let item = draft.origin.item_id(&self.session, kind.id_prefix(), output_index);
        let turn = &draft.turn;
        let mut say = |cursor: &mut Self, offset: u64, body: EventBody| {
            let origin = draft.origin.into();
            let earlier = earlier(&cursor.drafts, origin, output_index);
            let position = DraftPosition { output_index, kind, earlier, origin, offset };
            cursor.note(position);
            let position = DraftPlace::Said(position);
            fresh.push(Event { id: EventId::Draft { seq: cursor.seq, position }, body });
        };
        if read == 0 {
            read = 1;
            say(self, read, EventBody::DraftAdded { item: item.clone(), kind, turn: turn.clone(), output_index });
        }
        let mut start = 1;
        for (text, part) in texts.iter().zip(0..) {
            if read <= start {
                read = start + 1;
                let (item, turn) = (item.clone(), turn.clone());
                say(self, read, EventBody::PartAdded { item, kind, turn, output_index, part });
            }
            let end = start + 1 + text.len() as u64;
            if read < end {
                let text = rest(text, read - start - 1).to_owned();
                let (item, turn) = (item.clone(), turn.clone());
                say(self, end, EventBody::Delta { item, kind, turn, output_index, part, text });
                read = end;
            }
            start = end;
        }
    }

    /// How much of an item was read. A reader that has begun a later item of the attempt has read this one whole.
    fn read(&self, origin: Origin, output_index: u32) -> u64 {
        let of_attempt = || self.drafts.iter().filter(|known| known.origin == origin.into());
        match of_attempt().find(|known| known.output_index == output_index) {
            Some(known) => known.offset,
            None if of_attempt().any(|known| known.output_index > output_index) => u64::MAX,
            None => 0,
        }
    }

    fn note(&mut self, position: DraftPosition) {
        let known = self
            .drafts
            .iter_mut()
            .find(|known| known.origin == position.origin && known.output_index == position.output_index);
        match known {
            Some(known) => known.offset = position.offset,
            None => self.drafts.push(position),
        }
    }

    fn read_of(&self, item: &Item) -> u64 {
        let streamed = match &item.body {
            ItemBody::AssistantMessage { .. } => true,
            // One without a summary has nothing to show before its end.
            ItemBody::Reasoning { summary, .. } => !summary.is_empty(),
            _ => false,
        };
        match (item.origin, item.output_index) {
            (Some(origin), Some(index)) if streamed => self.read(origin, index),
            _ => 0,
        }
    }

    /// Closes what was shown of an attempt that came to nothing; each event's place says what is still to be closed.
    /// `closed` items were closed before.
    fn close(&mut self, seq: Seq, closed: u32, origin: Origin, turn: &TurnId) -> Vec<Event> {
        let (mut dropped, kept): (Vec<_>, Vec<_>) =
            self.drafts.drain(..).partition(|known| known.origin == origin.into());
        self.drafts = kept;
        dropped.sort();
        let close = |(index, position): (u32, &DraftPosition)| {
            let DraftPosition { output_index, kind, .. } = *position;
            let item = origin.item_id(&self.session, kind.id_prefix(), output_index);
            let body = EventBody::DraftDropped { item, kind, turn: turn.clone(), output_index };
            let left = dropped.get(index as usize + 1..).unwrap_or_default();
            Event { id: EventId::Record { seq, index: closed.saturating_add(index), draft: said(left) }, body }
        };
        (0..).zip(&dropped).map(close).collect()
    }
}

/// What a reader has read that was at `position`: that much of the item, and all of those before it.
fn read_up_to(position: DraftPosition) -> impl Iterator<Item = DraftPosition> {
    let before = position.earlier.items().filter_map(move |(back, kind)| {
        let output_index = position.output_index.checked_sub(back)?;
        Some(DraftPosition { output_index, kind, earlier: Earlier::default(), offset: u64::MAX, ..position })
    });
    std::iter::once(position).chain(before)
}

/// The place that says all that was read of these.
fn said(drafts: &[DraftPosition]) -> Option<DraftPlace> {
    let last = drafts.iter().max()?;
    Some(DraftPlace::Said(DraftPosition { earlier: earlier(drafts, last.origin, last.output_index), ..*last }))
}

/// What was shown of the attempt before this item.
fn earlier(drafts: &[DraftPosition], origin: OriginKey, output_index: u32) -> Earlier {
    let mut earlier = Earlier::default();
    for known in drafts.iter().filter(|known| known.origin == origin && known.output_index < output_index) {
        earlier.note(output_index - known.output_index, known.kind);
    }
    earlier
}

/// An event of an item's record, without what was read of it as a draft (`read`, as [`DraftPosition`] counts).
fn cut(item: Option<&Item>, read: u64, body: &EventBody) -> Option<EventBody> {
    let Some(item) = item.filter(|_| read > 0) else { return Some(body.clone()) };
    match body {
        EventBody::ItemAdded(_) => None,
        EventBody::PartAdded { part, .. } => (read <= part_start(item, *part)).then(|| body.clone()),
        EventBody::Delta { item: id, kind, turn, output_index, part, text } => {
            let begin = part_start(item, *part) + 1;
            let text = rest(text, read.saturating_sub(begin)).to_owned();
            let (item, turn) = (id.clone(), turn.clone());
            (!text.is_empty()).then_some(EventBody::Delta {
                item,
                kind: *kind,
                turn,
                output_index: *output_index,
                part: *part,
                text,
            })
        }
        _ => Some(body.clone()),
    }
}

/// The offset at which a part of an item begins.
fn part_start(item: &Item, part: u32) -> u64 {
    match &item.body {
        ItemBody::Reasoning { summary, .. } => {
            1 + summary.iter().take(part as usize).map(|text| text.len() as u64 + 1).sum::<u64>()
        }
        _ => 1,
    }
}

fn rest(text: &str, from: u64) -> &str {
    let mut from = usize::try_from(from).unwrap_or(usize::MAX).min(text.len());
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

#[cfg(test)]
mod tests;
