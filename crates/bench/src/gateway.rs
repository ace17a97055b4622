//! `bench gateway`: what a server costs that stands between a client and a model. A mock of a model's server answers at
//! once; requests go to it directly, through the release binary, and through other gateways where they are installed, a
//! round of each in turn. What a server adds is its time less the mock's own.

mod contestant;
mod mock;
mod others;
mod shape;
mod table;

pub use mock::run as mock;

use crate::client::{Connection, Target};
use crate::server::Server;
use anyhow::{Context, Result};
use contestant::Contestant;
use shape::Shape;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use table::{Measured, Row};
use tokio::task::JoinSet;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Before a round is measured, each connection asks once, and goes on for so long.
const WARM: Duration = Duration::from_millis(150);
/// Where a journal costs no disk.
const MEMORY_DISK: &str = "/dev/shm";

#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The release binary.
    #[arg(long)]
    pub binary: PathBuf,
    /// Connections at one time; may be given several times.
    #[arg(long, default_values_t = [1, 64])]
    pub connections: Vec<usize>,
    /// What is asked; may be given several times.
    #[arg(long, value_enum, default_values_t = Shape::ALL)]
    pub shape: Vec<Shape>,
    /// Rounds of each server.
    #[arg(long, default_value_t = 2)]
    pub rounds: usize,
    /// Seconds of a round.
    #[arg(long, default_value_t = 1.5)]
    pub seconds: f64,
    /// Where other gateways are installed; those that are there are measured too.
    #[arg(long, default_value = "target/bench-gateway")]
    pub others: PathBuf,
    /// Install them there first, with pip: LiteLLM's proxy and TensorZero's gateway. Takes minutes.
    #[arg(long)]
    pub install: bool,
    /// Measure nobody but ourselves and the mock.
    #[arg(long, conflicts_with = "install")]
    pub alone: bool,
}

/// Measures and prints. Fails only where something did not work, never for a number.
pub async fn run(options: &Options) -> Result<()> {
    println!("one message, an answer of {} deltas; the model's server answers at once", mock::DELTAS);
    println!("{}", crate::turns::machine());
    if options.install {
        others::install(&options.others).await?;
    }
    let mock = Server::mock().await?;
    let contestants = contestants(options, &mock).await?;
    let mut rows = Vec::new();
    for &connections in &options.connections {
        rows.extend(compare(options, &contestants, connections).await?);
    }
    let place = |row: &Row| options.shape.iter().position(|shape| *shape == row.shape);
    rows.sort_by_key(place);
    table::print(&rows);
    Ok(())
}

/// Who is measured; the bare mock is the first.
async fn contestants(options: &Options, mock: &Server) -> Result<Vec<Contestant>> {
    let mut contestants = vec![Contestant::bare(mock)];
    contestants.extend(ours(&options.binary, &mock.target).await?);
    if !options.alone {
        for other in others::start(&options.others, &mock.target).await? {
            contestants.push(other);
        }
    }
    let names: Vec<&str> = contestants.iter().map(|contestant| contestant.name).collect();
    println!("measured: {}", names.join(", "));
    Ok(contestants)
}

/// The binary with its log on the disk, with its log where no disk is waited for, and without a log.
async fn ours(binary: &Path, mock: &Target) -> Result<Vec<Contestant>> {
    let entry = |name: &str, provider: &str| {
        format!(
            "[[model]]\nname = \"{name}\"\nprovider = \"{provider}\"\nbase_url = \"http://{}/v1\"\n\
             upstream_model = \"mock\"\n",
            mock.address
        )
    };
    let settings = entry(shape::CHAT_MODEL, "openai-chat") + &entry(shape::RESPONSES_MODEL, "openai-responses");
    let memory = Path::new(MEMORY_DISK);
    let mut ours = Vec::new();
    if memory.is_dir() {
        let server = Server::outcrop_below(memory, binary, &settings).await?;
        ours.push(Contestant::outcrop("outcrop, log in memory", server, true));
    }
    let disk = Server::outcrop(binary, &settings).await?;
    ours.insert(0, Contestant::outcrop("outcrop, log on disk", disk, true));
    let none = Server::outcrop(binary, &format!("[server]\njournal = false\n{settings}")).await?;
    ours.push(Contestant::outcrop("outcrop, no log", none, false));
    Ok(ours)
}

/// Every question to every contestant, in turn, so that a noisy machine is noisy for all. What is asked in the words of two
/// doors is asked of one server back to back.
async fn compare(options: &Options, contestants: &[Contestant], connections: usize) -> Result<Vec<Row>> {
    let time = Duration::from_secs_f64(options.seconds);
    let pairs = contestants.iter().flat_map(|contestant| options.shape.iter().map(move |&shape| (contestant, shape)));
    let mut rows: Vec<(&Contestant, Row)> = pairs
        .filter(|(contestant, shape)| contestant.serves(*shape))
        .map(|(contestant, shape)| {
            let Contestant { name, role, .. } = *contestant;
            (contestant, Row { shape, connections, name, role, measured: Measured::default() })
        })
        .collect();
    for _ in 0..options.rounds {
        for (contestant, row) in &mut rows {
            let round = round(contestant, row.shape, connections, time, &mut row.measured).await;
            round.with_context(|| format!("{}, {}, {connections} at once", row.name, row.shape))?;
        }
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

async fn round(
    contestant: &Contestant,
    shape: Shape,
    connections: usize,
    time: Duration,
    measured: &mut Measured,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    let request = contestant.request(shape);
    for _ in 0..connections {
        let (request, mut connection) = (request.clone(), Connection::open(contestant.target()).await?);
        tasks.spawn(async move {
            let begun = Instant::now();
            while {
                shape.ask(&mut connection, &request).await?;
                begun.elapsed() < WARM
            } {}
            anyhow::Ok((connection, request))
        });
    }
    let mut warm = Vec::new();
    while let Some(done) = tasks.join_next().await {
        warm.push(done??);
    }
    let mut tasks = JoinSet::new();
    let (cpu, begun) = (contestant.cpu()?, Instant::now());
    for (mut connection, request) in warm {
        tasks.spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < time {
                let asked = Instant::now();
                tokio::time::timeout(PATIENCE, shape.ask(&mut connection, &request)).await??;
                times.push(asked.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    while let Some(done) = tasks.join_next().await {
        measured.times.extend(done??);
    }
    measured.time += begun.elapsed();
    measured.cpu += contestant.cpu()?.saturating_sub(cpu);
    Ok(())
}
