//! How fast the local model is on this machine:
//! `cargo run --release -p models --example local_bench -- MODEL.gguf [--threads N] [--kernel NAME]…`
//!
//! Each kernel in turn, all in one run, so that their ratios hold on a busy machine too. Rates are tokens per second:
//! reading a prompt of about 512 tokens; one answer after a short and after that long prompt; and the sum of eight
//! answers side by side, from the moment when all are speaking until the first one ends.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program that tells")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use models::Model;
use models::local::{Kernel, Local, Options};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use types::{Content, ContextItem, ModelEvent, ModelRequest, Sampling, TextFormat, ToolChoice, Verbosity};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// When things were heard of one answer.
struct Times {
    asked: Instant,
    begun: Instant,
    words: Vec<Instant>,
    ended: Instant,
    input: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("usage: local_bench MODEL.gguf [--threads N] [--kernel NAME]…")?;
    let mut threads = None;
    let mut kernels: Vec<Kernel> = Vec::new();
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--threads" => threads = Some(value.parse()?),
            "--kernel" => kernels.push(value.parse()?),
            _ => return Err(format!("{name} is not known").into()),
        }
    }
    if kernels.is_empty() {
        kernels.extend(Kernel::available().last());
    }
    println!("kernel   load s  prefill 512  decode @100  decode @600  sum of 8 @100  first token ms");
    for kernel in kernels {
        let options = Options { threads, kernel: Some(kernel), ..Options::default() };
        let start = Instant::now();
        let local = Local::load(Path::new(&path), options)?;
        let load = start.elapsed().as_secs_f64();
        measure(&local, kernel, load).await?;
    }
    Ok(())
}

async fn measure(local: &Local, kernel: Kernel, load: f64) -> Outcome<()> {
    // The first pass touches memory that the others find warm.
    answer(local, 0, 8).await?;
    let read = answer(local, 47, 1).await?;
    let prefill = read.input as f64 / (read.begun - read.asked).as_secs_f64();
    let short = answer(local, 5, 96).await?;
    let long = answer(local, 50, 96).await?;
    let eight = futures_util::future::join_all((0..8).map(|_| answer(local, 5, 96))).await;
    let eight = eight.into_iter().collect::<Outcome<Vec<Times>>>()?;
    let mut first_token = Vec::new();
    for _ in 0..5 {
        let times = answer(local, 0, 2).await?;
        first_token.extend(times.words.first().map(|word| *word - times.asked));
    }
    first_token.sort_unstable();
    let middle = first_token.get(first_token.len() / 2).map_or(0.0, Duration::as_secs_f64);
    println!(
        "{:<8} {load:>6.2} {prefill:>12.0} {:>12.1} {:>12.1} {:>14.1} {:>15.1}",
        kernel.to_string(),
        rate(&[short])?,
        rate(&[long])?,
        rate(&eight)?,
        middle * 1e3,
    );
    Ok(())
}

/// Tokens per second of answers, while all of them are being said.
fn rate(answers: &[Times]) -> Outcome<f64> {
    let from = answers.iter().map(|times| times.begun).max().ok_or("nothing was measured")?;
    let until = answers.iter().map(|times| times.ended).min().ok_or("nothing was measured")?;
    let words = answers.iter().flat_map(|times| &times.words).filter(|word| (from..until).contains(*word)).count();
    let seconds = until.checked_duration_since(from).filter(|time| !time.is_zero()).ok_or("an answer was too short")?;
    Ok(words as f64 / seconds.as_secs_f64())
}

async fn answer(local: &Local, repeated: usize, most: u64) -> Outcome<Times> {
    let text = "Rain fell on the roofs of the town. ".repeat(repeated) + "Tell me a long story about a fox.";
    let request = ModelRequest {
        model: "small".to_owned(),
        instructions: None,
        context: vec![ContextItem::User { content: vec![Content::Text { text }] }].into(),
        tools: Default::default(),
        tool_choice: ToolChoice::Auto,
        format: TextFormat::Text,
        verbosity: Verbosity::Medium,
        effort: None,
        summary: None,
        max_output_tokens: Some(most),
        sampling: Sampling::default(),
        // Nothing is remembered.
        cache_key: String::new(),
        parallel_tool_calls: true,
        top_logprobs: None,
    };
    let asked = Instant::now();
    let mut begun = asked;
    let mut words = Vec::new();
    let mut note = |event| match event {
        ModelEvent::MessageStarted => begun = Instant::now(),
        ModelEvent::Text { .. } => words.push(Instant::now()),
        _ => {}
    };
    let finish = local.call(&request, &mut note).await?;
    let input = finish.usage.ok_or("the model does not say what it read")?.input_tokens;
    Ok(Times { asked, begun, words, ended: Instant::now(), input })
}
