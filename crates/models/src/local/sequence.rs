//! One conversation that is being answered: what of it has been read, what was said, and when it ends.

use super::cache::Cache;
use super::constraint::{Constraint, ConstraintError};
use super::grammar::speech::{Call, Speech};
use super::likelihood::Likelihoods;
use super::memory::Reserved;
use super::sampling::Sampler;
use super::text::TextStream;
use super::vocabulary::Vocabulary;
use crate::stop::StopTexts;
use tokio::sync::mpsc;
use types::{ModelError, ModelErrorKind, ModelFinish, Sampling, Stop, TokenLogprob, Usage};

/// A conversation that waits for its answer.
pub(super) struct Question {
    /// Not empty, and shorter than the context.
    pub prompt: Vec<u32>,
    pub cache_key: String,
    /// Tokens that the answer may have; with the prompt's no more than the context holds.
    pub most: usize,
    pub sampling: Sampling,
    /// The likeliest tokens to tell at each place, where any are.
    pub top_logprobs: Option<u8>,
    pub constraint: Option<Box<dyn Constraint>>,
    /// Whether the answer may call functions.
    pub may_call: bool,
    pub listener: Listener,
}

/// What the one who asked is told.
pub(super) enum Said {
    /// The prompt has been read.
    Begun,
    /// With what is known of its tokens, where that was asked for.
    Text(String, Vec<TokenLogprob>),
    /// Functions that it calls, after all text.
    Calls(Vec<Call>),
    Ended(Result<ModelFinish, ModelError>),
}

/// There are at most as many messages as the context has tokens, so the channel needs no bound of its own. Nothing is
/// lost when nobody listens any more: the sequence is ended before the next pass.
pub(super) type Listener = mpsc::UnboundedSender<Said>;

pub(super) struct Sequence {
    cache_key: String,
    /// The prompt, and then the answer.
    tokens: Vec<u32>,
    prompt: usize,
    most: usize,
    /// What of `tokens` the network has read.
    cache: Cache,
    reserved: Reserved,
    /// Tokens of the prompt that were remembered.
    recalled: usize,
    sampler: Sampler,
    constraint: Option<Box<dyn Constraint>>,
    text: TextStream,
    /// Tells calls from text, where there may be calls.
    speech: Option<Speech>,
    stops: StopTexts,
    likelihoods: Option<Likelihoods>,
    listener: Listener,
}

impl Sequence {
    /// `cache` holds a beginning of the prompt, not all of it.
    pub fn new(question: Question, cache: Cache, reserved: Reserved) -> Self {
        Self {
            cache_key: question.cache_key,
            prompt: question.prompt.len(),
            most: question.most,
            recalled: cache.len(),
            cache,
            reserved,
            sampler: Sampler::new(&question.sampling, &question.prompt),
            tokens: question.prompt,
            constraint: question.constraint,
            text: TextStream::default(),
            speech: question.may_call.then(Speech::default),
            stops: StopTexts::new(question.sampling.stop),
            likelihoods: question.top_logprobs.map(Likelihoods::new),
            listener: question.listener,
        }
    }

    pub fn listener(&self) -> Listener {
        self.listener.clone()
    }

    /// Whether the one who asked has gone.
    pub fn is_dropped(&self) -> bool {
        self.listener.is_closed()
    }

    /// Tokens that must be read before it can say its next one: after the prompt it is always one.
    pub fn unread(&self) -> usize {
        self.tokens.len() - self.cache.len()
    }

    /// The cache, the next `count` tokens to be read into it, and whether they are the last that there are.
    pub fn next(&mut self, count: usize) -> (&mut Cache, &[u32], bool) {
        let unread = &self.tokens[self.cache.len()..];
        let next = &unread[..count.min(unread.len())];
        let speaks = next.len() == unread.len();
        (&mut self.cache, next, speaks)
    }

    /// Says the next token, by the logits that follow what was read. Returns the ending, if this is it.
    pub fn speak(&mut self, mut logits: Vec<f32>, vocabulary: &Vocabulary) -> Option<Result<ModelFinish, ModelError>> {
        if self.tokens.len() == self.prompt {
            self.tell(Said::Begun);
            if self.most == 0 {
                return Some(Ok(self.finish(Stop::MaxTokens)));
            }
        }
        let before = self.likelihoods.is_some().then(|| logits.clone());
        let (token, is_complete) = match self.choose(&mut logits) {
            Ok(choice) => choice,
            Err(error) => return Some(Err(ModelError::new(ModelErrorKind::Internal, error.to_string()))),
        };
        if let (Some(likelihoods), Some(logits)) = (&mut self.likelihoods, before)
            && !vocabulary.is_control(token)
        {
            likelihoods.note(token, &logits, vocabulary);
        }
        self.tokens.push(token);
        // A control token is never text: any of them ends the answer.
        if vocabulary.is_control(token) {
            return Some(Ok(self.end(Stop::End)));
        }
        let text = self.text.push(vocabulary.piece(token));
        let text = match &mut self.speech {
            Some(speech) => speech.hear(&text),
            None => text,
        };
        let (text, is_stopped) = self.stops.push(text);
        self.tell_text(text);
        if is_stopped {
            return Some(Ok(self.finish(Stop::End)));
        }
        if is_complete {
            return Some(Ok(self.end(Stop::End)));
        }
        (self.tokens.len() - self.prompt >= self.most).then(|| Ok(self.end(Stop::MaxTokens)))
    }

    fn choose(&mut self, logits: &mut [f32]) -> Result<(u32, bool), ConstraintError> {
        let answer = &self.tokens[self.prompt..];
        let Some(constraint) = &mut self.constraint else {
            let token = self.sampler.pick(logits, answer, None);
            return token.map(|token| (token, false)).ok_or_else(none_is_allowed);
        };
        let token = self.sampler.pick(logits, answer, constraint.mask()?).ok_or_else(none_is_allowed)?;
        Ok((token, constraint.take(token)?))
    }

    /// Says what was held back, unless a stop text is in it.
    fn end(&mut self, stop: Stop) -> ModelFinish {
        let mut rest = std::mem::take(&mut self.text).finish();
        let mut calls = Vec::new();
        if let Some(mut speech) = self.speech.take() {
            rest = speech.hear(&rest);
            let (held, called) = speech.end();
            rest.push_str(&held);
            calls = called;
        }
        let (text, is_stopped) = self.stops.push(rest);
        self.tell_text(text);
        if !is_stopped {
            let held = self.stops.finish();
            self.tell_text(held);
            if !calls.is_empty() {
                self.tell(Said::Calls(calls));
            }
        }
        self.finish(stop)
    }

    fn finish(&self, stop: Stop) -> ModelFinish {
        let usage = Usage {
            input_tokens: self.prompt as u64,
            cached_tokens: self.recalled as u64,
            output_tokens: (self.tokens.len() - self.prompt) as u64,
            reasoning_tokens: 0,
        };
        ModelFinish { usage: Some(usage), stop }
    }

    fn tell_text(&mut self, text: String) {
        if !text.is_empty() {
            let known = self.likelihoods.as_mut().map(Likelihoods::take).unwrap_or_default();
            self.tell(Said::Text(text, known));
        }
    }

    /// Who has gone is noticed before the next pass.
    pub fn tell(&self, said: Said) {
        let _ = self.listener.send(said);
    }

    /// What is left of it: its room, its key, and what it has read.
    pub fn into_past(self) -> (Reserved, String, Cache) {
        (self.reserved, self.cache_key, self.cache)
    }
}

fn none_is_allowed() -> ConstraintError {
    ConstraintError("no token is allowed at this place of the answer".to_owned())
}
