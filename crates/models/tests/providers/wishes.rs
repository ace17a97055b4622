//! What requests of the newer doors wish for: custom tools, forms, files, probabilities, penalties; and what is refused
//! before anything is asked.

use crate::mock::{Mock, Reply};
use crate::{ask, call, hello, providers, request, upstream_at, user};
use models::{OpenaiChat, OpenaiResponses};
use serde_json::{Map, Value, json};
use types::{
    CallOutput, Content, ContextItem, CustomFormat, FunctionKind, FunctionTool, ModelEvent, Sampling, TextFormat,
    TokenLogprob, ToolChoice, TurnRequest,
};

fn custom(format: CustomFormat) -> FunctionTool {
    let kind = FunctionKind::Custom { format };
    FunctionTool { name: "shout".into(), description: "aloud".into(), parameters: Map::new(), kind }
}

fn regex() -> CustomFormat {
    CustomFormat::Grammar { syntax: "regex".into(), definition: "a+".into() }
}

fn fine_chat() -> Reply {
    crate::chat::chunks(&[json!({"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": "stop"}]})])
}

fn fine_response() -> Value {
    json!({"type": "response.completed", "response": {"status": "completed", "usage": null}})
}

/// A call of the custom tool and its result.
fn history() -> Vec<ContextItem> {
    vec![
        ContextItem::System { content: vec![Content::Text { text: "be kind".into() }] },
        user("go"),
        ContextItem::Call { call_id: "a".into(), name: "shout".into(), arguments: "he \"y\"".into(), custom: true },
        ContextItem::Output { call_id: "a".into(), output: CallOutput::Text("done".into()) },
    ]
}

