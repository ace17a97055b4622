//! What a place does with a byte.

use super::super::node::{Node, NodeId};
use super::super::utf8::Partial;
use super::string::{Read, read_text};
use super::{Machine, Place, next_count};

impl Machine {
    /// What becomes of a place with a byte.
    pub(super) fn read(&mut self, place: Place, below: u32, byte: u8, out: &mut Vec<u32>) {
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
            Place::Marker { node, at } => self.read_marker(node, at, byte, below, out),
            Place::Words { node, at } => self.read_words(node, at, byte, below, out),
        }
    }

    fn read_marker(&mut self, node: NodeId, at: u32, byte: u8, below: u32, out: &mut Vec<u32>) {
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

    fn read_words(&mut self, node: NodeId, at: u32, byte: u8, below: u32, out: &mut Vec<u32>) {
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
}

/// How much of the marker the text ends with after one more byte.
fn matched(marker: &[u8], before: usize, byte: u8) -> usize {
    let mut text = marker[..before].to_vec();
    text.push(byte);
    (0..=text.len()).rev().find(|length| marker.starts_with(&text[text.len() - length..])).unwrap_or(0)
}
