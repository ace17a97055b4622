//! Measures the release binary from outside, over HTTP, beside a baseline in the same run. It links nothing of the
//! product. `cargo xtask bench NAME` builds the binary and starts this with its path.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a tool for developers: it prints, starts processes and looks at the clock"
)]

mod client;
mod driver;
mod environments;
mod floor;
mod gateway;
mod load;
mod server;
mod turns;
mod workload;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
#[command(name = "bench", about = "Measures the release binary from outside")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Turns with function calls, beside the floor.
    Turns(turns::Options),
    /// Many clients at once.
    Load(load::Options),
    /// What a server between a client and a model adds.
    Gateway(gateway::Options),
    /// Hosted environments: how fast they are there, and commands in them.
    Environments(environments::Options),
    /// The model's server of `gateway`.
    #[command(hide = true)]
    Mock,
    /// The floor itself.
    #[command(hide = true)]
    Floor { data: PathBuf },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Turns(options) => turns::run(&options).await,
        Command::Load(options) => load::run(&options).await,
        Command::Gateway(options) => gateway::run(&options).await,
        Command::Environments(options) => environments::run(&options).await,
        Command::Mock => gateway::mock().await,
        Command::Floor { data } => floor::run(&data).await,
    }
}
