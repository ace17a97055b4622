//! How fast the local model is on this machine: `cargo test --release -p models --test local_speed -- --ignored
//! --nocapture`. Nothing is asserted but that it answers, since the numbers are the machine's.
#![cfg(feature = "local")]
#![expect(clippy::disallowed_methods, reason = "it measures time, and finds the weights by the environment")]

use models::Model;
use models::local::{Local, Options};
use std::path::PathBuf;
use std::time::Instant;
use types::{Content, ContextItem, ModelEvent, ModelRequest, Sampling, TextFormat, ToolChoice, Verbosity};

#[tokio::test]
#[ignore = "measures, and wants a quiet machine"]
async fn speed() {
    let usual = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.fixtures/SmolLM2-135M-Instruct.Q4_1.gguf");
    let path = std::env::var_os("OUTCROP_TEST_GGUF").map_or_else(|| usual.into(), PathBuf::from);
    for threads in [1, 2] {
        let start = Instant::now();
        let local = Local::load(&path, Options { threads: Some(threads), ..Options::default() }).unwrap();
        println!("{threads} threads: loaded in {:.2} s", start.elapsed().as_secs_f64());
        for repeated in [8, 50] {
            let text = "Tell a long story. ".to_owned() + &"The rain fell on the roofs of the town. ".repeat(repeated);
            let request = ModelRequest {
                model: "small".to_owned(),
                instructions: None,
                context: vec![ContextItem::User { content: vec![Content::Text { text }] }],
                tools: Vec::new(),
                tool_choice: ToolChoice::Auto,
                format: TextFormat::Text,
                verbosity: Verbosity::Medium,
                effort: None,
                summary: None,
                max_output_tokens: Some(64),
                sampling: Sampling::default(),
                cache_key: repeated.to_string(),
            };
            let start = Instant::now();
            let mut begun = None;
            let mut text = String::new();
            let mut note = |event| match event {
                ModelEvent::MessageStarted => begun = Some(Instant::now()),
                ModelEvent::Text { delta } => text.push_str(&delta),
                _ => {}
            };
            let usage = local.call(&request, &mut note).await.unwrap().usage.unwrap();
            let (begun, end) = (begun.unwrap(), Instant::now());
            println!(
                "  prompt of {}: {:.0} tokens/s; then {} tokens at {:.1} tokens/s: {text:?}",
                usage.input_tokens,
                usage.input_tokens as f64 / (begun - start).as_secs_f64(),
                usage.output_tokens,
                usage.output_tokens as f64 / (end - begun).as_secs_f64(),
            );
        }
    }
}
