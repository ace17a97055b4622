//! The provider `openai-responses` against a mock upstream.

use crate::mock::{Mock, Reply};
use crate::{ask, call, hello, request, text, upstream_at, usage};
use models::OpenaiResponses;
use serde_json::{Value, json};
use types::{
    CallOutput, Content, ContextItem, Effort, FunctionTool, ModelErrorKind, ModelEvent, ModelFinish, ReasoningSummary,
    Sampling, Stop, TextFormat, ToolChoice, Verbosity,
};

pub fn completed(usage: Value) -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "usage": usage}})
}

fn added(kind: &str) -> Value {
    json!({"type": "response.output_item.added", "output_index": 0, "item": {"type": kind}})
}

fn done(item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": 0, "item": item})
}

pub fn text_delta(delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "delta": delta})
}

async fn told(reply: Reply) -> (Vec<ModelEvent>, Result<ModelFinish, ModelErrorKind>) {
    let mock = Mock::start(reply).await;
    let (events, end) = ask(&OpenaiResponses::new(upstream_at(&mock.base_url)), &hello()).await;
    (events, end.map_err(|error| error.kind))
}

fn said(delta: &str) -> ModelEvent {
    ModelEvent::text(delta)
}

fn thought(part: u32, delta: &str) -> ModelEvent {
    ModelEvent::ReasoningSummary { part, delta: delta.into() }
}

const END: ModelFinish = ModelFinish { usage: None, stop: Stop::End };

#[tokio::test]
async fn reasoning_text_calls_and_usage() {
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "xyz",
        "summary": [{"type": "summary_text", "text": "hm"}, {"type": "summary_text", "text": "ah"}]});
    let function = |id: &str, arguments: &str| json!({"type": "function_call", "id": "fc_1", "call_id": id, "name": "f", "arguments": arguments, "status": "completed"});
    let summary = |part: u32, delta: &str| json!({"type": "response.reasoning_summary_text.delta", "summary_index": part, "delta": delta});
    let (events, end) = told(Reply::events(&[
        json!({"type": "response.created", "response": {"status": "in_progress"}}),
        added("reasoning"),
        summary(0, "hm"),
        summary(1, "ah"),
        done(reasoning.clone()),
        added("message"),
        text_delta("Hel"),
        text_delta("lo"),
        json!({"type": "response.output_text.done", "text": "Hello"}),
        done(json!({"type": "message", "content": [{"type": "output_text", "text": "Hello"}]})),
        added("function_call"),
        json!({"type": "response.function_call_arguments.delta", "delta": "{"}),
        done(function("a", "{\"x\":1}")),
        added("function_call"),
        done(function("b", "")),
        completed(json!({"input_tokens": 9, "input_tokens_details": {"cached_tokens": 3},
            "output_tokens": 8, "output_tokens_details": {"reasoning_tokens": 5}})),
    ]))
    .await;
    let expected = [
        ModelEvent::ReasoningStarted,
        thought(0, "hm"),
        thought(1, "ah"),
        ModelEvent::ReasoningOpaque { value: reasoning },
        ModelEvent::MessageStarted,
        said("Hel"),
        said("lo"),
        call("a", "f", "{\"x\":1}"),
        call("b", "f", "{}"),
    ];
    assert_eq!(events, expected);
    assert_eq!(end, Ok(ModelFinish { usage: usage(9, 3, 8, 5), stop: Stop::End }));
}

#[tokio::test]
async fn what_did_not_come_in_deltas_comes_with_its_item() {
    let reasoning = json!({"type": "reasoning", "summary": [{"text": "hm"}]});
    let (events, end) = told(Reply::events(&[
        done(reasoning.clone()),
        added("message"),
        done(json!({"type": "message", "content": [{"type": "output_text", "text": "one"}]})),
        done(json!({"type": "message", "content": [{"type": "refusal", "refusal": "two"}]})),
        text_delta("three"),
        completed(Value::Null),
    ]))
    .await;
    let expected = [
        ModelEvent::ReasoningStarted,
        thought(0, "hm"),
        ModelEvent::ReasoningOpaque { value: reasoning },
        ModelEvent::MessageStarted,
        said("one"),
        ModelEvent::MessageStarted,
        said("two"),
        ModelEvent::MessageStarted,
        said("three"),
    ];
    assert_eq!(events, expected);
    assert_eq!(end, Ok(END));
}

#[tokio::test]
async fn refusals_and_open_reasoning_are_told() {
    let (events, _) = told(Reply::events(&[
        json!({"type": "response.reasoning_text.delta", "content_index": 0, "delta": "raw"}),
        json!({"type": "response.refusal.delta", "delta": "no"}),
        completed(Value::Null),
    ]))
    .await;
    assert_eq!(events, [ModelEvent::ReasoningStarted, thought(0, "raw"), ModelEvent::MessageStarted, said("no")]);
}

