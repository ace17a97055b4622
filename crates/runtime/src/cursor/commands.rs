//! What one reader has read of that which commands print, before their outcomes. A position says how much, and which text
//! that was: where a command that was found again after a crash does not begin with it, or where its outcome does not, its
//! reader is told nothing more of it until the item's end, rather than text that does not follow on what it has.

use crate::tail::Printed;
use types::{CommandPosition, CommandPositions, EffectId, Event, EventBody, ItemBody};

#[derive(Default)]
pub(super) struct Commands(Vec<Heard>);

struct Heard {
    position: CommandPosition,
    /// Of which draft this reader knows whether it has read its beginning, and whether it has.
    agrees: Option<(u64, bool)>,
}

impl Commands {
    pub(super) fn at(positions: CommandPositions) -> Self {
        Self(positions.iter().map(|position| Heard { position, agrees: None }).collect())
    }

    /// None where nothing was read.
    pub(super) fn positions(&self) -> Option<CommandPositions> {
        CommandPositions::new(self.0.iter().map(|heard| heard.position).filter(|position| position.offset() > 0))
    }

    /// What is new of a command's draft. Of more commands than a place has room for, some are told of at their ends.
    pub(super) fn read(&mut self, printed: &Printed) -> Option<EventBody> {
        let effect = printed.origin.effect;
        let place = match self.0.binary_search_by_key(&effect, |heard| heard.position.origin().effect) {
            Ok(place) => place,
            Err(_) if printed.text.is_empty() || self.0.len() == CommandPositions::MOST => return None,
            Err(place) => {
                let position = CommandPosition::begin(printed.output_index, printed.origin);
                self.0.insert(place, Heard { position, agrees: None });
                place
            }
        };
        let heard = &mut self.0[place];
        let known = heard.agrees.filter(|(birth, _)| *birth == printed.birth);
        // The same draft only grows; one that was begun anew may not have come so far yet.
        let text = match known {
            Some((_, false)) => return None,
            Some((_, true)) => printed.text.get(heard.position.offset()..).unwrap_or_default(),
            None if printed.text.len() < heard.position.offset() => return None,
            None => {
                let rest = heard.position.rest(&printed.text);
                heard.agrees = Some((printed.birth, rest.is_some()));
                rest?
            }
        };
        if text.is_empty() {
            return None;
        }
        heard.position.read(text);
        let (item, turn, text) = (printed.item.clone(), printed.turn.clone(), text.to_owned());
        Some(EventBody::CommandOutput { item, turn, output_index: printed.output_index, text })
    }

    /// The output that an outcome's record has, without what was read before.
    pub(super) fn cut(&self, events: &[Event], body: &EventBody) -> Option<EventBody> {
        let heard =
            ended(events).and_then(|effect| self.0.iter().find(|heard| heard.position.origin().effect == effect));
        match (heard, body) {
            (Some(heard), EventBody::CommandOutput { item, turn, output_index, text }) => {
                let text = heard.position.rest(text).filter(|rest| !rest.is_empty())?.to_owned();
                let (item, turn) = (item.clone(), turn.clone());
                Some(EventBody::CommandOutput { item, turn, output_index: *output_index, text })
            }
            _ => Some(body.clone()),
        }
    }

    /// The record was read: what it ends is not open any more.
    pub(super) fn end(&mut self, events: &[Event]) {
        if let Some(effect) = ended(events) {
            self.0.retain(|heard| heard.position.origin().effect != effect);
        }
    }
}

/// The call whose outcome the record is.
fn ended(events: &[Event]) -> Option<EffectId> {
    events.iter().find_map(|event| match &event.body {
        EventBody::ItemDone(item) => match &item.body {
            ItemBody::ToolOutcome { call, .. } => Some(call.effect),
            _ => None,
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests;
