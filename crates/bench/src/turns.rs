//! `bench turns`: W1 against the release binary and against the floor, a round of each in turn, so that a noisy machine is
//! noisy for both. Then the size of what was written, and how fast a sleeping session answers.

mod table;

pub use table::{aim, machine, milliseconds, quantile};

use crate::driver;
use crate::server::Server;
use crate::workload::{self, STEPS, Text};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use table::{Measured, Outcome};
use tempfile::TempDir;

#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The release binary.
    #[arg(long)]
    pub binary: PathBuf,
    /// Sessions at one time; may be given several times.
    #[arg(long, default_values_t = [1, 64])]
    pub sessions: Vec<usize>,
    /// Rounds of each server.
    #[arg(long, default_value_t = 3)]
    pub rounds: usize,
    /// Seconds of a round.
    #[arg(long, default_value_t = 4.0)]
    pub seconds: f64,
    /// What results look like.
    #[arg(long, value_enum, default_value_t = Text::Rows)]
    pub text: Text,
    /// Sleeping sessions of 200 items that are woken.
    #[arg(long, default_value_t = 96)]
    pub sleepers: usize,
}

/// Measures and prints. Fails only where something did not work, never for a number.
pub async fn run(options: &Options) -> Result<()> {
    println!("W1: a message, {STEPS} function calls answered with 1 KiB, an answer; every commit fsynced");
    println!("{}", table::machine());
    let mut outcome = Outcome { loads: Vec::new(), disk: 0.0, floor_disk: 0.0, resumed: Vec::new(), woken: Vec::new() };
    for &sessions in &options.sessions {
        let (ours, floor) = load(options, sessions).await?;
        outcome.loads.push((sessions, ours, floor));
    }
    sleepers(options, &mut outcome).await?;
    table::print(&outcome);
    Ok(())
}

/// Rounds with so many sessions: ours, floor, ours, floor.
async fn load(options: &Options, sessions: usize) -> Result<(Measured, Measured)> {
    let time = Duration::from_secs_f64(options.seconds);
    let ours = Server::outcrop(&options.binary, "").await?;
    let floor = Server::floor().await?;
    let mut our_clients = driver::clients(&ours.target, sessions, options.text).await?;
    let mut floor_clients = driver::clients(&floor.target, sessions, options.text).await?;
    let (mut our, mut its) = (Measured::default(), Measured::default());
    // More turns than a client will take in a round.
    let turns = (options.seconds * 400.0 / (sessions as f64).sqrt()) as u64;
    for _ in 0..options.rounds {
        our_clients = driver::provide(our_clients, turns).await?;
        floor_clients = driver::provide(floor_clients, turns).await?;
        our_clients = round(&ours, our_clients, time, &mut our).await?;
        floor_clients = round(&floor, floor_clients, time, &mut its).await?;
    }
    Ok((our, its))
}

async fn round(
    server: &Server,
    clients: Vec<driver::Client>,
    time: Duration,
    measured: &mut Measured,
) -> Result<Vec<driver::Client>> {
    let (cpu, begun) = (server.cpu()?, Instant::now());
    let (clients, times) = driver::round(clients, time).await?;
    measured.time += begun.elapsed();
    measured.cpu += server.cpu()?.saturating_sub(cpu);
    measured.times.add(times);
    Ok(clients)
}

/// Sessions of 200 items, and what they take on the disk. Then, all asleep because the server was started anew, the time
/// to their first event.
async fn sleepers(options: &Options, outcome: &mut Outcome) -> Result<()> {
    let server = Server::floor().await?;
    let filled = driver::fill(driver::clients(&server.target, options.sleepers, options.text).await?).await?;
    drop(filled);
    outcome.floor_disk = bytes_per_byte(&server.stop().await?, options.sleepers)?;

    let server = Server::outcrop(&options.binary, "").await?;
    let filled = driver::fill(driver::clients(&server.target, options.sleepers, options.text).await?).await?;
    let folder = server.stop().await?;
    outcome.disk = bytes_per_byte(&folder, options.sleepers)?;
    let server = Server::outcrop_on(&options.binary, folder).await?;
    for (at, (client, last)) in filled.into_iter().enumerate() {
        let mut client = client.moved(&server.target).await?;
        if at % 2 == 0 {
            outcome.resumed.push(client.resume(&last).await.context("a resumed stream")?);
        } else {
            outcome.woken.push(client.wake().await.context("a message to a sleeping session")?);
        }
    }
    server.stop().await.map(drop)
}

/// Bytes on disk for a byte of content, after a checkpoint.
fn bytes_per_byte(folder: &TempDir, sessions: usize) -> Result<f64> {
    crate::server::checkpoint(folder)?;
    let content = sessions as u64 * driver::TURNS * workload::content();
    ensure!(content > 0, "nothing was written");
    Ok(crate::server::bytes_below(folder.path())? as f64 / content as f64)
}
