//! The client against servers of every kind: honest ones of each revision, slow ones, and ones that mean harm.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests of the edge itself, in real time and on real sockets"
)]

mod honest;
mod hostile;
mod program;
mod reach;
mod stage;
mod together;
