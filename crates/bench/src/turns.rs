//! `bench turns`: W1 against the release binary and against the floor, in turns of one round each, so that a noisy
//! machine is noisy for both. Then the size of what was written, and how fast a sleeping session answers.

mod table;

use crate::driver::{self, Times};
use crate::server::Server;
use crate::workload::{self, STEPS, Text};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use table::{Measured, Outcome};

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
    #[arg(long, default_value_t = 24)]
    pub sleepers: usize,
}

/// Measures and prints. Fails only where something did not work, never for a number.
pub async fn run(options: &Options) -> Result<()> {
    println!("W1: a message, {STEPS} function calls answered with 1 KiB, an answer; every commit fsynced");
    println!("{}", table::machine());
    let mut outcome = Outcome { loads: Vec::new(), disk: 0.0, floor_disk: 0.0, resumed: Vec::new(), woken: Vec::new() };
    for &sessions in &options.sessions {
        let (ours, floor) = load(options, sessions, &mut outcome).await?;
        outcome.loads.push((sessions, ours, floor));
    }
    sleepers(options, &mut outcome).await?;
    table::print(&outcome);
    Ok(())
}

/// Rounds with so many sessions: ours, floor, ours, floor.
async fn load(options: &Options, sessions: usize, outcome: &mut Outcome) -> Result<(Measured, Measured)> {
    let time = Duration::from_secs_f64(options.seconds);
    let ours = Server::outcrop(&options.binary, "").await?;
    let floor = Server::floor().await?;
    let mut our_clients = driver::clients(&ours.target, sessions, options.text).await?;
    let mut floor_clients = driver::clients(&floor.target, sessions, options.text).await?;
    let (mut our, mut its) = (Measured::default(), Measured::default());
    for _ in 0..options.rounds {
        our_clients = round(&ours, our_clients, time, &mut our).await?;
        floor_clients = round(&floor, floor_clients, time, &mut its).await?;
    }
    drop((our_clients, floor_clients));
    outcome.disk = size(ours, &our).await?;
    outcome.floor_disk = size(floor, &its).await?;
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

/// Bytes on disk for a byte of content, after a checkpoint.
async fn size(server: Server, measured: &Measured) -> Result<f64> {
    let folder = server.stop().await?;
    let content = measured.times.turns.len() as u64 * workload::content();
    ensure!(content > 0, "nothing was written");
    crate::server::checkpoint(&folder)?;
    Ok(crate::server::bytes_below(folder.path())? as f64 / content as f64)
}

/// Sessions of 200 items, all asleep because the server was started anew: the time to the first event.
async fn sleepers(options: &Options, outcome: &mut Outcome) -> Result<()> {
    const TURNS: u64 = 200_u64.div_ceil(workload::ITEMS);
    let server = Server::outcrop(&options.binary, "").await?;
    let mut clients = Vec::new();
    for mut client in driver::clients(&server.target, options.sleepers, options.text).await? {
        let mut last = Vec::new();
        for _ in 0..TURNS {
            last.push(client.turn(&mut Times::default()).await?);
        }
        clients.push((client, last.swap_remove(last.len().saturating_sub(2))));
    }
    let server = Server::outcrop_on(&options.binary, server.stop().await?).await?;
    for (at, (client, last)) in clients.into_iter().enumerate() {
        let mut client = client.moved(&server.target).await?;
        if at % 2 == 0 {
            outcome.resumed.push(client.resume(&last).await.context("a resumed stream")?);
        } else {
            outcome.woken.push(client.wake().await.context("a message to a sleeping session")?);
        }
    }
    server.stop().await.map(drop)
}
