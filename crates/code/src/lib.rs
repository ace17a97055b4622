//! Programs of models: Python that calls the tools of a session, run a step at a time by an interpreter in a process of
//! its own. A step ends with the program, or where the program calls: then it comes back as bytes, and the next step
//! goes on from these with the results, in another process or another year.
//!
//! It has no log and no tools, and it calls nothing: who makes the calls, and in what order steps follow each other, is
//! the caller's. What a program has of this machine is time and memory.

pub mod allocator;
mod description;
mod frame;
mod interpreter;
mod names;
mod output;
mod places;
mod program;
mod step;
mod values;
mod worker;

pub use description::{Described, description};
pub use interpreter::Interpreter;
pub use step::{Call, Function, Limits, Outcome, Step, StepError};
pub use worker::main as worker;
