//! The local model through its public door, with the real weights.
#![cfg(feature = "local")]
#![expect(clippy::unwrap_used, reason = "what the tests share is no less a test")]

use futures_util::FutureExt;
use models::Model;
use models::local::{LoadError, Local, Options};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use types::{
    CallId, CallOutput, Content, ContextItem, ModelError, ModelErrorKind, ModelEvent, ModelFinish, ModelRequest,
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
        context: context.into(),
        tools: Arc::default(),
        tool_choice: ToolChoice::Auto,
        format: TextFormat::Text,
        verbosity: Verbosity::Medium,
        effort: None,
        summary: None,
        max_output_tokens: Some(48),
        sampling: Sampling::default(),
        cache_key: "a session".to_owned(),
        parallel_tool_calls: true,
        top_logprobs: None,
    }
}

struct Heard {
    events: Vec<ModelEvent>,
    ending: Result<ModelFinish, ModelError>,
}

impl Heard {
    fn text(&self) -> String {
        self.events.iter().map(|event| if let ModelEvent::Text { delta, .. } = event { delta } else { "" }).collect()
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
async fn it_says_how_likely_its_words_were() {
    let mut request = request(vec![user("What is the capital of France?")]);
    request.top_logprobs = Some(3);
    let heard = ask(shared(), &request).await;
    let known = heard.events.iter().filter_map(|event| match event {
        ModelEvent::Text { logprobs, .. } => Some(logprobs),
        _ => None,
    });
    let tokens: Vec<_> = known.flatten().collect();
    assert_eq!(tokens.iter().map(|token| token.token.as_str()).collect::<String>(), heard.text());
    for token in &tokens {
        let mass: f64 = token.top.iter().map(|token| token.logprob.exp()).sum();
        assert!(token.logprob <= 0.0 && token.top.len() == 3 && mass <= 1.000_001, "{token:?}");
        assert!(token.top[0].logprob >= token.logprob && token.top.is_sorted_by(|a, b| a.logprob >= b.logprob));
    }
    request.top_logprobs = None;
    let silent = ask(shared(), &request).await;
    assert_eq!(silent.text(), heard.text(), "to be asked changes nothing");
    assert!(
        silent.events.iter().all(|event| !matches!(event, ModelEvent::Text { logprobs, .. } if !logprobs.is_empty()))
    );
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
    Arc::make_mut(&mut request.context).push(ContextItem::Assistant { text: first.text() });
    Arc::make_mut(&mut request.context).push(user("And of Italy?"));
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

/// Calls that are asked at once, each with what it says.
async fn ask_all(local: &Local, requests: &[ModelRequest]) -> Vec<Heard> {
    futures_util::future::join_all(requests.iter().map(|request| ask(local, request))).await
}

#[tokio::test]
async fn many_at_once_say_what_each_would_say_alone() {
    let questions = [
        "What is the capital of France?",
        "Name three colours.",
        "Tell me a story about a fox who could not sleep.",
        "Say hello.",
    ];
    let mut requests = Vec::new();
    for (i, question) in (0..12).zip(questions.into_iter().cycle()) {
        let rain = "The rain fell on the roofs of the town. ".repeat(i * 3);
        let mut request = request(vec![user(&format!("{rain}{question}"))]);
        request.cache_key = format!("many {i}");
        request.max_output_tokens = Some(10 + 3 * i as u64);
        if i % 2 == 1 {
            request.sampling.temperature = Some(1.0);
        }
        requests.push(request);
    }
    // More than may run, in a memory that holds no more than a few of them.
    let crowded = load(Options { context: Some(1024), memory: Some(1024), ..Options::default() });
    let together = ask_all(&crowded, &requests).await;
    for (request, heard) in requests.iter().zip(together) {
        let mut request = request.clone();
        request.cache_key = String::new();
        let alone = ask(shared(), &request).await;
        assert_eq!(heard.text(), alone.text());
        let (theirs, own) = (heard.ending.unwrap(), alone.ending.unwrap());
        assert_eq!(theirs.stop, own.stop);
        assert_eq!(theirs.usage.unwrap().output_tokens, own.usage.unwrap().output_tokens);
    }
}

#[tokio::test]
async fn those_who_leave_do_not_disturb_those_who_stay() {
    let local = load(Options::default());
    let mut stays = request(vec![user("Tell me a story about a fox who could not sleep.")]);
    stays.max_output_tokens = Some(60);
    stays.cache_key = String::new();
    let alone = ask(&local, &stays).await;
    let mut leaves =
        request(vec![user(&format!("{} Tell me a long story.", "The rain fell on the town. ".repeat(20)))]);
    leaves.max_output_tokens = Some(1000);
    let (said, heard) = mpsc::channel();
    let mut note = |event| said.send(event).unwrap();
    let mut staying = local.call(&stays, &mut note);
    let mut text = String::new();
    for round in 0..4 {
        // One leaves while its prompt is read, the next one while it speaks.
        let mut events = Vec::new();
        let mut count = |event| events.push(event);
        let mut leaving = local.call(&leaves, &mut count);
        let mut words = 0;
        let mut steps = 0;
        let enough = 2 + 6 * (round % 2);
        while words < enough && steps < enough {
            std::future::poll_fn(|cx| {
                assert!(leaving.poll_unpin(cx).is_pending());
                let ready = staying.poll_unpin(cx).is_ready();
                steps += usize::from(ready);
                let new: Vec<String> = heard
                    .try_iter()
                    .filter_map(|event| if let ModelEvent::Text { delta, .. } = event { Some(delta) } else { None })
                    .collect();
                words += new.len();
                text += &new.concat();
                match ready || !new.is_empty() {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
            .await;
            assert_eq!(steps, 0, "it stays longer than that");
        }
        drop(leaving);
    }
    staying.await.unwrap();
    text.extend(
        heard
            .try_iter()
            .filter_map(|event| if let ModelEvent::Text { delta, .. } = event { Some(delta) } else { None }),
    );
    assert_eq!(text, alone.text());
}

#[tokio::test]
async fn a_seed_makes_the_choice() {
    let mut request = request(vec![user("Tell me a story about a fox.")]);
    request.max_output_tokens = Some(24);
    request.sampling = Sampling { temperature: Some(1.2), top_p: Some(0.95), ..Sampling::default() };
    let mut said = Vec::new();
    for seed in [None, Some(1), Some(2), Some(3), Some(1), None] {
        request.sampling.seed = seed;
        let heard = ask(shared(), &request).await;
        assert!(heard.ending.is_ok());
        said.push(heard.text());
    }
    assert_eq!((&said[1], &said[0]), (&said[4], &said[5]));
    let different: std::collections::BTreeSet<&String> = said[..4].iter().collect();
    assert_eq!(different.len(), 4, "{said:?}");
    request.sampling.temperature = Some(7.0);
    assert_eq!(kind(ask(shared(), &request).await.ending), ModelErrorKind::Invalid);
}

#[tokio::test]
async fn a_stop_text_ends_the_answer_and_is_not_said() {
    let mut request = request(vec![user("What is the capital of France?")]);
    let whole = ask(shared(), &request).await;
    let text = whole.text();
    // A text that no token boundary falls around: it begins and ends within words.
    let at = text.find("Paris").unwrap();
    let stop = &text[at + 2..at + 8];
    request.sampling.stop = vec!["\u{0}".to_owned(), stop.to_owned()];
    let heard = ask(shared(), &request).await;
    assert_eq!(heard.text(), text[..at + 2]);
    let finish = heard.ending.unwrap();
    assert_eq!(finish.stop, Stop::End);
    assert!(finish.usage.unwrap().output_tokens < whole.ending.unwrap().usage.unwrap().output_tokens);
    request.sampling.stop = vec![String::new()];
    assert_eq!(kind(ask(shared(), &request).await.ending), ModelErrorKind::Invalid);
}

#[tokio::test]
async fn some_conversations_are_remembered_and_the_oldest_is_forgotten() {
    let local = load(Options { sequences: 1, context: Some(256), memory: Some(256), ..Options::default() });
    let mut cached = Vec::new();
    for key in ["a", "b", "a", "c", "d", "b", "d"] {
        let mut request = request(vec![user("What is the capital of France?")]);
        request.cache_key = key.to_owned();
        request.max_output_tokens = Some(48);
        cached.push(ask(&local, &request).await.ending.unwrap().usage.unwrap().cached_tokens);
    }
    // Two are remembered beside the one that runs: a, b; then c and d take their places.
    assert_eq!(cached, [0, 0, 36, 0, 0, 0, 36]);
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
    request.context = vec![user(&"word ".repeat(100))].into();
    let error = ask(&small, &request).await.ending.unwrap_err();
    assert_eq!(error.kind, ModelErrorKind::ContextLength);
    assert!(error.message.contains(" 64,"), "{}", error.message);
    // And it goes on working.
    request.context = vec![user("Hello")].into();
    assert!(ask(&small, &request).await.ending.is_ok());
}

#[tokio::test]
async fn what_it_cannot_do_is_refused() {
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
        ContextItem::Call { call_id: call_id.clone(), name, arguments, custom: false },
        ContextItem::Output { call_id, output },
    ]);
    let heard = ask(shared(), &asked).await;
    assert!(heard.ending.is_ok());
    assert!(heard.text().contains("oak"), "{:?}", heard.text());
}

#[tokio::test]
async fn a_full_queue_refuses_and_a_dropped_call_makes_room() {
    let local = load(Options { sequences: 1, queue: 1, ..Options::default() });
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

#[test]
fn a_model_that_this_machine_cannot_hold_is_refused_with_numbers() {
    // Room for a billion tokens is some 40 TB.
    let options = Options { memory: Some(1_000_000_000), ..Options::default() };
    let error = Local::load(&fixture(), options).unwrap_err();
    assert!(
        matches!(error, LoadError::Memory { needed_mib, available_mib, .. } if needed_mib > available_mib),
        "{error}"
    );
    assert!(error.to_string().contains("MiB"));
}
