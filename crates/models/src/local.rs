//! Provider `local`: a small model inside this process, on the processor, from one GGUF file.
//!
//! Plain text in, plain text out, one conversation at a time. Who asks while another is answered waits in a bounded
//! queue and hears the model's pulse meanwhile. The same conversation always gets the same answer.
//!
//! Not yet: functions are not offered to the model (a request's `tools` are left out; to hold a small model to their
//! schemas needs constrained sampling), a JSON schema is refused, and so are images. It never fetches a file and never
//! touches the disk after loading.
//!
//! The way of a call: [`Local::call`] puts the turns into the queue; the thread `local-model` (`worker`) writes them
//! down in the model's template (`conversation`), cuts them into tokens (`vocabulary`), reads what it does not remember
//! (`forward` over `network` and `cache`) and says one token after another (`choice`, `text`).

mod cache;
mod choice;
mod constraint;
mod conversation;
mod element;
mod error;
mod forward;
mod gguf;
mod kernel;
mod matrix;
mod network;
#[cfg(test)]
mod tests;
mod text;
mod vocabulary;
mod worker;

pub use error::LoadError;
pub use kernel::Kernel;

use crate::{Model, Sink};
use cache::Cache;
use conversation::Template;
use futures_util::future::{Either, select};
use gguf::Gguf;
use kernel::Arithmetic;
use network::{Network, Sizes};
use std::path::Path;
use std::pin::pin;
use std::thread;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use types::{BoxFuture, ModelError, ModelErrorKind, ModelEvent, ModelFinish, ModelRequest};
use vocabulary::Vocabulary;
use worker::{Job, Said, Worker};

/// Threads by default, where there are as many cores. More than the server can spare would not make it faster.
const THREADS: usize = 2;

/// How to run a model.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that compute; never more than there are cores. None: 2.
    pub threads: Option<usize>,
    /// Calls that may wait; one more is [`ModelErrorKind::Overloaded`].
    pub queue: usize,
    /// Tokens of one conversation, answer included; never more than the model was trained for. None: as many as that.
    /// Memory is taken as conversations grow: for SmolLM2-135M 45 KiB a token.
    pub context: Option<usize>,
    /// How to compute; all kernels give the same bits. None, or one that this processor lacks: the fastest.
    pub kernel: Option<Kernel>,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: None, queue: 64, context: None, kernel: None }
    }
}

/// A loaded model. Dropping it ends its threads.
#[derive(Debug)]
pub struct Local {
    queue: mpsc::Sender<Job>,
    pulse: watch::Receiver<u64>,
    context: usize,
}

impl Local {
    /// Reads the file and starts the threads. Takes a second or so for each 100 million parameters and blocks for
    /// as long: not for an executor's thread.
    pub fn load(path: &Path, options: Options) -> Result<Self, LoadError> {
        let (pulse_sender, pulse) = watch::channel(0);
        let worker = Worker::load(path, options, pulse_sender)?;
        let context = worker.context;
        let (queue, jobs) = mpsc::channel(options.queue.max(1));
        thread::Builder::new()
            .name("local-model".to_owned())
            .spawn(move || worker.run(jobs))
            .map_err(|error| LoadError::Threads(error.to_string()))?;
        Ok(Self { queue, pulse, context })
    }

    /// Tokens that one conversation may have, answer included.
    pub fn context_tokens(&self) -> usize {
        self.context
    }

    async fn ask(&self, request: &ModelRequest, sink: Sink<'_>) -> Result<ModelFinish, ModelError> {
        let (listener, mut said) = mpsc::unbounded_channel();
        let job = Job {
            turns: conversation::turns(request)?,
            cache_key: request.cache_key.clone(),
            max_output_tokens: request.max_output_tokens,
            listener,
        };
        let gone = || ModelError::new(ModelErrorKind::Internal, "the local model has stopped: restart the server");
        self.queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => ModelError::new(
                ModelErrorKind::Overloaded,
                format!("the local model answers one at a time and {} wait already", self.queue.max_capacity()),
            ),
            TrySendError::Closed(_) => gone(),
        })?;
        let mut pulse = self.pulse.clone();
        pulse.mark_unchanged();
        loop {
            // What is said comes first; a pulse without words is a sign of life.
            let heard = match select(pin!(said.recv()), pin!(pulse.changed())).await {
                Either::Left((heard, _)) => heard,
                Either::Right((Ok(()), _)) => {
                    sink(ModelEvent::Alive);
                    continue;
                }
                Either::Right((Err(_), recv)) => recv.await,
            };
            match heard {
                Some(Said::Begun) => sink(ModelEvent::MessageStarted),
                Some(Said::Text(delta)) => sink(ModelEvent::Text { delta }),
                Some(Said::Ended(ending)) => return ending,
                None => return Err(gone()),
            }
        }
    }
}

impl Model for Local {
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        Box::pin(self.ask(request, sink))
    }
}

impl Worker {
    fn load(path: &Path, options: Options, pulse: watch::Sender<u64>) -> Result<Self, LoadError> {
        let mut gguf = Gguf::open(path)?;
        let sizes = Sizes::read(&gguf)?;
        let context = options.context.unwrap_or(sizes.context).clamp(1, sizes.context);
        check_memory(&gguf, &sizes, context)?;
        let vocabulary = Vocabulary::read(&gguf)?;
        let template = Template::read(&gguf)?;
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads.unwrap_or(THREADS).clamp(1, cores))
            .thread_name(|i| format!("local-model-{i}"))
            .build()
            .map_err(|error| LoadError::Threads(error.to_string()))?;
        let network = pool.install(|| Network::read(&mut gguf, sizes, Arithmetic::new(options.kernel)))?;
        let cache = Cache::new(&sizes);
        Ok(Self { network, vocabulary, template, pool, context, pulse, owner: String::new(), cache })
    }
}

/// Refuses a model that this machine could not hold, rather than to be killed half-way through a conversation. Where the
/// kernel does not say what is free, nothing is refused.
fn check_memory(gguf: &Gguf, sizes: &Sizes, context: usize) -> Result<(), LoadError> {
    let own_output = gguf.tensors.contains_key("output.weight");
    let needed_mib = (sizes.weight_bytes(own_output) + sizes.cache_bytes(context)) >> 20;
    let available_mib = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib >> 10)
    });
    match available_mib {
        Some(available_mib) if available_mib < needed_mib => {
            Err(LoadError::Memory { context, needed_mib, available_mib })
        }
        _ => Ok(()),
    }
}
