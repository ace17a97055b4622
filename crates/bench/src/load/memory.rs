//! The memory of a server, as its kernel counts it.

use crate::server::Server;
use anyhow::{Context, Result, ensure};

/// What a comparison leaves to chance: pages that the allocator keeps, caches that fill. Bytes.
const SLACK: u64 = 32 << 20;

/// Pages that are in memory, bytes.
pub fn resident(server: &Server) -> Result<u64> {
    field(server, "VmRSS:")
}

/// The most that ever were.
pub fn peak(server: &Server) -> Result<u64> {
    field(server, "VmHWM:")
}

fn field(server: &Server, name: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("the kernel does not say")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().context("no number")?;
    Ok(kibibytes << 10)
}

/// Fails where memory grew by more than a quarter and some slack.
pub fn assert_flat(before: u64, after: u64) -> Result<()> {
    let bound = before + before / 4 + SLACK;
    ensure!(after <= bound, "{} where there were {}", shown(after), shown(before));
    Ok(())
}

pub fn shown(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
