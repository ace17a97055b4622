//! Patterns, and what lies between two quotation marks.

use super::super::dfa::Dfa;
use super::super::fuel::Fuel;
use super::super::pattern;
use super::sampler::sample;
use fancy_regex::Regex;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn search(pattern: &str) -> Result<Dfa, String> {
    pattern::search(pattern, &Fuel::default())
}

#[test]
fn patterns_match_what_another_engine_matches() {
    let texts = [
        "", "a", "b", "ab", "ba", "aab", "abab", "abc", "cab", "A", "1", "12", "a1", "a b", " ", "é", "東京", "a\nb",
        "-", "a-b", "a.b", "..", "$", "^a", "x{2}", "xx", "xxx", "[", "]", "\\", "\"", "/",
    ];
    for pattern in [
        "",
        "a",
        "^a",
        "a$",
        "^a$",
        "^$",
        "a|b",
        "^a|b$",
        "^(a|b)+$",
        "ab*",
        "^(ab)*$",
        "a?b",
        "[abc]",
        "[^abc]",
        "^[a-c1-3]+$",
        "^\\w+$",
        "^\\W$",
        "^\\s*$",
        "^\\S+$",
        "^.$",
        "^..?$",
        "x{2}",
        "^x{2,}$",
        "^x{1,2}$",
        "^x{0}$",
        "\\.",
        "\\$",
        "\\^",
        "[\\]]",
        "[\\\\]",
        "\\x61",
        "\\u0061b",
        "^[^\\d\\s]+$",
        "(?:a)(b)",
        "(?<name>a)b",
        "a*?b",
        "^[-a]+$",
        "^[a-]+$",
        "[.]",
        "^(a|)$",
        "(^a)b",
        "a(b$)",
        "(a$)|(^b)",
        "\\/",
    ] {
        let dfa = search(pattern).unwrap_or_else(|why| panic!("{pattern}: {why}"));
        let other = Regex::new(
            &pattern
                .replace("\\d", "[0-9]")
                .replace("\\w", "[A-Za-z0-9_]")
                .replace("\\W", "[^A-Za-z0-9_]")
                .replace("[^[0-9]\\s]", "[^0-9\\s]")
                .replace("\\/", "/"),
        )
        .unwrap();
        for text in texts {
            assert_eq!(dfa.accepts(text), other.is_match(text).unwrap(), "{pattern} and {text:?}");
        }
    }
}

#[test]
fn patterns_that_cannot_be_held_say_why() {
    for (pattern, why) in [
        ("(?=a)", "looks ahead"),
        ("(?<!a)b", "looks ahead or behind"),
        ("(?i)a", "looks ahead"),
        ("(a)\\1", "refers back"),
        ("\\bword", "boundary"),
        ("\\p{L}", "class of Unicode"),
        ("(a", "does not end"),
        ("[a", "does not end"),
        ("a)", "too many"),
        ("*a", "nothing is to repeat"),
        ("a**", "repeats a repetition"),
        ("a{2,1}", "no number of repetitions"),
        ("a{99999}", "no number of repetitions"),
        ("[b-a]", "backwards"),
        ("\\", "ends with"),
        ("\\q", "not known"),
        ("\\ud800", "half a character"),
        ("\\xg0", "bad"),
    ] {
        let error = pattern::parse(pattern).unwrap_err();
        assert!(error.contains(why), "{pattern}: {error}");
    }
}

#[test]
fn automata_combine() {
    let fuel = Fuel::default();
    let names = BTreeSet::from(["a", "ab", "é"]);
    let except = Dfa::except(&names, &fuel).unwrap();
    for (text, accepts) in
        [("", true), ("a", false), ("ab", false), ("abc", true), ("é", false), ("éé", true), ("b", true)]
    {
        assert_eq!(except.accepts(text), accepts, "{text}");
    }
    let both = Dfa::combine(&[(&search("^a").unwrap(), true), (&search("b$").unwrap(), false), (&except, true)], &fuel)
        .unwrap();
    for (text, accepts) in [("ac", true), ("ab", false), ("a", false), ("acb", false), ("c", false)] {
        assert_eq!(both.accepts(text), accepts, "{text}");
    }
    for (min, max, text, accepts) in [
        (0, None, "", true),
        (2, None, "é", false),
        (2, None, "🦊🦊🦊", true),
        (1, Some(2), "ab", true),
        (1, Some(2), "abc", false),
        (0, Some(0), "a", false),
    ] {
        assert_eq!(Dfa::length(min, max, &fuel).unwrap().accepts(text), accepts, "{min} {max:?} {text}");
    }
    assert!(
        Dfa::combine(&[(&search("^a$").unwrap(), true), (&search("^b$").unwrap(), true)], &fuel).unwrap().is_empty()
    );
}

#[test]
fn lengths_count_characters() {
    let schema = json!({"type": "string", "minLength": 4, "maxLength": 4});
    let mut with_escapes = 0;
    let mut beyond_ascii = 0;
    for seed in 0..300 {
        let text = sample(&schema, seed);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_str().unwrap().chars().count(), 4, "{text}");
        with_escapes += usize::from(text.contains('\\'));
        beyond_ascii += usize::from(!text.is_ascii());
    }
    assert!(with_escapes > 10 && beyond_ascii > 10, "{with_escapes} {beyond_ascii}: chance should meet them");
}
