//! What a model is told of programs: how they are written, what the interpreter does not have, and the functions that
//! they may call, as Python writes signatures.

mod signature;

use crate::names::identifiers;
use crate::step::Function;
use serde_json::Value;

/// Bytes of what is said about one function.
const ABOUT: usize = 160;

/// A tool that a program may call.
#[derive(Debug, Clone, PartialEq)]
pub struct Described {
    pub name: String,
    pub description: String,
    /// The JSON schema of its arguments.
    pub parameters: Value,
}

impl Described {
    /// The same tool as a step wants it: positional arguments are taken in the order that the description shows.
    pub fn function(&self) -> Function {
        let parameters = signature::parameters(&self.parameters);
        Function { name: self.name.clone(), parameters: parameters.into_iter().map(|known| known.name).collect() }
    }
}

const INTRODUCTION: &str = "\
Runs a Python program that calls the functions below. Use it for several calls that depend on each other, loops, and \
filtering or adding up large results: only what is printed and the value of the last expression come back.

Calls: `x = f(a=1)` gives the result of the call: JSON as dict, list, str, int, float, bool or None, other text as str. A \
call that fails raises RuntimeError with the reason; catch it to go on. To make calls at once, write \
`import asyncio` and `a, b = await asyncio.gather(f(a=1), f(a=2))` at the top level; in a program with `await`, await \
every call. Call functions directly, not inside map(), filter() or a sort key.

The interpreter is small. There: functions, closures, lambda, async def, comprehensions, plain classes, dataclasses, \
try/except/finally, with, f-strings, `:=`, int of any size; the modules asyncio (run and gather alone), base64, \
collections, dataclasses, datetime, functools, itertools, json, math, re, typing, unicodedata. Not there: class \
inheritance, so no exceptions of your own (raise those that Python has, with one str), yield, match, del, decorators on \
methods, operator methods such as __add__, `%` on str, eval, exec, input, random, time, other modules and packages. No \
files, network, environment or clock. A program has seconds of time and some MB of memory, and knows nothing of earlier \
programs.

Functions:
";

/// The description of the tool that runs programs.
pub fn description(functions: &[Described]) -> String {
    let names = identifiers(functions.iter().map(|function| function.name.as_str()), false);
    let mut text = INTRODUCTION.to_owned();
    for (name, function) in names.iter().zip(functions) {
        text.push_str(&signature::signature(name, &function.parameters));
        let about = about(&function.description);
        if !about.is_empty() {
            text.push_str("  # ");
            text.push_str(&about);
        }
        text.push('\n');
    }
    if functions.is_empty() {
        text.push_str("(none)\n");
    }
    text
}

/// The first paragraph in one line.
fn about(description: &str) -> String {
    let paragraph = description.trim().split("\n\n").next().unwrap_or_default();
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.len() <= ABOUT {
        return line;
    }
    let head = crate::output::beginning(&line, ABOUT);
    format!("{}…", head.rsplit_once(' ').map_or(head, |(head, _)| head))
}

#[cfg(test)]
mod tests;
