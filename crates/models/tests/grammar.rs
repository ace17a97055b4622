//! Functions and schemas with the real weights: whatever the model means, what it writes fits.
#![cfg(feature = "local")]
#![expect(clippy::unwrap_used, reason = "what the tests share is no less a test")]

use models::Model;
use models::local::{FirstCall, Local, Options};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use types::{
    CallId, CallOutput, Content, ContextItem, FunctionTool, ModelErrorKind, ModelEvent, ModelFinish, ModelRequest,
    Sampling, Stop, TextFormat, ToolChoice, Verbosity,
};

fn fixture() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test's edge: where the weights lie")]
    let named = std::env::var_os("OUTCROP_TEST_GGUF").map(PathBuf::from);
    let usual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.fixtures/SmolLM2-135M-Instruct.Q4_1.gguf");
    let path = named.unwrap_or_else(|| usual.into());
    assert!(path.exists(), "{} is missing: run `cargo xtask test`, which fetches it", path.display());
    path
}

fn shared() -> &'static Local {
    static SHARED: OnceLock<Local> = OnceLock::new();
    SHARED.get_or_init(|| Local::load(&fixture(), Options::default()).unwrap())
}

fn user(text: &str) -> ContextItem {
    ContextItem::User { content: vec![Content::Text { text: text.to_owned() }] }
}

fn request(context: Vec<ContextItem>) -> ModelRequest {
    ModelRequest {
        model: "small".to_owned(),
        instructions: None,
        context: context.into(),
        tools: Arc::default(),
        tool_choice: ToolChoice::Auto,
        format: TextFormat::Text,
        verbosity: Verbosity::Medium,
        effort: None,
        summary: None,
        max_output_tokens: Some(100),
        sampling: Sampling::default(),
        cache_key: "a session".to_owned(),
        parallel_tool_calls: true,
        top_logprobs: None,
    }
}

fn weather() -> FunctionTool {
    let parameters = json!({
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 1, "maxLength": 40},
            "unit": {"enum": ["celsius", "fahrenheit"]},
        },
        "required": ["city", "unit"],
        "additionalProperties": false,
    });
    FunctionTool {
        name: "get_weather".to_owned(),
        description: "Tells the weather in a city.".to_owned(),
        parameters: parameters.as_object().unwrap().clone(),
        kind: types::FunctionKind::default(),
    }
}

fn format(schema: &Value) -> TextFormat {
    TextFormat::schema(schema.as_object().unwrap().clone())
}

struct Heard {
    events: Vec<ModelEvent>,
    finish: ModelFinish,
}

impl Heard {
    fn text(&self) -> String {
        self.events.iter().map(|event| if let ModelEvent::Text { delta, .. } = event { delta } else { "" }).collect()
    }

    fn calls(&self) -> Vec<(&str, &str, Value)> {
        let mut calls = Vec::new();
        for event in &self.events {
            if let ModelEvent::Call { call_id, name, arguments } = event {
                calls.push((call_id.as_str(), name.as_str(), serde_json::from_str(arguments).unwrap()));
            }
        }
        calls
    }
}

async fn ask(local: &Local, request: &ModelRequest) -> Heard {
    let mut events = Vec::new();
    let finish = local.call(request, &mut |event| events.push(event)).await.unwrap();
    Heard { events, finish }
}

#[tokio::test]
async fn a_forced_call_has_arguments_that_fit() {
    let mut asked = request(vec![user("What is the weather in Paris, in celsius?")]);
    asked.tools = vec![weather()].into();
    asked.tool_choice = ToolChoice::Required;
    let heard = ask(shared(), &asked).await;
    assert_eq!(heard.text(), "");
    assert!(!heard.events.contains(&ModelEvent::MessageStarted), "no message begins where there is none");
    let calls = heard.calls();
    assert!((1..=4).contains(&calls.len()));
    let mut ids = std::collections::BTreeSet::new();
    for (id, name, arguments) in &calls {
        assert_eq!(*name, "get_weather");
        assert!(["celsius", "fahrenheit"].contains(&arguments["unit"].as_str().unwrap()));
        assert!((1..=40).contains(&arguments["city"].as_str().unwrap().chars().count()));
        assert_eq!(arguments.as_object().unwrap().len(), 2);
        assert!(id.starts_with("call_") && ids.insert(*id), "{id}");
    }
    assert_eq!(heard.finish.stop, Stop::End);
    assert!(calls[0].2["city"].as_str().unwrap().contains("Paris"), "{:?}", calls[0].2);
    // Asked again, it says the same under the same ids; in another session under others.
    let again = ask(shared(), &asked).await;
    assert_eq!(again.calls(), calls);
    asked.cache_key = "another".to_owned();
    assert_ne!(ask(shared(), &asked).await.calls()[0].0, calls[0].0);
}

