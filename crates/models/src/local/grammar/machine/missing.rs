//! How far it is to the end of a place.

use super::super::node::{NEVER, Node};
use super::string::missing_text;
use super::{Machine, Place, next_count};

impl Machine {
    /// The least number of tokens to the end of a place; [`NEVER`]: there is none.
    pub(super) fn missing(&self, place: Place) -> u32 {
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
