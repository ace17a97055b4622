//! The grammar at work: bytes in, all the ways in which they can be read out, made as they are met and remembered.
//!
//! A way is a stack of places, each in its node; a frame is a place with what lies below it. What one place does with a
//! byte is plain; where the grammar leaves a choice there are several ways at once. Every way has an end: a frame knows
//! the least number of tokens to it.

mod missing;
mod read;
mod string;

use super::node::{Array, Graph, NEVER, Node, NodeId, Object};
use super::number::Prefix;
use super::utf8::Partial;
use std::collections::BTreeMap;

/// Ways at once. The longest are dropped: each of those that stay has an end, so nothing is lost but a choice.
const MOST_WAYS: usize = 300;
/// Sets of ways that are remembered, each with its 256 successors: some 20 MiB.
const MOST_SETS: usize = 16_000;

const UNKNOWN: u32 = u32::MAX;
const DEAD: u32 = u32::MAX - 1;

/// The frame below all others: everything is written.
const DONE: u32 = 0;

/// A set of ways, by its number. Numbers hold until [`Machine::tidy`].
pub(super) type Ways = u32;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    Done,
    /// In one of the literals from `low` to `high`.
    Literal {
        node: NodeId,
        low: u32,
        high: u32,
        at: u32,
    },
    Number {
        node: NodeId,
        prefix: Prefix,
    },
    /// Before the opening quotation mark.
    Quote {
        text: u32,
    },
    /// Between the quotation marks. `state` is the automaton's, or the number of characters; `partial` what is written of
    /// a character.
    Text {
        text: u32,
        state: u32,
        partial: Partial,
    },
    ArrayOpen {
        node: NodeId,
    },
    /// After `[`, where the array may end.
    ArrayFirst,
    /// After an item.
    ArrayAfter {
        node: NodeId,
        count: u32,
    },
    /// After a comma.
    ArrayComma {
        node: NodeId,
        count: u32,
    },
    ObjectOpen {
        node: NodeId,
    },
    ObjectFirst,
    Key {
        node: NodeId,
        property: u32,
        count: u32,
        at: u32,
    },
    /// After a name that the schema does not spell.
    Colon {
        node: NodeId,
        other: u32,
        count: u32,
        at: u32,
    },
    ObjectAfter {
        node: NodeId,
        property: u32,
        count: u32,
    },
    ObjectComma {
        node: NodeId,
        property: u32,
        count: u32,
    },
    Marker {
        node: NodeId,
        at: u32,
    },
    /// In free text that ends with so much of the marker.
    Words {
        node: NodeId,
        at: u32,
    },
}

struct Frame {
    place: Place,
    below: u32,
    least: u32,
}

struct Set {
    frames: Box<[u32]>,
    /// None: no byte was looked up yet.
    next: Option<Box<[u32; 256]>>,
    least: u32,
    /// Whether free text may be meant.
    words: bool,
}

pub(super) struct Machine {
    graph: Graph,
    frames: Vec<Frame>,
    frame_numbers: BTreeMap<(u32, Place), u32>,
    sets: Vec<Set>,
    set_numbers: BTreeMap<Box<[u32]>, u32>,
}

impl Machine {
    /// The graph has settled.
    pub fn new(graph: Graph) -> Self {
        let mut machine = Self {
            graph,
            frames: Vec::new(),
            frame_numbers: BTreeMap::new(),
            sets: Vec::new(),
            set_numbers: BTreeMap::new(),
        };
        machine.forget();
        machine
    }

    pub fn start(&mut self, node: NodeId) -> Ways {
        let mut frames = Vec::new();
        self.enter(node, DONE, &mut frames);
        self.set(frames)
    }

    /// Where a byte leads; None: nowhere.
    pub fn step(&mut self, ways: Ways, byte: u8) -> Option<Ways> {
        let known = self.sets[ways as usize].next.as_ref().map_or(UNKNOWN, |next| next[byte as usize]);
        let next = if known == UNKNOWN { self.make(ways, byte) } else { known };
        (next != DEAD).then_some(next)
    }

    /// The least number of tokens to an end.
    pub fn least(&self, ways: Ways) -> u32 {
        self.sets[ways as usize].least
    }

    /// Whether all is written, if nothing more comes.
    pub fn may_end(&self, ways: Ways) -> bool {
        let set = &self.sets[ways as usize];
        set.words || set.frames.contains(&DONE)
    }

    /// Whether nothing more can come.
    pub fn must_end(&self, ways: Ways) -> bool {
        *self.sets[ways as usize].frames == [DONE]
    }

    /// Whether names may be written that the schema does not spell.
    pub fn invents_names(&self) -> bool {
        self.graph.nodes.iter().any(|node| matches!(node, Node::Object(object) if !object.others.is_empty()))
    }

