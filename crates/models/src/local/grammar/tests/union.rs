//! Text or calls, and how they are heard.

use super::super::super::constraint::Constraint;
use super::super::Wish;
use super::super::preamble::{preamble, written};
use super::super::speech::{Call, Speech};
use super::sampler::{Dice, END, follow, tokens};
use super::validator;
use serde_json::{Value, json};
use types::{FunctionTool, ModelRequest, TextFormat, ToolChoice, Verbosity};

pub(super) fn request(tool_choice: ToolChoice, format: TextFormat) -> ModelRequest {
    let tool = |name: &str, parameters: Value| FunctionTool {
        name: name.to_owned(),
        description: format!("does {name}"),
        parameters: parameters.as_object().unwrap().clone(),
        kind: types::FunctionKind::default(),
    };
    ModelRequest {
        model: "small".to_owned(),
        instructions: None,
        context: std::sync::Arc::default(),
        tools: vec![
            tool(
                "weather",
                json!({"type": "object", "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "integer", "minimum": 1, "maximum": 14}}, "required": ["city"], "additionalProperties": false}),
            ),
            tool("time", json!({})),
        ]
        .into(),
        tool_choice,
        format,
        verbosity: Verbosity::Medium,
        effort: None,
        summary: None,
        max_output_tokens: None,
        sampling: Default::default(),
        cache_key: String::new(),
        parallel_tool_calls: true,
        top_logprobs: None,
    }
}

fn wish(request: &ModelRequest) -> Wish {
    Wish::of(request, request.tool_choice.clone())
}

fn rule(request: &ModelRequest, most: u64) -> Box<dyn Constraint> {
    wish(request).constraint(tokens(), most).unwrap().unwrap()
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"answer": {"type": "integer"}}, "required": ["answer"]})
}

fn json_schema() -> TextFormat {
    TextFormat::schema(schema().as_object().unwrap().clone())
}

/// What is heard of an answer by chance: text, calls, and whether it ended.
fn heard(request: &ModelRequest, seed: u64) -> (String, Vec<Call>, bool) {
    let mut rule = rule(request, 120);
    let mut dice = Dice::new(seed);
    let answer = follow(&mut *rule, &mut dice, 120);
    let whole = String::from_utf8_lossy(&answer.text).into_owned();
    let mut speech = Speech::default();
    let mut text = String::new();
    // In pieces of any size.
    let mut rest = whole.as_str();
    while !rest.is_empty() {
        let at = rest.char_indices().map(|(at, c)| at + c.len_utf8()).nth(dice.below(4)).unwrap_or(rest.len());
        text += &speech.hear(&rest[..at]);
        rest = &rest[at..];
    }
    let (last, calls) = speech.end();
    (text + &last, calls, answer.is_whole)
}

fn assert_call_fits(request: &ModelRequest, call: &Call) {
    let tool = request.tools.iter().find(|tool| tool.name == call.name).unwrap();
    let arguments: Value = serde_json::from_str(&call.arguments).unwrap();
    assert!(arguments.is_object());
    validator::fits(&arguments, &Value::Object(tool.parameters.clone())).unwrap();
    assert!(call.name != "time" || arguments == json!({}));
}

#[test]
fn an_answer_is_text_or_calls_or_both() {
    let request = request(ToolChoice::Auto, TextFormat::Text);
    let (mut only_text, mut with_calls, mut with_both, mut several) = (0, 0, 0, 0);
    for seed in 0..400 {
        let (text, calls, is_whole) = heard(&request, seed);
        assert!(!text.contains("<tool_call>"), "{text}");
        calls.iter().for_each(|call| assert_call_fits(&request, call));
        assert!(calls.len() <= 4);
        // Text may break off at the limit; calls may not.
        assert!(calls.is_empty() || is_whole);
        only_text += usize::from(calls.is_empty());
        with_calls += usize::from(!calls.is_empty());
        with_both += usize::from(!calls.is_empty() && !text.is_empty());
        several += usize::from(calls.len() > 1);
    }
    assert!(
        only_text > 20 && with_calls > 20 && with_both > 5 && several > 5,
        "{only_text} {with_calls} {with_both} {several}"
    );
}

