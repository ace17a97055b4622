//! The proxy over real sockets on loopback: clients that behave and clients that do not, servers made of hyper and
//! rustls. No packet leaves the machine: every name that is asked for here resolves to loopback or is refused.
#![expect(clippy::expect_used, reason = "a test says what it expected by failing")]

mod clients;
mod ended;
mod limits;
mod plain;
mod tunnel;
mod world;
