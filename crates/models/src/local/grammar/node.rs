//! A grammar as a graph: what may stand in one place, and how few tokens it takes at least.

use super::dfa::Dfa;
use super::fuel::{Fuel, TooLarge};
use super::number::{Numbers, Prefix};
use super::tokens::Tokens;
use std::collections::VecDeque;
use std::sync::Arc;

/// Longer than any answer: there is no way through.
pub(super) const NEVER: u32 = u32::MAX / 4;

pub(super) type NodeId = u32;

/// Bytes that stand as they are.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    pub bytes: Box<[u8]>,
    /// For each place in `bytes`, the least number of tokens to their end.
    pub costs: Box<[u32]>,
}

impl Literal {
    pub fn new(text: &str, tokens: &Tokens) -> Self {
        Self { bytes: text.as_bytes().into(), costs: tokens.costs(text.as_bytes()) }
    }
}

/// Which strings may stand between the quotation marks.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// Any, of so many characters.
    Any {
        min: u32,
        max: Option<u32>,
    },
    Automaton(Arc<Dfa>),
}

impl Text {
    /// Bytes of the shortest string, with its quotation marks.
    pub fn least(&self) -> u32 {
        match self {
            Self::Any { min, .. } => min.saturating_add(2).min(NEVER),
            Self::Automaton(dfa) if dfa.is_empty() => NEVER,
            Self::Automaton(dfa) => dfa.state(0).least.saturating_add(2).min(NEVER),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    /// One of these, sorted.
    Literals(Vec<Literal>),
    Numbers(Numbers),
    /// A string, by its number in [`Graph::texts`].
    Text(u32),
    Array(Array),
    Object(Object),
    Choice(Vec<NodeId>),
    /// `marker` as it stands, then `then`.
    Marked {
        marker: Literal,
        then: NodeId,
    },
    /// Free text, until `marker` is written and `then` begins.
    Words {
        marker: Literal,
        then: NodeId,
    },
}

impl Node {
    /// Tells the nodes that this one is made of.
    fn below(&self, mut tell: impl FnMut(NodeId)) {
        match self {
            Self::Literals(_) | Self::Numbers(_) | Self::Text(_) => {}
            Self::Array(array) => array.prefix.iter().chain(&array.rest).for_each(|id| tell(*id)),
            Self::Object(object) => {
                object.properties.iter().for_each(|property| tell(property.value));
                object.others.iter().for_each(|other| tell(other.1));
            }
            Self::Choice(choices) => choices.iter().for_each(|id| tell(*id)),
            Self::Marked { then, .. } | Self::Words { then, .. } => tell(*then),
        }
    }

    /// The work of finding what it takes.
    fn weight(&self) -> usize {
        match self {
            Self::Literals(literals) => literals.len(),
            Self::Choice(choices) => choices.len(),
            Self::Array(array) => array.prefix.len(),
            Self::Object(object) => (object.properties.len() + 1) * (object.counted() as usize + 1),
            // Every length of whole and fraction.
            Self::Numbers(_) => 100,
            Self::Text(_) | Self::Marked { .. } | Self::Words { .. } => 1,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Array {
    pub prefix: Vec<NodeId>,
    /// What follows the prefix.
    pub rest: Option<NodeId>,
    pub min: u32,
    pub max: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Object {
    /// In the order in which they are written.
    pub properties: Vec<Property>,
    /// What other names may be, as numbers of texts, and what they hold.
    pub others: Vec<(u32, NodeId)>,
    pub min: u32,
    pub max: u32,
    /// Costs of the rest: by the next property, by how many are written.
    pub costs: Vec<Vec<u32>>,
}

#[derive(Clone, Debug)]
pub(super) struct Property {
    /// The name in quotation marks and the colon.
    pub key: Literal,
    pub value: NodeId,
    pub required: bool,
}

#[derive(Clone, Default, Debug)]
pub(super) struct Graph {
    pub nodes: Vec<Node>,
    pub texts: Vec<Text>,
    /// For each node the least number of tokens that it takes; [`NEVER`] where nothing fits.
    pub least: Vec<u32>,
    pub fuel: Fuel,
}

impl Graph {
    pub fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
    }

    pub fn add_text(&mut self, text: Text) -> u32 {
        self.texts.push(text);
        u32::try_from(self.texts.len() - 1).unwrap_or(u32::MAX)
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    pub fn least(&self, id: NodeId) -> u32 {
        self.least[id as usize]
    }

    /// Finds what each node takes at least, and takes out what nothing fits.
    pub fn settle(&mut self) -> Result<(), TooLarge> {
        self.least = vec![NEVER; self.nodes.len()];
        let mut above = vec![Vec::new(); self.nodes.len()];
        for (id, node) in self.nodes.iter().enumerate() {
            node.below(|below| above[below as usize].push(id));
        }
        // Nodes mostly stand before what they are made of.
        let mut open: VecDeque<usize> = (0..self.nodes.len()).rev().collect();
        let mut is_open = vec![true; self.nodes.len()];
        while let Some(id) = open.pop_front() {
            is_open[id] = false;
            self.fuel.spend(self.nodes[id].weight())?;
            let least = self.cost(&self.nodes[id]);
            if least < self.least[id] {
                self.least[id] = least;
                for above in &above[id] {
                    if !std::mem::replace(&mut is_open[*above], true) {
                        open.push_back(*above);
                    }
                }
            }
        }
        for id in 0..self.nodes.len() {
            let mut node = std::mem::replace(&mut self.nodes[id], Node::Choice(Vec::new()));
            self.prune(&mut node);
            self.nodes[id] = node;
        }
        Ok(())
    }

    fn cost(&self, node: &Node) -> u32 {
        let least = match node {
            Node::Literals(literals) => literals.iter().map(|literal| literal.costs[0]).min().unwrap_or(NEVER),
            Node::Numbers(numbers) => numbers.missing(Prefix::default()).unwrap_or(NEVER),
            Node::Text(text) => self.texts[*text as usize].least(),
            Node::Array(array) if array.min > array.max => NEVER,
            Node::Array(array) => self.items_cost(array, 0).saturating_add(1),
            Node::Object(object) => self.object_costs(object).1,
            Node::Choice(choices) => choices.iter().map(|id| self.least(*id)).min().unwrap_or(NEVER),
            Node::Marked { marker, then } => marker.costs[0].saturating_add(self.least(*then)),
            Node::Words { .. } => 0,
        };
        least.min(NEVER)
    }

    /// What the rest of an array takes after `count` items, its end included.
    pub fn items_cost(&self, array: &Array, count: u32) -> u32 {
        let mut cost: u64 = 1;
        let known = u32::try_from(array.prefix.len()).unwrap_or(u32::MAX);
        for at in count..array.min.min(known) {
            cost += u64::from(self.least(array.prefix[at as usize])) + u64::from(at > 0) * 2;
        }
        let from = count.max(known);
        if array.min > from {
            let item = array.rest.map_or(NEVER, |rest| self.least(rest));
            cost += u64::from(array.min - from) * u64::from(item.saturating_add(2)) - u64::from(from == 0) * 2;
        }
        u32::try_from(cost).unwrap_or(NEVER).min(NEVER)
    }

    pub fn item(&self, array: &Array, at: u32) -> Option<NodeId> {
        let item = array.prefix.get(at as usize).copied().or(array.rest);
        item.filter(|item| at < array.max && self.least(*item) < NEVER)
    }

    /// What another name and its value take: name, colon, space, value.
    pub fn other_cost(&self, other: &(u32, NodeId)) -> u32 {
        self.texts[other.0 as usize].least().saturating_add(2).saturating_add(self.least(other.1)).min(NEVER)
    }

    /// The costs of [`Object::costs`], each with the comma before it, and what the whole takes.
    fn object_costs(&self, object: &Object) -> (Vec<Vec<u32>>, u32) {
        let count = object.properties.len();
        let width = object.counted() as usize + 1;
        let other = object.others.iter().map(|other| self.other_cost(other)).min().unwrap_or(NEVER);
        let mut costs = vec![vec![NEVER; width]; count + 1];
        // The same with nothing written yet: there is no comma before the first.
        let mut first = if object.min == 0 { 1 } else { NEVER };
        for (cost, written) in costs[count].iter_mut().zip(0_u32..) {
            // Of names that the schema does not spell only one counts here: it cannot be a name that is there already.
            let is_one_short = written + 1 == object.min && written < object.max;
            *cost = match written >= object.min {
                true => 1,
                false if is_one_short => other.saturating_add(3).min(NEVER),
                false => NEVER,
            };
        }
        if object.max > 0 {
            first = first.min(other.saturating_add(costs[count][1.min(width - 1)]));
        }
        for at in (0..count).rev() {
            let property = &object.properties[at];
            let own = property.key.costs[0].saturating_add(self.least(property.value)).min(NEVER);
            for written in 0..width {
                let next = (written + 1).min(width - 1);
                let is_room = (written as u32) < object.max;
                let taken = if is_room { own.saturating_add(2).saturating_add(costs[at + 1][next]) } else { NEVER };
                let left = if property.required { NEVER } else { costs[at + 1][written] };
                costs[at][written] = taken.min(left).min(NEVER);
            }
            let taken = if object.max > 0 { own.saturating_add(costs[at + 1][1.min(width - 1)]) } else { NEVER };
            first = taken.min(if property.required { NEVER } else { first });
        }
        (costs, first.saturating_add(1).min(NEVER))
    }

    fn prune(&self, node: &mut Node) {
        match node {
            Node::Choice(choices) => choices.retain(|id| self.least(*id) < NEVER),
            Node::Object(object) => {
                object.properties.retain(|property| property.required || self.least(property.value) < NEVER);
                object.others.retain(|other| self.other_cost(other) < NEVER);
                object.costs = self.object_costs(object).0;
            }
            Node::Literals(_)
            | Node::Numbers(_)
            | Node::Text(_)
            | Node::Array(_)
            | Node::Marked { .. }
            | Node::Words { .. } => {}
        }
    }
}

impl Object {
    /// How far properties are counted: where no limit is left to reach, no further.
    pub fn counted(&self) -> u32 {
        if self.max == u32::MAX { self.min } else { self.max }
    }
}
