//! A hundred thousand sessions that sleep: neither memory nor the time of a start grows with them.

use super::Options;
use super::memory::{assert_flat, resident, shown};
use super::report::Report;
use super::talker::{Talker, begin, create};
use crate::client::{Connection, Target};
use crate::server::Server;
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::task::JoinSet;

/// What is compared against.
const FEW: usize = 1000;
/// Clients that make sessions: as many share one fsync.
const MAKERS: usize = 128;

/// A server that was started on what was there.
struct Started {
    took: Duration,
    memory: u64,
}

pub async fn run(options: &Options, report: &mut Report) {
    let found = compare(options).await;
    let Some((few, many)) = report.check("sleeping_sessions_are_made_and_waken", found) else { return };
    let ratio = many.took.as_secs_f64() / few.took.as_secs_f64().max(1e-6);
    println!(
        "  started in {:.0} ms with {FEW}, in {:.0} ms with {} ({ratio:.2}); memory {}, {}",
        few.took.as_secs_f64() * 1000.0,
        many.took.as_secs_f64() * 1000.0,
        options.sleepers,
        shown(few.memory),
        shown(many.memory)
    );
    report.check("sleeping_sessions_take_no_memory", assert_flat(few.memory, many.memory));
}

async fn compare(options: &Options) -> Result<(Started, Started)> {
    let server = Server::outcrop(&options.binary, "").await?;
    let path = create(&mut Connection::open(&server.target).await?).await?;
    make(&server.target, FEW - 1).await?;
    let (server, few) = start(options, server.stop().await?).await?;
    let begun = Instant::now();
    make(&server.target, options.sleepers.saturating_sub(FEW)).await?;
    println!("  {} sessions were made in {:.1} s", options.sleepers, begun.elapsed().as_secs_f64());
    let (server, many) = start(options, server.stop().await?).await?;
    // The oldest wakes as if it had never slept.
    Talker::with(&server.target, path).await?.turn().await?;
    server.stop().await?;
    Ok((few, many))
}

async fn start(options: &Options, folder: TempDir) -> Result<(Server, Started)> {
    let begun = Instant::now();
    let server = Server::outcrop_on(&options.binary, folder).await?;
    let took = begun.elapsed();
    // Whatever a start leaves to be done behind a first answer is done by then.
    Connection::open(&server.target).await?.get("/v1/agents/sessions?limit=1").await?.expect(200)?;
    let memory = resident(&server)?;
    Ok((server, Started { took, memory }))
}

async fn make(target: &Target, count: usize) -> Result<()> {
    let made = Arc::new(AtomicUsize::new(0));
    let mut makers = JoinSet::new();
    for _ in 0..MAKERS {
        let (target, made) = (target.clone(), Arc::clone(&made));
        makers.spawn(async move {
            let mut posts = Connection::open(&target).await?;
            while made.fetch_add(1, Ordering::Relaxed) < count {
                begin(&mut posts).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = makers.join_next().await {
        done??;
    }
    // The last ones may still be answered.
    create(&mut Connection::open(target).await?).await?;
    Ok(())
}