    /// Whether this is free text.
    pub fn is_words(&self, ways: Ways) -> bool {
        self.sets[ways as usize].words
    }

    /// Forgets what it has met, where that is a lot, and keeps `ways`, whose new number it returns.
    pub fn tidy(&mut self, ways: Ways) -> Option<Ways> {
        if self.sets.len() < MOST_SETS {
            return None;
        }
        let kept: Vec<Vec<Place>> = self.sets[ways as usize].frames.iter().map(|frame| self.stack(*frame)).collect();
        self.forget();
        let frames = kept
            .into_iter()
            .map(|stack| stack.into_iter().rev().fold(DONE, |below, place| self.frame(place, below).unwrap_or(below)));
        let frames = frames.collect();
        Some(self.set(frames))
    }

    fn forget(&mut self) {
        self.frames = vec![Frame { place: Place::Done, below: DONE, least: 0 }];
        self.frame_numbers = BTreeMap::from([((DONE, Place::Done), DONE)]);
        self.sets.clear();
        self.set_numbers.clear();
    }

    /// The places of a frame from the top down.
    fn stack(&self, frame: u32) -> Vec<Place> {
        let mut stack = Vec::new();
        let mut at = frame;
        while at != DONE {
            let frame = &self.frames[at as usize];
            stack.push(frame.place);
            at = frame.below;
        }
        stack
    }

    fn make(&mut self, ways: Ways, byte: u8) -> u32 {
        let mut out = Vec::new();
        let frames = self.sets[ways as usize].frames.clone();
        for frame in frames {
            let Frame { place, below, .. } = self.frames[frame as usize];
            self.read(place, below, byte, &mut out);
        }
        let next = if out.is_empty() { DEAD } else { self.set(out) };
        let known = self.sets[ways as usize].next.get_or_insert_with(|| Box::new([UNKNOWN; 256]));
        known[byte as usize] = next;
        next
    }

    fn set(&mut self, mut frames: Vec<u32>) -> u32 {
        frames.sort_unstable();
        frames.dedup();
        if frames.len() > MOST_WAYS {
            frames.sort_by_key(|frame| self.frames[*frame as usize].least);
            frames.truncate(MOST_WAYS);
            frames.sort_unstable();
        }
        let frames = frames.into_boxed_slice();
        if let Some(number) = self.set_numbers.get(&frames) {
            return *number;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(DEAD);
        let all = || frames.iter().map(|frame| &self.frames[*frame as usize]);
        let least = all().map(|frame| frame.least).min().unwrap_or(NEVER);
        let words = all().any(|frame| matches!(frame.place, Place::Words { .. }));
        self.sets.push(Set { frames: frames.clone(), next: None, least, words });
        self.set_numbers.insert(frames, number);
        number
    }

    /// None: from there is no way to an end.
    fn frame(&mut self, place: Place, below: u32) -> Option<u32> {
        if let Some(number) = self.frame_numbers.get(&(below, place)) {
            return Some(*number);
        }
        let least = self.missing(place).saturating_add(self.frames[below as usize].least);
        if least >= NEVER {
            return None;
        }
        let number = u32::try_from(self.frames.len()).ok()?;
        self.frames.push(Frame { place, below, least });
        self.frame_numbers.insert((below, place), number);
        Some(number)
    }

    fn push(&mut self, place: Place, below: u32, out: &mut Vec<u32>) {
        out.extend(self.frame(place, below));
    }

    /// The ways into a node.
    fn enter(&mut self, node: NodeId, below: u32, out: &mut Vec<u32>) {
        match self.graph.node(node) {
            Node::Literals(literals) => {
                let high = u32::try_from(literals.len()).unwrap_or(u32::MAX);
                self.push(Place::Literal { node, low: 0, high, at: 0 }, below, out);
            }
            Node::Numbers(_) => self.push(Place::Number { node, prefix: Prefix::default() }, below, out),
            Node::Text(text) => self.push(Place::Quote { text: *text }, below, out),
            Node::Array(_) => self.push(Place::ArrayOpen { node }, below, out),
            Node::Object(_) => self.push(Place::ObjectOpen { node }, below, out),
            Node::Marked { .. } => self.push(Place::Marker { node, at: 0 }, below, out),
            Node::Words { .. } => self.push(Place::Words { node, at: 0 }, below, out),
            Node::Choice(choices) => {
                for choice in choices.clone() {
                    self.enter(choice, below, out);
                }
            }
        }
    }

    fn array(&self, node: NodeId) -> Option<&Array> {
        match self.graph.node(node) {
            Node::Array(array) => Some(array),
            _ => None,
        }
    }

    fn object(&self, node: NodeId) -> Option<&Object> {
        match self.graph.node(node) {
            Node::Object(object) => Some(object),
            _ => None,
        }
    }
}

fn next_count(object: &Object, count: u32) -> u32 {
    (count + 1).min(object.counted())
}
