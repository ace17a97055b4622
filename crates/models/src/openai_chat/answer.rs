//! What the Chat Completions wire says back, chunk by chunk. The answer is complete with `[DONE]` and not before: a
//! stream that ends without it is torn, even if it had given a reason to finish, since its usage may be missing.

use super::calls::Calls;
use crate::speech::Speech;
use crate::upstream::{Fault, Reader, not_json};
use crate::{Sink, custom, logprobs};
use serde_json::Value;
use types::{FunctionTool, ModelErrorKind, ModelFinish, Stop, Usage};

#[derive(Default)]
pub(super) struct Answer {
    /// What was offered: calls of custom tools are told as such.
    tools: Vec<FunctionTool>,
    speech: Speech,
    has_spoken: bool,
    calls: Calls,
    stop: Option<Stop>,
    usage: Option<Usage>,
}

impl Reader for Answer {
    fn event(&mut self, data: &str, sink: Sink<'_>) -> Result<Option<ModelFinish>, Fault> {
        if data.trim() == "[DONE]" {
            return self.finish(sink).map(Some);
        }
        let chunk: Value = serde_json::from_str(data).map_err(|_| not_json())?;
        self.take(&chunk, "delta", sink)?;
        Ok(None)
    }

    fn whole(&mut self, answer: Value, sink: Sink<'_>) -> Result<ModelFinish, Fault> {
        self.take(&answer, "message", sink)?;
        self.finish(sink)
    }
}

impl Answer {
    pub(super) fn new(tools: &[FunctionTool]) -> Self {
        Self { tools: tools.iter().filter(|tool| custom::is_custom(tool)).cloned().collect(), ..Self::default() }
    }

    /// `name` says where a choice holds what was said: `delta` in a stream, `message` in a whole answer.
    fn take(&mut self, chunk: &Value, name: &str, sink: Sink<'_>) -> Result<(), Fault> {
        if !chunk["error"].is_null() {
            return Err(Fault::of_error_object(&chunk["error"]));
        }
        if let Some(usage) = usage(&chunk["usage"]) {
            self.usage = Some(usage);
        }
        let choice = &chunk["choices"][0];
        let said = &choice[name];
        for field in ["reasoning_content", "reasoning"] {
            if let Some(delta) = said[field].as_str().filter(|delta| !delta.is_empty()) {
                self.has_spoken = true;
                self.speech.summary(0, delta.to_owned(), sink);
                break;
            }
        }
        for field in ["content", "refusal"] {
            let delta = text(&said[field]);
            if !delta.is_empty() {
                self.has_spoken = true;
                self.speech.text(delta, logprobs::read(&choice["logprobs"][field]), sink);
            }
        }
        for fragment in said["tool_calls"].as_array().into_iter().flatten() {
            self.calls.add(fragment)?;
        }
        match choice["finish_reason"].as_str() {
            None | Some("") => {}
            Some("length") => self.stop = Some(Stop::MaxTokens),
            Some("content_filter") => self.stop = Some(Stop::Filtered),
            Some("error") => return Err(Fault::of_error_object(&choice["error"])),
            // `stop`, `tool_calls`, and whatever else a server calls its end.
            Some(_) => self.stop = Some(Stop::End),
        }
        Ok(())
    }

    fn finish(&mut self, sink: Sink<'_>) -> Result<ModelFinish, Fault> {
        let stop = match self.stop {
            Some(stop) => stop,
            None if self.has_spoken || !self.calls.is_empty() => Stop::End,
            None => return Err(Fault::new(ModelErrorKind::Protocol, "the upstream's answer is empty")),
        };
        std::mem::take(&mut self.calls).tell(stop != Stop::End, &self.tools, sink)?;
        Ok(ModelFinish { usage: self.usage, stop })
    }
}

/// A string, or the text of a list of parts, as some servers send it.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        _ => String::new(),
    }
}

fn usage(usage: &Value) -> Option<Usage> {
    let cached = usage["prompt_tokens_details"]["cached_tokens"].as_u64();
    Some(Usage {
        input_tokens: usage["prompt_tokens"].as_u64()?,
        cached_tokens: cached.or_else(|| usage["prompt_cache_hit_tokens"].as_u64()).unwrap_or_default(),
        output_tokens: usage["completion_tokens"].as_u64().unwrap_or_default(),
        reasoning_tokens: usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or_default(),
    })
}
