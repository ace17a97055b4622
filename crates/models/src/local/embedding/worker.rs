//! The embedding model's thread: answers several requests side by side. Each step cuts a bit of text into pieces and
//! then lets the network read a batch that takes one input of every request in turn, so that a single sentence is not
//! behind a book. A request whose listener has gone is left before the next step.

use super::network::Network;
use super::wordpiece::Vocabulary;
use rayon::ThreadPool;
use std::collections::VecDeque;
use tokio::sync::{mpsc, oneshot};
use types::EmbeddingInput;

/// Tokens that one pass reads, or one input if that is longer.
const BATCH: usize = 256;
/// Text that one step cuts into pieces, or one input if that is longer. Bytes.
const TEXT: usize = 256 << 10;

/// What a request comes to.
pub(super) enum Outcome {
    Vectors {
        vectors: Vec<Vec<f32>>,
        tokens: usize,
    },
    /// Its inputs have more tokens than one request may.
    TooMany {
        tokens: usize,
        most: usize,
    },
}

pub(super) struct Job {
    /// What is not cut into pieces yet.
    unread: VecDeque<Raw>,
    /// The pieces of what was.
    inputs: Vec<Vec<u32>>,
    /// Of as many inputs as the network has read.
    vectors: Vec<Vec<f32>>,
    /// Of all inputs so far.
    tokens: usize,
    listener: oneshot::Sender<Outcome>,
}

enum Raw {
    Text(String),
    Tokens(Vec<u32>),
}

impl Job {
    pub fn new(input: &EmbeddingInput, listener: oneshot::Sender<Outcome>) -> Self {
        let unread: VecDeque<Raw> = match input {
            EmbeddingInput::Texts(texts) => texts.iter().cloned().map(Raw::Text).collect(),
            EmbeddingInput::Tokens(inputs) => inputs.iter().cloned().map(Raw::Tokens).collect(),
        };
        let count = unread.len();
        let (inputs, vectors) = (Vec::with_capacity(count), Vec::with_capacity(count));
        Self { unread, inputs, vectors, tokens: 0, listener }
    }

    /// Cuts some texts into pieces.
    fn read(&mut self, vocabulary: &Vocabulary, longest: usize) {
        let mut bytes = 0;
        while bytes < TEXT
            && let Some(raw) = self.unread.pop_front()
        {
            let pieces = match raw {
                Raw::Text(text) => {
                    bytes += text.len();
                    vocabulary.pieces(&text, longest)
                }
                Raw::Tokens(tokens) => {
                    bytes += tokens.len();
                    vocabulary.framed(tokens, longest)
                }
            };
            self.tokens += pieces.len();
            self.inputs.push(pieces);
        }
    }

    /// The input that is `ahead` of the next one, once the whole text is cut.
    fn next(&self, ahead: usize) -> Option<&[u32]> {
        if self.unread.is_empty() { self.inputs.get(self.vectors.len() + ahead).map(Vec::as_slice) } else { None }
    }
}

pub(super) struct Worker {
    pub network: Network,
    pub vocabulary: Vocabulary,
    pub pool: ThreadPool,
    /// Tokens of one input that are read.
    pub longest: usize,
    /// Tokens of one request.
    pub most: usize,
    pub jobs: VecDeque<Job>,
}

impl Worker {
    /// Works until nobody can ask any more.
    pub fn run(mut self, mut arriving: mpsc::UnboundedReceiver<Job>) {
        loop {
            if self.jobs.is_empty() {
                match arriving.blocking_recv() {
                    Some(job) => self.jobs.push_back(job),
                    None => return,
                }
            }
            while let Ok(job) = arriving.try_recv() {
                self.jobs.push_back(job);
            }
            self.jobs.retain(|job| !job.listener.is_closed());
            self.read();
            self.pass();
            self.leave_the_done();
        }
    }

    /// A bit of the text of whoever waits longest for it.
    fn read(&mut self) {
        let Some(index) = self.jobs.iter().position(|job| !job.unread.is_empty()) else { return };
        let Some(job) = self.jobs.get_mut(index) else { return };
        job.read(&self.vocabulary, self.longest);
        if job.unread.is_empty()
            && job.tokens > self.most
            && let Some(Job { tokens, listener, .. }) = self.jobs.remove(index)
        {
            // Nobody hears it where the listener has just gone.
            let _ = listener.send(Outcome::TooMany { tokens, most: self.most });
        }
    }

    /// One batch: an input of every request in turn, until it is full.
    fn pass(&mut self) {
        let mut batch: Vec<&[u32]> = Vec::new();
        let mut owners = Vec::new();
        let mut room = BATCH;
        'full: for ahead in 0.. {
            let before = batch.len();
            for (owner, job) in self.jobs.iter().enumerate() {
                let Some(input) = job.next(ahead) else { continue };
                if input.len() > room && !batch.is_empty() {
                    break 'full;
                }
                room = room.saturating_sub(input.len());
                batch.push(input);
                owners.push(owner);
            }
            if batch.len() == before {
                break;
            }
        }
        if batch.is_empty() {
            return;
        }
        let vectors = self.pool.install(|| self.network.vectors(&batch));
        for (owner, vector) in owners.into_iter().zip(vectors) {
            if let Some(job) = self.jobs.get_mut(owner) {
                job.vectors.push(vector);
            }
        }
        // The next batch begins with another request.
        self.jobs.rotate_left(1);
    }

    fn leave_the_done(&mut self) {
        let is_done = |job: &Job| job.unread.is_empty() && job.vectors.len() == job.inputs.len();
        while let Some(index) = self.jobs.iter().position(is_done) {
            if let Some(Job { vectors, tokens, listener, .. }) = self.jobs.remove(index) {
                let _ = listener.send(Outcome::Vectors { vectors, tokens });
            }
        }
    }
}
