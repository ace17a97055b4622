//! Threads for what blocks beside the writer: reads, and the writing of blobs. They belong to the store, so that it
//! works on any executor. The queue has no bound of its own: a caller waits for its answer, so it is as long as there
//! are callers, and those are bounded at the doors.

use crate::Error;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

type Job<C> = Box<dyn FnOnce(&mut C) + Send>;

/// Some threads, each with a context of its own, and one queue.
pub(super) struct Workers<C> {
    queue: Option<Sender<Job<C>>>,
    threads: Vec<JoinHandle<()>>,
}

impl<C: Send + 'static> Workers<C> {
    /// One thread for each context.
    pub(super) fn start(name: &str, contexts: Vec<C>) -> Result<Self, Error> {
        let (queue, jobs) = channel();
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::with_capacity(contexts.len());
        for context in contexts {
            let jobs = jobs.clone();
            let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(context, &jobs));
            threads.push(thread.map_err(|error| Error::Failed(format!("no thread for {name}: {error}")))?);
        }
        Ok(Self { queue: Some(queue), threads })
    }

    /// Does the work on one of the threads, whether or not anybody still waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut C) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (tell, hear) = oneshot::channel();
        let job: Job<C> = Box::new(move |context| {
            // Nobody waiting is nobody's fault.
            let _ = tell.send(work(context));
        });
        let queue = self.queue.as_ref().ok_or_else(ended)?;
        queue.send(job).map_err(|_| ended())?;
        hear.await.map_err(|_| ended())?
    }
}

impl<C> Drop for Workers<C> {
    /// Ends the queue and waits for what is in it.
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn work<C>(mut context: C, jobs: &Mutex<Receiver<Job<C>>>) {
    loop {
        // The lock is held while waiting: the others wait for the lock instead of for the queue.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(&mut context),
            Err(_) => return,
        }
    }
}

fn ended() -> Error {
    Error::Stopped("its threads have ended".to_owned())
}
