//! The local model through its public door, with the real weights.
#![cfg(feature = "local")]
#![expect(clippy::unwrap_used, reason = "what the tests share is no less a test")]

use futures_util::FutureExt;
use models::Model;
use models::local::{LoadError, Local, Options};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::task::Poll;
use types::{
    CallId, CallOutput, Content, ContextItem, ModelError, ModelErrorKind, ModelEvent, ModelFinish, ModelRequest, Stop,
    TextFormat, ToolChoice, Verbosity,
};

fn fixture() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test's edge: where the weights lie")]
    let named = std::env::var_os("OUTCROP_TEST_GGUF").map(PathBuf::from);
    let usual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.fixtures/SmolLM2-135M-Instruct.Q4_1.gguf");
    let path = named.unwrap_or_else(|| usual.into());
    assert!(path.exists(), "{} is missing: run `cargo xtask test`, which fetches it", path.display());
    path
}

fn load(options: Options) -> Local {
    Local::load(&fixture(), options).unwrap()
}

/// One model for the tests that need nothing special of it.
fn shared() -> &'static Local {
    static SHARED: OnceLock<Local> = OnceLock::new();
    SHARED.get_or_init(|| load(Options::default()))
}

fn user(text: &str) -> ContextItem {
    ContextItem::User { content: vec![Content::Text { text: text.to_owned() }] }
}

fn request(context: Vec<ContextItem>) -> ModelRequest {
    ModelRequest {
        model: "small".to_owned(),
        instructions: None,
        context,
        tools: Vec::new(),
        tool_choice: ToolChoice::Auto,
        format: TextFormat::Text,
        verbosity: Verbosity::Medium,
        effort: None,
        summary: None,
        max_output_tokens: Some(48),
        cache_key: "a session".to_owned(),
    }
}

struct Heard {
    events: Vec<ModelEvent>,
    ending: Result<ModelFinish, ModelError>,
}

impl Heard {
    fn text(&self) -> String {
        self.events.iter().map(|event| if let ModelEvent::Text { delta } = event { delta } else { "" }).collect()
    }

    fn alive(&self) -> usize {
        self.events.iter().filter(|event| **event == ModelEvent::Alive).count()
    }
}

async fn ask(local: &Local, request: &ModelRequest) -> Heard {
    let mut events = Vec::new();
    let ending = local.call(request, &mut |event| events.push(event)).await;
    Heard { events, ending }
}

fn kind(ending: Result<ModelFinish, ModelError>) -> ModelErrorKind {
    ending.unwrap_err().kind
}

#[tokio::test]
async fn it_answers_and_remembers() {
    let mut request = request(vec![user("What is the capital of France?")]);
    request.cache_key = "it_answers_and_remembers".to_owned();
    request.max_output_tokens = Some(200);
    let first = ask(shared(), &request).await;
    let finish = first.ending.clone().unwrap();
    assert!(first.text().contains("Paris"), "{:?}", first.text());
    assert_eq!(finish.stop, Stop::End);
    let started = first.events.iter().position(|event| *event == ModelEvent::MessageStarted).unwrap();
    let spoken = first.events.iter().position(|event| matches!(event, ModelEvent::Text { .. })).unwrap();
    assert!(started < spoken);
    let deltas = first.events.iter().filter(|event| matches!(event, ModelEvent::Text { .. })).count();
    assert!(deltas > 3, "it is streamed");
    let usage = finish.usage.unwrap();
    assert_eq!(usage.input_tokens, 37);
    assert_eq!(usage.cached_tokens, 0);
    assert_eq!(usage.output_tokens as usize, deltas + 1, "a delta for each token, and the one that ends the answer");

    // The next turn of the same conversation goes on from what was read; a fresh start says the same.
    request.context.push(ContextItem::Assistant { text: first.text() });
    request.context.push(user("And of Italy?"));
    let second = ask(shared(), &request).await;
    let usage = second.ending.clone().unwrap().usage.unwrap();
    assert!(usage.cached_tokens >= 37 && usage.cached_tokens < usage.input_tokens, "{usage:?}");
    let fresh = load(Options { threads: Some(1), ..Options::default() });
    let again = ask(&fresh, &request).await;
    assert_eq!(again.ending.clone().unwrap().usage.unwrap().cached_tokens, 0);
    assert_eq!(second.text(), again.text());
    assert!(!second.text().is_empty());

    // Another project's conversation never finds it.
    request.cache_key = "another project".to_owned();
    let other = ask(shared(), &request).await;
    assert_eq!(other.ending.unwrap().usage.unwrap().cached_tokens, 0);
}

