//! `bench load`: many clients at once against the release binary on loopback. What is right is asserted: every turn
//! ends, nothing is lost, memory stays flat, nobody holds up anybody. How fast it is, is printed.
//!
//! A check is printed as test runners print theirs, so that whoever counts tests counts these too.

mod conversations;
mod files;
mod idle;
pub mod memory;
mod report;
mod sleepers;
mod slow;
pub mod talker;
mod told;

use crate::server::Server;
use anyhow::{Result, ensure};
use report::Report;
use std::path::PathBuf;

#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The release binary.
    #[arg(long)]
    pub binary: PathBuf,
    /// Seconds of conversations.
    #[arg(long, default_value_t = 60.0)]
    pub seconds: f64,
    /// Sessions that converse at one time, and as many slow readers beside them.
    #[arg(long, default_value_t = 1000)]
    pub sessions: usize,
    /// Streams that are open and hear nothing.
    #[arg(long, default_value_t = 10_000)]
    pub streams: usize,
    /// Sessions that sleep.
    #[arg(long, default_value_t = 100_000)]
    pub sleepers: usize,
}

/// Runs every load; fails if anything did not hold.
pub async fn run(options: &Options) -> Result<()> {
    let files = files::raise()?;
    println!("load on this machine: at most {files} open files a process");
    let mut report = Report::new();
    let server = Server::outcrop(&options.binary, "").await?;
    conversations::run(&server, options, &mut report).await;
    slow::run(&server, &mut report).await;
    report.check("the_server_ends_well_after_conversations", server.stop().await.map(drop));
    let server = Server::outcrop(&options.binary, "").await?;
    idle::run(&server, options.streams, files, &mut report).await;
    report.check("the_server_ends_well_after_idle_streams", server.stop().await.map(drop));
    sleepers::run(options, &mut report).await;
    ensure!(report.close(), "not everything held");
    Ok(())
}
