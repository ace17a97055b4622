//! Every keyword of JSON Schema 2020-12, and what becomes of it here. docs/schemas.md says the same; a test holds both
//! to what is generated.

/// What becomes of a keyword.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// What is generated fits it.
    Enforced,
    /// It says nothing about which values fit.
    Annotation,
    /// A schema with it is refused, for this reason.
    Refused(&'static str),
}

use Fate::{Annotation, Enforced, Refused};

const FORGETFUL: &str = "the grammar cannot remember the items that it has written";
const BRANCHING: &str = "the grammar cannot decide on what it has written; write the cases as `anyOf`";
const EVALUATED: &str = "the grammar does not track what other keywords have seen; say it where the keywords stand";
const DYNAMIC: &str = "only `$ref` to a place in the same schema is followed";

pub(super) const KEYWORDS: [(&str, Fate); 60] = [
    ("$anchor", Annotation),
    ("$comment", Annotation),
    ("$defs", Enforced),
    ("$dynamicAnchor", Annotation),
    ("$dynamicRef", Refused(DYNAMIC)),
    ("$id", Annotation),
    ("$ref", Enforced),
    ("$schema", Annotation),
    ("$vocabulary", Annotation),
    ("additionalProperties", Enforced),
    ("allOf", Enforced),
    ("anyOf", Enforced),
    ("const", Enforced),
    ("contains", Refused(FORGETFUL)),
    ("contentEncoding", Annotation),
    ("contentMediaType", Annotation),
    ("contentSchema", Annotation),
    ("default", Annotation),
    ("dependentRequired", Refused(BRANCHING)),
    ("dependentSchemas", Refused(BRANCHING)),
    ("deprecated", Annotation),
    ("description", Annotation),
    ("else", Refused(BRANCHING)),
    ("enum", Enforced),
    ("examples", Annotation),
    ("exclusiveMaximum", Enforced),
    ("exclusiveMinimum", Enforced),
    ("format", Enforced),
    ("if", Refused(BRANCHING)),
    ("items", Enforced),
    ("maxContains", Refused(FORGETFUL)),
    ("maxItems", Enforced),
    ("maxLength", Enforced),
    ("maxProperties", Enforced),
    ("maximum", Enforced),
    ("minContains", Refused(FORGETFUL)),
    ("minItems", Enforced),
    ("minLength", Enforced),
    ("minProperties", Enforced),
    ("minimum", Enforced),
    ("multipleOf", Enforced),
    ("not", Refused("the grammar says what is written, not what is not; write what may be there")),
    ("oneOf", Enforced),
    ("pattern", Enforced),
    ("patternProperties", Enforced),
    ("prefixItems", Enforced),
    ("properties", Enforced),
    ("propertyNames", Refused("names are held by `properties` and `patternProperties`; write it as one of them")),
    ("readOnly", Annotation),
    ("required", Enforced),
    ("then", Refused(BRANCHING)),
    ("title", Annotation),
    ("type", Enforced),
    ("unevaluatedItems", Refused(EVALUATED)),
    ("unevaluatedProperties", Refused(EVALUATED)),
    ("uniqueItems", Refused(FORGETFUL)),
    ("writeOnly", Annotation),
    // Not of 2020-12, but what generators of schemas write.
    ("definitions", Enforced),
    ("discriminator", Annotation),
    ("example", Annotation),
];

/// What becomes of `keyword`. None: no keyword that is known. What begins with `x-` is an annotation by custom.
pub(super) fn fate(keyword: &str) -> Option<Fate> {
    let known = KEYWORDS.iter().find(|(name, _)| *name == keyword).map(|(_, fate)| *fate);
    known.or_else(|| keyword.starts_with("x-").then_some(Annotation))
}
