//! A model's server that thinks of nothing: the same answer to everybody, at once, over both wires. What it answers is
//! made when it starts.

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;

/// Deltas of a streamed answer.
pub const DELTAS: usize = 20;
/// The last of its words.
pub const LAST: &str = "stone20";

/// One wire's answers.
struct Answers {
    whole: Bytes,
    frames: Vec<Bytes>,
}

/// Serves until it is ended.
pub async fn run() -> Result<()> {
    let app = Router::new()
        .route("/v1/chat/completions", post(answer).with_state(Arc::new(chat())))
        .route("/v1/responses", post(answer).with_state(Arc::new(responses())));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on http://{}", listener.local_addr()?);
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, app).await?)
}

async fn answer(State(answers): State<Arc<Answers>>, body: Bytes) -> Response {
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return axum::http::StatusCode::BAD_REQUEST.into_response();
    };
    if body["stream"] != true {
        return ([(header::CONTENT_TYPE, "application/json")], answers.whole.clone()).into_response();
    }
    let frames = answers.frames.clone().into_iter().map(Ok::<_, Infallible>);
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(stream::iter(frames))).into_response()
}

fn words() -> impl Iterator<Item = String> {
    (1..=DELTAS).map(|number| format!("stone{number}{}", if number < DELTAS { " " } else { "" }))
}

fn text() -> String {
    words().collect()
}

fn frame(data: &Value) -> Bytes {
    Bytes::from(format!("data: {data}\n\n"))
}

fn chat() -> Answers {
    let usage = json!({"prompt_tokens": 9, "completion_tokens": DELTAS, "total_tokens": DELTAS + 9});
    let whole = json!({
        "id": "chatcmpl-mock", "object": "chat.completion", "created": 1, "model": "mock",
        "choices": [{"index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": text(), "refusal": null}}],
        "usage": usage,
    });
    let chunk = |delta: Value, reason: Value| {
        json!({"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1, "model": "mock",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    };
    let mut frames = vec![frame(&chunk(json!({"role": "assistant", "content": ""}), Value::Null))];
    frames.extend(words().map(|word| frame(&chunk(json!({"content": word}), Value::Null))));
    frames.push(frame(&chunk(json!({}), json!("stop"))));
    let mut last = chunk(json!({}), Value::Null);
    (last["choices"], last["usage"]) = (json!([]), usage);
    frames.push(frame(&last));
    frames.push(Bytes::from_static(b"data: [DONE]\n\n"));
    Answers { whole: Bytes::from(whole.to_string()), frames }
}

fn responses() -> Answers {
    let part = json!({"type": "output_text", "text": text(), "annotations": [], "logprobs": []});
    let item = |status: &str, content: Value| json!({"id": "msg_mock", "type": "message", "role": "assistant", "status": status, "content": content});
    let response = |status: &str, output: Value| {
        json!({
            "id": "resp_mock", "object": "response", "created_at": 1, "status": status, "model": "mock",
            "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "output": output,
            "parallel_tool_calls": true, "tool_choice": "auto", "tools": [], "temperature": 1.0, "top_p": 1.0,
            "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": DELTAS,
                "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": DELTAS + 9},
        })
    };
    let done = response("completed", json!([item("completed", json!([part]))]));
    let place = json!({"item_id": "msg_mock", "output_index": 0, "content_index": 0});
    let mut events = vec![
        json!({"type": "response.created", "response": response("in_progress", json!([]))}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([]))}),
        at(
            &place,
            "response.content_part.added",
            "part",
            json!({"type": "output_text", "text": "", "annotations": []}),
        ),
    ];
    events.extend(words().map(|word| at(&place, "response.output_text.delta", "delta", json!(word))));
    events.push(at(&place, "response.output_text.done", "text", json!(text())));
    events.push(at(&place, "response.content_part.done", "part", part.clone()));
    let item = item("completed", json!([part]));
    events.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    events.push(json!({"type": "response.completed", "response": done}));
    let frames = events.into_iter().zip(0..).map(|(mut event, number)| {
        event["sequence_number"] = json!(number);
        let name = event["type"].as_str().unwrap_or_default();
        Bytes::from(format!("event: {name}\ndata: {event}\n\n"))
    });
    Answers { whole: Bytes::from(done.to_string()), frames: frames.collect() }
}

/// An event of the answer's one part.
fn at(place: &Value, name: &str, field: &str, value: Value) -> Value {
    let mut event = place.clone();
    event["type"] = json!(name);
    event[field] = value;
    event
}
