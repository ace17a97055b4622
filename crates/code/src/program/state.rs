//! What is kept of a program beside the interpreter's own state: which functions it may call, and which calls it has
//! made, has out and still waits to make. It goes with every snapshot.

use super::snapshot::Refused;
use crate::names::identifiers;
use crate::step::{Call, Function, Limits};
use crate::values::{arguments, raise};
use monty_types::{ExcType, MontyException, MontyObject};
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Serialize, Deserialize)]
pub struct State {
    /// By what the program calls them; only those whose names its code has.
    functions: BTreeMap<String, Known>,
    /// Calls give something to await, because the program awaits; otherwise they give their results.
    pub awaits: bool,
    /// Calls so far.
    pub made: u32,
    /// Called, and not handed out yet.
    waiting: Vec<Call>,
    /// Bytes of their arguments.
    weight: usize,
    /// Handed out, and without results yet.
    out: Vec<u32>,
    pub output_left: usize,
    pub output_cut: usize,
}

#[derive(Serialize, Deserialize)]
struct Known {
    #[serde(flatten)]
    function: Function,
    /// What the program calls the parameters, in their order.
    called: Vec<String>,
}

pub enum Wrong {
    /// An exception that the program may catch.
    Caught(MontyException),
    Fatal(MontyException),
}

type Arguments = (Vec<MontyObject>, Vec<(MontyObject, MontyObject)>);

impl State {
    pub fn new(code: &str, functions: Vec<Function>, limits: &Limits) -> Self {
        let names = identifiers(functions.iter().map(|function| function.name.as_str()), false);
        let functions = names
            .into_iter()
            .zip(functions)
            .filter(|(name, _)| code.contains(name.as_str()))
            .map(|(name, function)| {
                let called = identifiers(function.parameters.iter().map(String::as_str), true);
                (name, Known { function, called })
            })
            .collect();
        Self {
            functions,
            awaits: awaits(code, limits),
            made: 0,
            waiting: Vec::new(),
            weight: 0,
            out: Vec::new(),
            output_left: limits.output,
            output_cut: 0,
        }
    }

    pub fn knows(&self, name: &str) -> bool {
        self.functions.contains_key(name)
    }

    /// A call waits to be handed out. `None`: there is no such function.
    pub fn call(&mut self, id: u32, name: &str, asked: Arguments, limits: &Limits) -> Option<Result<(), Wrong>> {
        let known = self.functions.get(name)?;
        let made = arguments(&known.function, &known.called, asked.0, asked.1);
        let call = match made {
            Ok(arguments) => Call { id, name: known.function.name.clone(), arguments },
            Err(error) => {
                let said = error.message().unwrap_or_default();
                return Some(Err(Wrong::Caught(raise(error.exc_type(), format!("{name}() {said}")))));
            }
        };
        self.made = self.made.saturating_add(1);
        if self.made > limits.calls {
            let text = format!("a program may make {} calls, and this was one more", limits.calls);
            return Some(Err(Wrong::Fatal(raise(ExcType::RuntimeError, text))));
        }
        let weight = self.weight.saturating_add(weight(&call));
        if weight > limits.arguments {
            let text = format!("{name}() the arguments of calls that wait are larger than {} bytes", limits.arguments);
            return Some(Err(Wrong::Caught(raise(ExcType::ValueError, text))));
        }
        self.weight = weight;
        self.waiting.push(call);
        Some(Ok(()))
    }

    /// The oldest of the calls that are waited for.
    pub fn hand_out(&mut self, wanted: &[u32], most: usize) -> Vec<Call> {
        let (mut out, mut stay) = (Vec::new(), Vec::new());
        for call in std::mem::take(&mut self.waiting) {
            if out.len() < most && wanted.contains(&call.id) { out.push(call) } else { stay.push(call) }
        }
        self.waiting = stay;
        self.weight = self.weight.saturating_sub(out.iter().map(weight).sum());
        self.out = out.iter().map(|call| call.id).collect();
        out
    }

    /// Each call that is out has a result, and nothing else has one.
    pub fn answered(&mut self, results: &[(u32, Result<Value, String>)]) -> Result<(), Refused> {
        let mut given: Vec<u32> = results.iter().map(|(id, _)| *id).collect();
        let mut out = std::mem::take(&mut self.out);
        given.sort_unstable();
        out.sort_unstable();
        if given != out {
            return Err(Refused::Damaged("the results are not those of its calls"));
        }
        Ok(())
    }

    /// Calls that nothing waits for any more.
    pub fn unmade(&self) -> usize {
        self.waiting.len()
    }
}

/// Of a call's arguments: bytes as JSON.
fn weight(call: &Call) -> usize {
    call.arguments.to_string().len()
}

fn awaits(code: &str, limits: &Limits) -> bool {
    code.len() <= limits.code
        && code.contains("await")
        && parse_unchecked(code, ParseOptions::from(Mode::Module))
            .tokens()
            .iter()
            .any(|token| token.kind() == TokenKind::Await)
}
