//! The provider `openai-chat` against a mock upstream.

use crate::mock::{Mock, Reply};
use crate::{ask, call, hello, request, text, upstream_at, usage, user};
use models::OpenaiChat;
use serde_json::{Value, json};
use types::{
    CallOutput, Content, ContextItem, Effort, FunctionTool, ModelErrorKind, ModelEvent, ModelFinish, Sampling, Stop,
    TextFormat, ToolChoice, Verbosity,
};

fn delta(delta: Value) -> Value {
    json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]})
}

fn finish(reason: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
}

/// A stream of these chunks and its end.
pub fn chunks(chunks: &[Value]) -> Reply {
    let mut reply = Reply::events(chunks);
    reply.chunks.push(b"data: [DONE]\n\n".to_vec());
    reply
}

async fn told(reply: Reply) -> (Vec<ModelEvent>, Result<ModelFinish, ModelErrorKind>) {
    let mock = Mock::start(reply).await;
    let (events, end) = ask(&OpenaiChat::new(upstream_at(&mock.base_url)), &hello()).await;
    (events, end.map_err(|error| error.kind))
}

fn said(delta: &str) -> ModelEvent {
    ModelEvent::text(delta)
}

fn thought(delta: &str) -> ModelEvent {
    ModelEvent::ReasoningSummary { part: 0, delta: delta.into() }
}

const END: ModelFinish = ModelFinish { usage: None, stop: Stop::End };

#[tokio::test]
async fn text_and_usage() {
    let (events, end) = told(chunks(&[
        delta(json!({"role": "assistant", "content": ""})),
        delta(json!({"content": "Hel"})),
        delta(json!({"content": "lo"})),
        finish("stop"),
        json!({"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}}),
    ]))
    .await;
    assert_eq!(events, [ModelEvent::MessageStarted, said("Hel"), said("lo")]);
    assert_eq!(end, Ok(ModelFinish { usage: usage(10, 4, 5, 2), stop: Stop::End }));
}

#[tokio::test]
async fn reasons_to_finish() {
    let cases = [
        (finish("stop"), Stop::End),
        (finish("tool_calls"), Stop::End),
        (finish("length"), Stop::MaxTokens),
        (finish("content_filter"), Stop::Filtered),
        (json!({"choices": []}), Stop::End),
    ];
    for (last, stop) in cases {
        let (events, end) = told(chunks(&[delta(json!({"content": "x"})), last.clone()])).await;
        assert_eq!((text(&events).as_str(), end), ("x", Ok(ModelFinish { usage: None, stop })), "{last}");
    }
    assert_eq!(told(chunks(&[])).await.1, Err(ModelErrorKind::Protocol), "nothing at all was said");
}

#[tokio::test]
async fn reasoning_comes_before_text_under_either_name() {
    for name in ["reasoning_content", "reasoning"] {
        let (events, end) = told(chunks(&[
            delta(json!({name: "hm", "content": null})),
            delta(json!({name: "m", "content": ""})),
            delta(json!({"content": "yes", name: ""})),
            finish("stop"),
        ]))
        .await;
        let expected =
            [ModelEvent::ReasoningStarted, thought("hm"), thought("m"), ModelEvent::MessageStarted, said("yes")];
        assert_eq!(events, expected);
        assert_eq!(end, Ok(END));
    }
}

#[tokio::test]
async fn calls_are_put_together_and_told_last() {
    let (events, end) = told(chunks(&[
        delta(json!({"content": "Looking."})),
        delta(json!({"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}]})),
        delta(json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"x\""}}]})),
        delta(json!({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g"}}, {"index": 0, "function": {"arguments": ":1}"}}]})),
        delta(json!({"content": " Wait."})),
        finish("tool_calls"),
    ]))
    .await;
    let expected = [
        ModelEvent::MessageStarted,
        said("Looking."),
        said(" Wait."),
        call("a", "f", "{\"x\":1}"),
        call("b", "g", "{}"),
    ];
    assert_eq!(events, expected);
    assert_eq!(end, Ok(END));
}

#[tokio::test]
async fn calls_of_careless_servers() {
    let one = |fragment: Value| delta(json!({"tool_calls": [fragment]}));
    let cases = [
        // No id at all.
        (
            vec![
                one(json!({"index": 0, "function": {"name": "f", "arguments": "{}"}})),
                one(json!({"index": 1, "function": {"name": "g", "arguments": "{}"}})),
            ],
            vec![call("call_0", "f", "{}"), call("call_1", "g", "{}")],
        ),
        // No index, or the same for all.
        (
            vec![
                one(json!({"id": "a", "function": {"name": "f", "arguments": "{}"}})),
                one(json!({"id": "b", "function": {"name": "g", "arguments": "{"}})),
                one(json!({"function": {"arguments": "}"}})),
            ],
            vec![call("a", "f", "{}"), call("b", "g", "{}")],
        ),
        (
            vec![
                one(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}})),
                one(json!({"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}})),
            ],
            vec![call("a", "f", "{}"), call("b", "g", "{}")],
        ),
        // The object itself; id and name repeated.
        (
            vec![
                one(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}})),
                one(json!({"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}})),
            ],
            vec![call("a", "f", "{\"x\":1}")],
        ),
    ];
    for (fragments, expected) in cases {
        let (events, end) = told(chunks(&[fragments, vec![finish("tool_calls")]].concat())).await;
        assert_eq!((events, end), (expected, Ok(END)));
    }
    let (events, end) =
        told(chunks(&[one(json!({"index": 0, "id": "a", "function": {}})), finish("tool_calls")])).await;
    assert_eq!((events, end), (vec![], Err(ModelErrorKind::Protocol)), "a call without a name");
}

#[tokio::test]
async fn a_call_that_the_limit_cut_off_was_never_made() {
    let (events, end) = told(chunks(&[
        delta(json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]})),
        delta(json!({"tool_calls": [{"index": 1, "id": "b", "function": {"name": "g", "arguments": "{\"x\": "}}]})),
        finish("length"),
    ]))
    .await;
    assert_eq!(events, [call("a", "f", "{}")]);
    assert_eq!(end, Ok(ModelFinish { usage: None, stop: Stop::MaxTokens }));
}

