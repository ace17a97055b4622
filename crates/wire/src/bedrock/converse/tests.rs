//! Requests of clients, right and wrong.

use super::super::{Part, Turn};
use super::*;
use serde_json::json;

fn read(body: Value) -> Result<Converse, Fault> {
    let Value::Object(map) = body else { unreachable!() };
    Converse::read(map)
}

/// A request with these messages and a tool.
fn with_tool(messages: Value) -> Result<Converse, Fault> {
    let tool = json!({"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}});
    read(json!({"messages": messages, "toolConfig": {"tools": [tool, {"cachePoint": {"type": "default"}}]}}))
}

/// A request that says one thing, and this.
fn beside(more: Value) -> Result<Converse, Fault> {
    let mut body = json!({"messages": [{"role": "user", "content": [{"text": "a"}]}]});
    let Value::Object(more) = more else { unreachable!() };
    body.as_object_mut().unwrap().extend(more);
    read(body)
}

fn user(blocks: Value) -> Value {
    json!({"role": "user", "content": blocks})
}

fn assistant(blocks: Value) -> Value {
    json!({"role": "assistant", "content": blocks})
}

fn call(id: &str) -> Value {
    json!({"toolUse": {"toolUseId": id, "name": "f", "input": {"z": 1, "a": [1.50]}}})
}

fn result(id: &str, content: Value) -> Value {
    json!({"toolResult": {"toolUseId": id, "content": content, "status": "error"}})
}

#[test]
fn a_conversation_becomes_what_a_model_hears() {
    let image = json!({"image": {"format": "png", "source": {"bytes": "aGk="}}});
    let markdown = json!({"document": {"name": "a b", "format": "md", "source": {"bytes": "aGk="}}});
    let pdf = json!({"document": {"name": "c", "format": "pdf", "source": {"bytes": "aGk="}}});
    let thought = json!({"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}});
    let wanted = with_tool(json!([
        user(json!([{"text": "see"}, image, markdown, pdf, {"cachePoint": {"type": "default", "ttl": "5m"}}])),
        assistant(json!([thought, {"text": "I call"}, call("t1"), call("t2")])),
        user(json!([
            result("t2", json!([{"json": {"b": 1, "a": 2}}, {"text": ""}])),
            result("t1", json!([])),
            {"text": "go on"},
        ])),
    ]))
    .unwrap();
    let arguments = r#"{"z":1,"a":[1.5]}"#;
    let call = |id: &str| Turn::Call { id: id.into(), name: "f".into(), arguments: arguments.into() };
    let parts = |texts: &[&str]| texts.iter().map(|text| Part::Text((*text).to_owned())).collect::<Vec<_>>();
    let expected = [
        Turn::User(vec![
            Part::Text("see".into()),
            Part::Image("data:image/png;base64,aGk=".into()),
            Part::Text("<document name=\"a b\" format=\"md\">\nhi\n</document>".into()),
            Part::File { name: "c.pdf".into(), data: "data:application/pdf;base64,aGk=".into() },
        ]),
        Turn::Reasoning("hm".into()),
        Turn::Assistant("I call".into()),
        call("t1"),
        call("t2"),
        Turn::Result { id: "t2".into(), content: parts(&[r#"{"b":1,"a":2}"#, ""]), failed: true },
        Turn::Result { id: "t1".into(), content: Vec::new(), failed: true },
        Turn::User(parts(&["go on"])),
    ];
    assert_eq!(wanted.turns, expected);
    assert_eq!(wanted.tools.len(), 1);
}

#[test]
fn an_id_that_comes_again_is_another_call() {
    let round = || [assistant(json!([call("t")])), user(json!([result("t", json!([{"text": "x"}]))]))];
    let messages: Vec<Value> = [user(json!([{"text": "a"}]))].into_iter().chain(round()).chain(round()).collect();
    let wanted = with_tool(json!(messages)).unwrap();
    let ids: Vec<&str> = wanted
        .turns
        .iter()
        .filter_map(|turn| match turn {
            Turn::Call { id, .. } | Turn::Result { id, .. } => Some(id.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(ids, ["t", "t", "t_2", "t_2"]);
}

#[test]
fn what_does_not_fit_together_is_said_in_awss_words() {
    let first = || user(json!([{"text": "a"}]));
    let cases = [
        (json!([]), "Invalid 'messages': empty array."),
        (json!([assistant(json!([{"text": "a"}]))]), NOT_FIRST),
        (json!([first(), assistant(json!([{"text": "a"}]))]), "The model that you are using requires the last turn"),
        (json!([user(json!([]))]), "The content field in the Message object at messages[0] is empty."),
        (
            json!([user(json!([{"text": " \n"}]))]),
            "The text field in the ContentBlock object at messages[0].content[0] is blank.",
        ),
        (json!([first(), assistant(json!([call("t")]))]), "The model that you are using requires the last turn"),
        (
            json!([first(), assistant(json!([call("t")])), first()]),
            "Expected toolResult blocks at messages[2].content for the following Ids: t",
        ),
        (
            json!([first(), assistant(json!([call("t")])), assistant(json!([{"text": "b"}])), first()]),
            "Expected toolResult blocks at messages[2].content for the following Ids: t",
        ),
        (
            json!([user(json!([result("t", json!([]))]))]),
            "The number of toolResult blocks at messages[0].content exceeds",
        ),
        (
            json!([user(json!([{"text": "a", "image": {}}]))]),
            "The block at messages[0].content[0] has more than one member: 'text' and 'image'.",
        ),
        (json!([user(json!([{"text": null}]))]), "The block at messages[0].content[0] is empty."),
        (
            json!([user(json!([{"video": {}}]))]),
            "A 'video' block in a user message at messages[0].content[0].video is not supported",
        ),
        (
            json!([user(json!([{"image": {"format": "png", "source": {"s3Location": {}}}}]))]),
            "A location in S3 at messages[0].content[0].image.source.s3Location is not supported",
        ),
        (
            json!([user(json!([{"document": {"name": "a.b", "source": {"text": "x"}}}]))]),
            "The document file name can only contain",
        ),
        (
            json!([user(json!([{"document": {"name": "a", "format": "txt", "source": {"bytes": "/w=="}}}]))]),
            "The document at messages[0].content[0].document.source is not the UTF-8 text",
        ),
        (
            json!([first(), assistant(json!([{"toolUse": {"toolUseId": "t", "name": "f", "input": []}}])), first()]),
            "The format of the value at messages[1].content[0].toolUse.input is invalid.",
        ),
        (json!([{"role": "judge", "content": []}]), "Invalid value: 'judge'."),
    ];
    for (messages, expected) in cases {
        let message = with_tool(messages.clone()).expect_err(expected).message;
        assert!(message.starts_with(expected), "{messages}: {message}");
    }
}

const NOT_FIRST: &str = "A conversation must start with a user message.";

#[test]
fn what_is_not_served_is_refused_by_name() {
    let schema = json!({"type": "json_schema", "structure": {"jsonSchema": {"schema": "[1]"}}});
    let optimized = json!({"latency": "optimized"});
    let tools = |choice: Value| json!({"tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {}}}}], "toolChoice": choice});
    for (more, expected) in [
        (json!({"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}}), NO_GUARDRAIL),
        (json!({"performanceConfig": optimized}), "Optimized latency at performanceConfig.latency is not supported"),
        (json!({"serviceTier": {"type": "reserved"}}), "The reserved tier at serviceTier.type is not supported"),
        (
            json!({"additionalModelRequestFields": {"top_k": 5}}),
            "The field additionalModelRequestFields.top_k is not supported",
        ),
        (json!({"outputConfig": {"textFormat": schema}}), "The value at outputConfig.textFormat.structure.jsonSchema"),
        (json!({"inferenceConfig": {"temperature": 1.5}}), "Invalid 'inferenceConfig.temperature': decimal above"),
        (json!({"inferenceConfig": {"topK": 1}}), "Unknown parameter: 'inferenceConfig.topK'."),
        (json!({"toolConfig": tools(json!({"tool": {"name": "g"}}))}), "The tool g at toolConfig.toolChoice.tool.name"),
        (json!({"toolConfig": {"tools": [{"cachePoint": {"type": "default"}}]}}), "There is no tool at"),
        (json!({"toolConfig": {"tools": [{"systemTool": {"name": "s"}}]}}), "A tool that the service performs"),
        (json!({"requestMetadata": {}}), "Invalid 'requestMetadata': expected 1 to 16 pairs."),
        (json!({"additionalModelResponseFieldPaths": ["x"]}), "The value 'x' at additionalModelResponseFieldPaths[0]"),
        (json!({"stream": true}), "Unknown parameter: 'stream'."),
    ] {
        let message = beside(more.clone()).expect_err(expected).message;
        assert!(message.starts_with(expected), "{more}: {message}");
    }
    let called =
        json!([user(json!([{"text": "a"}])), assistant(json!([call("t")])), user(json!([result("t", json!([]))]))]);
    assert_eq!(read(json!({"messages": called})).unwrap_err().message, NO_TOOLS);
}

#[test]
fn everything_that_counts_is_read() {
    let wanted = beside(json!({
        "system": [{"text": "be brief"}, {"cachePoint": {"type": "default"}}],
        "inferenceConfig": {"maxTokens": 9, "temperature": 0.5, "topP": 1, "stopSequences": ["x"]},
        "additionalModelRequestFields": {"reasoning_effort": "high", "seed": -1, "presence_penalty": 1},
        "requestMetadata": {"k": "v"},
        "performanceConfig": {},
        "serviceTier": {"type": "flex"},
        "guardrailConfig": {"guardrailIdentifier": ""},
        "promptVariables": {"x": {"text": "y"}},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{\"type\":\"object\"}"}}}},
        "toolConfig": null,
    }))
    .unwrap();
    assert_eq!(wanted.system, ["be brief"]);
    let inference = Inference {
        max_tokens: Some(9),
        temperature: Some(0.5),
        top_p: Some(1.0),
        stop: vec!["x".into()],
        seed: Some(-1),
        presence_penalty: Some(1.0),
        frequency_penalty: None,
    };
    assert_eq!(wanted.inference, inference);
    assert_eq!(
        (wanted.tier, wanted.latency, wanted.effort),
        (Some(Tier::Flex), Some(Latency::Standard), Some(Effort::High))
    );
    assert!(matches!(wanted.format, Format::JsonSchema { strict: Some(true), .. }));
    assert_eq!(wanted.labels, BTreeMap::from([("k".to_owned(), "v".to_owned())]));
}
