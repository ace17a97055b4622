//! The grammar at work: bytes in, all the ways in which they can be read out, made as they are met and remembered.
//!
//! A way is a stack of places, each in its node; a frame is a place with what lies below it. What one place does with a
//! byte is plain; where the grammar leaves a choice there are several ways at once. Every way has an end: a frame knows
//! the least number of tokens to it.

use super::dfa::Dfa;
use super::node::{Array, Graph, NEVER, Node, NodeId, Object, Text};
use super::number::Prefix;
use super::utf8::{Next, Partial};
use std::collections::BTreeMap;

/// Ways at once. Further ones are dropped: each of those that stay has an end, so nothing is lost but a choice.
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
    next: Box<[u32; 256]>,
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
        let known = self.sets[ways as usize].next[byte as usize];
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
        self.sets[ways as usize].next[byte as usize] = next;
        next
    }

    fn set(&mut self, mut frames: Vec<u32>) -> u32 {
        frames.sort_unstable();
        frames.dedup();
        frames.truncate(MOST_WAYS);
        let frames = frames.into_boxed_slice();
        if let Some(number) = self.set_numbers.get(&frames) {
            return *number;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(DEAD);
        let all = || frames.iter().map(|frame| &self.frames[*frame as usize]);
        let least = all().map(|frame| frame.least).min().unwrap_or(NEVER);
        let words = all().any(|frame| matches!(frame.place, Place::Words { .. }));
        self.sets.push(Set { frames: frames.clone(), next: Box::new([UNKNOWN; 256]), least, words });
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

    /// What becomes of a place with a byte.
    fn read(&mut self, place: Place, below: u32, byte: u8, out: &mut Vec<u32>) {
        match place {
            Place::Done => {}
            Place::Literal { node, low, high, at } => self.read_literal(node, low..high, at, byte, below, out),
            Place::Number { node, prefix } => {
                let Node::Numbers(numbers) = self.graph.node(node) else { return };
                if let Some(prefix) = numbers.after(prefix, byte) {
                    let may_end = numbers.missing(prefix) == Some(0);
                    self.push(Place::Number { node, prefix }, below, out);
                    if may_end {
                        out.push(below);
                    }
                }
            }
            Place::Quote { text } if byte == b'"' => {
                self.push(Place::Text { text, state: 0, partial: Partial::Nothing }, below, out)
            }
            Place::Quote { .. } => {}
            Place::Text { text, state, partial } => {
                match read_text(&self.graph.texts[text as usize], state, partial, byte) {
                    Some(Read::Closed) => out.push(below),
                    Some(Read::On { state, partial }) => self.push(Place::Text { text, state, partial }, below, out),
                    None => {}
                }
            }
            Place::ArrayOpen { node } if byte == b'[' => self.open_array(node, below, out),
            Place::ArrayOpen { .. } => {}
            Place::ArrayFirst if byte == b']' => out.push(below),
            Place::ObjectFirst if byte == b'}' => out.push(below),
            Place::ArrayFirst | Place::ObjectFirst => {}
            Place::ArrayAfter { node, count } => self.read_after_item(node, count, byte, below, out),
            Place::ArrayComma { node, count } if byte == b' ' => self.enter_item(node, count, below, out),
            Place::ArrayComma { .. } => {}
            Place::ObjectOpen { node } if byte == b'{' => {
                if self.may_close(node, 0, 0) {
                    self.push(Place::ObjectFirst, below, out);
                }
                self.enter_keys(node, 0, 0, below, out);
            }
            Place::ObjectOpen { .. } => {}
            Place::Key { node, property, count, at } => self.read_key(node, property, count, at, byte, below, out),
            Place::Colon { node, other, count, at } => self.read_colon(node, other, count, at, byte, below, out),
            Place::ObjectAfter { node, property, count } => match byte {
                b'}' if self.may_close(node, property, count) => out.push(below),
                b',' => self.push(Place::ObjectComma { node, property, count }, below, out),
                _ => {}
            },
            Place::ObjectComma { node, property, count } if byte == b' ' => {
                self.enter_keys(node, property, count, below, out);
            }
            Place::ObjectComma { .. } => {}
            Place::Marker { node, at } => {
                let Node::Marked { marker, then } = self.graph.node(node) else { return };
                if marker.bytes.get(at as usize) != Some(&byte) {
                    return;
                }
                let then = *then;
                if at as usize + 1 == marker.bytes.len() {
                    self.enter(then, below, out);
                } else {
                    self.push(Place::Marker { node, at: at + 1 }, below, out);
                }
            }
            Place::Words { node, at } => {
                let Node::Words { marker, then } = self.graph.node(node) else { return };
                let then = *then;
                let matched = matched(&marker.bytes, at as usize, byte);
                if matched == marker.bytes.len() {
                    self.enter(then, below, out);
                } else {
                    let at = u32::try_from(matched).unwrap_or(0);
                    self.push(Place::Words { node, at }, below, out);
                }
            }
        }
    }

    fn read_literal(
        &mut self,
        node: NodeId,
        range: std::ops::Range<u32>,
        at: u32,
        byte: u8,
        below: u32,
        out: &mut Vec<u32>,
    ) {
        let Node::Literals(literals) = self.graph.node(node) else { return };
        let open = &literals[range.start as usize..range.end as usize];
        // Sorted: those that go on with this byte stand together, and one that ends here comes first.
        let from = open.partition_point(|literal| literal.bytes.get(at as usize) < Some(&byte));
        let to = open.partition_point(|literal| literal.bytes.get(at as usize) <= Some(&byte));
        if from == to {
            return;
        }
        let ends = open[from].bytes.len() == at as usize + 1;
        let goes_on = from + usize::from(ends);
        let (low, high) = (range.start + goes_on as u32, range.start + to as u32);
        if ends {
            out.push(below);
        }
        if low < high {
            self.push(Place::Literal { node, low, high, at: at + 1 }, below, out);
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

    fn open_array(&mut self, node: NodeId, below: u32, out: &mut Vec<u32>) {
        if self.array(node).is_some_and(|array| array.min == 0) {
            self.push(Place::ArrayFirst, below, out);
        }
        self.enter_item(node, 0, below, out);
    }

    fn enter_item(&mut self, node: NodeId, count: u32, below: u32, out: &mut Vec<u32>) {
        let Some(array) = self.array(node) else { return };
        let Some(item) = self.graph.item(array, count) else { return };
        // Where every further item is the same, they are not counted.
        let known = u32::try_from(array.prefix.len()).unwrap_or(u32::MAX);
        let next = if array.max == u32::MAX { (count + 1).min(known.max(array.min)) } else { count + 1 };
        if let Some(after) = self.frame(Place::ArrayAfter { node, count: next }, below) {
            self.enter(item, after, out);
        }
    }

    fn read_after_item(&mut self, node: NodeId, count: u32, byte: u8, below: u32, out: &mut Vec<u32>) {
        let Some(array) = self.array(node) else { return };
        match byte {
            b']' if count >= array.min => out.push(below),
            b',' => self.push(Place::ArrayComma { node, count }, below, out),
            _ => {}
        }
    }

    fn may_close(&self, node: NodeId, property: u32, count: u32) -> bool {
        self.object(node).is_some_and(|object| {
            count >= object.min && object.properties[property as usize..].iter().all(|property| !property.required)
        })
    }

    fn enter_keys(&mut self, node: NodeId, from: u32, count: u32, below: u32, out: &mut Vec<u32>) {
        let Some(object) = self.object(node) else { return };
        let last = u32::try_from(object.properties.len()).unwrap_or(u32::MAX);
        let required = object.properties[from as usize..].iter().position(|property| property.required);
        let others = if required.is_none() && count < object.max { object.others.len() } else { 0 };
        let end = required.map_or(last, |at| from + at as u32 + 1);
        for property in from..end {
            self.push(Place::Key { node, property, count, at: 0 }, below, out);
        }
        for other in 0..others {
            let Some(text) = self.object(node).map(|object| object.others[other].0) else { return };
            let other = u32::try_from(other).unwrap_or(u32::MAX);
            if let Some(colon) = self.frame(Place::Colon { node, other, count, at: 0 }, below) {
                self.push(Place::Quote { text }, colon, out);
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the place, taken apart")]
    fn read_key(&mut self, node: NodeId, property: u32, count: u32, at: u32, byte: u8, below: u32, out: &mut Vec<u32>) {
        let Some(object) = self.object(node) else { return };
        let known = &object.properties[property as usize];
        if known.key.bytes.get(at as usize) != Some(&byte) {
            return;
        }
        if at as usize + 1 < known.key.bytes.len() {
            self.push(Place::Key { node, property, count, at: at + 1 }, below, out);
            return;
        }
        let value = known.value;
        let count = next_count(object, count);
        if let Some(after) = self.frame(Place::ObjectAfter { node, property: property + 1, count }, below) {
            self.enter(value, after, out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are the place, taken apart")]
    fn read_colon(&mut self, node: NodeId, other: u32, count: u32, at: u32, byte: u8, below: u32, out: &mut Vec<u32>) {
        let Some(object) = self.object(node) else { return };
        if byte != b": "[at as usize] {
            return;
        }
        if at == 0 {
            self.push(Place::Colon { node, other, count, at: 1 }, below, out);
            return;
        }
        let value = object.others[other as usize].1;
        let count = next_count(object, count);
        let property = u32::try_from(object.properties.len()).unwrap_or(u32::MAX);
        if let Some(after) = self.frame(Place::ObjectAfter { node, property, count }, below) {
            self.enter(value, after, out);
        }
    }

    /// The least number of tokens to the end of a place; [`NEVER`]: there is none.
    fn missing(&self, place: Place) -> u32 {
        let graph = &self.graph;
        match place {
            Place::Done | Place::Words { .. } => 0,
            Place::Literal { node, low, high, at } => match graph.node(node) {
                Node::Literals(literals) => {
                    let open = &literals[low as usize..high as usize];
                    open.iter().map(|literal| literal.costs[at as usize]).min().unwrap_or(NEVER)
                }
                _ => NEVER,
            },
            Place::Number { node, prefix } => match graph.node(node) {
                Node::Numbers(numbers) => numbers.missing(prefix).unwrap_or(NEVER),
                _ => NEVER,
            },
            Place::Quote { text } => graph.texts[text as usize].least(),
            Place::Text { text, state, partial } => missing_text(&graph.texts[text as usize], state, partial),
            Place::ArrayOpen { node } | Place::ObjectOpen { node } => graph.least(node),
            Place::ArrayFirst | Place::ObjectFirst => 1,
            Place::ArrayAfter { node, count } => self.array(node).map_or(NEVER, |array| graph.items_cost(array, count)),
            Place::ArrayComma { node, count } => self.array(node).map_or(NEVER, |array| {
                let item = graph.item(array, count).map_or(NEVER, |item| graph.least(item));
                item.saturating_add(graph.items_cost(array, count.saturating_add(1))).saturating_add(1)
            }),
            Place::Key { .. } | Place::Colon { .. } | Place::ObjectAfter { .. } | Place::ObjectComma { .. } => {
                self.missing_in_object(place)
            }
            Place::Marker { node, at } => match graph.node(node) {
                Node::Marked { marker, then } => marker.costs[at as usize].saturating_add(graph.least(*then)),
                _ => NEVER,
            },
        }
    }

    fn missing_in_object(&self, place: Place) -> u32 {
        let graph = &self.graph;
        match place {
            Place::Key { node, property, count, at } => self.object(node).map_or(NEVER, |object| {
                if count >= object.max {
                    return NEVER;
                }
                let known = &object.properties[property as usize];
                let after = object.costs[property as usize + 1][next_count(object, count) as usize];
                known.key.costs[at as usize].saturating_add(graph.least(known.value)).saturating_add(after)
            }),
            Place::Colon { node, other, count, at } => self.object(node).map_or(NEVER, |object| {
                let after = object.costs[object.properties.len()][next_count(object, count) as usize];
                (2 - at).saturating_add(graph.least(object.others[other as usize].1)).saturating_add(after)
            }),
            Place::ObjectAfter { node, property, count } => {
                self.object(node).map_or(NEVER, |object| object.costs[property as usize][count as usize])
            }
            Place::ObjectComma { node, property, count } => self.object(node).map_or(NEVER, |object| {
                let mut least = NEVER;
                for at in property as usize..object.properties.len() {
                    let at = u32::try_from(at).unwrap_or(u32::MAX);
                    least = least.min(self.missing_in_object(Place::Key { node, property: at, count, at: 0 }));
                    if object.properties[at as usize].required {
                        return least.saturating_add(1);
                    }
                }
                if count < object.max {
                    let after = object.costs[object.properties.len()][next_count(object, count) as usize];
                    let others = object.others.iter().map(|other| graph.other_cost(other).saturating_add(after));
                    least = least.min(others.min().unwrap_or(NEVER));
                }
                least.saturating_add(1)
            }),
            _ => NEVER,
        }
    }
}

fn next_count(object: &Object, count: u32) -> u32 {
    (count + 1).min(object.counted())
}

/// How much of the marker the text ends with after one more byte.
fn matched(marker: &[u8], before: usize, byte: u8) -> usize {
    let mut text = marker[..before].to_vec();
    text.push(byte);
    (0..=text.len()).rev().find(|length| marker.starts_with(&text[text.len() - length..])).unwrap_or(0)
}

enum Read {
    Closed,
    On { state: u32, partial: Partial },
}

const ESCAPES: [(u8, u32); 7] =
    [(b'"', 0x22), (b'\\', 0x5c), (b'b', 0x08), (b'f', 0x0c), (b'n', 0x0a), (b'r', 0x0d), (b't', 0x09)];

fn read_text(text: &Text, state: u32, partial: Partial, byte: u8) -> Option<Read> {
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

fn missing_text(text: &Text, state: u32, partial: Partial) -> u32 {
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
