//! Objects: the properties that are named, and the names that are not.

use super::super::dfa::Dfa;
use super::super::node::{Literal, Node, NodeId, Object, Property, Text};
use super::super::refusal::Place;
use super::super::resolve::Said;
use super::{Builder, Keywords, least, list, map, most};
use crate::SchemaRefusal;
use serde_json::Value;
use std::collections::BTreeSet;

/// Patterns of names that apply to one object.
const MOST_NAME_PATTERNS: usize = 3;
/// Properties beyond those that are named, where their number is limited.
const MOST_OTHERS: u32 = 64;

impl<'a> Builder<'a, '_> {
    pub(super) fn object(&mut self, together: &[Keywords<'a>]) -> Result<NodeId, SchemaRefusal> {
        let place = self.place(together);
        let mut names: Vec<&'a str> = Vec::new();
        let mut required: BTreeSet<&'a str> = BTreeSet::new();
        for keywords in together {
            required.extend(list(keywords, "required").iter().filter_map(Value::as_str));
            names.extend(map(keywords, "properties").map(|(name, _)| name.as_str()));
        }
        names.extend(required.iter().copied());
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(*name));

        let mut properties = Vec::new();
        for name in &names {
            let value = self.schemas_of(name, together, &place)?;
            let key = format!("{}: ", Value::from(*name));
            properties.push(Property {
                key: Literal::new(&key, self.tokens),
                value: self.node(value),
                required: required.contains(name),
            });
        }
        let min = most(together, "minProperties").unwrap_or(0);
        let named = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let others = self.others(&seen, min > named, together, &place)?;
        if !others.is_empty() && min > named.saturating_add(1) {
            let why = format!("the schema names {named} properties and asks for more than one beyond them");
            return Err(place.name("minProperties").refuse(why));
        }
        // One more than there can be is as much too many as any number.
        let min = min.min(named.saturating_add(2));
        let max = match least(together, "maxProperties") {
            Some(max) if others.is_empty() && max < named => max,
            Some(max) if !others.is_empty() => max.min(named.saturating_add(MOST_OTHERS)),
            _ => u32::MAX,
        };
        Ok(self.graph.add(Node::Object(Object { properties, others, min, max, costs: Vec::new() })))
    }

    /// What applies to the property `name`.
    fn schemas_of(
        &mut self,
        name: &str,
        together: &[Keywords<'a>],
        place: &Place,
    ) -> Result<Vec<Said<'a>>, SchemaRefusal> {
        let mut all = Vec::new();
        for keywords in together {
            let before = all.len();
            all.extend(keywords.get("properties").and_then(|named| named.get(name)).map(Said::of));
            for (pattern, schema) in map(keywords, "patternProperties") {
                if self.pattern(pattern, place)?.accepts(name) {
                    all.push(Said::of(schema));
                }
            }
            if all.len() == before {
                all.extend(keywords.get("additionalProperties").map(Said::of));
            }
        }
        Ok(all)
    }

    /// What names may be written that the schema does not spell, and what they hold.
    fn others(
        &mut self,
        names: &BTreeSet<&str>,
        is_needed: bool,
        together: &[Keywords<'a>],
        place: &Place,
    ) -> Result<Vec<(u32, NodeId)>, SchemaRefusal> {
        let patterns: BTreeSet<&'a String> = together
            .iter()
            .flat_map(|keywords| map(keywords, "patternProperties"))
            .map(|(pattern, _)| pattern)
            .collect();
        let patterns: Vec<&'a String> = patterns.into_iter().collect();
        if patterns.len() > MOST_NAME_PATTERNS {
            let why = format!("more than {MOST_NAME_PATTERNS} patterns of names apply to one object");
            return Err(place.name("patternProperties").refuse(why));
        }
        let says = together.iter().any(|keywords| keywords.get("additionalProperties").is_some_and(Value::is_object));
        let names_none = names.is_empty() && patterns.is_empty();
        let mut others = Vec::new();
        for chosen in 0_u32..1 << patterns.len() {
            let is_chosen =
                |pattern: &String| patterns.iter().position(|p| *p == pattern).is_some_and(|i| chosen >> i & 1 == 1);
            if chosen == 0 && !says && !names_none && !is_needed {
                continue;
            }
            let mut schemas = Vec::new();
            for keywords in together {
                let before = schemas.len();
                let matching = map(keywords, "patternProperties").filter(|(pattern, _)| is_chosen(pattern));
                schemas.extend(matching.map(|(_, schema)| Said::of(schema)));
                if schemas.len() == before {
                    schemas.extend(keywords.get("additionalProperties").map(Said::of));
                }
            }
            if schemas.iter().any(|said| matches!(said, Said::Nothing)) {
                continue;
            }
            let mut parts = Vec::new();
            for pattern in &patterns {
                parts.push((self.pattern(pattern, place)?, is_chosen(pattern)));
            }
            if !names.is_empty() {
                parts.push((self.sized(Dfa::except(names, &self.fuel), place)?, true));
            }
            let text = if parts.is_empty() {
                Text::Any { min: 0, max: None }
            } else {
                Text::Automaton(self.combined(&parts, place)?)
            };
            let value = self.node(schemas);
            others.push((self.graph.add_text(text), value));
        }
        Ok(others)
    }
}
