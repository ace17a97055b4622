//! The scripted model.

use crate::{ask_raw, request, text, user};
use models::{Model, Script};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use types::{
    BoxFuture, CallOutput, Clock, Content, ContextItem, Entropy, ModelErrorKind as Kind, ModelEvent, Stop, Timestamp,
    Usage,
};

/// A clock that jumps over every pause and notes it.
#[derive(Default)]
struct Jumps(Mutex<Vec<Duration>>);

impl Clock for Jumps {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    fn monotonic(&self) -> Duration {
        self.0.lock().unwrap().iter().sum()
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.0.lock().unwrap().push(duration);
        Box::pin(std::future::ready(()))
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed);
        for (byte, digit) in bytes.iter_mut().zip(next.to_le_bytes()) {
            *byte = digit;
        }
    }
}

fn script() -> (Script, Arc<Jumps>) {
    let clock = Arc::new(Jumps::default());
    (Script::new(clock.clone(), Arc::new(Counter::default())), clock)
}

/// What the model does, in short: its text, its calls, or its error.
async fn act(model: &Script, context: &[ContextItem]) -> String {
    act_in("session", model, context).await
}

async fn act_in(session: &str, model: &Script, context: &[ContextItem]) -> String {
    let mut request = request(context.to_vec());
    request.cache_key = session.into();
    let (events, end) = ask_raw(model as &dyn Model, &request).await;
    let calls = events.iter().filter_map(|event| match event {
        ModelEvent::Call { name, arguments, .. } => Some(format!("{name}({arguments})")),
        _ => None,
    });
    let calls: Vec<_> = calls.collect();
    match end {
        Ok(finish) => {
            assert_eq!(finish.stop, Stop::End);
            format!("{}{}", text(&events), calls.join(" "))
        }
        Err(error) => format!("{}<{:?}>", text(&events), error.kind),
    }
}

fn made(call_id: &str) -> ContextItem {
    ContextItem::Call { call_id: call_id.into(), name: "f".into(), arguments: "{}".into(), custom: false }
}

fn done(call_id: &str) -> ContextItem {
    ContextItem::Output { call_id: call_id.into(), output: CallOutput::Text(format!("result {call_id}")) }
}

fn says(text: &str) -> ContextItem {
    ContextItem::Assistant { text: text.into() }
}

#[tokio::test]
async fn one_message() {
    let cases = [
        ("hello", "echo: hello"),
        ("", "echo: "),
        ("say hi", "hi"),
        ("Please:\nsay hi\nThank you.", "hi"),
        ("json {\"a\": [1]}", "{\"a\": [1]}"),
        ("call f {\"x\": 1}", "f({\"x\": 1})"),
        ("call f {} & call g {\"y\": 2}", "f({}) g({\"y\": 2})"),
        ("call f {broken", "f({broken)"),
        ("slow 3 abcdefg", "abcdefg"),
        ("slow 9 ab", "ab"),
        ("fail 503", "<Overloaded>"),
        ("fail 401", "<Authentication>"),
        ("cut 2 abc", "ab<Torn>"),
        ("cut 0 abc", "<Torn>"),
    ];
    for (message, expected) in cases {
        let (model, _) = script();
        assert_eq!(act(&model, &[user(message)]).await, expected, "{message:?}");
    }
}

#[tokio::test]
async fn the_place_is_told_by_the_transcript() {
    let two = "call a {}\ncall b {}\nsay end";
    let cases: &[(&str, Vec<ContextItem>, &str)] = &[
        ("first line", vec![user(two)], "a({})"),
        ("after one round", vec![user(two), made("1"), done("1")], "b({})"),
        ("after two rounds", vec![user(two), made("1"), done("1"), made("2"), done("2")], "end"),
        ("several calls are one round", vec![user(two), made("1"), made("2"), done("2"), done("1")], "b({})"),
        ("only rounds since the script", vec![user("call x"), made("0"), done("0"), says("x"), user(two)], "a({})"),
        ("a message without directives", vec![user(two), made("1"), done("1"), user("hurry")], "echo: hurry"),
        ("and after it", vec![user(two), made("1"), done("1"), user("hurry"), says("echo: hurry"), user(two)], "a({})"),
        ("a newer script", vec![user(two), made("1"), done("1"), user("say new")], "new"),
        ("an answer ends it", vec![user(two), says("end"), user("hello")], "echo: hello"),
        ("an answer ends it for good", vec![user("say a\nsay b"), says("a"), user("more")], "echo: more"),
        ("words before a call end nothing", vec![user(two), says("so"), made("1"), done("1")], "b({})"),
        ("no line left", vec![user("call a"), made("1"), done("1")], "echo: result 1"),
        ("an old script stays old", vec![user("say a"), says("a"), user("b"), says("echo: b"), user("c")], "echo: c"),
        ("no message at all", vec![], "echo: "),
        (
            "failures are passed with their line",
            vec![user("fail 500\ncall a\nfail 400\nsay end"), made("1"), done("1")],
            "<Invalid>",
        ),
    ];
    for (name, context, expected) in cases {
        let (model, _) = script();
        assert_eq!(act(&model, context).await, *expected, "{name}");
    }
}

