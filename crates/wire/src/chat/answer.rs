//! A completion, whole or in chunks. Fields that have no value are null where the original sends null, and left out
//! where it leaves them out.

use super::request::Tier as RequestTier;
use crate::words::words;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

words! {
    FinishReason {
        Stop => "stop", Length => "length", ToolCalls => "tool_calls", FunctionCall => "function_call",
        ContentFilter => "content_filter",
    }
    /// What an answer says of how it was served.
    Tier { Default => "default", Flex => "flex", Priority => "priority" }
}

impl Tier {
    /// What is told to a client that asked for a tier; who did not ask is not told.
    pub fn of(asked: RequestTier) -> Self {
        match asked {
            RequestTier::Flex => Self::Flex,
            RequestTier::Priority | RequestTier::Fast => Self::Priority,
            RequestTier::Auto | RequestTier::Default | RequestTier::Scale => Self::Default,
        }
    }
}

/// `chat.completion`.
#[derive(Serialize, Clone, Debug)]
pub struct Completion<'a> {
    pub id: &'a str,
    object: Named,
    /// Unix seconds.
    pub created: u64,
    pub model: &'a str,
    pub choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Tier>,
    system_fingerprint: (),
}

#[derive(Serialize, Clone, Debug)]
pub struct Choice<'a> {
    pub index: usize,
    pub message: Message<'a>,
    pub logprobs: Option<Logprobs<'a>>,
    pub finish_reason: FinishReason,
}

#[derive(Serialize, Clone, Debug)]
pub struct Message<'a> {
    role: Role,
    /// Null where nothing but calls was said.
    pub content: Option<&'a str>,
    refusal: (),
    annotations: [(); 0],
    #[serde(flatten)]
    pub calls: ToolCalls<'a>,
}

/// `tool_calls`, `function_call` for who asked in the older form, or nothing.
#[derive(Clone, Copy, Debug)]
pub struct ToolCalls<'a> {
    pub calls: &'a [ToolCall],
    pub is_legacy: bool,
    /// Whether each call carries its place, as in chunks.
    indexed: bool,
}

/// One call that a model made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// A function's arguments, or a custom tool's free text.
    pub arguments: String,
    pub is_custom: bool,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
    pub prompt_tokens_details: PromptDetails,
    pub completion_tokens_details: TokenDetails,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct PromptDetails {
    pub cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
pub struct TokenDetails {
    pub reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

/// How likely each token was.
#[derive(Serialize, Clone, Debug)]
pub struct Logprobs<'a> {
    content: Vec<TokenLogprob<'a>>,
    refusal: (),
}

#[derive(Serialize, Clone, Debug)]
pub struct TokenLogprob<'a> {
    #[serde(flatten)]
    pub token: Likelihood<'a>,
    /// The likeliest at its place.
    pub top_logprobs: Vec<Likelihood<'a>>,
}

#[derive(Serialize, Clone, Copy, Debug)]
pub struct Likelihood<'a> {
    pub token: &'a str,
    pub logprob: f64,
    pub bytes: Option<&'a [u8]>,
}

/// `chat.completion.chunk`.
#[derive(Serialize, Clone, Debug)]
pub struct Chunk<'a> {
    pub id: &'a str,
    object: ChunkNamed,
    pub created: u64,
    pub model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Tier>,
    system_fingerprint: (),
    pub choices: Vec<ChunkChoice<'a>>,
    /// Left out where the usage was not asked for; null but in the last chunk where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Option<Usage>>,
}

#[derive(Serialize, Clone, Debug)]
pub struct ChunkChoice<'a> {
    pub index: usize,
    pub delta: Delta<'a>,
    pub logprobs: Option<Logprobs<'a>>,
    pub finish_reason: Option<FinishReason>,
}

/// What is new.
#[derive(Clone, Copy, Debug)]
pub enum Delta<'a> {
    /// The first of every choice.
    Begin,
    Text(&'a str),
    Calls(ToolCalls<'a>),
    /// The last of every choice.
    End,
}

/// Everything of a completion that does not change from chunk to chunk.
impl<'a> Completion<'a> {
    pub fn new(id: &'a str, created: u64, model: &'a str, choices: Vec<Choice<'a>>) -> Self {
        Self { id, object: Named, created, model, choices, usage: None, service_tier: None, system_fingerprint: () }
    }
}

impl<'a> Chunk<'a> {
    pub fn new(id: &'a str, created: u64, model: &'a str) -> Self {
        Self {
            id,
            object: ChunkNamed,
            created,
            model,
            service_tier: None,
            system_fingerprint: (),
            choices: Vec::new(),
            usage: None,
        }
    }
}

impl<'a> Message<'a> {
    pub fn new(content: Option<&'a str>, calls: &'a [ToolCall], is_legacy: bool) -> Self {
        let calls = ToolCalls { calls, is_legacy, indexed: false };
        Self { role: Role, content, refusal: (), annotations: [], calls }
    }
}

impl<'a> Logprobs<'a> {
    pub fn new(content: Vec<TokenLogprob<'a>>) -> Self {
        Self { content, refusal: () }
    }
}

impl Usage {
    pub fn new(prompt: u64, cached: u64, completion: u64, reasoning: u64) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt.saturating_add(completion),
            prompt_tokens_details: PromptDetails { cached_tokens: cached, audio_tokens: 0 },
            completion_tokens_details: TokenDetails {
                reasoning_tokens: reasoning,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}

impl<'a> Delta<'a> {
    pub fn calls(calls: &'a [ToolCall], is_legacy: bool) -> Self {
        Self::Calls(ToolCalls { calls, is_legacy, indexed: true })
    }
}

/// Writes a constant.
macro_rules! constant {
    ($($name:ident $text:literal)+) => {$(
        #[derive(Clone, Copy, Debug)]
        struct $name;

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str($text)
            }
        }
    )+};
}

