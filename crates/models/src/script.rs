//! The provider `script`: a model that says what its user wrote down. It has no upstream: time comes from the clock it is given (pauses between
//! chunks), chance from the entropy (ids of calls), and the place in a script from the transcript alone. Only what
//! `fail` and `cut` have done is remembered, in [`attempts`], and a restart forgets it.
//!
#![doc = include_str!("../../../docs/script.md")]

mod attempts;
mod directive;
mod place;

use crate::stop::StopTexts;
use crate::upstream::Fault;
use crate::{Model, SchemaRefusal, Sink, custom};
use attempts::{Attempts, Line};
use directive::{Call, Directive};
use place::Place;
use std::sync::Arc;
use std::time::Duration;
use types::{
    BoxFuture, CallId, CallOutput, Clock, Content, ContextItem, Entropy, FunctionTool, ModelError, ModelEvent,
    ModelFinish, ModelRequest, Stamp, Stop, TextFormat, TurnRequest, Usage,
};

/// Between two chunks of `slow` and `cut`.
const PAUSE: Duration = Duration::from_millis(20);
/// What counts as a token.
const BYTES: usize = 4;

/// The scripted model.
pub struct Script {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    attempts: Attempts,
}

/// What this call of the model does.
enum Act {
    Say(String),
    Slow { chunks: u32, text: String },
    Cut { after: u32, text: String },
    Call(Vec<Call>),
    Fail(u16),
}

impl Script {
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, attempts: Attempts::default() }
    }

    async fn answer(&self, request: &ModelRequest, sink: Sink<'_>) -> Result<ModelFinish, ModelError> {
        let (act, stop) = bounded(self.act(request), request);
        let said = match &act {
            Act::Say(text) => {
                sink(ModelEvent::MessageStarted);
                if !text.is_empty() {
                    sink(ModelEvent::text(text.clone()));
                }
                text.len()
            }
            Act::Slow { chunks, text } => {
                self.speak(text, *chunks, *chunks, sink).await;
                text.len()
            }
            Act::Cut { after, text } => {
                self.speak(text, after.saturating_add(1), *after, sink).await;
                return Err(Fault::torn().into_error(&Default::default()));
            }
            Act::Call(calls) => {
                for Call { name, arguments } in calls {
                    let call_id = CallId::new(Stamp::new(self.clock.now(), &*self.entropy).id("call"));
                    let is_custom = custom::is_named(&request.tools, name);
                    let arguments = if is_custom { custom::read(arguments.clone()) } else { arguments.clone() };
                    sink(ModelEvent::Call { call_id, name: name.clone(), arguments });
                }
                calls.iter().map(|call| call.name.len() + call.arguments.len()).sum()
            }
            Act::Fail(status) => return Err(Fault::of_status(*status).into_error(&Default::default())),
        };
        let usage = Usage {
            input_tokens: tokens(heard(request)),
            cached_tokens: 0,
            output_tokens: tokens(said),
            reasoning_tokens: 0,
        };
        Ok(ModelFinish { usage: Some(usage), stop })
    }

    /// The first directive from the place on that still has something to do.
    fn act(&self, request: &ModelRequest) -> Act {
        let place = Place::find(&request.context);
        for (line, directive) in &place.ahead {
            let key = || Line { session: request.cache_key.clone(), message: place.message, line: *line };
            return match directive {
                Directive::Fail { status, times } => {
                    if self.attempts.count(key(), *times) {
                        Act::Fail(*status)
                    } else {
                        continue;
                    }
                }
                Directive::Cut { after, text } => {
                    if self.attempts.count(key(), 1) {
                        Act::Cut { after: *after, text: text.clone() }
                    } else {
                        Act::Say(text.clone())
                    }
                }
                Directive::Say { text } => Act::Say(text.clone()),
                Directive::Slow { chunks, text } => Act::Slow { chunks: *chunks, text: text.clone() },
                Directive::Call { calls } => Act::Call(calls.clone()),
            };
        }
        Act::Say(format!("echo: {}", place.newest))
    }

    /// Says the first `said` of `chunks` even parts of `text`, with a pause between two. A part may be empty where the
    /// text is short; then it is a sign of life only.
    async fn speak(&self, text: &str, chunks: u32, said: u32, sink: Sink<'_>) {
        let characters: Vec<char> = text.chars().collect();
        let bound = |chunk: u32| {
            let share = (characters.len() as u64).saturating_mul(u64::from(chunk)) / u64::from(chunks.max(1));
            usize::try_from(share).unwrap_or(characters.len())
        };
        for chunk in 0..said {
            if chunk == 0 {
                sink(ModelEvent::MessageStarted);
            } else {
                self.clock.sleep(PAUSE).await;
            }
            let delta: String = characters.get(bound(chunk)..bound(chunk + 1)).unwrap_or_default().iter().collect();
            sink(if delta.is_empty() { ModelEvent::Alive } else { ModelEvent::text(delta) });
        }
    }
}