#[tokio::test]
async fn failures_pass_and_the_next_line_applies() {
    let (model, _) = script();
    let context = [user("fail 429 2\nfail 503\ncall f\nfail 500\nsay end")];
    for expected in ["<RateLimited>", "<RateLimited>", "<Overloaded>", "f({})", "f({})"] {
        assert_eq!(act(&model, &context).await, expected);
    }
    assert_eq!(act_in("another session", &model, &context).await, "<RateLimited>");
    let after = [context[0].clone(), made("1"), done("1")];
    for expected in ["<Upstream>", "end", "end"] {
        assert_eq!(act(&model, &after).await, expected);
    }
    let again = [after.as_slice(), &[says("end"), context[0].clone()]].concat();
    assert_eq!(act(&model, &again).await, "<RateLimited>", "the same script, sent again, fails again");
    let (restarted, _) = script();
    assert_eq!(act(&restarted, &context).await, "<RateLimited>", "a restart forgets");
}

#[tokio::test]
async fn a_script_of_failures_alone_ends_in_an_echo() {
    let (model, _) = script();
    let context = [user("fail 500")];
    assert_eq!(act(&model, &context).await, "<Upstream>");
    assert_eq!(act(&model, &context).await, "echo: fail 500");
    assert_eq!(act(&model, &[context[0].clone(), user("hello")]).await, "echo: hello");
}

#[tokio::test]
async fn a_cut_answer_comes_whole_the_second_time() {
    let (model, _) = script();
    let context = [user("cut 2 grüße!")];
    assert_eq!(act(&model, &context).await, "grüß<Torn>");
    assert_eq!(act(&model, &context).await, "grüße!");
    assert_eq!(act(&model, &context).await, "grüße!");
}

#[tokio::test]
async fn slow_takes_its_time() {
    let (model, clock) = script();
    let (events, end) = ask_raw(&model, &request(vec![user("slow 3 abcdefg")])).await;
    end.unwrap();
    let delta = |delta: &str| ModelEvent::text(delta);
    assert_eq!(events, [ModelEvent::MessageStarted, delta("ab"), delta("cd"), delta("efg")]);
    assert_eq!(*clock.0.lock().unwrap(), [Duration::from_millis(20); 2]);
    let (events, _) = ask_raw(&model, &request(vec![user("slow 3 x")])).await;
    assert_eq!(events, [ModelEvent::MessageStarted, ModelEvent::Alive, ModelEvent::Alive, delta("x")]);
}

#[tokio::test]
async fn call_ids_are_fresh() {
    let (model, _) = script();
    let request = request(vec![user("call f & call f")]);
    let mut ids = Vec::new();
    for _ in 0..2 {
        for event in ask_raw(&model, &request).await.0 {
            let ModelEvent::Call { call_id, .. } = event else { panic!("{event:?}") };
            assert_eq!((call_id.as_str().len(), &call_id.as_str()[..5]), (29, "call_"));
            ids.push(call_id);
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_status_fails_as_an_upstream_does() {
    let (model, _) = script();
    let (_, end) = ask_raw(&model, &request(vec![user("fail 404")])).await;
    let error = end.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (Kind::NotFound, "the upstream answered with status 404"));
}

#[tokio::test]
async fn usage_depends_on_the_text_alone() {
    let (model, _) = script();
    let image = Content::Image { image_url: "12345678".into() };
    let context = vec![ContextItem::User { content: vec![Content::Text { text: "say abcde".into() }, image] }];
    let (_, end) = ask_raw(&model, &request(context)).await;
    let expected = Usage { input_tokens: 5, cached_tokens: 0, output_tokens: 2, reasoning_tokens: 0 };
    assert_eq!(end.unwrap().usage, Some(expected));
}
