//! A step of a program, within the worker: the interpreter is driven until the program is over or waits for the results
//! of calls. It makes no call, and answers what else the interpreter asks of its host: names, and files, clocks and the
//! environment, which there are none of.

mod asked;
mod snapshot;
mod state;

pub use snapshot::Refused;

use crate::output::{Output, beginning};
use crate::step::{Call, Function, Limits};
use crate::values::{raise, to_python};
use monty::{FunctionCall, MontyRun, ResolveFutures, RunProgress};
use monty_types::{
    CompileOptions, ExcType, ExtFunctionResult, MontyException, MontyObject, NameLookupResult, PrintWriter,
    ResourceLimits, ResourceTracker,
};
use serde_json::Value;
use state::State;
use std::ops::ControlFlow::{self, Break, Continue};

/// What tracebacks call the file.
const FILE: &str = "program.py";
/// Bytes of a traceback; most of it is the exception's message.
const TRACEBACK: usize = 16 << 10;

/// How a step ended. `printed` is whole, in a last step with what was cut.
pub enum Ended {
    Done { value: Option<String>, printed: String },
    Raised { traceback: String, printed: String },
    Paused { snapshot: Vec<u8>, printed: String, calls: Vec<Call> },
}

/// What the interpreter says about time is wrong where the worker's own limit ended it, and this says what is right.
pub type Overtime<'a> = &'a dyn Fn() -> Option<String>;

pub fn begin(code: String, functions: Vec<Function>, limits: &Limits, overtime: Overtime<'_>) -> Ended {
    let state = State::new(&code, functions, limits);
    let mut run = Run { state, output: Output::new(limits.output, 0), limits, overtime };
    if code.len() > limits.code {
        let error = raise(ExcType::SyntaxError, format!("the program is longer than {} bytes", limits.code));
        return run.raised(error);
    }
    let tracker =
        ResourceTracker::new(ResourceLimits::default().max_memory(limits.memory).max_recursion_depth(limits.depth));
    match MontyRun::new(code, FILE, Vec::new(), CompileOptions::default()) {
        Ok(program) => {
            let begun = program.start(Vec::new(), tracker, PrintWriter::Callback(&mut run.output));
            run.drive(begun)
        }
        Err(error) => run.raised(error),
    }
}

pub fn resume(
    snapshot: &[u8],
    results: Vec<(u32, Result<Value, String>)>,
    limits: &Limits,
    overtime: Overtime<'_>,
) -> Result<Ended, Refused> {
    let (state, progress) = snapshot::read(snapshot)?;
    let output = Output::new(state.output_left, state.output_cut);
    let mut run = Run { state, output, limits, overtime };
    run.state.answered(&results)?;
    let mut results = results.into_iter().map(|(id, result)| (id, outcome(result)));
    let print = PrintWriter::Callback(&mut run.output);
    let progress = match (progress, results.next()) {
        (RunProgress::FunctionCall(call), Some((_, result))) => call.resume(result, print),
        (RunProgress::ResolveFutures(futures), Some(first)) => {
            futures.resume(std::iter::once(first).chain(results).collect(), print)
        }
        _ => return Err(Refused::Damaged("its snapshot is at no call")),
    };
    Ok(run.drive(progress))
}

fn outcome(result: Result<Value, String>) -> ExtFunctionResult {
    match result {
        Ok(value) => ExtFunctionResult::Return(to_python(value)),
        Err(why) => ExtFunctionResult::Error(raise(ExcType::RuntimeError, why)),
    }
}

type Progress = Result<RunProgress, MontyException>;
/// The interpreter goes on, or the step is over.
type Next = ControlFlow<Ended, Progress>;

struct Run<'a> {
    state: State,
    output: Output,
    limits: &'a Limits,
    overtime: Overtime<'a>,
}

