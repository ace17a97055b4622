//! What a step costs, beside a process that does nothing. It checks nothing: run it by hand on a quiet machine, with
//! `cargo test --release -p code --test programs cost -- --ignored --nocapture`.

use crate::{begin, interpreter, run};
use code::{Interpreter, Limits, Outcome, Step};
use serde_json::json;
use std::time::Duration;

const TIMES: usize = 200;

/// The median and the 95th percentile.
#[expect(clippy::print_stdout, reason = "it measures")]
fn told(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)].as_secs_f64() * 1e3;
    println!("{what}: p50 {:.2} ms, p95 {:.2} ms", at(50), at(95));
}

async fn measured(what: &str, interpreter: &Interpreter, step: &Step) {
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = now();
        let _ = interpreter.step("p", step.clone()).await;
        times.push(begun.elapsed());
    }
    told(what, times);
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[tokio::test]
#[ignore = "it measures"]
async fn cost_of_a_step() {
    measured(
        "a process that does nothing",
        &Interpreter::new(vec!["/bin/true".into()], Limits::default()),
        &begin("1"),
    )
    .await;
    let interpreter = interpreter(Limits::default());
    measured("a program without calls", &interpreter, &begin("1 + 1")).await;
    let small = "rows = [{'id': i, 'name': f'user {i}'} for i in range(100)]\nadd(len(rows), 1)";
    measured("up to the first call", &interpreter, &begin(small)).await;
    if let Outcome::Paused { snapshot, calls, .. } = interpreter.step("p", begin(small)).await.expect("a step") {
        println!("its snapshot: {} bytes", snapshot.len());
        let results = calls.iter().map(|call| (call.id, Ok(json!(1)))).collect();
        measured("from there to the end", &interpreter, &Step::Resume { snapshot, results }).await;
    }
    let begun = now();
    let ran = run("for i in range(100):\n    add(i, 1)", |_| Ok(json!(1))).await;
    println!("a program of {} calls: {:.0} ms", ran.pauses.len(), begun.elapsed().as_secs_f64() * 1e3);
}
