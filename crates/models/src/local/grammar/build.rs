//! From schemas to nodes. A node stands for all schemas that apply to one place at once; each choice among them is a
//! list of keywords that hold together.
//!
//! What is generated may be less than what fits: properties come in the order in which the schema names them, names of
//! its own choosing are written only where the schema says what they hold or names none, and numbers have no exponents.

use super::dfa::Dfa;
use super::fuel::{Fuel, TooLarge};
mod kind;
mod object;

use super::disjoint::Branches;
use super::examine::Places;
use super::fits::Judge;
use super::node::{Array, Graph, Literal, Node, NodeId, Text};
use super::number::{Asked, Decimal, Edge, Numbers};
use super::refusal::Place;
use super::resolve::{Root, Said};
use super::tokens::Tokens;
use super::{format, pattern};
use crate::SchemaRefusal;
use kind::{Kind, kinds};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Choices for one place, and schemas that hold together in one of them.
const MOST_CHOICES: usize = 200;
const MOST_TOGETHER: usize = 200;
const MOST_NODES: usize = 20_000;
/// States of all automata of one schema.
const MOST_STATES: usize = 60_000;
/// A string that a pattern holds is no longer than this.
const MOST_PATTERNED: u32 = 1_000;

type Keywords<'a> = &'a Map<String, Value>;

pub(super) struct Builder<'a, 'g> {
    root: Root<'a>,
    places: &'a Places,
    tokens: &'g Tokens,
    graph: &'g mut Graph,
    judge: Judge<'a>,
    fuel: Fuel,
    known: BTreeMap<Vec<usize>, NodeId>,
    waiting: VecDeque<(NodeId, Vec<Keywords<'a>>)>,
    choices: BTreeMap<usize, Arc<Vec<Vec<Keywords<'a>>>>>,
    patterns: BTreeMap<String, Arc<Dfa>>,
    texts: BTreeMap<(BTreeSet<String>, u32, Option<u32>), u32>,
    states: usize,
}

impl<'a, 'g> Builder<'a, 'g> {
    pub fn new(root: Root<'a>, places: &'a Places, tokens: &'g Tokens, graph: &'g mut Graph) -> Self {
        let fuel = graph.fuel.clone();
        Self {
            root,
            places,
            tokens,
            graph,
            judge: Judge::new(root, fuel.clone()),
            fuel,
            known: BTreeMap::new(),
            waiting: VecDeque::new(),
            choices: BTreeMap::new(),
            patterns: BTreeMap::new(),
            texts: BTreeMap::new(),
            states: 0,
        }
    }

    /// The node of values that fit all of `schemas`.
    pub fn build(mut self, schemas: Vec<Said<'a>>) -> Result<NodeId, SchemaRefusal> {
        let id = self.node(schemas);
        while let Some((id, together)) = self.waiting.pop_front() {
            let place = self.place(&together);
            let mut choices = Vec::new();
            for choice in self.expanded(&together, &place)? {
                self.choice(&choice, &mut choices)?;
            }
            if self.graph.nodes.len() > MOST_NODES {
                return Err(place.refuse("the schema is too large when all its parts are put together"));
            }
            self.graph.nodes[id as usize] = Node::Choice(choices);
        }
        Ok(id)
    }

