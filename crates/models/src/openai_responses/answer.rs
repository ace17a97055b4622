//! What the Responses wire says back, event by event. Text and reasoning summaries pass at once; a call is told whole,
//! when its item is done.

use crate::speech::{Kind, Speech};
use crate::upstream::{Fault, Reader, not_json};
use crate::{Sink, logprobs};
use serde_json::Value;
use types::{CallId, ModelErrorKind, ModelEvent, ModelFinish, Stop, Usage};

#[derive(Default)]
pub(super) struct Answer {
    speech: Speech,
}

impl Reader for Answer {
    fn event(&mut self, data: &str, sink: Sink<'_>) -> Result<Option<ModelFinish>, Fault> {
        if data.trim() == "[DONE]" {
            return Ok(None);
        }
        let event: Value = serde_json::from_str(data).map_err(|_| not_json())?;
        let delta = || event["delta"].as_str().unwrap_or_default().to_owned();
        let part = |name: &str| event[name].as_u64().and_then(|part| u32::try_from(part).ok()).unwrap_or_default();
        match event["type"].as_str().unwrap_or_default() {
            "response.output_item.added" => match event["item"]["type"].as_str() {
                Some("message") => self.speech.begin(Kind::Message, sink),
                Some("reasoning") => self.speech.begin(Kind::Reasoning, sink),
                _ => {}
            },
            "response.output_text.delta" | "response.refusal.delta" => {
                self.speech.text(delta(), logprobs::read(&event["logprobs"]), sink);
            }
            "response.reasoning_summary_text.delta" => {
                self.speech.summary(part("summary_index"), delta(), sink);
            }
            // Open models show their reasoning itself, and have no summary.
            "response.reasoning_text.delta" => {
                self.speech.summary(part("content_index"), delta(), sink);
            }
            "response.output_item.done" => self.end(&event["item"], sink)?,
            "response.completed" => return finish(&event["response"], "completed").map(Some),
            "response.incomplete" => return finish(&event["response"], "incomplete").map(Some),
            "response.failed" => return finish(&event["response"], "failed").map(Some),
            "error" => return Err(Fault::of_error_object(&event)),
            "" if event["error"].is_object() => return Err(Fault::of_error_object(&event)),
            _ => {}
        }
        Ok(None)
    }

    fn whole(&mut self, answer: Value, sink: Sink<'_>) -> Result<ModelFinish, Fault> {
        let Some(items) = answer["output"].as_array() else {
            return Err(if answer["error"].is_null() {
                Fault::new(ModelErrorKind::Protocol, "the upstream's answer has no output")
            } else {
                Fault::of_error_object(&answer)
            });
        };
        for item in items {
            self.end(item, sink)?;
        }
        finish(&answer, "completed")
    }
}

impl Answer {
    fn end(&mut self, item: &Value, sink: Sink<'_>) -> Result<(), Fault> {
        match item["type"].as_str() {
            Some("message") => {
                if self.speech.is_unsaid(Kind::Message, sink) {
                    for part in item["content"].as_array().into_iter().flatten() {
                        if let Some(delta) = said(part, &["text", "refusal"]) {
                            self.speech.text(delta, logprobs::read(&part["logprobs"]), sink);
                        }
                    }
                }
                self.speech.end();
            }
            Some("reasoning") => {
                if self.speech.is_unsaid(Kind::Reasoning, sink) {
                    for (part, delta) in (0..).zip(texts(&item["summary"], &["text"])) {
                        self.speech.summary(part, delta, sink);
                    }
                }
                sink(ModelEvent::ReasoningOpaque { value: item.clone() });
                self.speech.end();
            }
            // A call that the output limit cut off was never made.
            Some("function_call") if item["status"] != "incomplete" => return call(item, "arguments", sink),
            Some("custom_tool_call") if item["status"] != "incomplete" => return call(item, "input", sink),
            _ => {}
        }
        Ok(())
    }
}

/// `given` says where the call holds what it gives.
fn call(item: &Value, given: &str, sink: Sink<'_>) -> Result<(), Fault> {
    let text = |name: &str| item[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let (Some(call_id), Some(name)) = (text("call_id").or_else(|| text("id")), text("name")) else {
        return Err(Fault::new(ModelErrorKind::Protocol, "the upstream called a function without a name or an id"));
    };
    // Free text may well be empty.
    let absent = || if given == "input" { String::new() } else { "{}".to_owned() };
    let arguments = text(given).unwrap_or_else(absent);
    sink(ModelEvent::Call { call_id: CallId::new(call_id), name, arguments });
    Ok(())
}

/// The texts of `parts`, each under the first of `names` that it has.
fn texts(parts: &Value, names: &[&str]) -> Vec<String> {
    parts.as_array().into_iter().flatten().filter_map(|part| said(part, names)).collect()
}

fn said(part: &Value, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| part[*name].as_str()).map(str::to_owned)
}

/// `status` is what the event's name says, for upstreams that do not repeat it.
fn finish(response: &Value, status: &str) -> Result<ModelFinish, Fault> {
    let stop = match response["status"].as_str().unwrap_or(status) {
        "failed" | "cancelled" => return Err(Fault::of_error_object(&response["error"])),
        "incomplete" if response["incomplete_details"]["reason"] == "content_filter" => Stop::Filtered,
        "incomplete" => Stop::MaxTokens,
        "completed" => Stop::End,
        _ => return Err(Fault::new(ModelErrorKind::Protocol, "the upstream ended an answer that is not complete")),
    };
    Ok(ModelFinish { usage: usage(&response["usage"]), stop })
}

fn usage(usage: &Value) -> Option<Usage> {
    Some(Usage {
        input_tokens: usage["input_tokens"].as_u64()?,
        cached_tokens: usage["input_tokens_details"]["cached_tokens"].as_u64().unwrap_or_default(),
        output_tokens: usage["output_tokens"].as_u64()?,
        reasoning_tokens: usage["output_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or_default(),
    })
}