#[tokio::test]
async fn a_named_function_is_the_one_that_is_called() {
    let mut asked = request(vec![user("What is the weather in Paris?")]);
    let time = FunctionTool {
        name: "get_time".to_owned(),
        description: String::new(),
        parameters: Default::default(),
        kind: types::FunctionKind::default(),
    };
    asked.tools = vec![weather(), time].into();
    asked.tool_choice = ToolChoice::Function("get_time".to_owned());
    let heard = ask(shared(), &asked).await;
    assert!(matches!(heard.calls()[..], [(_, "get_time", ref arguments)] if *arguments == json!({})));
}

#[tokio::test]
async fn the_first_call_after_a_message_may_be_required_by_the_operator() {
    let strict = Local::load(&fixture(), Options { first_call: FirstCall::Required, ..Options::default() }).unwrap();
    let mut asked = request(vec![user("Hello there, how are you?")]);
    asked.tools = vec![weather()].into();
    let heard = ask(&strict, &asked).await;
    let (call_id, name, arguments) = heard.calls()[0].clone();
    let (call_id, name) = (CallId::new(call_id.to_owned()), name.to_owned());
    // With the result the model is free again, and without functions it always was.
    let output = CallOutput::Text("18 degrees and sunny".to_owned());
    Arc::make_mut(&mut asked.context).push(ContextItem::Call {
        call_id: call_id.clone(),
        name,
        arguments: arguments.to_string(),
        custom: false,
    });
    Arc::make_mut(&mut asked.context).push(ContextItem::Output { call_id, output });
    asked.max_output_tokens = Some(30);
    assert!(ask(&strict, &asked).await.finish.usage.unwrap().output_tokens > 0);
    let plain = ask(&strict, &request(vec![user("Say hello.")])).await;
    assert!(plain.calls().is_empty() && !plain.text().is_empty());
    // A request that says otherwise is followed.
    Arc::make_mut(&mut asked.context).truncate(1);
    asked.tool_choice = ToolChoice::None;
    assert!(ask(&strict, &asked).await.calls().is_empty());
}

#[tokio::test]
async fn an_answer_is_json_that_fits_in_the_tokens_that_it_has() {
    let schema = json!({
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "population": {"type": "integer", "minimum": 0},
            "sights": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        },
        "required": ["name", "population", "sights"],
    });
    for most in [40, 80, 300] {
        let mut asked = request(vec![user("Tell me about Paris.")]);
        asked.format = format(&schema);
        asked.max_output_tokens = Some(most);
        let heard = ask(shared(), &asked).await;
        let answer: Value =
            serde_json::from_str(&heard.text()).unwrap_or_else(|e| panic!("{most}: {}: {e}", heard.text()));
        assert!(answer["name"].is_string() && answer["population"].is_u64(), "{answer}");
        assert!(answer["sights"].as_array().unwrap().len() >= 2);
        assert_eq!(heard.finish.stop, Stop::End);
        assert!(heard.finish.usage.unwrap().output_tokens <= most);
        assert!(heard.events.contains(&ModelEvent::MessageStarted));
    }
}

#[tokio::test]
async fn text_is_heard_as_text_though_functions_are_there() {
    let mut asked = request(vec![user("What is the capital of France?")]);
    asked.tools = vec![weather()].into();
    asked.max_output_tokens = Some(60);
    let heard = ask(shared(), &asked).await;
    assert!(!heard.text().contains("<tool"), "{}", heard.text());
    assert!(!heard.text().is_empty() || !heard.calls().is_empty());
}

#[tokio::test]
async fn a_schema_that_cannot_be_held_is_refused_by_the_call_too() {
    let mut asked = request(vec![user("Hello")]);
    asked.format = format(&json!({"not": {}}));
    let error = shared().call(&asked, &mut |_| {}).await.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::Invalid);
    assert!(error.message.contains("text.format.schema.not"), "{}", error.message);
    let refusal = shared().check(&[weather()], &asked.format).unwrap_err();
    assert_eq!(refusal.path, "text.format.schema.not");
    assert_eq!(shared().check(&[weather()], &TextFormat::Text), Ok(()));
}