    fn place(&self, together: &[Keywords<'a>]) -> Place {
        let place = together.iter().find_map(|keywords| self.places.of(keywords));
        place.cloned().unwrap_or_else(|| Place::new("schema"))
    }

    fn node(&mut self, schemas: Vec<Said<'a>>) -> NodeId {
        let mut together: Vec<Keywords<'a>> = Vec::new();
        for said in schemas {
            match said {
                Said::Everything => {}
                Said::Nothing => return self.graph.add(Node::Choice(Vec::new())),
                Said::Keywords(keywords) => {
                    if !together.iter().any(|known| std::ptr::eq(*known, keywords)) {
                        together.push(keywords);
                    }
                }
            }
        }
        let mut key: Vec<usize> = together.iter().map(|keywords| std::ptr::from_ref(*keywords).addr()).collect();
        key.sort_unstable();
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let id = self.graph.add(Node::Choice(Vec::new()));
        self.known.insert(key, id);
        self.waiting.push_back((id, together));
        id
    }

    /// The choices that several schemas leave together: each a list of keywords without `$ref`, `allOf`, `anyOf` and
    /// `oneOf`, which it has followed.
    fn expanded(&mut self, together: &[Keywords<'a>], place: &Place) -> Result<Vec<Vec<Keywords<'a>>>, SchemaRefusal> {
        let mut all = vec![Vec::new()];
        for keywords in together {
            let own = self.followed(keywords)?;
            all = self.product(&all, &own, place)?;
        }
        Ok(all)
    }

    fn followed(&mut self, keywords: Keywords<'a>) -> Result<Arc<Vec<Vec<Keywords<'a>>>>, SchemaRefusal> {
        let key = std::ptr::from_ref(keywords).addr();
        if let Some(known) = self.choices.get(&key) {
            return Ok(known.clone());
        }
        let place = self.place(&[keywords]);
        let mut all = vec![vec![keywords]];
        if let Some(Value::String(reference)) = keywords.get("$ref") {
            let target = self.root.find(reference).unwrap_or(Said::Nothing);
            let target = self.said(target)?;
            all = self.product(&all, &target, &place)?;
        }
        for branch in list(keywords, "allOf") {
            let branch = self.said(Said::of(branch))?;
            all = self.product(&all, &branch, &place)?;
        }
        for keyword in ["anyOf", "oneOf"] {
            let branches = list(keywords, keyword);
            if branches.is_empty() {
                continue;
            }
            if keyword == "oneOf"
                && let Some((a, b)) = Branches::new(self.root).overlapping(branches)
            {
                let why = format!(
                    "a value may fit both {a} and {b}, and the grammar cannot see that it fits only one; tell them \
                     apart by their types or by a required property with constants, or write `anyOf`"
                );
                return Err(place.name("oneOf").refuse(why));
            }
            let mut either = Vec::new();
            for branch in branches {
                either.extend(self.said(Said::of(branch))?.iter().cloned());
            }
            all = self.product(&all, &either, &place)?;
        }
        let all = Arc::new(all);
        self.choices.insert(key, all.clone());
        Ok(all)
    }

    /// Each choice of the one with each of the other.
    fn product(
        &self,
        a: &[Vec<Keywords<'a>>],
        b: &[Vec<Keywords<'a>>],
        place: &Place,
    ) -> Result<Vec<Vec<Keywords<'a>>>, SchemaRefusal> {
        if a.len().saturating_mul(b.len()) > MOST_CHOICES {
            return Err(place.refuse(format!("its choices combine to more than {MOST_CHOICES} cases")));
        }
        let mut all: Vec<Vec<Keywords<'a>>> = Vec::new();
        for a in a {
            for b in b {
                let mut both = a.clone();
                for keywords in b {
                    if !both.iter().any(|known| std::ptr::eq(*known, *keywords)) {
                        both.push(keywords);
                    }
                }
                if both.len() > MOST_TOGETHER {
                    return Err(place.refuse(format!("more than {MOST_TOGETHER} schemas apply to one value")));
                }
                let work = 1 + a.len() + b.len() * both.len() / 8;
                self.fuel.spend(work).map_err(|TooLarge| place.refuse("its choices are too many to combine"))?;
                all.push(both);
            }
        }
        Ok(all)
    }

    fn said(&mut self, said: Said<'a>) -> Result<Arc<Vec<Vec<Keywords<'a>>>>, SchemaRefusal> {
        match said {
            Said::Everything => Ok(Arc::new(vec![Vec::new()])),
            Said::Nothing => Ok(Arc::new(Vec::new())),
            Said::Keywords(keywords) => self.followed(keywords),
        }
    }

    fn choice(&mut self, together: &[Keywords<'a>], nodes: &mut Vec<NodeId>) -> Result<(), SchemaRefusal> {
        let constant = together.iter().find_map(|keywords| match (keywords.get("const"), keywords.get("enum")) {
            (Some(value), _) => Some(std::slice::from_ref(value)),
            (None, Some(Value::Array(values))) => Some(values.as_slice()),
            _ => None,
        });
        if let Some(values) = constant {
            nodes.extend(self.constants(values, together)?);
            return Ok(());
        }
        for kind in kinds(together) {
            nodes.extend(match kind {
                Kind::Null => Some(self.literals(&["null".to_owned()])),
                Kind::Boolean => Some(self.literals(&["false".to_owned(), "true".to_owned()])),
                Kind::Integer | Kind::Number => {
                    Numbers::new(&asked(together, kind)).map(|numbers| self.graph.add(Node::Numbers(numbers)))
                }
                Kind::String => {
                    let text = self.text(together)?;
                    Some(self.graph.add(Node::Text(text)))
                }
                Kind::Array => Some(self.array(together)),
                Kind::Object => Some(self.object(together)?),
            });
        }
        Ok(())
    }

    fn constants(&mut self, values: &[Value], together: &[Keywords<'a>]) -> Result<Option<NodeId>, SchemaRefusal> {
        let mut texts = BTreeSet::new();
        for value in values {
            let mut fits = true;
            for keywords in together {
                fits = fits
                    && self.judge.fits(value, keywords).map_err(|_| {
                        self.place(together)
                            .refuse("its constants take too long to compare with the rest of the schema")
                    })?;
            }
            if fits {
                texts.insert(value.to_string());
            }
        }
        let texts: Vec<String> = texts.into_iter().collect();
        Ok((!texts.is_empty()).then(|| self.literals(&texts)))
    }

    /// `texts` are sorted.
    fn literals(&mut self, texts: &[String]) -> NodeId {
        let literals = texts.iter().map(|text| Literal::new(text, self.tokens)).collect();
        self.graph.add(Node::Literals(literals))
    }

    fn text(&mut self, together: &[Keywords<'a>]) -> Result<u32, SchemaRefusal> {
        let mut patterns = BTreeSet::new();
        for keywords in together {
            patterns.extend(keywords.get("pattern").and_then(Value::as_str).map(str::to_owned));
            let name = keywords.get("format").and_then(Value::as_str);
            patterns.extend(name.and_then(format::pattern).map(str::to_owned));
        }
        let min = most(together, "minLength").unwrap_or(0);
        let mut max = least(together, "maxLength");
        if !patterns.is_empty() {
            max = max.map(|max| max.min(MOST_PATTERNED.max(min)));
        }
        let key = (patterns, min, max);
        if let Some(text) = self.texts.get(&key) {
            return Ok(*text);
        }
        let text = if max.is_some_and(|max| max < min) {
            Text::Automaton(Arc::default())
        } else if key.0.is_empty() {
            Text::Any { min, max }
        } else {
            let place = self.place(together);
            let length = if min == 0 && max.is_none() {
                None
            } else {
                Some(self.sized(Dfa::length(min, max, &self.fuel), &place)?)
            };
            let mut parts = Vec::new();
            for pattern in &key.0 {
                parts.push((self.pattern(pattern, &place)?, true));
            }
            parts.extend(length.map(|length| (length, true)));
            Text::Automaton(self.combined(&parts, &place)?)
        };
        let text = self.graph.add_text(text);
        self.texts.insert(key, text);
        Ok(text)
    }

    fn pattern(&mut self, text: &str, place: &Place) -> Result<Arc<Dfa>, SchemaRefusal> {
        if let Some(known) = self.patterns.get(text) {
            return Ok(known.clone());
        }
        let dfa = pattern::search(text, &self.fuel).map_err(|why| {
            let shown: String = text.chars().take(60).collect();
            place.refuse(format!("the pattern {shown:?} {why}"))
        })?;
        let dfa = self.sized(Ok(dfa), place)?;
        self.patterns.insert(text.to_owned(), dfa.clone());
        Ok(dfa)
    }

    fn combined(&mut self, parts: &[(Arc<Dfa>, bool)], place: &Place) -> Result<Arc<Dfa>, SchemaRefusal> {
        if let [(only, true)] = parts {
            return Ok(only.clone());
        }
        let parts: Vec<(&Dfa, bool)> = parts.iter().map(|(part, wanted)| (&**part, *wanted)).collect();
        self.sized(Dfa::combine(&parts, &self.fuel), place)
    }

    fn sized(&mut self, dfa: Result<Dfa, TooLarge>, place: &Place) -> Result<Arc<Dfa>, SchemaRefusal> {
        let refusal =
            || place.refuse("its patterns, lengths and names need too large an automaton; ask for less of them");
        let dfa = dfa.map_err(|TooLarge| refusal())?;
        self.states += dfa.len();
        if self.states > MOST_STATES { Err(refusal()) } else { Ok(Arc::new(dfa)) }
    }

    fn array(&mut self, together: &[Keywords<'a>]) -> NodeId {
        let known = together.iter().map(|keywords| list(keywords, "prefixItems").len()).max().unwrap_or(0);
        let items = |at: usize| -> Vec<Said<'a>> {
            let of = |keywords: &Keywords<'a>| {
                let prefix = list(keywords, "prefixItems");
                prefix.get(at).or_else(|| keywords.get("items")).map(Said::of)
            };
            together.iter().filter_map(of).collect()
        };
        let prefix = (0..known).map(|at| self.node(items(at))).collect();
        let rest = Some(self.node(items(known)));
        let min = most(together, "minItems").unwrap_or(0);
        let max = least(together, "maxItems").unwrap_or(u32::MAX);
        self.graph.add(Node::Array(Array { prefix, rest, min, max }))
    }
}

fn list<'a>(keywords: Keywords<'a>, keyword: &str) -> &'a [Value] {
    keywords.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn map<'a>(keywords: Keywords<'a>, keyword: &str) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
    keywords.get(keyword).and_then(Value::as_object).into_iter().flatten()
}

fn count(value: &Value) -> Option<u32> {
    // Saturates: nothing is as long as that.
    value.as_f64().map(|count| count as u32)
}

fn most(together: &[Keywords<'_>], keyword: &str) -> Option<u32> {
    together.iter().filter_map(|keywords| count(keywords.get(keyword)?)).max()
}

fn least(together: &[Keywords<'_>], keyword: &str) -> Option<u32> {
    together.iter().filter_map(|keywords| count(keywords.get(keyword)?)).min()
}

fn asked(together: &[Keywords<'_>], kind: Kind) -> Asked {
    let mut asked = Asked { integer: kind == Kind::Integer, ..Asked::default() };
    for keywords in together {
        let number = |keyword: &str| keywords.get(keyword).and_then(Value::as_number).and_then(Decimal::of);
        asked.low.extend(number("minimum").map(|bound| (bound, Edge::Included)));
        asked.low.extend(number("exclusiveMinimum").map(|bound| (bound, Edge::Excluded)));
        asked.high.extend(number("maximum").map(|bound| (bound, Edge::Included)));
        asked.high.extend(number("exclusiveMaximum").map(|bound| (bound, Edge::Excluded)));
        asked.multiples.extend(number("multipleOf"));
    }
    asked
}
