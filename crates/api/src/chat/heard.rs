//! What a turn comes to, in the words of a completion; the same for one that is streamed and one that is not.

use crate::failure::Failure;
use types::{EventBody, ItemBody, TokenLogprob, TurnError, TurnStatus, TurnView, Usage};
use wire::chat as outer;
use wire::chat::{FinishReason, Likelihood, ToolCall};

/// One choice, whole.
#[derive(Default)]
pub struct Heard {
    /// None until something was said.
    pub text: Option<String>,
    pub logprobs: Vec<TokenLogprob>,
    pub calls: Vec<ToolCall>,
}

impl Heard {
    /// Takes the next event of the turn; Some when it was its last.
    pub fn hear(&mut self, event: EventBody) -> Option<TurnView> {
        match event {
            EventBody::ItemDone(item) if item.output_index.is_some() => {
                if let ItemBody::AssistantMessage { text, logprobs, .. } = &item.body {
                    self.text.get_or_insert_default().push_str(text);
                    self.logprobs.extend_from_slice(logprobs);
                }
                self.calls.extend(called(&item.body));
                None
            }
            EventBody::TurnCompleted(view) | EventBody::TurnFailed(view) | EventBody::TurnCancelled(view) => Some(view),
            _ => None,
        }
    }
}

/// The call that an item is, if it is one that the client answers.
pub fn called(body: &ItemBody) -> Option<ToolCall> {
    match body {
        ItemBody::FunctionCall { call_id, name, arguments, custom, .. } => Some(ToolCall {
            id: call_id.as_str().to_owned(),
            name: name.clone(),
            arguments: arguments.clone(),
            is_custom: *custom,
        }),
        _ => None,
    }
}

/// Why the choice ended, or why there is none. A turn that an answer's limit or a filter has ended is an answer here.
pub fn ending(view: &TurnView, has_calls: bool, is_legacy: bool) -> Result<FinishReason, Failure> {
    match (view.status, &view.error) {
        (TurnStatus::Completed, _) if has_calls && is_legacy => Ok(FinishReason::FunctionCall),
        (TurnStatus::Completed, _) if has_calls => Ok(FinishReason::ToolCalls),
        (TurnStatus::Completed, _) => Ok(FinishReason::Stop),
        (_, Some(TurnError { code, .. })) if code == "max_output_tokens" => Ok(FinishReason::Length),
        (_, Some(TurnError { code, .. })) if code == "content_filter" => Ok(FinishReason::ContentFilter),
        (_, Some(error)) => Err(Failure::of_turn(error)),
        (_, None) => Err(Failure::torn("The completion was cancelled.")),
    }
}

/// What all choices together took; None where one of them was not measured.
pub fn usage(choices: impl Iterator<Item = Option<Usage>>) -> Option<outer::Usage> {
    let sum = choices.reduce(|sum, usage| sum.zip(usage).map(|(sum, usage)| sum.plus(usage))).flatten()?;
    Some(outer::Usage::new(sum.input_tokens, sum.cached_tokens, sum.output_tokens, sum.reasoning_tokens))
}

pub fn likely(token: &TokenLogprob) -> outer::TokenLogprob<'_> {
    outer::TokenLogprob { token: alone(token), top_logprobs: token.top.iter().map(alone).collect() }
}

/// A provider that does not say the bytes means those of the text.
fn alone(token: &TokenLogprob) -> Likelihood<'_> {
    let bytes = token.bytes.as_deref().unwrap_or(token.token.as_bytes());
    Likelihood { token: &token.token, logprob: token.logprob, bytes: Some(bytes) }
}
