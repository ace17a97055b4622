//! Between two quotation marks: characters, escapes, and how many of them.

use super::super::dfa::Dfa;
use super::super::node::{NEVER, Text};
use super::super::utf8::{Next, Partial};

pub(super) enum Read {
    Closed,
    On { state: u32, partial: Partial },
}

const ESCAPES: [(u8, u32); 7] =
    [(b'"', 0x22), (b'\\', 0x5c), (b'b', 0x08), (b'f', 0x0c), (b'n', 0x0a), (b'r', 0x0d), (b't', 0x09)];

pub(super) fn read_text(text: &Text, state: u32, partial: Partial, byte: u8) -> Option<Read> {
    let character = match (partial, byte) {
        (Partial::Nothing, b'"') => {
            let may_close = match text {
                Text::Any { min, .. } => state >= *min,
                Text::Automaton(dfa) => dfa.state(state).accepts,
            };
            return may_close.then_some(Read::Closed);
        }
        (Partial::Nothing, b'\\') => return Some(Read::On { state, partial: Partial::Escape }),
        (Partial::Nothing, 0..0x20) => return None,
        (Partial::Escape, letter) => ESCAPES.iter().find(|(known, _)| *known == letter)?.1,
        _ => match partial.after(byte)? {
            Next::Character(character) => character,
            Next::Partial(partial) => {
                let is_any = matches!(text, Text::Any { .. });
                return Some(Read::On { state, partial: if is_any { partial.coarse() } else { partial } });
            }
        },
    };
    let state = match text {
        // Where no limit is left to reach, characters are not counted.
        Text::Any { min, max: None } => (state + 1).min(*min),
        Text::Any { max: Some(max), .. } => (state < *max).then_some(state + 1)?,
        Text::Automaton(dfa) => dfa.state(state).after(character)?,
    };
    Some(Read::On { state, partial: Partial::Nothing })
}

pub(super) fn missing_text(text: &Text, state: u32, partial: Partial) -> u32 {
    match text {
        Text::Any { max: Some(max), .. } if partial != Partial::Nothing && state >= *max => NEVER,
        Text::Any { min, .. } => {
            let written = state + u32::from(partial != Partial::Nothing);
            min.saturating_sub(written).saturating_add(partial.missing() + 1)
        }
        Text::Automaton(dfa) => missing_automaton(dfa, state, partial).saturating_add(1),
    }
}

fn missing_automaton(dfa: &Dfa, state: u32, partial: Partial) -> u32 {
    let state = dfa.state(state);
    let on = |to: u32| dfa.state(to).least.saturating_add(partial.missing());
    match partial {
        Partial::Nothing => state.least,
        Partial::Escape => {
            ESCAPES.iter().filter_map(|(_, character)| state.after(*character)).map(on).min().unwrap_or(NEVER)
        }
        Partial::Bytes { .. } => {
            let (first, last) = partial.span();
            let open = state.moves.iter().filter(|way| way.first <= last && first <= way.last);
            open.map(|way| on(way.to)).min().unwrap_or(NEVER)
        }
    }
}