#[tokio::test]
async fn incomplete_answers() {
    let incomplete = |reason: &str| {
        json!({"type": "response.incomplete",
            "response": {"status": "incomplete", "incomplete_details": {"reason": reason}, "usage": null}})
    };
    for (reason, stop) in [("max_output_tokens", Stop::MaxTokens), ("content_filter", Stop::Filtered)] {
        let (events, end) = told(Reply::events(&[
            text_delta("x"),
            done(json!({"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"", "status": "incomplete"})),
            incomplete(reason),
        ]))
        .await;
        assert_eq!(events, [ModelEvent::MessageStarted, said("x")], "a call that was cut off was never made");
        assert_eq!(end, Ok(ModelFinish { usage: None, stop }));
    }
}

#[tokio::test]
async fn errors_within_the_stream() {
    let failed = |code: &str| json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": code, "message": "m"}}});
    let cases = [
        (failed("rate_limit_exceeded"), ModelErrorKind::RateLimited),
        (failed("server_error"), ModelErrorKind::Upstream),
        (failed("context_length_exceeded"), ModelErrorKind::ContextLength),
        (failed("invalid_image"), ModelErrorKind::Invalid),
        (json!({"type": "response.failed", "response": {}}), ModelErrorKind::Upstream),
        (json!({"type": "error", "code": "insufficient_quota", "message": "m"}), ModelErrorKind::Quota),
        (json!({"type": "error", "error": {"code": "bio_policy", "message": "m"}}), ModelErrorKind::Policy),
        (json!({"error": {"code": "slow_down", "message": "m"}}), ModelErrorKind::Overloaded),
        (json!({"type": "response.completed", "response": {"status": "in_progress"}}), ModelErrorKind::Protocol),
        (done(json!({"type": "function_call", "arguments": "{}"})), ModelErrorKind::Protocol),
    ];
    for (event, kind) in cases {
        let (events, end) = told(Reply::events(&[text_delta("x"), event.clone(), completed(Value::Null)])).await;
        assert_eq!((text(&events).as_str(), end), ("x", Err(kind)), "{event}");
    }
}

#[tokio::test]
async fn an_answer_in_one_piece() {
    let (events, end) = told(Reply::json(
        200,
        &json!({"status": "completed", "error": null, "output": [
            {"type": "message", "content": [{"type": "output_text", "text": "hi"}]},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}", "status": "completed"},
        ], "usage": {"input_tokens": 1, "output_tokens": 2}}),
    ))
    .await;
    assert_eq!(events, [ModelEvent::MessageStarted, said("hi"), call("a", "f", "{}")]);
    assert_eq!(end, Ok(ModelFinish { usage: usage(1, 0, 2, 0), stop: Stop::End }));
}

#[tokio::test]
async fn bytes_may_be_split_anywhere() {
    let body = format!(
        ": x\r\n\r\nevent: response.output_text.delta\r\ndata: {}\r\n\r\nevent: y\r\ndata: {}\r\n\r\n",
        text_delta("grüße 🙂"),
        completed(Value::Null)
    );
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    let (events, end) = told(Reply::stream(&bytes)).await;
    assert_eq!((text(&events).as_str(), end), ("grüße 🙂", Ok(END)));
}

#[tokio::test]
async fn the_whole_request() {
    let mock = Mock::start(Reply::events(&[completed(Value::Null)])).await;
    let image = Content::Image { image_url: "data:image/png;base64,AAAA".into() };
    let ours = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xyz"});
    let reasoning = |opaque: Value| ContextItem::Reasoning { summary: vec!["hm".into()], opaque };
    let mut request = request(vec![
        ContextItem::User { content: vec![Content::Text { text: "what?".into() }, image.clone()] },
        reasoning(ours.clone()),
        reasoning(json!({"type": "reasoning", "id": "rs_2", "summary": []})),
        reasoning(json!({"type": "thinking", "signature": "of another provider"})),
        ContextItem::Assistant { text: "let me see".into() },
        ContextItem::Assistant { text: String::new() },
        ContextItem::Call { call_id: "a".into(), name: "f".into(), arguments: "{\"x\": 1}".into(), custom: false },
        ContextItem::Output { call_id: "a".into(), output: CallOutput::Text("seen".into()) },
        ContextItem::Call { call_id: "b".into(), name: "f".into(), arguments: "{}".into(), custom: false },
        ContextItem::Output { call_id: "b".into(), output: CallOutput::Parts(vec![image]) },
    ]);
    let schema = json!({"type": "object", "properties": {"x": {"type": "string"}}});
    request.instructions = Some("be brief".into());
    request.tools = vec![FunctionTool {
        name: "f".into(),
        description: "does".into(),
        parameters: schema.as_object().unwrap().clone(),
        kind: types::FunctionKind::default(),
    }]
    .into();
    request.tool_choice = ToolChoice::Required;
    request.format = TextFormat::schema(schema.as_object().unwrap().clone());
    request.verbosity = Verbosity::High;
    request.effort = Some(Effort::Low);
    request.summary = Some(ReasoningSummary::Auto);
    request.max_output_tokens = Some(77);
    request.sampling = Sampling {
        temperature: Some(0.7),
        top_p: Some(0.95),
        seed: Some(u64::MAX),
        stop: vec!["END".into()],
        ..Sampling::default()
    };
    ask(&OpenaiResponses::new(upstream_at(&mock.base_url)), &request).await.1.unwrap();
    let asked = mock.asked();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].path.as_str()), (1, "POST", "/v1/responses"));
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {}", crate::KEY));
    let shown = json!({"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto"});
    assert_eq!(
        asked[0].body,
        json!({
            "model": "m",
            "instructions": "be brief",
            "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "what?"}, shown]},
                ours,
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "let me see"}]},
                {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"x\": 1}"},
                {"type": "function_call_output", "call_id": "a", "output": "seen"},
                {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "b", "output": [shown]},
            ],
            "tools": [{"type": "function", "name": "f", "description": "does", "parameters": schema, "strict": false}],
            "tool_choice": "required",
            "text": {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": false}, "verbosity": "high"},
            "reasoning": {"effort": "low", "summary": "auto"},
            "max_output_tokens": 77,
            "temperature": 0.7,
            "top_p": 0.95,
            "include": ["reasoning.encrypted_content"],
            "prompt_cache_key": "cache",
            "store": false,
            "stream": true,
        })
    );
}