#[test]
fn a_forced_call_is_one() {
    for (choice, most) in [(ToolChoice::Required, 4), (ToolChoice::Function("weather".to_owned()), 1)] {
        for format in [TextFormat::Text, json_schema()] {
            let request = request(choice.clone(), format);
            for seed in 0..50 {
                let (text, calls, is_whole) = heard(&request, seed);
                assert!(is_whole && text.is_empty() && (1..=most).contains(&calls.len()), "{text:?} {calls:?}");
                calls.iter().for_each(|call| assert_call_fits(&request, call));
                assert!(most > 1 || calls[0].name == "weather");
            }
        }
    }
}

#[test]
fn json_or_calls() {
    let request = request(ToolChoice::Auto, json_schema());
    let (mut answers, mut called) = (0, 0);
    for seed in 0..100 {
        let (text, calls, is_whole) = heard(&request, seed);
        assert!(is_whole);
        if calls.is_empty() {
            validator::fits(&serde_json::from_str(&text).unwrap(), &schema()).unwrap();
            answers += 1;
        } else {
            assert_eq!(text, "");
            calls.iter().for_each(|call| assert_call_fits(&request, call));
            called += 1;
        }
    }
    assert!(answers > 10 && called > 10, "{answers} {called}");
}

#[test]
fn without_functions_text_is_free() {
    assert!(wish(&request(ToolChoice::None, TextFormat::Text)).grammar(tokens()).unwrap().is_none());
    let told = preamble(&request(ToolChoice::None, json_schema()));
    assert!(!told.contains("weather") && told.contains("\"answer\""));
    let told = preamble(&request(ToolChoice::Auto, TextFormat::Text));
    assert!(
        told.contains("does weather") && told.contains("<tool_call>[{\"name\": ") && told.contains("]</tool_call>")
    );
    assert_eq!(preamble(&request(ToolChoice::None, TextFormat::Text)), "");
}

#[test]
fn what_is_written_down_is_what_is_allowed() {
    let request = request(ToolChoice::Auto, TextFormat::Text);
    let text = written(&[("weather", r#"{"city": "Paris", "days": 3}"#), ("time", "{}")]);
    let text = text.strip_suffix("</tool_call>").unwrap();
    let mut rule = rule(&request, 500);
    let mut is_over = false;
    for byte in text.bytes() {
        assert!(!is_over);
        is_over = rule.take(u32::from(byte) + 1).unwrap();
    }
    assert!(is_over);
    let mut speech = Speech::default();
    assert_eq!(speech.hear(text), "");
    let (rest, calls) = speech.end();
    let expected = [("weather", r#"{"city": "Paris", "days": 3}"#), ("time", "{}")];
    let expected = expected.map(|(name, arguments)| Call { name: name.to_owned(), arguments: arguments.to_owned() });
    assert_eq!((rest.as_str(), calls.as_slice()), ("", expected.as_slice()));
}

#[test]
fn a_call_is_never_heard_as_text() {
    for (pieces, text, calls) in [
        (vec!["Hello ", "world"], "Hello world", 0),
        (vec!["a <", "tool", "_box> b"], "a <tool_box> b", 0),
        (vec!["a", " \n", "<tool_", "call>", "[{\"name\": \"f\", \"arguments\": {}}]"], "a", 1),
        (vec!["\n<tool_call>[{\"name\": \"f\", \"argum"], "", 0),
        (vec!["wait <tool_call"], "wait <tool_call", 0),
        (vec!["<<tool_call>[]"], "<", 0),
    ] {
        let mut speech = Speech::default();
        let mut said: String = pieces.iter().map(|piece| speech.hear(piece)).collect();
        let (rest, called) = speech.end();
        said += &rest;
        assert_eq!((said.as_str(), called.len()), (text, calls), "{pieces:?}");
    }
}

#[test]
fn what_is_not_allowed_is_an_error() {
    let request = request(ToolChoice::Required, TextFormat::Text);
    assert!(rule(&request, 100).take(END).is_err());
    assert!(rule(&request, 100).take(u32::from(b'x') + 1).is_err());
}
