//! `cargo xtask sim`: runs seeds and says what failed, with the command that runs it again.
#![expect(clippy::print_stdout, reason = "a tool for developers: it prints")]

use sim::{Case, Replay, Summary};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const USAGE: &str = "sim --seeds N [--first S] | sim --seed S [--crash K | --line]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    match words.as_slice() {
        ["--seeds", count] => number(count).map_or_else(usage, |count| seeds(1, count)),
        ["--seeds", count, "--first", first] => {
            number(count).zip(number(first)).map_or_else(usage, |(count, first)| seeds(first, count))
        }
        ["--seed", seed] => number(seed).map_or_else(usage, |seed| seeds(seed, 1)),
        ["--seed", seed, "--crash", at] => number(seed)
            .zip(number(at))
            .map_or_else(usage, |(seed, at)| replay(Replay { seed, crash: Some(at), line: false })),
        ["--seed", seed, "--line"] => {
            number(seed).map_or_else(usage, |seed| replay(Replay { seed, crash: None, line: true }))
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    println!("{USAGE}");
    ExitCode::from(2)
}

/// Runs seeds on all processors; the lowest one that fails is told.
fn seeds(first: u64, count: u64) -> ExitCode {
    let next = AtomicU64::new(first);
    let failed = AtomicBool::new(false);
    let cases: Mutex<BTreeMap<u64, Case>> = Mutex::default();
    let work = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first.saturating_add(count) {
                return;
            }
            let case = sim::case(seed);
            failed.fetch_or(case.failed.is_some(), Ordering::Relaxed);
            if let Ok(mut cases) = cases.lock() {
                cases.insert(seed, case);
            }
        }
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    let cases = cases.into_inner().unwrap_or_default();
    let mut summary = Summary::default();
    for case in cases.values() {
        summary.merge(&case.summary);
    }
    print!("{summary}");
    match cases.values().find_map(|case| case.failed.as_ref()) {
        None => {
            println!("sim: {} seeds, nothing wrong", cases.len());
            ExitCode::SUCCESS
        }
        Some((replay, report)) => {
            tell(*replay, report);
            ExitCode::FAILURE
        }
    }
}

fn replay(replay: Replay) -> ExitCode {
    let report = replay.run();
    tell(replay, &report);
    if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(replay: Replay, report: &sim::Report) {
    println!("\n{:?}", report.plan);
    for line in report.logs.iter().chain(&report.tail) {
        println!("{line}");
    }
    println!("boundaries {}, digest {:016x}", report.boundaries, report.digest);
    for problem in &report.problems {
        println!("sim: WRONG: {problem}");
    }
    if !report.problems.is_empty() {
        println!("sim: seed {} went wrong; to run it again:\n{}", replay.seed, replay.command());
    }
}
