//! An embedding model inside this process: texts to vectors of length one, by an own forward pass over 32-bit weights.
//!
//! Architecture BERT as sentence-transformers keeps it: word pieces, mean over the tokens, length one. The vectors are
//! those of sentence-transformers to a few millionths, alone or beside others, on any number of threads and the same
//! bits on every processor. It never fetches a file and never touches the disk: it is given what the files hold.
//!
//! The way of a request: [`Encoder::embed`] puts it into a bounded queue; the thread `local-embedding` (`worker`) cuts
//! its texts into pieces (`wordpiece`) bit by bit, and lets each pass of the network (`network`, over the weights that
//! `safetensors` found) read some inputs of every request that waits, so that a long one holds nobody up.

mod error;
mod matrix;
mod network;
mod safetensors;
mod settings;
#[cfg(test)]
mod tests;
mod wordpiece;
mod worker;

pub use error::LoadError;

use super::kernel::{Arithmetic, Kernel};
use crate::embedding::{Embedder, Failure};
use network::Network;
use safetensors::Tensors;
use settings::Settings;
use std::collections::VecDeque;
use std::thread;
use tokio::sync::{Semaphore, mpsc, oneshot};
use types::{BoxFuture, EmbeddingInput, EmbeddingRequest, Embeddings, ModelError, ModelErrorKind};
use wordpiece::Vocabulary;
use worker::{Job, Outcome, Worker};

/// Threads by default, where there are as many cores.
const THREADS: usize = 2;
/// Tokens of all inputs of one request together, after each was cut to what the model reads.
const MOST_TOKENS: usize = 300_000;

/// What the files of a model hold, as sentence-transformers lays them out.
#[derive(Debug)]
pub struct Files {
    /// `model.safetensors`.
    pub weights: Vec<u8>,
    /// `config.json`.
    pub config: Vec<u8>,
    /// `tokenizer.json`.
    pub tokenizer: Vec<u8>,
    /// `sentence_bert_config.json`: how much of a text is read.
    pub sentences: Option<Vec<u8>>,
    /// `1_Pooling/config.json`.
    pub pooling: Option<Vec<u8>>,
}

/// How to run it.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads that compute; never more than there are cores. None: 2.
    pub threads: Option<usize>,
    /// Requests that may be answered or wait; one more is [`ModelErrorKind::Overloaded`].
    pub queue: usize,
    /// None, or one that this processor lacks: the fastest.
    pub kernel: Option<Kernel>,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: None, queue: 64, kernel: None }
    }
}

/// A loaded embedding model. Dropping it ends its thread.
#[derive(Debug)]
pub struct Encoder {
    jobs: mpsc::UnboundedSender<Job>,
    /// A permit for each request that is answered or waits: what bounds the channel.
    places: Semaphore,
    most_jobs: usize,
    width: usize,
    vocabulary: usize,
}

impl Encoder {
    /// Takes some tenths of a second and blocks for as long: not for an executor's thread.
    pub fn load(files: &Files, options: Options) -> Result<Self, LoadError> {
        let settings = Settings::read(files)?;
        let vocabulary = Vocabulary::read(&files.tokenizer, settings.vocabulary)?;
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.threads.unwrap_or(THREADS).clamp(1, cores))
            .thread_name(|i| format!("local-embedding-{i}"))
            .build()
            .map_err(|error| LoadError::Threads(error.to_string()))?;
        let tensors = Tensors::read(&files.weights)?;
        let network = pool.install(|| Network::read(&tensors, &settings, Arithmetic::new(options.kernel)))?;
        let (width, words) = (settings.width, settings.vocabulary);
        let (jobs, jobs_taken) = mpsc::unbounded_channel();
        let worker =
            Worker { network, vocabulary, pool, longest: settings.longest, most: MOST_TOKENS, jobs: VecDeque::new() };
        let thread = thread::Builder::new().name("local-embedding".to_owned()).spawn(move || worker.run(jobs_taken));
        thread.map_err(|error| LoadError::Threads(error.to_string()))?;
        let most_jobs = options.queue.clamp(1, Semaphore::MAX_PERMITS);
        Ok(Self { jobs, places: Semaphore::new(most_jobs), most_jobs, width, vocabulary: words })
    }

    /// How many numbers a vector has.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What can be refused before anything is computed.
    fn check(&self, request: &EmbeddingRequest) -> Result<(), Failure> {
        if let Some(wanted) = request.dimensions
            && !(1..=self.width).contains(&wanted)
        {
            let message = format!(
                "Invalid value for 'dimensions' = {wanted}. Must be between 1 and {} for this model.",
                self.width
            );
            return Err(Failure::refused("dimensions", message));
        }
        let EmbeddingInput::Tokens(inputs) = &request.input else { return Ok(()) };
        let stranger = inputs.iter().flatten().find(|token| **token as usize >= self.vocabulary);
        match stranger {
            Some(token) => {
                let last = self.vocabulary - 1;
                let message =
                    format!("Invalid 'input': token {token} is not of this model, whose tokens are 0 to {last}.");
                Err(Failure::refused("input", message))
            }
            None => Ok(()),
        }
    }

    async fn ask(&self, request: &EmbeddingRequest) -> Result<Embeddings, Failure> {
        self.check(request)?;
        let _place = self.places.try_acquire().map_err(|_| {
            let message = format!("the embedding model has {} requests to answer already", self.most_jobs);
            ModelError::new(ModelErrorKind::Overloaded, message)
        })?;
        let gone = || ModelError::new(ModelErrorKind::Internal, "the embedding model has stopped: restart the server");
        let (listener, outcome) = oneshot::channel();
        self.jobs.send(Job::new(&request.input, listener)).map_err(|_| gone())?;
        let (mut vectors, tokens) = match outcome.await.map_err(|_| gone())? {
            Outcome::Vectors { vectors, tokens } => (vectors, tokens as u64),
            Outcome::TooMany { tokens, most } => {
                let message = format!("Requested {tokens} tokens, max {most} tokens per request");
                return Err(Failure::refused("input", message));
            }
        };
        if let Some(wanted) = request.dimensions {
            vectors.iter_mut().for_each(|vector| shorten(vector, wanted));
        }
        Ok(Embeddings { vectors, prompt_tokens: tokens, total_tokens: tokens })
    }
}

impl Embedder for Encoder {
    fn embed<'a>(
        &'a self,
        request: &'a EmbeddingRequest,
        _alive: &'a (dyn Fn() + Sync),
    ) -> BoxFuture<'a, Result<Embeddings, Failure>> {
        Box::pin(self.ask(request))
    }
}

/// The first numbers of a vector, made to be of length one again. A beginning that is all zero stays so.
fn shorten(vector: &mut Vec<f32>, wanted: usize) {
    vector.truncate(wanted);
    network::normalise(vector);
}
