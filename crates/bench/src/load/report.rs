//! What held and what did not, a line each, and the sum in the words of a test runner.

use anyhow::Result;
use std::time::Instant;

#[derive(Debug)]
pub struct Report {
    begun: Instant,
    passed: usize,
    failed: usize,
}

impl Report {
    pub fn new() -> Self {
        Self { begun: Instant::now(), passed: 0, failed: 0 }
    }

    /// Notes how a check ended; what it found is handed on if it held.
    pub fn check<T>(&mut self, name: &str, outcome: Result<T>) -> Option<T> {
        let seconds = self.begun.elapsed().as_secs_f64();
        match outcome {
            Ok(found) => {
                self.passed += 1;
                println!("test {name} ... ok ({seconds:.1} s)");
                Some(found)
            }
            Err(error) => {
                self.failed += 1;
                println!("test {name} ... FAILED ({seconds:.1} s): {error:#}");
                None
            }
        }
    }

    /// Prints the sum; true if everything held.
    pub fn close(self) -> bool {
        let Self { begun, passed, failed } = self;
        println!("{passed} passed, {failed} failed in {:.2}s", begun.elapsed().as_secs_f64());
        failed == 0
    }
}