#[tokio::test]
async fn a_limit_ends_the_answer() {
    let mut request = request(vec![user("Tell me a long story about a fox.")]);
    request.max_output_tokens = Some(5);
    let heard = ask(shared(), &request).await;
    let finish = heard.ending.unwrap();
    assert_eq!((finish.stop, finish.usage.unwrap().output_tokens), (Stop::MaxTokens, 5));
}

#[tokio::test]
async fn the_context_is_a_limit() {
    let small = load(Options { context: Some(64), ..Options::default() });
    assert_eq!(small.context_tokens(), 64);
    let mut request = request(vec![user("Tell me a long story about a fox.")]);
    request.max_output_tokens = None;
    let heard = ask(&small, &request).await;
    let finish = heard.ending.unwrap();
    let usage = finish.usage.unwrap();
    assert_eq!((finish.stop, usage.input_tokens + usage.output_tokens), (Stop::MaxTokens, 64));
    request.context = vec![user(&"word ".repeat(100))];
    let error = ask(&small, &request).await.ending.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::ContextLength);
    assert!(error.message.contains(" 64,"), "{}", error.message);
    // And it goes on working.
    request.context = vec![user("Hello")];
    assert!(ask(&small, &request).await.ending.is_ok());
}

#[tokio::test]
async fn what_it_cannot_do_is_refused() {
    let mut schema = request(vec![user("Hello")]);
    schema.format = TextFormat::JsonSchema { schema: serde_json::Map::new() };
    assert_eq!(kind(ask(shared(), &schema).await.ending), ModelErrorKind::Invalid);
    let image = Content::Image { image_url: "data:image/png;base64,AA==".to_owned() };
    let seen = request(vec![ContextItem::User { content: vec![image.clone()] }]);
    assert_eq!(kind(ask(shared(), &seen).await.ending), ModelErrorKind::Invalid);
    let call_id = CallId::from("call_1");
    let output = ContextItem::Output { call_id, output: CallOutput::Parts(vec![image]) };
    assert_eq!(kind(ask(shared(), &request(vec![output])).await.ending), ModelErrorKind::Invalid);
}

