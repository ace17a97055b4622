//! Whether the branches of a `oneOf` exclude each other, so that a value of one is a value of no other.

use super::fits::equal;
use super::resolve::{Root, Said};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

const ALL: u8 = 0b11_1111;
const OBJECT: u8 = 0b10_0000;

/// What tells branches apart.
pub(super) struct Branches<'a> {
    root: Root<'a>,
    kinds: BTreeMap<usize, u8>,
}

/// What is known of one branch.
struct Known<'a> {
    kinds: u8,
    /// All values that it takes, if they are listed.
    values: Option<Vec<&'a Value>>,
    /// What its required properties may be, of those that are listed.
    properties: BTreeMap<&'a str, Vec<&'a Value>>,
}

impl<'a> Branches<'a> {
    pub fn new(root: Root<'a>) -> Self {
        Self { root, kinds: BTreeMap::new() }
    }

    /// The first two that a value may both fit.
    pub fn overlapping(&mut self, branches: &'a [Value]) -> Option<(usize, usize)> {
        let known: Vec<Known<'a>> = branches.iter().map(|branch| self.known(Said::of(branch))).collect();
        let pairs = (0..known.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        pairs.into_iter().find(|(a, b)| !are_apart(&known[*a], &known[*b]))
    }

    fn known(&mut self, branch: Said<'a>) -> Known<'a> {
        let kinds = self.kinds(branch);
        let mut known = Known { kinds, values: None, properties: BTreeMap::new() };
        // What a branch says itself, and what the schemas say that it refers to or takes in.
        let mut open = vec![branch];
        let mut looked = 0;
        while let Some(Said::Keywords(keywords)) = open.pop() {
            looked += 1;
            if looked > 50 {
                break;
            }
            if known.values.is_none() {
                known.values = listed(keywords);
            }
            for name in keywords.get("required").and_then(Value::as_array).into_iter().flatten() {
                let Some(name) = name.as_str() else { continue };
                let property = keywords.get("properties").and_then(|all| all.get(name));
                if let Some(values) = property.and_then(|property| self.values_of(property)) {
                    known.properties.insert(name, values);
                }
            }
            open.extend(keywords.get("allOf").and_then(Value::as_array).into_iter().flatten().map(Said::of));
            open.extend(self.referred(keywords));
        }
        known
    }

    /// The constants of a schema, its own or those of what it refers to.
    fn values_of(&self, schema: &'a Value) -> Option<Vec<&'a Value>> {
        let mut said = Said::of(schema);
        // Chains have an end, and a short one: they were examined.
        loop {
            let Said::Keywords(keywords) = said else { return None };
            if let Some(values) = listed(keywords) {
                return Some(values);
            }
            said = self.referred(keywords)?;
        }
    }

    fn referred(&self, keywords: &'a Map<String, Value>) -> Option<Said<'a>> {
        self.root.find(keywords.get("$ref")?.as_str()?)
    }

    fn kinds(&mut self, said: Said<'a>) -> u8 {
        let keywords = match said {
            Said::Everything => return ALL,
            Said::Nothing => return 0,
            Said::Keywords(keywords) => keywords,
        };
        let key = std::ptr::from_ref(keywords).addr();
        if let Some(kinds) = self.kinds.get(&key) {
            return *kinds;
        }
        let mut kinds = ALL;
        if let Some(types) = keywords.get("type") {
            let names = types.as_array().map_or(std::slice::from_ref(types), Vec::as_slice);
            kinds &= names.iter().filter_map(Value::as_str).fold(0, |all, name| all | named(name));
        }
        if let Some(values) = listed(keywords) {
            kinds &= values.iter().fold(0, |all, value| all | kind(value));
        }
        if let Some(target) = self.referred(keywords) {
            kinds &= self.kinds(target);
        }
        for branch in keywords.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            kinds &= self.kinds(Said::of(branch));
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(branches) = keywords.get(keyword).and_then(Value::as_array) {
                kinds &= branches.iter().fold(0, |all, branch| all | self.kinds(Said::of(branch)));
            }
        }
        self.kinds.insert(key, kinds);
        kinds
    }
}

fn are_apart(a: &Known<'_>, b: &Known<'_>) -> bool {
    let shared = a.kinds & b.kinds;
    if shared == 0 {
        return true;
    }
    if let (Some(a), Some(b)) = (&a.values, &b.values)
        && are_different(a, b)
    {
        return true;
    }
    shared == OBJECT && a.properties.iter().any(|(name, a)| b.properties.get(name).is_some_and(|b| are_different(a, b)))
}

fn are_different(a: &[&Value], b: &[&Value]) -> bool {
    !a.iter().any(|a| b.iter().any(|b| equal(a, b)))
}

fn listed(keywords: &Map<String, Value>) -> Option<Vec<&Value>> {
    match (keywords.get("const"), keywords.get("enum")) {
        (Some(value), _) => Some(vec![value]),
        (None, Some(Value::Array(values))) => Some(values.iter().collect()),
        _ => None,
    }
}

fn named(name: &str) -> u8 {
    match name {
        "null" => 1,
        "boolean" => 2,
        // An integer is a number.
        "integer" | "number" => 4,
        "string" => 8,
        "array" => 16,
        "object" => OBJECT,
        _ => 0,
    }
}

fn kind(value: &Value) -> u8 {
    match value {
        Value::Null => 1,
        Value::Bool(_) => 2,
        Value::Number(_) => 4,
        Value::String(_) => 8,
        Value::Array(_) => 16,
        Value::Object(_) => OBJECT,
    }
}