constant! { Named "chat.completion" ChunkNamed "chat.completion.chunk" Role "assistant" }

impl Serialize for ToolCalls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            tool_calls: Option<List<'a>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            function_call: Option<Function<'a>>,
        }
        let (first, indexed) = (self.calls.first(), self.indexed);
        let function = first.filter(|_| self.is_legacy).map(Function::of);
        let list = first.filter(|_| !self.is_legacy).map(|_| List { calls: self.calls, indexed });
        Fields { tool_calls: list, function_call: function }.serialize(serializer)
    }
}

impl Serialize for Delta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Default, Serialize)]
        struct Fields<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            role: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            content: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            refusal: Option<()>,
        }
        match self {
            Self::Begin => {
                let fields = Fields { role: Some("assistant"), content: Some(""), refusal: Some(()) };
                fields.serialize(serializer)
            }
            Self::Text(text) => Fields { content: Some(text), ..Fields::default() }.serialize(serializer),
            Self::Calls(calls) => calls.serialize(serializer),
            Self::End => Fields::default().serialize(serializer),
        }
    }
}

struct List<'a> {
    calls: &'a [ToolCall],
    indexed: bool,
}

#[derive(Serialize)]
struct One<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    id: &'a str,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Function<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom: Option<Custom<'a>>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

#[derive(Serialize)]
struct Custom<'a> {
    name: &'a str,
    input: &'a str,
}

impl<'a> Function<'a> {
    fn of(call: &'a ToolCall) -> Self {
        Self { name: &call.name, arguments: &call.arguments }
    }
}

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.calls.len()))?;
        for (index, call) in self.calls.iter().enumerate() {
            list.serialize_element(&One {
                index: self.indexed.then_some(index),
                id: &call.id,
                r#type: if call.is_custom { "custom" } else { "function" },
                function: (!call.is_custom).then(|| Function::of(call)),
                custom: call.is_custom.then_some(Custom { name: &call.name, input: &call.arguments }),
            })?;
        }
        list.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn call(name: &str, is_custom: bool) -> ToolCall {
        ToolCall { id: format!("call_{name}"), name: name.into(), arguments: "{}".into(), is_custom }
    }

    #[test]
    fn a_completion_has_every_field_of_the_original() {
        let calls = [call("f", false), call("g", true)];
        let choice = Choice {
            index: 0,
            message: Message::new(None, &calls, false),
            logprobs: None,
            finish_reason: FinishReason::ToolCalls,
        };
        let mut whole = Completion::new("chatcmpl-1", 7, "m", vec![choice]);
        whole.usage = Some(Usage::new(3, 1, 4, 2));
        assert_eq!(
            json!(whole),
            json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 7, "model": "m", "system_fingerprint": null,
                "choices": [{"index": 0, "finish_reason": "tool_calls", "logprobs": null, "message": {
                    "role": "assistant", "content": null, "refusal": null, "annotations": [], "tool_calls": [
                        {"id": "call_f", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                        {"id": "call_g", "type": "custom", "custom": {"name": "g", "input": "{}"}},
                    ],
                }}],
                "usage": {
                    "prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
                    "prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0},
                    "completion_tokens_details": {
                        "reasoning_tokens": 2, "audio_tokens": 0, "accepted_prediction_tokens": 0,
                        "rejected_prediction_tokens": 0,
                    },
                },
            })
        );
        let plain = json!(Message::new(Some("hi"), &[], false));
        assert_eq!(plain, json!({"role": "assistant", "content": "hi", "refusal": null, "annotations": []}));
        let old = json!(Message::new(None, &calls, true));
        assert_eq!(old["function_call"], json!({"name": "f", "arguments": "{}"}));
        assert!(old.get("tool_calls").is_none());
    }

    #[test]
    fn chunks_say_what_is_new() {
        let token = Likelihood { token: "a", logprob: -1.5, bytes: Some(b"a") };
        let logprobs = || Logprobs::new(vec![TokenLogprob { token, top_logprobs: vec![token] }]);
        let chunk = |delta, asks_usage: bool| {
            let mut chunk = Chunk::new("chatcmpl-1", 7, "m");
            let logprobs = matches!(delta, Delta::Text(_)).then(logprobs);
            chunk.choices.push(ChunkChoice { index: 2, delta, logprobs, finish_reason: None });
            chunk.usage = asks_usage.then_some(None);
            json!(chunk)
        };
        assert_eq!(
            chunk(Delta::Begin, false),
            json!({
                "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 7, "model": "m",
                "system_fingerprint": null, "choices": [{
                    "index": 2, "delta": {"role": "assistant", "content": "", "refusal": null}, "logprobs": null,
                    "finish_reason": null,
                }],
            })
        );
        let text = chunk(Delta::Text("a"), true);
        assert_eq!(text["choices"][0]["delta"], json!({"content": "a"}));
        let token = json!({"token": "a", "logprob": -1.5, "bytes": [97]});
        let mut whole = token.clone();
        whole["top_logprobs"] = json!([token]);
        assert_eq!(text["choices"][0]["logprobs"], json!({"content": [whole], "refusal": null}));
        assert_eq!(text.get("usage"), Some(&Value::Null));
        assert_eq!(chunk(Delta::End, false)["choices"][0]["delta"], json!({}));
        let calls = [call("f", false)];
        let told = chunk(Delta::calls(&calls, false), false);
        assert_eq!(
            told["choices"][0]["delta"],
            json!({"tool_calls": [
                {"index": 0, "id": "call_f", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]})
        );
    }
}
