//! The model's thread: answers several conversations side by side. Each pass of the network reads one token of every
//! answer that is being said and a piece of the prompts that are being read, so a long prompt holds nobody up for longer
//! than a piece takes.
//!
//! What a conversation is told does not depend on who else is there: a pass gives each of its parts the bits that it
//! would get alone. The thread never waits for a listener, and ends a sequence whose listener has gone before the next
//! pass; a pass that nobody wants any more stops before the next layer.

use super::forward::Part;
use super::memory::Memory;
use super::network::Network;
use super::sequence::{Question, Said, Sequence};
use super::vocabulary::Vocabulary;
use rayon::ThreadPool;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};

/// Prompt tokens that one pass reads.
pub(super) const PIECE: usize = 64;

pub(super) struct Worker {
    pub network: Network,
    pub vocabulary: Arc<Vocabulary>,
    pub pool: ThreadPool,
    pub memory: Memory,
    /// Sequences that run side by side.
    pub sequences: usize,
    /// Ticks with every pass, for those who wait.
    pub pulse: watch::Sender<u64>,
    pub waiting: VecDeque<Question>,
    pub running: VecDeque<Sequence>,
}

impl Worker {
    /// Works until nobody can ask any more.
    pub fn run(mut self, mut questions: mpsc::UnboundedReceiver<Question>) {
        loop {
            if self.waiting.is_empty() && self.running.is_empty() {
                match questions.blocking_recv() {
                    Some(question) => self.waiting.push_back(question),
                    None => return,
                }
            }
            while let Ok(question) = questions.try_recv() {
                self.waiting.push_back(question);
            }
            self.step();
        }
    }

    /// Lets the gone go and others in, and does one pass.
    pub fn step(&mut self) {
        self.leave_the_gone();
        self.admit();
        self.pass();
        self.pulse.send_modify(|ticks| *ticks += 1);
    }

    fn leave_the_gone(&mut self) {
        self.waiting.retain(|question| !question.listener.is_closed());
        for _ in 0..self.running.len() {
            let Some(sequence) = self.running.pop_front() else { break };
            match sequence.is_dropped() {
                true => self.retire(sequence),
                false => self.running.push_back(sequence),
            }
        }
    }

    /// Lets those in who have waited longest, as long as there is a place and memory. Nobody overtakes.
    fn admit(&mut self) {
        while self.running.len() < self.sequences
            && let Some(question) = self.waiting.front()
            && let Some(reserved) = self.memory.reserve(question.prompt.len() + question.most)
            && let Some(question) = self.waiting.pop_front()
        {
            let cache = self.memory.recall(&question.cache_key, &question.prompt);
            self.running.push_back(Sequence::new(question, cache, reserved));
        }
    }

    fn pass(&mut self) {
        let Self { network, pool, running, .. } = self;
        let mut room = PIECE;
        let listeners: Vec<_> = running.iter().map(Sequence::listener).collect();
        let wanted = || listeners.iter().any(|listener| !listener.is_closed());
        let mut parts = Vec::new();
        let mut speakers = Vec::new();
        for (i, sequence) in running.iter_mut().enumerate() {
            let is_reading = sequence.unread() > 1;
            let (cache, tokens, speaks) = sequence.next(if is_reading { room } else { 1 });
            if tokens.is_empty() {
                continue;
            }
            if is_reading {
                room -= tokens.len();
            }
            if speaks {
                speakers.push(i);
            }
            parts.push(Part { cache, tokens, speaks });
        }
        if parts.is_empty() {
            return;
        }
        let Ok(logits) = pool.install(|| network.read_tokens(&mut parts, &wanted)) else { return };
        let mut ended = Vec::new();
        for (i, logits) in speakers.into_iter().zip(logits) {
            if let Some(sequence) = running.get_mut(i)
                && let Some(ending) = sequence.speak(logits, &self.vocabulary)
            {
                sequence.tell(Said::Ended(ending));
                ended.push(i);
            }
        }
        for i in ended.into_iter().rev() {
            if let Some(sequence) = self.running.remove(i) {
                self.retire(sequence);
            }
        }
        // The next pass begins with another prompt: each gets its piece in turn.
        if !self.running.is_empty() {
            self.running.rotate_left(1);
        }
    }

    fn retire(&mut self, sequence: Sequence) {
        let (reserved, cache_key, cache) = sequence.into_past();
        self.memory.keep(reserved, cache_key, cache);
    }
}
