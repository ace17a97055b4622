//! The thread that writes conversations down in the model's template, cuts them into tokens and makes the grammars of their
//! answers, so that a long one holds up nobody who is being answered.

use super::conversation::{Template, Turn};
use super::grammar::{Tokens, Wish};
use super::sequence::{Listener, Question, Said};
use super::vocabulary::Vocabulary;
use std::sync::Arc;
use tokio::sync::mpsc;
use types::{ModelError, Sampling};

/// An answer without a limit of its own ends here: a small model that has lost its way does not find back.
const MOST_TOKENS: u64 = 1024;

/// One call, as it was asked.
pub(super) struct Call {
    pub turns: Vec<Turn>,
    pub cache_key: String,
    pub max_output_tokens: Option<u64>,
    pub sampling: Sampling,
    pub top_logprobs: Option<u8>,
    pub wish: Wish,
    pub listener: Listener,
}

pub(super) struct Reader {
    pub template: Template,
    pub vocabulary: Arc<Vocabulary>,
    pub tokens: Arc<Tokens>,
    pub context: usize,
}

impl Reader {
    /// Works until nobody can ask any more.
    pub fn run(self, mut calls: mpsc::UnboundedReceiver<Call>, questions: &mpsc::UnboundedSender<Question>) {
        while let Some(call) = calls.blocking_recv() {
            if call.listener.is_closed() {
                continue;
            }
            let listener = call.listener.clone();
            match self.question(call) {
                Ok(question) => {
                    // Where nobody takes questions any more the listener learns it by the channel's end.
                    let _ = questions.send(question);
                }
                Err(error) => {
                    let _ = listener.send(Said::Ended(Err(error)));
                }
            }
        }
    }

    fn question(&self, call: Call) -> Result<Question, ModelError> {
        let prompt = self.template.prompt(&call.turns, &self.vocabulary, self.context)?;
        let room = self.context - prompt.len();
        let most = usize::try_from(call.max_output_tokens.unwrap_or(MOST_TOKENS)).map_or(room, |most| most.min(room));
        Ok(Question {
            prompt,
            cache_key: call.cache_key,
            most,
            sampling: call.sampling,
            top_logprobs: call.top_logprobs,
            constraint: call.wish.constraint(&self.tokens, most as u64)?,
            may_call: call.wish.may_call(),
            listener: call.listener,
        })
    }
}
