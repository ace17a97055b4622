//! What a program asks of the machine: refused, in words that say what to do instead.

use crate::values::raise;
use monty_types::{ExcType, MontyException, OsFunctionCall};

pub fn refusal(asked: &OsFunctionCall) -> MontyException {
    let what = match asked {
        OsFunctionCall::Getenv(_) | OsFunctionCall::GetEnviron => "environment variables",
        OsFunctionCall::DateToday | OsFunctionCall::DateTimeNow(_) => "a clock",
        _ => "files",
    };
    raise(ExcType::PermissionError, format!("a program has no access to {what}; it has only its functions"))
}
