//! Programs of models, from the binary's side: how this binary starts itself as their worker, and whether that works
//! here. What a worker does is the crate `code`.

use code::{Function, Interpreter, Limits, Outcome, Step};
use serde_json::json;
use std::ffi::OsString;

/// The hidden first argument with which this binary is started as a worker.
pub const WORKER: &str = "program-worker";

/// An interpreter whose workers are this binary, also where its file was replaced by another version since.
pub fn interpreter() -> Interpreter {
    let own = match cfg!(target_os = "linux") {
        true => Some("/proc/self/exe".into()),
        false => std::env::current_exe().ok(),
    };
    let worker: Vec<OsString> = own.map(|own| vec![own.into_os_string(), WORKER.into()]).unwrap_or_default();
    Interpreter::new(worker, Limits::default())
}

/// Runs a small program that calls and is gone on with, and says what went wrong.
pub async fn trial() -> Result<(), String> {
    let interpreter = interpreter();
    let functions = vec![Function { name: "double".to_owned(), parameters: vec!["number".to_owned()] }];
    let begin = Step::Begin { code: "number = 21\ndouble(number)".to_owned(), functions };
    let failed = |outcome: Outcome| Err(format!("a small program came to an unexpected end: {outcome:?}"));
    match interpreter.step("", begin).await.map_err(|error| error.to_string())? {
        Outcome::Paused { snapshot, calls, .. } => {
            let results = calls.iter().map(|call| (call.id, Ok(json!(42)))).collect();
            match interpreter.step("", Step::Resume { snapshot, results }).await.map_err(|error| error.to_string())? {
                Outcome::Done { value, .. } if value.as_deref() == Some("42") => Ok(()),
                other => failed(other),
            }
        }
        other => failed(other),
    }
}