#[tokio::test]
async fn a_custom_tool_is_a_function_of_one_text_where_there_are_only_functions() {
    let fragment = |arguments: &str| {
        let function = json!({"name": "shout", "arguments": arguments});
        json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "b", "function": function}]}}]})
    };
    let mock = Mock::start(crate::chat::chunks(&[fragment(r#"{"input": "he\ny"}"#)])).await;
    let mut request = request(history());
    request.tools = vec![custom(CustomFormat::Text)].into();
    let (events, end) = ask(&OpenaiChat::new(upstream_at(&mock.base_url)), &request).await;
    assert!(end.is_ok());
    assert_eq!(events, [call("b", "shout", "he\ny")]);
    let body = mock.last_body();
    assert_eq!(body["messages"][0], json!({"role": "system", "content": "be kind"}));
    assert_eq!(body["messages"][2]["tool_calls"][0]["function"]["arguments"], r#"{"input":"he \"y\""}"#);
    let function = &body["tools"][0]["function"];
    assert_eq!((&function["parameters"]["required"], &function["strict"]), (&json!(["input"]), &json!(true)));
}

#[tokio::test]
async fn a_custom_tool_is_one_where_the_wire_knows_them() {
    let item =
        json!({"type": "custom_tool_call", "call_id": "b", "name": "shout", "input": "hey", "status": "completed"});
    let done = json!({"type": "response.output_item.done", "output_index": 0, "item": item});
    let mock = Mock::start(Reply::events(&[done, fine_response()])).await;
    let mut request = request(history());
    request.tools = vec![custom(regex())].into();
    request.tool_choice = ToolChoice::Function("shout".into());
    request.parallel_tool_calls = false;
    let (events, _) = ask(&OpenaiResponses::new(upstream_at(&mock.base_url)), &request).await;
    assert_eq!(events, [call("b", "shout", "hey")]);
    let body = mock.last_body();
    assert_eq!(body["input"][0]["role"], "developer");
    assert_eq!(
        body["input"][2],
        json!({"type": "custom_tool_call", "call_id": "a", "name": "shout", "input": "he \"y\""})
    );
    assert_eq!(body["input"][3], json!({"type": "custom_tool_call_output", "call_id": "a", "output": "done"}));
    assert_eq!(body["tools"][0]["format"], json!({"type": "grammar", "syntax": "regex", "definition": "a+"}));
    assert_eq!(body["tool_choice"], json!({"type": "custom", "name": "shout"}));
    assert_eq!(body["parallel_tool_calls"], false);
}

#[tokio::test]
async fn forms_have_their_names_and_files_their_content() {
    let schema = Map::from_iter([("type".to_owned(), json!("object"))]);
    let named = TextFormat::JsonSchema {
        schema: schema.clone(),
        name: "form".into(),
        description: Some("d".into()),
        strict: Some(true),
    };
    let file = Content::File { filename: Some("a.txt".into()), data: "data:text/plain;base64,YQ==".into() };
    for format in [named, TextFormat::JsonObject] {
        let mut request = request(vec![ContextItem::User { content: vec![file.clone()] }]);
        request.format = format.clone();
        let chat = Mock::start(fine_chat()).await;
        ask(&OpenaiChat::new(upstream_at(&chat.base_url)), &request).await.1.unwrap();
        let responses = Mock::start(Reply::events(&[fine_response()])).await;
        ask(&OpenaiResponses::new(upstream_at(&responses.base_url)), &request).await.1.unwrap();
        let (chat, responses) = (chat.last_body(), responses.last_body());
        let mut whole = json!({"name": "form", "description": "d", "schema": schema, "strict": true});
        if format == TextFormat::JsonObject {
            assert_eq!(chat["response_format"], json!({"type": "json_object"}));
            assert_eq!(responses["text"]["format"], json!({"type": "json_object"}));
        } else {
            assert_eq!(chat["response_format"]["json_schema"], whole);
            whole["type"] = json!("json_schema");
            assert_eq!(responses["text"]["format"], whole);
        }
        let data = "data:text/plain;base64,YQ==";
        assert_eq!(chat["messages"][0]["content"][0]["file"], json!({"filename": "a.txt", "file_data": data}));
        let part = json!({"type": "input_file", "filename": "a.txt", "file_data": data});
        assert_eq!(responses["input"][0]["content"][0], part);
    }
}

#[tokio::test]
async fn probabilities_travel_with_their_text() {
    let token = json!({"token": "x", "logprob": -0.5, "bytes": [120], "top_logprobs": [
        {"token": "x", "logprob": -0.5, "bytes": [120]}, {"token": "y", "logprob": -1.0, "bytes": null},
    ]});
    let alone = |token: &str, logprob, bytes| TokenLogprob { token: token.into(), logprob, bytes, top: Vec::new() };
    let expected = TokenLogprob {
        top: vec![alone("x", -0.5, Some(vec![120])), alone("y", -1.0, None)],
        ..alone("x", -0.5, Some(vec![120]))
    };
    let chat = json!({"choices": [{"index": 0, "delta": {"content": "x"}, "logprobs": {"content": [token]}, "finish_reason": "stop"}]});
    let streamed = json!({"type": "response.output_text.delta", "delta": "x", "logprobs": [token]});
    let part = json!({"type": "output_text", "text": "x", "logprobs": [token]});
    let whole = json!({"type": "response.output_item.done", "item": {"type": "message", "content": [part]}});
    let mut request = hello();
    request.top_logprobs = Some(2);
    for (reply, at_chat) in [
        (crate::chat::chunks(&[chat]), true),
        (Reply::events(&[streamed, fine_response()]), false),
        (Reply::events(&[whole, fine_response()]), false),
    ] {
        let mock = Mock::start(reply).await;
        let [(_, chat), (_, responses)] = providers(&mock.base_url);
        let (events, end) = ask(&*if at_chat { chat } else { responses }, &request).await;
        assert!(end.is_ok());
        let text = ModelEvent::Text { delta: "x".into(), logprobs: vec![expected.clone()] };
        assert_eq!(events, [ModelEvent::MessageStarted, text]);
        let body = mock.last_body();
        assert_eq!(body["top_logprobs"], 2);
        if at_chat {
            assert_eq!(body["logprobs"], true);
        } else {
            assert_eq!(body["include"], json!(["message.output_text.logprobs"]));
        }
    }
}

#[tokio::test]
async fn what_a_provider_cannot_do_is_refused_and_what_it_can_is_asked() {
    let mock = Mock::start(fine_chat()).await;
    let [(_, chat), (_, responses)] = providers(&mock.base_url);
    let with = |sampling| TurnRequest { sampling, ..TurnRequest::default() };
    let stop = || with(Sampling { stop: vec!["END".into()], ..Sampling::default() });
    let penalty = |presence_penalty| with(Sampling { presence_penalty, ..Sampling::default() });
    assert!(chat.check_turn(&stop()).is_ok() && chat.check_turn(&penalty(Some(1.0))).is_ok());
    assert_eq!(responses.check_turn(&stop()).unwrap_err().path, "stop");
    assert_eq!(responses.check_turn(&penalty(Some(1.0))).unwrap_err().path, "presence_penalty");
    assert!(responses.check_turn(&penalty(Some(0.0))).is_ok());
    let tools = [custom(CustomFormat::Text), custom(regex())];
    assert_eq!(chat.check(&tools, &TextFormat::Text).unwrap_err().path, "tools[1].format");
    assert!(chat.check(&tools[..1], &TextFormat::Text).is_ok() && responses.check(&tools, &TextFormat::Text).is_ok());

    let mut request = hello();
    request.sampling = Sampling { presence_penalty: Some(0.5), frequency_penalty: Some(-2.0), ..Sampling::default() };
    ask(&*chat, &request).await.1.unwrap();
    let body = mock.last_body();
    assert_eq!((&body["presence_penalty"], &body["frequency_penalty"]), (&json!(0.5), &json!(-2.0)));
}
