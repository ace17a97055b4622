//! How far a reader was in what commands had printed, when they had not ended yet.

use super::{NotAnEventId, number};
use crate::effect::Attempt;
use crate::id::EffectId;
use crate::item::Origin;
use std::fmt;

/// How much of one command's output was read. The digest says which text that was: after a crash the beginning may not
/// be the same any more.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CommandPosition {
    effect: u64,
    offset: u32,
    digest: u32,
    attempt: u32,
    output_index: u32,
}

/// FNV-1a of nothing.
const NOTHING: u32 = 0x811c_9dc5;

impl CommandPosition {
    /// Before the first byte.
    pub fn begin(output_index: u32, Origin { effect, attempt }: Origin) -> Self {
        Self { effect: effect.0, offset: 0, digest: NOTHING, attempt: attempt.0, output_index }
    }

    pub fn output_index(&self) -> u32 {
        self.output_index
    }

    /// The attempt of the call.
    pub fn origin(&self) -> Origin {
        Origin { effect: EffectId(self.effect), attempt: Attempt(self.attempt) }
    }

    /// Bytes read.
    pub fn offset(&self) -> usize {
        self.offset as usize
    }

    /// What of `text` is new to a reader that is here; None where it did not read the beginning of this text.
    pub fn rest<'a>(&self, text: &'a str) -> Option<&'a str> {
        let (read, rest) = text.split_at_checked(self.offset())?;
        (digest(NOTHING, read) == self.digest).then_some(rest)
    }

    /// It has read this much more.
    pub fn read(&mut self, more: &str) {
        self.digest = digest(self.digest, more);
        self.offset = self.offset.saturating_add(u32::try_from(more.len()).unwrap_or(u32::MAX));
    }
}

/// FNV-1a, which goes on from where it was.
fn digest(before: u32, text: &str) -> u32 {
    text.bytes().fold(before, |digest, byte| (digest ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl fmt::Display for CommandPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { effect, offset, digest, attempt, output_index } = self;
        write!(f, "{output_index:04}c{digest:x}_{effect}_{attempt}_{offset:08}")
    }
}

/// The commands that one reader is told of while they run: at most [`CommandPositions::MOST`], in the order of their
/// effects.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct CommandPositions([Option<CommandPosition>; Self::MOST]);

impl CommandPositions {
    pub const MOST: usize = 4;

    /// None where there are none. Those beyond the bound are left out.
    pub fn new(positions: impl IntoIterator<Item = CommandPosition>) -> Option<Self> {
        let mut all = [None; Self::MOST];
        for (place, position) in all.iter_mut().zip(positions) {
            *place = Some(position);
        }
        all[0].is_some().then_some(Self(all))
    }

    pub fn iter(&self) -> impl Iterator<Item = CommandPosition> {
        self.0.into_iter().flatten()
    }

    pub(super) fn parse(text: &str) -> Result<Self, NotAnEventId> {
        let parts: Vec<&str> = text.split('_').collect();
        if parts.len() > 4 * Self::MOST {
            return Err(NotAnEventId);
        }
        let mut positions: Vec<CommandPosition> = Vec::new();
        for position in parts.chunks(4) {
            let [item, effect, attempt, offset] = position else { return Err(NotAnEventId) };
            let (output_index, digest) = item.split_once('c').ok_or(NotAnEventId)?;
            let digest = u32::from_str_radix(digest, 16).map_err(|_| NotAnEventId)?;
            let (effect, attempt, offset) = (number(effect)?, number(attempt)?, number(offset)?);
            let position = CommandPosition { effect, offset, digest, attempt, output_index: number(output_index)? };
            if positions.last().is_some_and(|before| before.effect >= effect) {
                return Err(NotAnEventId);
            }
            positions.push(position);
        }
        Self::new(positions).ok_or(NotAnEventId)
    }
}

impl fmt::Display for CommandPositions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, nth) in self.iter().zip(0..) {
            write!(f, "{}{position}", if nth == 0 { "" } else { "_" })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(effect: u64, read: &str) -> CommandPosition {
        let origin = Origin { effect: EffectId(effect), attempt: Attempt(1) };
        let mut position = CommandPosition::begin(2, origin);
        position.read(read);
        position
    }

    #[test]
    fn a_reader_goes_on_in_the_text_that_it_has_read_and_in_no_other() {
        let mut position = at(5, "Grü");
        assert_eq!(position.rest("Grüße"), Some("ße"));
        assert_eq!(position.rest("Grü"), Some(""));
        for other in ["", "Gr", "Gra\u{fc}\u{df}", "Graue", "grüße"] {
            assert_eq!(position.rest(other), None, "{other}");
        }
        position.read("ße");
        assert_eq!(position, at(5, "Grüße"));
        assert_eq!(at(5, "").rest("all"), Some("all"));
    }

    #[test]
    fn positions_print_and_parse() {
        let some = |effects: &[u64]| CommandPositions::new(effects.iter().map(|effect| at(*effect, "abc")));
        let one = some(&[7]).unwrap();
        assert_eq!(one.to_string(), "0002c1a47e90b_7_1_00000003");
        for positions in [one, some(&[7, 9]).unwrap(), some(&[1, 2, 3, 4]).unwrap()] {
            assert_eq!(CommandPositions::parse(&positions.to_string()), Ok(positions));
        }
        assert_eq!(some(&[]), None);
        assert_eq!(some(&[1, 2, 3, 4, 5]), some(&[1, 2, 3, 4]));
        let text = one.to_string();
        for wrong in [
            String::new(),
            text.replace('c', "m"),
            format!("{text}_"),
            format!("{text}_{text}"),
            text[..text.len() - 9].to_owned(),
            "0002cg_7_1_00000003".to_owned(),
        ] {
            assert_eq!(CommandPositions::parse(&wrong), Err(NotAnEventId), "{wrong}");
        }
    }
}
