//! One line of a script. A line that is none of the six directives is no part of the script.

use serde::de::IgnoredAny;

/// Bounds on the numbers: a script may be slow, but it ends.
const MAX_CHUNKS: u32 = 100_000;
const MAX_FAILURES: u32 = 1_000_000;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Directive {
    /// Also `json`: that JSON is the text.
    Say {
        text: String,
    },
    Call {
        calls: Vec<Call>,
    },
    Slow {
        chunks: u32,
        text: String,
    },
    Fail {
        status: u16,
        times: u32,
    },
    Cut {
        after: u32,
        text: String,
    },
}

/// Arguments are passed on as they are written, valid JSON or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: String,
}

/// The directives of a message, in order.
pub(super) fn directives(message: &str) -> Vec<Directive> {
    message.lines().filter_map(directive).collect()
}

fn directive(line: &str) -> Option<Directive> {
    let (verb, rest) = word(line);
    Some(match verb {
        "say" | "json" => Directive::Say { text: rest.to_owned() },
        "call" => Directive::Call { calls: calls(rest)? },
        "slow" => {
            let (chunks, text) = word(rest);
            Directive::Slow { chunks: number(chunks, 1, MAX_CHUNKS)?, text: text.to_owned() }
        }
        "fail" => {
            let (status, times) = word(rest);
            let status = u16::try_from(number(status, 400, 599)?).ok()?;
            let times = if times.is_empty() { 1 } else { number(times, 1, MAX_FAILURES)? };
            Directive::Fail { status, times }
        }
        "cut" => {
            let (after, text) = word(rest);
            Directive::Cut { after: number(after, 0, MAX_CHUNKS)?, text: text.to_owned() }
        }
        _ => return None,
    })
}

/// `NAME {json}`, more of them after ` & call `. None where there is no name.
fn calls(mut rest: &str) -> Option<Vec<Call>> {
    let mut calls = Vec::new();
    loop {
        let (name, tail) = word(rest);
        if name.is_empty() {
            return None;
        }
        let (arguments, next) = arguments(tail);
        let arguments = if arguments.is_empty() { "{}" } else { arguments };
        calls.push(Call { name: name.to_owned(), arguments: arguments.to_owned() });
        match next {
            Some(next) => rest = next,
            None => return Some(calls),
        }
    }
}

/// The arguments with which `text` begins, and what follows the next `& call`. An `& call` inside valid JSON is part
/// of it.
fn arguments(text: &str) -> (&str, Option<&str>) {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    if let Some(Ok(_)) = values.next() {
        let (json, tail) = text.split_at(values.byte_offset());
        if tail.trim().is_empty() {
            return (json.trim(), None);
        }
        if let Some(next) = next_call(tail.trim_start()) {
            return (json.trim(), Some(next));
        }
    }
    let cut = text.match_indices('&').find_map(|(at, _)| Some((at, next_call(&text[at..])?)));
    match cut {
        Some((at, next)) => (text[..at].trim(), Some(next)),
        None => (text.trim(), None),
    }
}

fn next_call(text: &str) -> Option<&str> {
    let (verb, rest) = word(text.strip_prefix('&')?);
    (verb == "call").then_some(rest)
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim_start())
}

fn number(text: &str, least: u32, most: u32) -> Option<u32> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(text: &str) -> Directive {
        Directive::Say { text: text.to_owned() }
    }

    fn call(calls: &[(&str, &str)]) -> Directive {
        let call =
            |(name, arguments): &(&str, &str)| Call { name: (*name).to_owned(), arguments: (*arguments).to_owned() };
        Directive::Call { calls: calls.iter().map(call).collect() }
    }

    #[test]
    fn every_form_of_a_line() {
        let slow = |chunks, text: &str| Directive::Slow { chunks, text: text.to_owned() };
        let cut = |after, text: &str| Directive::Cut { after, text: text.to_owned() };
        let fail = |status, times| Directive::Fail { status, times };
        let cases: &[(&str, &[Directive])] = &[
            ("", &[]),
            ("hello", &[]),
            ("Say hi", &[]),
            ("sayhi", &[]),
            ("say hi there ", &[say("hi there")]),
            ("  say\thi", &[say("hi")]),
            ("say", &[say("")]),
            ("json {\"a\": 1}", &[say("{\"a\": 1}")]),
            ("call f", &[call(&[("f", "{}")])]),
            ("call", &[]),
            ("call f {\"a\": [1, 2]}", &[call(&[("f", "{\"a\": [1, 2]}")])]),
            ("call f {} & call g {\"b\":1}", &[call(&[("f", "{}"), ("g", "{\"b\":1}")])]),
            ("call f & call g", &[call(&[("f", "{}"), ("g", "{}")])]),
            ("call f {\"a\":\"x & call g {}\"}", &[call(&[("f", "{\"a\":\"x & call g {}\"}")])]),
            ("call f {broken", &[call(&[("f", "{broken")])]),
            ("call f {broken & call g {}", &[call(&[("f", "{broken"), ("g", "{}")])]),
            ("call f {} trailing", &[call(&[("f", "{} trailing")])]),
            ("call f a & b", &[call(&[("f", "a & b")])]),
            ("slow 3 abc", &[slow(3, "abc")]),
            ("slow 0 abc", &[]),
            ("slow down", &[]),
            ("fail 500", &[fail(500, 1)]),
            ("fail 429 3", &[fail(429, 3)]),
            ("fail 200", &[]),
            ("fail 500 often", &[]),
            ("cut 2 abc", &[cut(2, "abc")]),
            ("cut 0 abc", &[cut(0, "abc")]),
            ("cut 99999999999 abc", &[]),
            ("say a\r\n\r\nplease\nsay b", &[say("a"), say("b")]),
        ];
        for (message, expected) in cases {
            assert_eq!(directives(message), *expected, "{message:?}");
        }
    }

    #[test]
    fn deep_json_is_passed_on_and_not_followed() {
        let deep = "[".repeat(100_000);
        assert_eq!(directives(&format!("call f {deep}")), [call(&[("f", deep.as_str())])]);
    }
}
