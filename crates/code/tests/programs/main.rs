//! Programs in real workers: what they compute, what they may use, what they are refused, what a pause keeps, and what is
//! said of a worker that ends without an answer.
#![expect(clippy::expect_used, clippy::panic, reason = "tests say what they expected")]

mod calls;
mod cost;
mod limits;
mod pauses;
mod refusals;
#[cfg(target_os = "linux")]
mod workers;

use code::{Call, Function, Interpreter, Limits, Outcome, Step};
use serde_json::Value;

pub fn interpreter(limits: Limits) -> Interpreter {
    Interpreter::new(vec![env!("CARGO_BIN_EXE_code-worker").into()], limits)
}

pub fn begin(code: &str) -> Step {
    let function = |name: &str, parameters: &[&str]| Function {
        name: name.to_owned(),
        parameters: parameters.iter().map(|name| (*name).to_owned()).collect(),
    };
    let functions = vec![function("add", &["a", "b"]), function("crm__get-user", &["user-id", "class"])];
    Step::Begin { code: code.to_owned(), functions }
}

/// A whole program, whose calls are answered by `answer`.
pub struct Ran {
    pub value: Option<String>,
    pub traceback: Option<String>,
    pub printed: String,
    /// The calls of each pause.
    pub pauses: Vec<Vec<Call>>,
}

pub async fn run(code: &str, answer: impl Fn(&Call) -> Result<Value, String>) -> Ran {
    run_within(Limits::default(), code, answer).await
}

pub async fn run_within(limits: Limits, code: &str, answer: impl Fn(&Call) -> Result<Value, String>) -> Ran {
    let interpreter = interpreter(limits);
    let mut ran = Ran { value: None, traceback: None, printed: String::new(), pauses: Vec::new() };
    let mut step = begin(code);
    loop {
        match interpreter.step("p", step).await.expect("a step") {
            Outcome::Done { value, printed } => {
                ran.value = value;
                ran.printed.push_str(&printed);
                return ran;
            }
            Outcome::Raised { traceback, printed } => {
                ran.traceback = Some(traceback);
                ran.printed.push_str(&printed);
                return ran;
            }
            Outcome::Paused { snapshot, printed, calls } => {
                ran.printed.push_str(&printed);
                let results = calls.iter().map(|call| (call.id, answer(call))).collect();
                ran.pauses.push(calls);
                step = Step::Resume { snapshot, results };
            }
        }
    }
}

/// A program without calls.
pub async fn alone(code: &str) -> Ran {
    run(code, |call| panic!("nothing is called: {call:?}")).await
}

impl Ran {
    pub fn value(&self) -> &str {
        self.value.as_deref().unwrap_or_else(|| panic!("a value, not {:?}", self.traceback))
    }

    pub fn traceback(&self) -> &str {
        self.traceback.as_deref().unwrap_or_else(|| panic!("an exception, not {:?}", self.value))
    }

    /// How many calls each pause had.
    pub fn together(&self) -> Vec<usize> {
        self.pauses.iter().map(Vec::len).collect()
    }
}
