//! How fast the local embedding model is on this machine:
//! `cargo run --release -p models --example embedding_bench -- FOLDER [--threads N] [--kernel NAME]…`
//!
//! FOLDER holds the model's files. Sentences per second for inputs of 16, 64 and 256 tokens, one and sixteen a request;
//! each kernel in turn, all in one run, so that their ratios hold on a busy machine too.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a program that tells")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use models::embedding::Embedder;
use models::local::Kernel;
use models::local::embedding::{Encoder, Files, Options};
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use types::{EmbeddingInput, EmbeddingRequest};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// How long each number is measured.
const SPAN: Duration = Duration::from_secs(2);

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
    let folder = arguments.next().ok_or("usage: embedding_bench FOLDER [--threads N] [--kernel NAME]…")?;
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
    let files = files(Path::new(&folder))?;
    println!("kernel   load s    16 b1   16 b16    64 b1   64 b16   256 b1  256 b16");
    for kernel in kernels {
        let start = Instant::now();
        let encoder = Encoder::load(&files, Options { threads, kernel: Some(kernel), ..Options::default() })?;
        print!("{:<8} {:>6.2}", kernel.to_string(), start.elapsed().as_secs_f64());
        for length in [16, 64, 256] {
            for batch in [1, 16] {
                print!(" {:>8.1}", rate(&encoder, length, batch).await?);
            }
        }
        println!();
    }
    Ok(())
}

fn files(folder: &Path) -> Outcome<Files> {
    let read = |name: &str| std::fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"));
    Ok(Files {
        weights: read("model.safetensors")?,
        config: read("config.json")?,
        tokenizer: read("tokenizer.json")?,
        sentences: read("sentence_bert_config.json").ok(),
        pooling: read("1_Pooling/config.json").ok(),
    })
}

/// Sentences per second.
async fn rate(encoder: &Encoder, length: usize, batch: usize) -> Outcome<f64> {
    // Two tokens are those of a text's ends.
    let input = EmbeddingInput::Tokens(vec![(2000..).take(length - 2).collect(); batch]);
    let request = EmbeddingRequest { model: String::new(), input, dimensions: None, user: None, packed: true };
    let mut done = 0;
    let start = Instant::now();
    while start.elapsed() < SPAN {
        let made = encoder.embed(&request, &|| {}).await.map_err(|failure| format!("{failure:?}"))?;
        done += made.vectors.len();
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}