#[tokio::test]
async fn bytes_may_be_split_anywhere() {
    let body = format!(
        ": hello\r\n\r\ndata:{}\r\n\r\nevent: x\r\ndata: {}\r\n\r\ndata:[DONE]\r\n\r\n",
        delta(json!({"content": "grüße 🙂"})),
        finish("stop")
    );
    let bytes: Vec<&[u8]> = body.as_bytes().chunks(1).collect();
    let (events, end) = told(Reply::stream(&bytes)).await;
    assert_eq!((text(&events).as_str(), end), ("grüße 🙂", Ok(END)));
    let (events, end) = told(Reply::stream(&[body.trim_end()])).await;
    assert_eq!((text(&events).as_str(), end), ("grüße 🙂", Ok(END)), "no line end after the last event");
}

#[tokio::test]
async fn an_answer_in_one_piece() {
    let (events, end) = told(Reply::json(
        200,
        &json!({
            "object": "chat.completion",
            "choices": [{"message": {"role": "assistant", "reasoning_content": "hm", "content": "hi",
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        }),
    ))
    .await;
    let expected =
        [ModelEvent::ReasoningStarted, thought("hm"), ModelEvent::MessageStarted, said("hi"), call("a", "f", "{}")];
    assert_eq!(events, expected);
    assert_eq!(end, Ok(ModelFinish { usage: usage(1, 0, 2, 0), stop: Stop::End }));
}

fn output(call_id: &str, output: CallOutput) -> ContextItem {
    ContextItem::Output { call_id: call_id.into(), output }
}

fn made(call_id: &str) -> ContextItem {
    ContextItem::Call { call_id: call_id.into(), name: "f".into(), arguments: "{}".into(), custom: false }
}

fn done(call_id: &str) -> ContextItem {
    output(call_id, CallOutput::Text(format!("result of {call_id}")))
}

/// Writes a transcript in short: the role of each message, its calls or the call that it answers.
async fn roles(context: Vec<ContextItem>) -> Vec<String> {
    let mock = Mock::start(chunks(&[finish("stop")])).await;
    let (_, end) = ask(&OpenaiChat::new(upstream_at(&mock.base_url)), &request(context)).await;
    assert_eq!(end, Ok(END));
    let body = mock.last_body();
    let write = |message: &Value| {
        let calls: Vec<&str> =
            message["tool_calls"].as_array().into_iter().flatten().map(|call| call["id"].as_str().unwrap()).collect();
        let answers = message["tool_call_id"].as_str().unwrap_or_default();
        let content = message["content"].as_str().unwrap_or("-");
        format!("{}[{}{}] {content}", message["role"].as_str().unwrap(), calls.join(","), answers)
    };
    body["messages"].as_array().unwrap().iter().map(write).collect()
}

#[tokio::test]
async fn the_transcript_is_valid_chat() {
    let says = |text: &str| ContextItem::Assistant { text: text.into() };
    let thinks = || ContextItem::Reasoning { summary: vec!["hm".into()], opaque: json!({"type": "reasoning"}) };
    let cases = [
        (
            vec![user("q"), thinks(), says("ok"), made("a"), thinks(), made("b"), done("b"), done("a"), says("fin")],
            vec!["user[] q", "assistant[a,b] ok", "tool[a] result of a", "tool[b] result of b", "assistant[] fin"],
        ),
        (
            vec![user("q"), made("a"), user("hurry"), done("a"), made("b"), done("b")],
            vec![
                "user[] q",
                "assistant[a] -",
                "tool[a] result of a",
                "user[] hurry",
                "assistant[b] -",
                "tool[b] result of b",
            ],
        ),
        (vec![user("q"), says(""), says("x"), says("y")], vec!["user[] q", "assistant[] x", "assistant[] y"]),
    ];
    for (context, expected) in cases {
        assert_eq!(roles(context).await, expected);
    }
}

#[tokio::test]
async fn images_go_through() {
    let mock = Mock::start(chunks(&[finish("stop")])).await;
    let image = Content::Image { image_url: "data:image/png;base64,AAAA".into() };
    let request = request(vec![
        ContextItem::User { content: vec![Content::Text { text: "what?".into() }, image.clone()] },
        made("a"),
        output("a", CallOutput::Parts(vec![Content::Text { text: "shot".into() }, image])),
    ]);
    ask(&OpenaiChat::new(upstream_at(&mock.base_url)), &request).await.1.unwrap();
    let shown = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}});
    let body = mock.last_body();
    assert_eq!(body["messages"][0]["content"], json!([{"type": "text", "text": "what?"}, shown]));
    assert_eq!(body["messages"][2], json!({"role": "tool", "tool_call_id": "a", "content": "shot"}));
    assert_eq!(body["messages"][3], json!({"role": "user", "content": [shown]}));
}

