//! The model's thread: takes one conversation after another from the queue, reads it, and says the answer token by
//! token. It keeps what it has read of the last conversation, so that the next turn of the same one goes on from there.
//!
//! It never waits for a listener, and stops for one that has gone before the next layer of the network.

use super::cache::Cache;
use super::choice::next_token;
use super::conversation::{Template, Turn};
use super::forward::{Cancelled, Part};
use super::network::Network;
use super::text::TextStream;
use super::vocabulary::Vocabulary;
use rayon::ThreadPool;
use tokio::sync::{mpsc, watch};
use types::{ModelError, ModelFinish, Stop, Usage};

/// Prompt tokens that are read between two signs of life.
const PIECE: usize = 64;
/// An answer without a limit of its own ends here: a small model that has lost its way does not find back.
const MOST_TOKENS: u64 = 1024;

/// One conversation that waits for its answer.
pub(super) struct Job {
    pub turns: Vec<Turn>,
    pub cache_key: String,
    pub max_output_tokens: Option<u64>,
    pub listener: mpsc::UnboundedSender<Said>,
}

/// What the thread tells the one who asked. There are at most as many as the context has tokens, so the channel needs
/// no bound of its own.
pub(super) enum Said {
    /// The prompt has been read.
    Begun,
    Text(String),
    Ended(Result<ModelFinish, ModelError>),
}

pub(super) struct Worker {
    pub network: Network,
    pub vocabulary: Vocabulary,
    pub template: Template,
    pub pool: ThreadPool,
    pub context: usize,
    /// Ticks with every piece of work done, for those who wait in the queue.
    pub pulse: watch::Sender<u64>,
    /// Whose conversation `cache` holds. A prefix is reused under the same key only: nothing of one project is ever
    /// visible in another, not even as time.
    pub owner: String,
    pub cache: Cache,
}

impl Worker {
    /// Works until nobody can ask any more.
    pub fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        while let Some(job) = queue.blocking_recv() {
            if let Ok(ending) = self.answer(&job) {
                // The one who asked may have gone just now.
                let _ = job.listener.send(Said::Ended(ending));
            }
            self.pulse.send_modify(|ticks| *ticks += 1);
        }
    }

    fn answer(&mut self, job: &Job) -> Result<Result<ModelFinish, ModelError>, Cancelled> {
        if job.listener.is_closed() {
            return Err(Cancelled);
        }
        let prompt = match self.template.prompt(&job.turns, &self.vocabulary, self.context) {
            Ok(prompt) => prompt,
            Err(error) => return Ok(Err(error)),
        };
        if self.owner != job.cache_key || job.cache_key.is_empty() {
            self.cache.truncate(0);
            self.owner.clone_from(&job.cache_key);
        }
        // One token at least is read anew: its logits are wanted.
        let known = self.cache.shared_with(&prompt).min(prompt.len() - 1);
        self.cache.truncate(known);
        let mut usage = Usage { input_tokens: prompt.len() as u64, cached_tokens: known as u64, ..Usage::default() };
        let mut logits = Vec::new();
        for piece in prompt[known..].chunks(PIECE) {
            logits = self.read(piece, job)?;
        }
        job.listener.send(Said::Begun).map_err(|_| Cancelled)?;
        let room = (self.context - prompt.len()) as u64;
        let most = job.max_output_tokens.unwrap_or(MOST_TOKENS).min(room);
        let (stop, said) = self.say(job, logits, most)?;
        usage.output_tokens = said;
        Ok(Ok(ModelFinish { usage: Some(usage), stop }))
    }

    /// Says at most `most` tokens; returns why it stopped and how many it made, the closing one included.
    fn say(&mut self, job: &Job, mut logits: Vec<f32>, most: u64) -> Result<(Stop, u64), Cancelled> {
        let mut answer = Vec::new();
        let mut text = TextStream::default();
        let stop = loop {
            if answer.len() as u64 >= most {
                break Stop::MaxTokens;
            }
            let token = next_token(logits, &answer);
            answer.push(token);
            // A control token is never text: any of them ends the answer.
            if self.vocabulary.is_control(token) {
                break Stop::End;
            }
            tell(job, text.push(self.vocabulary.piece(token)))?;
            if answer.len() as u64 >= most {
                break Stop::MaxTokens;
            }
            logits = self.read(&[token], job)?;
        };
        tell(job, text.finish())?;
        Ok((stop, answer.len() as u64))
    }

    fn read(&mut self, tokens: &[u32], job: &Job) -> Result<Vec<f32>, Cancelled> {
        let wanted = || !job.listener.is_closed();
        let Self { network, pool, cache, .. } = self;
        let parts = &mut [Part { cache, tokens, speaks: true }];
        let mut logits = pool.install(|| network.read_tokens(parts, &wanted))?;
        self.pulse.send_modify(|ticks| *ticks += 1);
        Ok(logits.pop().unwrap_or_default())
    }
}

fn tell(job: &Job, text: String) -> Result<(), Cancelled> {
    if text.is_empty() {
        return Ok(());
    }
    job.listener.send(Said::Text(text)).map_err(|_| Cancelled)
}
