//! The kinds of values that schemas speak of.

use super::Keywords;
use serde_json::Value;
use std::collections::BTreeSet;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Null,
    Boolean,
    Integer,
    Number,
    String,
    Array,
    Object,
}

const KINDS: [Kind; 6] = [Kind::Null, Kind::Boolean, Kind::Number, Kind::String, Kind::Array, Kind::Object];

/// The kinds of values that fit; where no schema says a type, those that its keywords speak of.
pub(super) fn kinds(together: &[Keywords<'_>]) -> Vec<Kind> {
    let mut all: Option<BTreeSet<Kind>> = None;
    for types in together.iter().filter_map(|keywords| keywords.get("type")) {
        let names = types.as_array().map_or(std::slice::from_ref(types), Vec::as_slice);
        let mut named: BTreeSet<Kind> = names.iter().filter_map(Value::as_str).filter_map(kind).collect();
        if named.contains(&Kind::Number) {
            named.remove(&Kind::Integer);
        }
        all = Some(match all {
            None => named,
            Some(before) => both(&before, &named),
        });
    }
    if let Some(all) = all {
        return all.into_iter().collect();
    }
    let spoken: BTreeSet<Kind> =
        together.iter().flat_map(|keywords| keywords.keys()).filter_map(|k| speaks_of(k)).collect();
    if spoken.is_empty() { KINDS.to_vec() } else { spoken.into_iter().collect() }
}

fn both(a: &BTreeSet<Kind>, b: &BTreeSet<Kind>) -> BTreeSet<Kind> {
    let has =
        |set: &BTreeSet<Kind>, kind: Kind| set.contains(&kind) || kind == Kind::Integer && set.contains(&Kind::Number);
    a.union(b).copied().filter(|kind| has(a, *kind) && has(b, *kind)).collect()
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "string" => Kind::String,
        "array" => Kind::Array,
        "object" => Kind::Object,
        _ => return None,
    })
}

fn speaks_of(keyword: &str) -> Option<Kind> {
    Some(match keyword {
        "minLength" | "maxLength" | "pattern" | "format" => Kind::String,
        "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "multipleOf" => Kind::Number,
        "items" | "prefixItems" | "minItems" | "maxItems" => Kind::Array,
        "properties"
        | "patternProperties"
        | "additionalProperties"
        | "required"
        | "minProperties"
        | "maxProperties" => Kind::Object,
        _ => return None,
    })
}
