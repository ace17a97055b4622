//! A thousand sessions at once, each with a streaming client and turns going on, in three equal parts: warming up, alone,
//! and among slow readers and connections that say a byte now and then. The server's memory is the same at the end of
//! each; how much longer healthy clients wait among slow ones is printed.

use super::Options;
use super::idle::COST;
use super::memory::{assert_flat, peak, resident, shown};
use super::report::Report;
use super::slow::{Crawler, trickle};
use super::talker::Talker;
use crate::client::Target;
use crate::server::Server;
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Turns of one session: then the client goes on with a new one, and the old one sleeps.
const TURNS: usize = 3;
/// Between two turns.
const PAUSE: Duration = Duration::from_secs(2);
const PARTS: [&str; 3] = ["warming up", "alone", "among slow readers and slow requests"];
/// Connections that send a request byte by byte, for each conversing session.
const TRICKLES: usize = 2;

/// What all clients share.
#[derive(Debug, Default)]
struct Stage {
    part: AtomicUsize,
    over: AtomicBool,
}

/// What one client saw: how long the first event of each turn took, by part.
type Waits = [Vec<Duration>; PARTS.len()];

pub async fn run(server: &Server, options: &Options, report: &mut Report) {
    let found = converse(server, options).await;
    let Some((waits, memory)) = report.check("every_turn_of_a_thousand_sessions_completes", found) else { return };
    for ((part, waits), memory) in PARTS.iter().zip(&waits).zip(&memory) {
        println!("  {part}: {} turns, first event {}, memory {}", waits.len(), quantiles(waits), shown(*memory));
    }
    let ratio = quantile(&waits[2], 99).as_secs_f64() / quantile(&waits[1], 99).as_secs_f64().max(1e-6);
    println!("  p99 among slow ones is {ratio:.2} of p99 alone");
    report.check("memory_is_flat_while_sessions_come_and_go", assert_flat(memory[0], memory[1]));
    let slow = (options.sessions * (1 + TRICKLES)) as u64;
    let bounded = assert_flat(memory[1] + slow * COST, memory[2]);
    report.check("f26_memory_is_bounded_among_slow_readers_and_slow_requests", bounded);
    if let Ok(peak) = peak(server) {
        println!("  most memory ever {}", shown(peak));
    }
}

async fn converse(server: &Server, options: &Options) -> Result<(Waits, Vec<u64>)> {
    let stage = Arc::new(Stage::default());
    let part = Duration::from_secs_f64(options.seconds / PARTS.len() as f64);
    let mut clients = JoinSet::new();
    for number in 0..options.sessions {
        let late = PAUSE.mul_f64(number as f64 / options.sessions as f64);
        clients.spawn(client(server.target.clone(), Arc::clone(&stage), late));
    }
    // From before the first part: a request's head has 30 seconds.
    let mut witnesses = JoinSet::new();
    for _ in 0..16 {
        witnesses.spawn(trickle(server.target.clone()));
    }
    let begun = Instant::now();
    let mut crowd = JoinSet::new();
    let mut memory = Vec::new();
    for number in 0..PARTS.len() {
        stage.part.store(number, Ordering::Relaxed);
        if number == PARTS.len() - 1 {
            for _ in 0..options.sessions * TRICKLES {
                crowd.spawn(trickle(server.target.clone()));
            }
        }
        tokio::time::sleep(part).await;
        memory.push(resident(server)?);
    }
    stage.over.store(true, Ordering::Relaxed);
    let mut waits = Waits::default();
    while let Some(seen) = clients.join_next().await {
        for (all, mut some) in waits.iter_mut().zip(seen??) {
            all.append(&mut some);
        }
    }
    ensure!(waits.iter().all(|waits| !waits.is_empty()), "a part in which nobody had a turn");
    // A head that is still not whole after a minute would be waited for for ever.
    if begun.elapsed() > Duration::from_secs(45) {
        while let Some(ended) =
            tokio::time::timeout(PAUSE, witnesses.join_next()).await.context("a slow request stays")?
        {
            ended??;
        }
    }
    Ok((waits, memory))
}

async fn client(target: Target, stage: Arc<Stage>, late: Duration) -> Result<Waits> {
    let mut waits = Waits::default();
    tokio::time::sleep(late).await;
    loop {
        let mut talker = Talker::new(&target).await?;
        let mut crawler = None;
        for _ in 0..TURNS {
            let part = stage.part.load(Ordering::Relaxed);
            if part == PARTS.len() - 1 && crawler.is_none() {
                crawler = Some(Crawler::open(&target, &talker.path).await?);
            }
            waits[part].push(talker.turn().await?);
            if stage.over.load(Ordering::Relaxed) {
                return Ok(waits);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn quantiles(waits: &[Duration]) -> String {
    let ms = |percent| quantile(waits, percent).as_secs_f64() * 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms", ms(50), ms(99))
}

fn quantile(waits: &[Duration], percent: usize) -> Duration {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() * percent / 100).copied().unwrap_or_default()
}
