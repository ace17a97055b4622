//! Deterministic automata over characters: what a string may be, and how little is missing to one that may.
//!
//! Every state leads to an accepting one; a way that does not is left out when the automaton is made.

use super::fuel::{Fuel, TooLarge};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// States of one automaton. More: [`TooLarge`].
const MOST_STATES: usize = 10_000;

/// State 0 is the first; an automaton without states accepts nothing.
#[derive(Clone, Default, Debug)]
pub(super) struct Dfa {
    states: Vec<State>,
}

#[derive(Clone, Default, Debug)]
pub(super) struct State {
    pub accepts: bool,
    /// By character, none twice.
    pub moves: Vec<Move>,
    /// The fewest bytes of JSON, without the closing quotation mark, to an accepted end.
    pub least: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Move {
    pub first: u32,
    pub last: u32,
    pub to: u32,
}

/// The characters that are written: all but surrogates and those control characters that have no short escape.
pub(super) const ALPHABET: [(u32, u32); 5] =
    [(0x08, 0x0a), (0x0c, 0x0d), (0x20, 0xd7ff), (0xe000, 0xff_ff), (0x1_0000, 0x10_ffff)];

impl Dfa {
    pub fn is_empty(&self) -> bool {
        self.states.is_empty()
    }

    pub fn len(&self) -> usize {
        self.states.len()
    }

    pub fn state(&self, state: u32) -> &State {
        &self.states[state as usize]
    }

    pub fn accepts(&self, text: &str) -> bool {
        let mut state = 0;
        if self.states.is_empty() {
            return false;
        }
        for c in text.chars() {
            match self.state(state).after(c as u32) {
                Some(next) => state = next,
                None => return false,
            }
        }
        self.state(state).accepts
    }

    /// What is reached from `start`, where `expand` says of a place whether it accepts and where characters lead (each
    /// character once).
    pub fn explore<K: Ord + Clone>(
        start: K,
        fuel: &Fuel,
        mut expand: impl FnMut(&K) -> Result<(bool, Vec<(u32, u32, K)>), TooLarge>,
    ) -> Result<Self, TooLarge> {
        let mut numbers = BTreeMap::from([(start.clone(), 0_u32)]);
        let mut places = vec![start];
        let mut states: Vec<State> = Vec::new();
        while let Some(place) = places.get(states.len()).cloned() {
            let (accepts, ways) = expand(&place)?;
            fuel.spend(1 + ways.len())?;
            let mut moves: Vec<Move> = Vec::with_capacity(ways.len());
            for (first, last, place) in ways {
                let next = u32::try_from(numbers.len()).map_err(|_| TooLarge)?;
                let to = *numbers.entry(place.clone()).or_insert(next);
                if to == next {
                    places.push(place);
                }
                match moves.last_mut() {
                    Some(before) if before.to == to && before.last + 1 == first => before.last = last,
                    _ => moves.push(Move { first, last, to }),
                }
            }
            if places.len() > MOST_STATES {
                return Err(TooLarge);
            }
            states.push(State { accepts, moves, least: u32::MAX });
        }
        Ok(Self { states }.trimmed())
    }

    /// Strings of `min` to `max` characters.
    pub fn length(min: u32, max: Option<u32>, fuel: &Fuel) -> Result<Self, TooLarge> {
        let top = max.unwrap_or(min);
        Self::explore(0_u32, fuel, |count| {
            let next = match max {
                Some(max) if *count >= max => None,
                _ => Some((*count + 1).min(top.max(1))),
            };
            let next = if max.is_none() { next.map(|next| next.min(min)) } else { next };
            let ways = next.map(|next| ALPHABET.map(|(first, last)| (first, last, next)).to_vec());
            Ok((*count >= min, ways.unwrap_or_default()))
        })
    }

    /// Every string but these.
    pub fn except(names: &BTreeSet<&str>, fuel: &Fuel) -> Result<Self, TooLarge> {
        let mut names: Vec<Vec<char>> = names.iter().map(|name| name.chars().collect()).collect();
        names.sort();
        // The names that begin with what was read, and how much that is; None: no name does.
        let start = Some((0, names.len(), 0)).filter(|_| !names.is_empty());
        Self::explore(start, fuel, |place| {
            let Some((low, high, at)) = *place else {
                return Ok((true, ALPHABET.map(|(first, last)| (first, last, None)).to_vec()));
            };
            let accepts = names[low..high].iter().all(|name| name.len() != at);
            let mut ways = Vec::new();
            let mut from = low;
            while from < high {
                let Some(c) = names[from].get(at) else {
                    from += 1;
                    continue;
                };
                let same = names[from..high].iter().take_while(|name| name.get(at) == Some(c)).count();
                ways.push((*c as u32, *c as u32, Some((from, from + same, at + 1))));
                from += same;
            }
            Ok((accepts, filled(ways, None)))
        })
    }

