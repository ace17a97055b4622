//! How an outcome is said: each takes the check's id, what was expected, and what came.

use super::Probe;
use crate::client::Answer;
use crate::findings::Outcome;
use serde_json::Value;
use std::fmt::Display;

/// What an error must say beside its status; what is None is not looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'a> {
    pub code: Option<&'a str>,
    pub param: Option<&'a str>,
    pub message: Option<&'a str>,
    /// The message holds this.
    pub holds: Option<&'a str>,
}

impl Probe {
    /// The plainest: it holds or it does not.
    pub fn that(&mut self, id: &str, holds: bool, expected: impl Display, came: impl Display, evidence: &str) {
        let outcome = if holds {
            Outcome::Passed
        } else {
            let (expected, came) = (expected.to_string(), crate::client::short(&came.to_string()));
            Outcome::Failed { expected, came, evidence: evidence.to_owned() }
        };
        self.found.record(id, outcome);
    }

    pub fn skip(&mut self, id: &str, reason: impl Into<String>) {
        self.found.record(id, Outcome::Skipped { reason: reason.into() });
    }

    pub fn skip_all(&mut self, ids: &[&str], reason: &str) {
        ids.iter().for_each(|id| self.skip(id, reason));
    }

    pub fn status(&mut self, id: &str, answer: &Answer, expected: u16) {
        self.that(id, answer.status == expected, expected, answer.status, &answer.evidence);
    }

    /// The value at this JSON pointer.
    pub fn value(&mut self, id: &str, answer: &Answer, pointer: &str, expected: &Value) {
        let came = answer.json.pointer(pointer);
        let missing = Value::String("(nothing)".to_owned());
        let holds = came == Some(expected);
        self.that(id, holds, format!("{pointer} is {expected}"), came.unwrap_or(&missing), &answer.evidence);
    }

    /// An error of this status that says what it must.
    pub fn refused(&mut self, id: &str, answer: &Answer, status: u16, said: Said<'_>) {
        let error = &answer.json["error"];
        let is = |key: &str, wanted: Option<&str>| wanted.is_none_or(|wanted| error[key] == wanted);
        let holds = said.holds.is_none_or(|part| error["message"].as_str().is_some_and(|text| text.contains(part)));
        let good = answer.status == status
            && is("code", said.code)
            && is("param", said.param)
            && is("message", said.message)
            && holds;
        let mut expected = status.to_string();
        for (name, wanted) in
            [("code", said.code), ("param", said.param), ("message", said.message), ("message with", said.holds)]
        {
            if let Some(wanted) = wanted {
                expected = format!("{expected}, {name} `{wanted}`");
            }
        }
        self.that(id, good, expected, format!("{}, {error}", answer.status), &answer.evidence);
    }

    /// A 400 that says nothing in particular.
    pub fn invalid(&mut self, id: &str, answer: &Answer) {
        self.refused(id, answer, 400, Said::default());
    }

    /// A 404 of the usual kind.
    pub fn missing(&mut self, id: &str, answer: &Answer) {
        self.refused(id, answer, 404, Said { code: Some("not_found_error"), ..Said::default() });
    }
}
