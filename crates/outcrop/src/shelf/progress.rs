//! How far a transfer is: a bar on a terminal, a line every tenth in a pipe. It goes to stderr, beside what was asked
//! for.

use super::place::size;
use crate::terminal;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::time::Duration;

pub struct Progress {
    bar: Option<ProgressBar>,
    total: Option<u64>,
    done: u64,
    /// The tenth that was last said.
    said: u64,
}

impl Progress {
    /// `done` bytes are there already. Without a total nobody knows how far it is.
    pub fn start(total: Option<u64>, done: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| bar(total, done));
        let said = total.map_or(0, |total| tenth(done, total));
        Self { bar, total, done, said }
    }

    pub fn advance(&mut self, bytes: u64) {
        self.reach(self.done.saturating_add(bytes));
    }

    pub fn reach(&mut self, done: u64) {
        self.done = done;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if let Some(total) = self.total
            && tenth(done, total) > self.said
        {
            self.said = tenth(done, total);
            terminal::warn(format_args!("  {:3} % of {}", self.said * 10, size(total)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn tenth(done: u64, total: u64) -> u64 {
    done.saturating_mul(10) / total.max(1)
}

fn bar(total: Option<u64>, done: u64) -> ProgressBar {
    let (bar, template) = match total {
        Some(total) => (
            ProgressBar::new(total),
            "  {bar:40.cyan/dim} {percent:>3} %  {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left",
        ),
        None => (ProgressBar::new_spinner(), "  {spinner:.cyan} {decimal_bytes}, {elapsed}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.set_position(done);
    // What was there before is no speed.
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
