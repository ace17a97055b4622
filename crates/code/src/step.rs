//! The words of a step: what it begins with and what it ends with. They hold no state and do nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

/// A function that a program may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// What the caller calls it. In the program it has a name that Python allows, as `description` shows it.
    pub name: String,
    /// The names of its parameters, in their order: what positional arguments stand for.
    pub parameters: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    Begin {
        code: String,
        functions: Vec<Function>,
    },
    /// Goes on from a pause. Every call of that pause needs its result, or what went wrong, by its id.
    Resume {
        snapshot: Vec<u8>,
        results: Vec<(u32, Result<Value, String>)>,
    },
}

/// How a step ended. `printed` is what this step printed; where a program prints too much, the rest of all its steps is
/// cut, and its end says how much that was.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The program is over. `value` is the `repr` of its last expression; `None` if that was no expression or was None.
    Done { value: Option<String>, printed: String },
    /// The program is over: an exception that it did not catch, code that is no Python, or a limit.
    Raised { traceback: String, printed: String },
    /// The program waits for the results of `calls`: one, or several where it gathers them.
    Paused { snapshot: Vec<u8>, printed: String, calls: Vec<Call> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Names the call within the program; never used twice in it.
    pub id: u32,
    /// A `Function::name`.
    pub name: String,
    /// A JSON object.
    pub arguments: Value,
}

/// Why there was no step. What a program does wrong is `Outcome::Raised`.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// For good: only the very version that wrote a snapshot reads it.
    #[error("the program was paused by another version of this server and cannot go on")]
    Stale,
    /// For good.
    #[error("the program cannot go on: {0}")]
    Damaged(String),
    /// Of this machine; another try may go well.
    #[error("the program could not be run: {0}")]
    Unavailable(String),
}

/// What a program may use. Bytes are of UTF-8 text or of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Of the processor, in one step.
    pub time: Duration,
    /// Of the clock, in one step; a machine that is busy takes longer.
    pub patience: Duration,
    /// Bytes at any moment.
    pub memory: usize,
    /// Calls within calls.
    pub depth: usize,
    /// Bytes printed by the whole program; also of its last value.
    pub output: usize,
    /// Bytes.
    pub snapshot: usize,
    /// Bytes.
    pub code: usize,
    /// Bytes of the arguments of all calls of a pause, as JSON.
    pub arguments: usize,
    /// Bytes of the results that a step is given, as JSON.
    pub results: usize,
    /// Calls of one pause; where more are gathered, the rest comes with the next.
    pub together: usize,
    /// Calls of the whole program.
    pub calls: u32,
    /// Processes at the same time, of one owner half as many; the next step waits.
    pub processes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            patience: Duration::from_secs(10),
            memory: 64 << 20,
            depth: 1000,
            output: 64 << 10,
            snapshot: 1 << 20,
            code: 64 << 10,
            arguments: 1 << 20,
            results: 2 << 20,
            together: 16,
            calls: 1000,
            processes: 4,
        }
    }
}