#[tokio::test]
async fn the_whole_request() {
    let mock = Mock::start(chunks(&[finish("stop")])).await;
    let mut request = hello();
    request.instructions = Some("be brief".into());
    let schema = json!({"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"], "additionalProperties": false});
    request.tools = vec![
        FunctionTool {
            name: "f".into(),
            description: "does".into(),
            parameters: schema.as_object().unwrap().clone(),
            kind: types::FunctionKind::default(),
        },
        FunctionTool {
            name: "g".into(),
            description: String::new(),
            parameters: Default::default(),
            kind: types::FunctionKind::default(),
        },
    ]
    .into();
    request.tool_choice = ToolChoice::Function("f".into());
    request.format = TextFormat::schema(schema.as_object().unwrap().clone());
    request.verbosity = Verbosity::Low;
    request.effort = Some(Effort::High);
    request.max_output_tokens = Some(77);
    request.sampling = Sampling {
        temperature: Some(0.7),
        top_p: Some(0.95),
        seed: Some(u64::MAX),
        stop: vec!["END".into()],
        ..Sampling::default()
    };
    ask(&OpenaiChat::new(upstream_at(&mock.base_url)), &request).await.1.unwrap();
    let asked = mock.asked();
    assert_eq!((asked.len(), asked[0].method.as_str(), asked[0].path.as_str()), (1, "POST", "/v1/chat/completions"));
    assert_eq!(asked[0].headers["authorization"], format!("Bearer {}", crate::KEY));
    assert_eq!(
        asked[0].body,
        json!({
            "model": "m",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
            "tools": [
                {"type": "function", "function": {"name": "f", "description": "does", "parameters": schema, "strict": true}},
                {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
            ],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}},
            "verbosity": "low",
            "reasoning_effort": "high",
            "max_tokens": 77,
            "temperature": 0.7,
            "top_p": 0.95,
            "seed": -1,
            "stop": ["END"],
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    );
}
