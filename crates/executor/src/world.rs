//! Time, chance and tasks: the edges of this crate, which lives on a runtime of its own and has no clock passed in.

use std::future::Future;
use std::time::Duration;
use tokio::task::JoinHandle;
use wire::executor::{Failure, code};

#[expect(clippy::disallowed_methods, reason = "an executor is its own process; its tasks are nobody else's")]
pub fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(task)
}

#[expect(clippy::disallowed_methods, reason = "an executor waits by the clock of the machine it is on")]
pub async fn sleep(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Work on the disk, away from the threads that move messages.
#[expect(clippy::disallowed_methods, reason = "files are the executor's business, and reading them blocks")]
pub async fn blocking<T, F>(work: F) -> Result<T, Failure>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, Failure> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(Failure::new(code::INTERNAL, error.to_string())),
    }
}

/// So many random bytes as lower-case hexadecimal digits.
#[expect(clippy::disallowed_methods, reason = "an executor draws its own chance")]
pub fn random_hex(bytes: usize) -> Result<String, Failure> {
    let mut drawn = vec![0_u8; bytes];
    getrandom::fill(&mut drawn).map_err(|error| Failure::new(code::INTERNAL, error.to_string()))?;
    Ok(drawn.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}")))
}