#[tokio::test]
async fn calls_of_another_model_are_read_as_text() {
    let call_id = CallId::from("call_1");
    let (name, arguments) = ("find_treasure".to_owned(), "{}".to_owned());
    let output = CallOutput::Text("The treasure is under the old oak.".to_owned());
    let asked = request(vec![
        user("Where is the treasure?"),
        ContextItem::Call { call_id: call_id.clone(), name, arguments },
        ContextItem::Output { call_id, output },
    ]);
    let heard = ask(shared(), &asked).await;
    assert!(heard.ending.is_ok());
    assert!(heard.text().contains("oak"), "{:?}", heard.text());
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_dropped_call_makes_room() {
    let local = load(Options { queue: 1, ..Options::default() });
    let mut long = request(vec![user("Count from one to one thousand, one number a line.")]);
    long.max_output_tokens = Some(1000);
    let (said, heard) = mpsc::channel();
    let mut note = |event| said.send(event).unwrap();
    let mut first = local.call(&long, &mut note);
    // The first is being answered when its message begins.
    std::future::poll_fn(|cx| {
        assert!(first.poll_unpin(cx).is_pending());
        match heard.try_iter().any(|event| event == ModelEvent::MessageStarted) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    let short = request(vec![user("Say hello.")]);
    let mut second_alive = 0;
    let mut count = |event| second_alive += usize::from(event == ModelEvent::Alive);
    let mut second = local.call(&short, &mut count);
    assert!((&mut second).now_or_never().is_none());
    assert_eq!(kind(ask(&local, &short).await.ending), ModelErrorKind::Overloaded);
    // One that waits hears that the model is alive.
    for _ in 0..3 {
        std::future::poll_fn(|cx| {
            assert!(first.poll_unpin(cx).is_pending());
            assert!(second.poll_unpin(cx).is_pending());
            match heard.try_iter().any(|event| matches!(event, ModelEvent::Text { .. })) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
    drop(first);
    assert!(second.await.is_ok());
    assert!(second_alive >= 2, "{second_alive}");
}

#[tokio::test]
async fn a_dropped_call_stops_within_a_token() {
    let local = load(Options::default());
    let mut long = request(vec![user("Count from one to one thousand, one number a line.")]);
    long.max_output_tokens = Some(1000);
    let (said, heard) = mpsc::channel();
    let mut note = |event| said.send(event).unwrap();
    let mut first = local.call(&long, &mut note);
    std::future::poll_fn(|cx| {
        assert!(first.poll_unpin(cx).is_pending());
        match heard.try_iter().any(|event| matches!(event, ModelEvent::Text { .. })) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    drop(first);
    let mut short = request(vec![user("Say hello.")]);
    short.max_output_tokens = Some(1);
    let after = ask(&local, &short).await;
    assert!(after.ending.is_ok());
    // Every token that the dropped call still made would be a sign of life: it may have been making one, and ends with
    // one; the prompt's own piece is the third, the token that follows at most the fourth.
    assert!(after.alive() <= 4, "{}", after.alive());
}

#[tokio::test]
async fn a_long_prompt_is_alive_while_it_is_read() {
    let mut long = request(vec![user(&"The rain fell on the roofs of the town. ".repeat(40))]);
    long.max_output_tokens = Some(1);
    let heard = ask(shared(), &long).await;
    let input = heard.ending.clone().unwrap().usage.unwrap().input_tokens;
    let before = heard.events.iter().take_while(|event| **event == ModelEvent::Alive).count();
    assert!(input > 300 && before >= 2, "{input} tokens, {before} signs of life");
}

#[test]
fn files_that_are_no_model_say_what_they_are() {
    let folder = std::env::temp_dir().join(format!("outcrop-local-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("model.gguf");
    let error = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        Local::load(&file, Options::default()).unwrap_err()
    };
    assert!(matches!(error(b""), LoadError::NotGguf { .. }));
    assert!(matches!(error(b"PK\x03\x04 a zip"), LoadError::NotGguf { .. }));
    assert!(matches!(Local::load(Path::new("/none.gguf"), Options::default()).unwrap_err(), LoadError::Read { .. }));

    let whole = fs::read(fixture()).unwrap();
    let half = whole.len() / 2;
    for length in [4, 7, 20, 40, 200, 5_000, 500_000, 1_400_000, half, whole.len() - 1] {
        let error = error(&whole[..length]);
        assert!(matches!(error, LoadError::Truncated { .. }), "{length} bytes: {error}");
        assert!(error.to_string().contains("fetch it again"));
    }
    // The text of the architecture follows its key, its kind and its length.
    let mut other = whole[..2_000_000].to_vec();
    let key = b"general.architecture";
    let at = other.windows(key.len()).position(|part| part == key).unwrap() + key.len() + 12;
    other[at..at + 5].copy_from_slice(b"gemma");
    other.resize(whole.len(), 0);
    let error_of_other = error(&other);
    assert!(matches!(error_of_other, LoadError::Unsupported { .. }), "{error_of_other}");
    assert!(error_of_other.to_string().contains("architecture gemma"));
    // Counts and lengths that no file could hold.
    for at in [8, 16, 24] {
        let mut absurd = whole[..2_000_000].to_vec();
        absurd[at..at + 8].fill(0xff);
        let error = error(&absurd);
        assert!(matches!(error, LoadError::Malformed { .. } | LoadError::Truncated { .. }), "{at}: {error}");
    }
    fs::remove_dir_all(&folder).unwrap();
}