impl Run<'_> {
    fn drive(mut self, mut progress: Progress) -> Ended {
        loop {
            progress = match progress {
                Err(error) => return self.raised(error),
                Ok(RunProgress::Complete(value)) => return self.done(&value),
                Ok(RunProgress::NameLookup(lookup)) => {
                    let there = lookup.object_id().is_none() && self.state.knows(&lookup.name);
                    let found = there.then(|| MontyObject::Function { name: lookup.name.clone(), docstring: None });
                    lookup.resume(NameLookupResult::from(found), PrintWriter::Callback(&mut self.output))
                }
                Ok(RunProgress::OsCall(asked)) => {
                    let refusal = asked::refusal(&asked.function_call);
                    asked.resume(refusal, PrintWriter::Callback(&mut self.output))
                }
                Ok(RunProgress::FunctionCall(call)) => match self.call(call) {
                    Continue(progress) => progress,
                    Break(ended) => return ended,
                },
                Ok(RunProgress::ResolveFutures(futures)) => match self.wait(futures) {
                    Continue(progress) => progress,
                    Break(ended) => return ended,
                },
            };
        }
    }

    fn call(&mut self, mut call: FunctionCall) -> Next {
        let asked = (std::mem::take(&mut call.args), std::mem::take(&mut call.kwargs));
        let made = match call.object_id {
            Some(_) => None,
            None => self.state.call(call.call_id, &call.function_name, asked, self.limits),
        };
        let print = PrintWriter::Callback(&mut self.output);
        match made {
            None => {
                let unknown = ExtFunctionResult::NotFound(call.function_name.clone());
                Continue(call.resume(unknown, print))
            }
            Some(Err(state::Wrong::Caught(error))) => Continue(call.resume(error, print)),
            Some(Err(state::Wrong::Fatal(error))) => Continue(call.abort(error, print)),
            Some(Ok(())) if self.state.awaits => Continue(call.resume_pending(print)),
            Some(Ok(())) => {
                let calls = self.state.hand_out(&[call.call_id], 1);
                self.pause(RunProgress::FunctionCall(call), calls)
            }
        }
    }

    fn wait(&mut self, futures: ResolveFutures) -> Next {
        let calls = self.state.hand_out(futures.pending_call_ids(), self.limits.together);
        if calls.is_empty() {
            let error = raise(ExcType::RuntimeError, "the program waits for something that never comes");
            return Continue(futures.abort(error, PrintWriter::Callback(&mut self.output)));
        }
        self.pause(RunProgress::ResolveFutures(futures), calls)
    }

    fn pause(&mut self, progress: RunProgress, calls: Vec<Call>) -> Next {
        self.state.output_left = self.output.left();
        self.state.output_cut = self.output.cut();
        let written = snapshot::write(&self.state, &progress);
        let error = match written {
            Ok(snapshot) if snapshot.len() <= self.limits.snapshot => {
                let output = std::mem::replace(&mut self.output, Output::new(0, 0));
                return Break(Ended::Paused { snapshot, printed: output.into_text(), calls });
            }
            Ok(snapshot) => raise(
                ExcType::MemoryError,
                format!(
                    "the program keeps {} bytes while it waits for a call, more than {}: keep less in variables",
                    snapshot.len(),
                    self.limits.snapshot
                ),
            ),
            Err(error) => raise(ExcType::RuntimeError, format!("the program cannot be paused here: {error}")),
        };
        let print = PrintWriter::Callback(&mut self.output);
        Continue(match progress {
            RunProgress::FunctionCall(call) => call.abort(error, print),
            RunProgress::ResolveFutures(futures) => futures.abort(error, print),
            RunProgress::OsCall(_) | RunProgress::NameLookup(_) | RunProgress::Complete(_) => Err(error),
        })
    }

    fn done(self, value: &MontyObject) -> Ended {
        let value = (!matches!(value, MontyObject::None)).then(|| shortened(value.py_repr(), self.limits.output));
        let unmade = self.state.unmade();
        let mut printed = self.output.into_last();
        if unmade > 0 {
            printed.push_str(&format!("[{unmade} calls were not made, because the program did not await them]\n"));
        }
        Ended::Done { value, printed }
    }

    fn raised(self, error: MontyException) -> Ended {
        let error = match (self.overtime)() {
            Some(text) if error.exc_type() == ExcType::MemoryError => {
                MontyException::with_traceback(ExcType::TimeoutError, Some(text), error.traceback().to_vec())
            }
            _ => error,
        };
        let mut traceback = shortened(error.to_string(), TRACEBACK);
        if self.state.awaits && self.state.made > 0 && error.exc_type() == ExcType::TypeError {
            traceback.push_str("\n(In a program that awaits calls, every call of a function must be awaited.)");
        }
        Ended::Raised { traceback, printed: self.output.into_last() }
    }
}

/// A text's beginning and end, with what is between them left out.
fn shortened(text: String, bytes: usize) -> String {
    if text.len() <= bytes {
        return text;
    }
    let head = beginning(&text, bytes / 2);
    let tail = text.get(text.ceil_char_boundary(text.len() - bytes / 2)..).unwrap_or_default();
    let between = text.len() - head.len() - tail.len();
    format!("{head}\n[{between} bytes are left out]\n{tail}")
}
