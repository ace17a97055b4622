//! What `bench gateway` prints: the numbers, what they are of the bare mock's, and whether the aims are met.

use super::contestant::Role;
use super::shape::Shape;
use crate::turns::{aim, milliseconds, quantile};
use std::time::Duration;

/// One server under one load, all rounds together.
#[derive(Default, Debug)]
pub struct Measured {
    pub times: Vec<Duration>,
    pub time: Duration,
    /// Processor time of the server's process.
    pub cpu: Duration,
}

impl Measured {
    fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.time.as_secs_f64()
    }

    /// Milliseconds.
    fn quantile(&self, share: f64) -> f64 {
        milliseconds(quantile(&self.times, share))
    }
}

#[derive(Debug)]
pub struct Row {
    pub shape: Shape,
    pub connections: usize,
    pub name: &'static str,
    pub role: Role,
    pub measured: Measured,
}

/// The aims: milliseconds added at one connection, of TensorZero's requests a second, p99 of p50.
const ADDED: f64 = 0.3;
const OF_TENSORZERO: f64 = 5.0;
const TAIL: f64 = 3.0;
/// Converse's p50, of that of the same server's chat.
const OF_CHAT: f64 = 1.3;

pub fn print(rows: &[Row]) {
    let mut load = None;
    for row in rows {
        if load != Some((row.shape, row.connections)) {
            load = Some((row.shape, row.connections));
            println!(
                "\n{:<34}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
                format!("{}, {} at once", row.shape, row.connections),
                "p50 ms",
                "added",
                "p99 ms",
                "p99/p50",
                "req/s",
                "of bare",
                "CPU us"
            );
        }
        let bare = bare(rows, row);
        let (half, tail, speed) = (row.measured.quantile(0.5), row.measured.quantile(0.99), row.measured.per_second());
        let added = half - bare.quantile(0.5);
        let cpu = row.measured.cpu.as_secs_f64() * 1e6 / row.measured.times.len() as f64;
        println!(
            "  {:<32}{half:>9.3}{added:>9.3}{tail:>9.3}{:>9.2}{speed:>9.0}{:>9.3}{cpu:>9.0}",
            row.name,
            tail / half,
            speed / bare.per_second()
        );
    }
    println!();
    aims(rows);
}

/// The bare mock under the same load; it is asked in Chat's words where ours is in Bedrock's.
fn bare<'a>(rows: &'a [Row], row: &'a Row) -> &'a Measured {
    let load = (row.shape.in_chat().unwrap_or(row.shape), row.connections);
    let same = rows.iter().find(|other| (other.shape, other.connections) == load && other.role == Role::Bare);
    same.map_or(&row.measured, |bare| &bare.measured)
}

fn is_same_load(one: &Row, other: &Row) -> bool {
    (one.shape, one.connections) == (other.shape, other.connections)
}

fn aims(rows: &[Row]) {
    for row in rows {
        let Role::Ours { journal, disk } = row.role else { continue };
        let load = format!("{}, {} at once, {}", row.shape, row.connections, row.name);
        if row.connections == 1 && journal && !disk && row.shape.in_chat().is_none() {
            let added = row.measured.quantile(0.5) - bare(rows, row).quantile(0.5);
            aim(added < ADDED, &format!("{load}: adds {added:.3} ms (p50), aim below {ADDED}"));
        }
        let tail = row.measured.quantile(0.99) / row.measured.quantile(0.5);
        aim(tail <= TAIL, &format!("{load}: p99 is {tail:.2} times p50, aim {TAIL}"));
        let other = rows.iter().find(|other| is_same_load(row, other) && other.role == Role::TensorZero);
        if let Some(chat) = row.shape.in_chat() {
            let is_chat =
                |other: &&Row| (other.shape, other.connections, other.name) == (chat, row.connections, row.name);
            if let Some(other) = rows.iter().find(is_chat) {
                let share = row.measured.quantile(0.5) / other.measured.quantile(0.5);
                aim(share <= OF_CHAT, &format!("{load}: p50 is {share:.2} times that of {chat}, aim {OF_CHAT}"));
            }
        }
        if let Some(other) = other {
            let share = row.measured.per_second() / other.measured.per_second();
            let text = format!("{load}: {share:.2} times TensorZero's requests, aim {OF_TENSORZERO}");
            aim(share >= OF_TENSORZERO, &text);
        }
    }
}