impl Model for Script {
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        Box::pin(self.answer(request, sink))
    }

    fn check(&self, tools: &[FunctionTool], _: &TextFormat) -> Result<(), SchemaRefusal> {
        custom::check(tools)
    }

    fn check_turn(&self, request: &TurnRequest) -> Result<(), SchemaRefusal> {
        match request.top_logprobs {
            Some(_) => Err(SchemaRefusal::new("top_logprobs", "the scripted model knows no probabilities")),
            None => Ok(()),
        }
    }
}

/// What is left of an answer where the request's stop texts and its limit have cut it, and how it ends.
fn bounded(act: Act, request: &ModelRequest) -> (Act, Stop) {
    let limit = request.max_output_tokens.map_or(usize::MAX, |tokens| usize::try_from(tokens).unwrap_or(usize::MAX));
    let bound = |text: String| {
        let mut text = StopTexts::cut(&request.sampling.stop, &text);
        let most = text.floor_char_boundary(limit.saturating_mul(BYTES));
        let stop = if most < text.len() { Stop::MaxTokens } else { Stop::End };
        text.truncate(most);
        (text, stop)
    };
    match act {
        Act::Say(text) => {
            let (text, stop) = bound(text);
            (Act::Say(text), stop)
        }
        Act::Slow { chunks, text } => {
            let (text, stop) = bound(text);
            (Act::Slow { chunks, text }, stop)
        }
        // Whatever is cut off anyway ends as it does.
        Act::Cut { .. } | Act::Call(_) | Act::Fail(_) => (act, Stop::End),
    }
}

/// An estimate that depends on nothing but the text: four bytes a token.
fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(BYTES) as u64
}

/// The bytes that a model would read.
fn heard(request: &ModelRequest) -> usize {
    let parts = |content: &[Content]| {
        let length = |part: &Content| match part {
            Content::Text { text } => text.len(),
            Content::Image { image_url } => image_url.len(),
            Content::File { data, .. } => data.len(),
        };
        content.iter().map(length).sum::<usize>()
    };
    let items = request.context.iter().map(|item| match item {
        ContextItem::User { content } | ContextItem::System { content } => parts(content),
        ContextItem::Assistant { text } => text.len(),
        ContextItem::Reasoning { summary, .. } => summary.iter().map(String::len).sum(),
        ContextItem::Call { name, arguments, .. } => name.len() + arguments.len(),
        ContextItem::Output { output: CallOutput::Text(text), .. } => text.len(),
        ContextItem::Output { output: CallOutput::Parts(content), .. } => parts(content),
    });
    let schema = |schema| serde_json::to_string(schema).map_or(0, |text| text.len());
    let tools = request.tools.iter().map(|tool| tool.name.len() + tool.description.len() + schema(&tool.parameters));
    request.instructions.as_ref().map_or(0, String::len) + items.sum::<usize>() + tools.sum::<usize>()
}
