//! Logs: to stderr, filtered by `OUTCROP_LOG`. They hold no key, no message and no answer.

use crate::configuration::{Complaint, Variables};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Without `OUTCROP_LOG`.
const DEFAULT: &str = "info";

pub fn init(variables: &Variables) -> Result<(), Complaint> {
    let wanted = variables.get("OUTCROP_LOG").unwrap_or(DEFAULT);
    let filter = EnvFilter::try_new(wanted).map_err(|error| {
        Complaint::word(
            "OUTCROP_LOG",
            format!("{error}; write a level (error, warn, info, debug, trace) or `part=level,…`"),
        )
    })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && variables.get("NO_COLOR").is_none())
        .with_target(true)
        // It would complain on stderr, and panic where that is what fails: a log on a full disk must stop nobody.
        .log_internal_errors(false)
        .finish();
    // A second subscriber is only ever set by a test of this process; the first one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}
