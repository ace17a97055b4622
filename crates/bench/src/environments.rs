//! `bench environments`: hosted environments as a client meets them. How long one takes to be there, a command in it beside a
//! bare spawn on this machine, one that was suspended, and many at once.

mod site;

use crate::load::memory::{resident, shown};
use crate::server::Server;
use crate::turns::{aim, machine, milliseconds, quantile};
use anyhow::{Context, Result, ensure};
use site::Site;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;
use tokio::task::JoinSet;

/// The aims.
const READY: Duration = Duration::from_millis(150);
const ABOVE_SPAWN: Duration = Duration::from_millis(10);
const RESUMED: Duration = Duration::from_millis(150);
/// A turn may have 200 model calls; each command is one.
const COMMANDS_OF_A_TURN: usize = 100;

#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The release binary.
    #[arg(long)]
    pub binary: PathBuf,
    /// Environments that are started one after the other.
    #[arg(long, default_value_t = 20)]
    pub starts: usize,
    /// Commands that are run one after the other, and bare spawns beside them.
    #[arg(long, default_value_t = 200)]
    pub commands: usize,
    /// Environments that are suspended and used again.
    #[arg(long, default_value_t = 10)]
    pub resumes: usize,
    /// Environments at one time.
    #[arg(long, default_value_t = 50)]
    pub at_once: usize,
}

/// Measures and prints. Fails only where something did not work, never for a number.
pub async fn run(options: &Options) -> Result<()> {
    println!("hosted environments of the smallest size, nothing to set up; every step of the log fsynced");
    println!("{}\n", machine());
    let starts = starts(options).await?;
    let (commands, spawns) = commands(options).await?;
    let resumes = resumes(options).await?;
    at_once(options).await?;
    row("started, from the request to ready", &starts);
    row("a command, from its item to its end", &commands);
    row("a bare spawn of the same", &spawns);
    row("suspended, from a message to connected", &resumes);
    println!();
    let half = |times: &[Duration]| quantile(times, 0.5);
    let above = half(&commands).saturating_sub(half(&spawns));
    judge("ms to a ready environment (p50)", half(&starts), READY);
    judge("ms of a command above a bare spawn (p50)", above, ABOVE_SPAWN);
    judge("ms to resume (p50)", half(&resumes), RESUMED);
    Ok(())
}

fn judge(what: &str, time: Duration, most: Duration) {
    aim(time <= most, &format!("{:.1} {what}, aim {}", milliseconds(time), most.as_millis()));
}

fn row(name: &str, times: &[Duration]) {
    let [half, nine, worst] = [0.5, 0.9, 1.0].map(|share| milliseconds(quantile(times, share)));
    println!("{name:<42}{half:>9.1} ms p50{nine:>9.1} p90{worst:>9.1} worst   of {}", times.len());
}

async fn starts(options: &Options) -> Result<Vec<Duration>> {
    let server = Server::outcrop(&options.binary, "").await?;
    let mut times = Vec::new();
    // The first one also reads programs into memory.
    Site::new(&server.target).await?;
    for _ in 0..options.starts {
        let begun = Instant::now();
        let mut site = Site::begin(&server.target).await?;
        site.until("ready").await?;
        times.push(begun.elapsed());
    }
    server.stop().await?;
    Ok(times)
}

/// Commands, and as many spawns, a turn of each in turn.
async fn commands(options: &Options) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let server = Server::outcrop(&options.binary, "").await?;
    let mut site = Site::new(&server.target).await?;
    let (mut times, mut spawns) = (Vec::new(), Vec::new());
    site.run("true", 3).await?;
    while times.len() < options.commands {
        let count = COMMANDS_OF_A_TURN.min(options.commands - times.len());
        times.extend(site.run("true", count).await?.commands);
        for _ in 0..count {
            spawns.push(spawn().await?);
        }
    }
    server.stop().await?;
    Ok((times, spawns))
}

async fn spawn() -> Result<Duration> {
    let begun = Instant::now();
    let mut command = Command::new("/bin/bash");
    command.args(["-c", "true"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().await.context("nothing can be spawned")?;
    ensure!(output.status.success(), "a bare command failed");
    Ok(begun.elapsed())
}

async fn resumes(options: &Options) -> Result<Vec<Duration>> {
    let server = Server::outcrop(&options.binary, "[environments]\nsuspend_after = \"1s\"\n").await?;
    let mut sites = Vec::new();
    for _ in 0..options.resumes {
        let mut site = Site::new(&server.target).await?;
        site.run("echo kept > kept.txt", 1).await?;
        sites.push(site);
    }
    let mut times = Vec::new();
    for site in &mut sites {
        site.until("suspended").await?;
        let ran = site.run("test -f kept.txt", 1).await?;
        times.push(ran.connected.context("it was not connected again")?);
    }
    server.stop().await?;
    Ok(times)
}

/// All are asked for at one time; then each runs a command.
async fn at_once(options: &Options) -> Result<()> {
    let server = Server::outcrop(&options.binary, "").await?;
    let before = available()?;
    let begun = Instant::now();
    let mut starting = JoinSet::new();
    for _ in 0..options.at_once {
        let target = server.target.clone();
        starting.spawn(async move { Site::new(&target).await });
    }
    let mut sites = Vec::new();
    while let Some(site) = starting.join_next().await {
        sites.push(site??);
    }
    let ready = begun.elapsed();
    let taken = before.saturating_sub(available()?) / options.at_once.max(1) as u64;
    let begun = Instant::now();
    let mut running = JoinSet::new();
    for mut site in sites {
        running.spawn(async move {
            site.run("true", 5).await?;
            anyhow::Ok(site)
        });
    }
    let mut kept = Vec::new();
    while let Some(site) = running.join_next().await {
        kept.push(site??);
    }
    println!(
        "{} at once: all ready after {:.2} s, five commands in each within {:.2} s; {} of memory each, the server {}",
        options.at_once,
        ready.as_secs_f64(),
        begun.elapsed().as_secs_f64(),
        shown(taken),
        shown(resident(&server)?)
    );
    server.stop().await?;
    Ok(())
}

/// Memory that the machine has left, bytes.
fn available() -> Result<u64> {
    let told = std::fs::read_to_string("/proc/meminfo")?;
    let line = told.lines().find_map(|line| line.strip_prefix("MemAvailable:")).context("the kernel does not say")?;
    let kibibytes: u64 = line.trim().trim_end_matches("kB").trim().parse().context("no number")?;
    Ok(kibibytes << 10)
}