    /// Strings that each automaton accepts, where it is asked to, and refuses, where it is not.
    pub fn combine(parts: &[(&Self, bool)], fuel: &Fuel) -> Result<Self, TooLarge> {
        let start: Vec<Option<u32>> = parts.iter().map(|(part, _)| (!part.is_empty()).then_some(0)).collect();
        Self::explore(start, fuel, |places| {
            let on = |(state, (part, wanted)): (&Option<u32>, &(&Self, bool))| {
                state.is_some_and(|state| part.state(state).accepts) == *wanted
            };
            let accepts = places.iter().zip(parts).all(on);
            // A part that must accept and no longer can ends it all.
            if places.iter().zip(parts).any(|(state, (_, wanted))| state.is_none() && *wanted) {
                return Ok((false, Vec::new()));
            }
            let mut cuts: BTreeSet<u32> = ALPHABET.iter().flat_map(|(first, last)| [*first, last + 1]).collect();
            for (state, (part, _)) in places.iter().zip(parts) {
                if let Some(state) = state {
                    cuts.extend(part.state(*state).moves.iter().flat_map(|way| [way.first, way.last + 1]));
                }
            }
            let cuts: Vec<u32> = cuts.into_iter().collect();
            fuel.spend(cuts.len() * parts.len())?;
            let ways = cuts.windows(2).filter(|pair| is_written(pair[0])).map(|pair| {
                let next = places.iter().zip(parts).map(|(state, (part, _))| part.state((*state)?).after(pair[0]));
                (pair[0], pair[1] - 1, next.collect::<Vec<_>>())
            });
            Ok((accepts, ways.collect()))
        })
    }

    /// Without what leads nowhere; states keep their order.
    fn trimmed(mut self) -> Self {
        let mut before: Vec<Vec<(u32, u32)>> = vec![Vec::new(); self.states.len()];
        let mut queue = BinaryHeap::new();
        for (number, state) in (0_u32..).zip(&self.states) {
            for way in &state.moves {
                before[way.to as usize].push((number, cheapest(way.first, way.last)));
            }
            if state.accepts {
                queue.push(Reverse((0, number)));
            }
        }
        while let Some(Reverse((cost, number))) = queue.pop() {
            let state = &mut self.states[number as usize];
            if state.least <= cost {
                continue;
            }
            state.least = cost;
            queue.extend(before[number as usize].iter().map(|(from, bytes)| Reverse((cost + bytes, *from))));
        }
        let mut next = 0_u32;
        let numbers: Vec<Option<u32>> = self
            .states
            .iter()
            .map(|state| {
                (state.least != u32::MAX).then(|| {
                    next += 1;
                    next - 1
                })
            })
            .collect();
        if numbers.first().copied().flatten().is_none() {
            return Self::default();
        }
        self.states.retain(|state| state.least != u32::MAX);
        for state in &mut self.states {
            state.moves =
                state.moves.iter().filter_map(|way| Some(Move { to: numbers[way.to as usize]?, ..*way })).collect();
        }
        self
    }
}

impl State {
    pub fn after(&self, character: u32) -> Option<u32> {
        let at = self.moves.partition_point(|way| way.last < character);
        self.moves.get(at).filter(|way| way.first <= character).map(|way| way.to)
    }
}

pub(super) fn is_written(character: u32) -> bool {
    ALPHABET.iter().any(|(first, last)| (*first..=*last).contains(&character))
}

/// `ways`, which are sorted, and `other` for every written character that they do not name.
fn filled<K: Clone>(ways: Vec<(u32, u32, K)>, other: K) -> Vec<(u32, u32, K)> {
    let mut all = Vec::new();
    for (first, last) in ALPHABET {
        let mut from = first;
        for way in ways.iter().filter(|way| (first..=last).contains(&way.0)) {
            if way.0 > from {
                all.push((from, way.0 - 1, other.clone()));
            }
            all.push(way.clone());
            from = way.1 + 1;
        }
        if from <= last {
            all.push((from, last, other.clone()));
        }
    }
    all
}

/// The bytes of the shortest character between the two, as JSON writes it.
fn cheapest(first: u32, last: u32) -> u32 {
    let plain = |c: u32| (0x20..0x80).contains(&c) && c != 0x22 && c != 0x5c;
    // Three characters in a row hold a plain one, where they are ASCII.
    match first {
        0..0x80 if (first..=last.min(first + 2)).any(plain) || (first < 0x20 && last >= 0x20) => 1,
        0..0x800 => 2,
        0x800..0x1_0000 => 3,
        _ => 4,
    }
}
