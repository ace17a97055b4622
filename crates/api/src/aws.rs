//! The manners of AWS's doors: who may pass them, how their errors look, and the id that every answer has. What is asked
//! and answered there is theirs.
//!
//! A door puts one of the gates here before its routes, and answers its errors as [`AwsFailure`].

mod failure;
mod gate;

pub use failure::AwsFailure;
pub use gate::{agentcore_gate, bedrock_gate, no_such_path};

use std::sync::{Arc, Mutex};
use types::AwsAccount;

/// What AWS's doors are given.
#[derive(Clone, Default, Debug)]
pub struct Aws {
    /// Whose names ARNs are.
    pub account: AwsAccount,
    /// Whether `/openai/v1/agents` has no more than Bedrock's managed agents have.
    pub strict: bool,
    /// Whether signed requests may leave their bodies out of the signature.
    pub unsigned_payload: bool,
    /// The signatures that may not be used again.
    pub(crate) used: Arc<Mutex<sigv4::Used>>,
}

impl Aws {
    pub fn new(account: AwsAccount, strict: bool, unsigned_payload: bool) -> Self {
        Self { account, strict, unsigned_payload, used: Arc::default() }
    }
}
