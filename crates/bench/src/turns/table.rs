//! What `bench turns` prints: the numbers, their ratios, and whether the aims are met.

use crate::driver::Times;
use crate::workload::STEPS;
use std::time::Duration;

/// One server under one load, all rounds together.
#[derive(Default, Debug)]
pub struct Measured {
    pub times: Times,
    pub time: Duration,
    /// Processor time of the server's process.
    pub cpu: Duration,
}

impl Measured {
    pub fn turns_per_second(&self) -> f64 {
        self.times.turns.len() as f64 / self.time.as_secs_f64()
    }

    /// Seconds for 1,000 steps.
    pub fn cpu_per_thousand(&self) -> f64 {
        self.cpu.as_secs_f64() * 1000.0 / (self.times.turns.len() as f64 * STEPS as f64)
    }
}

/// All that was measured.
#[derive(Debug)]
pub struct Outcome {
    /// Sessions at one time, ours, the floor.
    pub loads: Vec<(usize, Measured, Measured)>,
    /// Bytes on disk for a byte of content, of the largest load.
    pub disk: f64,
    pub floor_disk: f64,
    /// Times to the first event of a sleeping session: of a stream that goes on behind an event, and after a message.
    pub resumed: Vec<Duration>,
    pub woken: Vec<Duration>,
}

/// The aims.
const OF_FLOOR: f64 = 0.5;
const CPU: f64 = 0.2;
const DISK: f64 = 1.3;
const FIRST_EVENT: Duration = Duration::from_millis(10);

pub fn print(outcome: &Outcome) {
    println!("\n{:<34}{:>12}{:>12}{:>9}", "", "outcrop", "floor", "ratio");
    for (sessions, ours, floor) in &outcome.loads {
        println!("{sessions} session{} at once", if *sessions == 1 { "" } else { "s" });
        row("  turns/s", ours.turns_per_second(), floor.turns_per_second());
        row("  steps/s", ours.turns_per_second() * STEPS as f64, floor.turns_per_second() * STEPS as f64);
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            let of = |times: &[Duration]| milliseconds(quantile(times, share));
            row(&format!("  {name} of a turn, ms"), of(&ours.times.turns), of(&floor.times.turns));
            row(&format!("  {name} of a step, ms"), of(&ours.times.steps), of(&floor.times.steps));
        }
        row("  CPU of 1,000 steps, s", ours.cpu_per_thousand(), floor.cpu_per_thousand());
    }
    row("disk, bytes per byte of content", outcome.disk, outcome.floor_disk);
    for (name, times) in [("resumed stream", &outcome.resumed), ("message", &outcome.woken)] {
        let (half, worst) = (milliseconds(quantile(times, 0.5)), milliseconds(quantile(times, 1.0)));
        println!("asleep with 200 items, {name}: first event after {half:.2} ms (p50), {worst:.2} ms (worst)");
    }
    println!();
    for (sessions, ours, floor) in &outcome.loads {
        let share = ours.turns_per_second() / floor.turns_per_second();
        aim(share >= OF_FLOOR, &format!("{sessions} at once: {share:.2} of the floor's turns, aim {OF_FLOOR}"));
        let cpu = ours.cpu_per_thousand();
        aim(cpu < CPU, &format!("{sessions} at once: {cpu:.3} s of CPU for 1,000 steps, aim below {CPU}"));
    }
    aim(outcome.disk <= DISK, &format!("{:.2} bytes on disk for a byte of content, aim {DISK}", outcome.disk));
    let first = quantile(&outcome.resumed, 0.5).max(quantile(&outcome.woken, 0.5));
    let text = format!(
        "{:.2} ms to the first event of a sleeper (p50), aim {} ms",
        milliseconds(first),
        FIRST_EVENT.as_millis()
    );
    aim(first <= FIRST_EVENT, &text);
}

fn row(name: &str, ours: f64, floor: f64) {
    println!("{name:<34}{ours:>12.3}{floor:>12.3}{:>9.2}", ours / floor);
}

pub fn aim(met: bool, text: &str) {
    println!("{}  {text}", if met { "pass" } else { "MISS" });
}

pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Zero where nothing was measured.
pub fn quantile(times: &[Duration], share: f64) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    let at = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
    times.get(at).copied().unwrap_or_default()
}

/// The processor and how many of them.
pub fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let names: Vec<&str> = cpus
        .lines()
        .filter_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name))
        .collect();
    format!("on {} cores, {}", names.len(), names.first().unwrap_or(&"unknown"))
}

#[cfg(test)]
mod tests {
    use super::quantile;
    use std::time::Duration;

    #[test]
    fn quantiles_are_of_the_sorted_times() {
        let times: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        for (share, expected) in [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)] {
            assert_eq!(quantile(&times, share), Duration::from_millis(expected));
        }
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }
}
