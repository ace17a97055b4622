//! What a turn comes to, in the words of Bedrock: whole, or why there is nothing.

use crate::chat::heard::{called, ending};
use crate::failure::Failure;
use types::{EventBody, ItemBody, TurnView};
use wire::Verbatim;
use wire::bedrock::answer::{Block, Reasoning, ReasoningText, StopReason, ToolUse, Usage};
use wire::chat::{FinishReason, ToolCall};

/// An answer, block by block.
#[derive(Default)]
pub struct Heard {
    said: Vec<Said>,
}

enum Said {
    Text(String),
    Thought(String),
    Call(ToolCall),
}

impl Heard {
    /// Takes the next event of the turn; Some when it was its last.
    pub fn hear(&mut self, event: EventBody) -> Option<TurnView> {
        match event {
            EventBody::ItemDone(item) if item.output_index.is_some() => {
                let said = match &item.body {
                    ItemBody::AssistantMessage { text, .. } => (!text.is_empty()).then(|| Said::Text(text.clone())),
                    ItemBody::Reasoning { summary, .. } => {
                        let thought = summary.join(PARTS);
                        (!thought.is_empty()).then_some(Said::Thought(thought))
                    }
                    body => called(body).map(Said::Call),
                };
                self.said.extend(said);
                None
            }
            EventBody::TurnCompleted(view) | EventBody::TurnFailed(view) | EventBody::TurnCancelled(view) => Some(view),
            _ => None,
        }
    }

    /// Why it ended, or why there is no answer.
    pub fn ending(&self, view: &TurnView) -> Result<StopReason, Failure> {
        let has_calls = self.said.iter().any(|said| matches!(said, Said::Call(_)));
        ending(view, has_calls, false).map(stop_reason)
    }

    pub fn blocks<'a>(&'a self) -> Vec<Block<'a>> {
        let block = |said: &'a Said| match said {
            Said::Text(text) => Block::Text(text),
            Said::Thought(text) => Block::ReasoningContent(Reasoning { reasoning_text: ReasoningText { text } }),
            Said::Call(call) => {
                Block::ToolUse(ToolUse { tool_use_id: &call.id, name: &call.name, input: Verbatim(&call.arguments) })
            }
        };
        self.said.iter().map(block).collect()
    }
}

/// Between the parts of what a model thought.
pub const PARTS: &str = "\n\n";

pub fn stop_reason(reason: FinishReason) -> StopReason {
    match reason {
        FinishReason::Stop => StopReason::EndTurn,
        FinishReason::Length => StopReason::MaxTokens,
        FinishReason::ToolCalls | FinishReason::FunctionCall => StopReason::ToolUse,
        FinishReason::ContentFilter => StopReason::ContentFiltered,
    }
}

/// Zero where the upstream does not say.
pub fn usage(view: &TurnView) -> Usage {
    view.usage
        .map_or_else(Usage::default, |usage| Usage::new(usage.input_tokens, usage.cached_tokens, usage.output_tokens))
}
