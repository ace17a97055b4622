//! What comes from outside, as functions of bytes: each module is one target, and its `target` panics where something
//! does not hold. Nothing of the product depends on this crate.
//!
//! The same functions run twice: under libFuzzer (`fuzz_targets/`, feature `engine`, `cargo xtask soak`), and over the
//! small corpora that are kept (`corpus/`, `tests/corpus.rs`) with every `cargo test`.
#![expect(clippy::panic, clippy::expect_used, reason = "a target says what does not hold by panicking")]

pub mod body;
pub mod chat;
pub mod configuration;
pub mod door;
pub mod gguf;
pub mod log;
pub mod place;
pub mod relay;
pub mod responses;
pub mod schema;
mod scratch;
pub mod upstream;

/// The configuration of the binary, which is no library: the very files.
#[path = "../../crates/outcrop/src"]
#[allow(dead_code, reason = "the binary uses more of it")]
mod outcrop {
    pub mod configuration;
}

/// Takes bytes; panics where something does not hold.
pub type Target = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("body", body::target),
    ("chat", chat::target),
    ("configuration", configuration::target),
    ("door", door::target),
    ("gguf", gguf::target),
    ("log", log::target),
    ("place", place::target),
    ("relay", relay::target),
    ("responses", responses::target),
    ("schema", schema::target),
];
