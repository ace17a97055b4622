//! The embedding model against what sentence-transformers and the `tokenizers` crate make of the same files.

use super::wordpiece::Vocabulary;
use super::{Encoder, Files, LoadError, Options};
use crate::embedding::{Embedder, Failure};
use crate::local::Kernel;
use futures_util::FutureExt;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tokenizers::Tokenizer;
use types::{EmbeddingInput, EmbeddingRequest, Embeddings, ModelErrorKind};

fn folder() -> PathBuf {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.fixtures/all-MiniLM-L6-v2"));
    assert!(path.exists(), "{} is missing: run `cargo xtask test`, which fetches it", path.display());
    path.to_owned()
}

fn files() -> Files {
    let read = |name: &str| fs::read(folder().join(name)).unwrap();
    Files {
        weights: read("model.safetensors"),
        config: read("config.json"),
        tokenizer: read("tokenizer.json"),
        sentences: Some(read("sentence_bert_config.json")),
        pooling: Some(read("1_Pooling/config.json")),
    }
}

fn shared() -> &'static Encoder {
    static SHARED: OnceLock<Encoder> = OnceLock::new();
    SHARED.get_or_init(|| Encoder::load(&files(), Options::default()).unwrap())
}

fn request(input: EmbeddingInput) -> EmbeddingRequest {
    EmbeddingRequest { model: "m".to_owned(), input, dimensions: None, user: None, packed: false }
}

fn texts(texts: &[&str]) -> EmbeddingRequest {
    request(EmbeddingInput::Texts(texts.iter().map(|text| (*text).to_owned()).collect()))
}

async fn embed(encoder: &Encoder, request: &EmbeddingRequest) -> Result<Embeddings, Failure> {
    encoder.embed(request, &|| {}).await
}

/// What was made once with sentence-transformers: text, tokens, vector.
fn cases() -> Vec<(String, Vec<u32>, Vec<f32>)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/python/embeddings/vectors.json");
    let made: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let number = |value: &Value| u32::try_from(value.as_u64().unwrap()).unwrap();
    made["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| {
            let tokens = case["tokens"].as_array().unwrap().iter().map(number).collect();
            let vector = crate::embedding::unpacked(case["vector"].as_str().unwrap()).unwrap();
            (case["text"].as_str().unwrap().to_owned(), tokens, vector)
        })
        .collect()
}

fn distance(left: &[f32], right: &[f32]) -> f32 {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| (left - right).abs()).fold(0.0, f32::max)
}

#[tokio::test]
async fn vectors_are_those_of_sentence_transformers() {
    let cases = cases();
    assert!(cases.len() >= 20);
    let words: Vec<&str> = cases.iter().map(|(text, ..)| text.as_str()).collect();
    let made = embed(shared(), &texts(&words)).await.unwrap();
    let mut most = 0.0_f32;
    for ((text, _, expected), vector) in cases.iter().zip(&made.vectors) {
        let apart = distance(vector, expected);
        assert!(apart < 1e-3, "{apart} {text}");
        most = most.max(apart);
    }
    println!("at most {most} apart");
    let tokens: usize = cases.iter().map(|(_, tokens, _)| tokens.len()).sum();
    assert_eq!((made.prompt_tokens, made.total_tokens), (tokens as u64, tokens as u64));
    // The model's own tokens mean the same, with and without those at the ends.
    for frame in [0, 1] {
        let tokens = cases.iter().map(|(_, tokens, _)| tokens[frame..tokens.len() - frame].to_vec());
        let again = embed(shared(), &request(EmbeddingInput::Tokens(tokens.collect()))).await.unwrap();
        assert_eq!(again.vectors, made.vectors);
    }
}

#[test]
fn pieces_are_those_of_the_original() {
    let vocabulary = Vocabulary::read(&files().tokenizer, 30_522).unwrap();
    for (text, tokens, _) in cases() {
        assert_eq!(vocabulary.pieces(&text, 256), tokens, "{text}");
        for most in [2, 3, 7] {
            let pieces = vocabulary.pieces(&text, most);
            assert!(pieces.len() <= most && tokens.starts_with(&pieces[..pieces.len() - 1]), "{text}");
        }
    }
}

/// Random texts of everything that Unicode has, cut by the crate that the original is made of.
#[test]
fn pieces_of_any_text_are_those_of_the_tokenizers_crate() {
    let file = files().tokenizer;
    let vocabulary = Vocabulary::read(&file, 30_522).unwrap();
    let mut original = Tokenizer::from_bytes(&file).unwrap();
    original.with_truncation(None).unwrap();
    original.with_padding(None);
    let mut state = 7_u64;
    let mut draw = |below: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u32 % below
    };
    let common = [
        "the", " ", "ing", "\u{301}", "É", "ß", "İ", "ς", "Σ", "中", "[SEP]", "[CLS", "]", "\r\n", "\u{200d}", "x",
        "1,5",
    ];
    for _ in 0..3000 {
        let mut text = String::new();
        for _ in 0..draw(60) {
            match draw(4) {
                0 => text.extend(char::from_u32(draw(0x11_0000))),
                1 => text.extend(char::from_u32(draw(0x3000))),
                2 => text.extend(char::from_u32(draw(0x80))),
                _ => text.push_str(common[draw(common.len() as u32) as usize]),
            }
        }
        let expected = original.encode(text.as_str(), true).unwrap();
        assert_eq!(vocabulary.pieces(&text, usize::MAX), expected.get_ids(), "{text:?}");
    }
}

#[tokio::test]
async fn every_kernel_and_every_company_gives_the_same_bits() {
    let words = ["one", "a longer sentence about nothing at all", "三", &"many words ".repeat(200)];
    let expected = embed(shared(), &texts(&words)).await.unwrap().vectors;
    for kernel in Kernel::available() {
        let options = Options { threads: Some(1), kernel: Some(kernel), ..Options::default() };
        let encoder = Encoder::load(&files(), options).unwrap();
        for (word, expected) in words.iter().zip(&expected) {
            let alone = embed(&encoder, &texts(&[word])).await.unwrap().vectors;
            assert!(alone == [expected.clone()], "{kernel}: {word:.20}");
        }
    }
}

#[tokio::test]
async fn shorter_vectors_are_the_beginning_of_length_one() {
    let whole = embed(shared(), &texts(&["cats"])).await.unwrap().vectors.remove(0);
    for wanted in [1, 2, 100, 384] {
        let request = EmbeddingRequest { dimensions: Some(wanted), ..texts(&["cats"]) };
        let vector = embed(shared(), &request).await.unwrap().vectors.remove(0);
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        assert!(vector.len() == wanted && (length - 1.0).abs() < 1e-5, "{length}");
        let factor = whole[0] / vector[0];
        let scaled: Vec<f32> = vector.iter().map(|x| x * factor).collect();
        assert!(distance(&scaled, &whole[..wanted]) < 1e-6);
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let refused = |failure: Result<Embeddings, Failure>| match failure {
        Err(Failure::Refused { param, message }) => (param, message),
        other => panic!("{other:?}"),
    };
    for wanted in [0, 385] {
        let request = EmbeddingRequest { dimensions: Some(wanted), ..texts(&["cats"]) };
        assert_eq!(refused(embed(shared(), &request).await).0, "dimensions");
    }
    let strange = request(EmbeddingInput::Tokens(vec![vec![1], vec![30_521, 30_522]]));
    assert!(refused(embed(shared(), &strange).await).1.contains("token 30522 "));
    let many = request(EmbeddingInput::Tokens(vec![vec![1000; 600]; 1200]));
    assert_eq!(refused(embed(shared(), &many).await).1, "Requested 307200 tokens, max 300000 tokens per request");
}

#[tokio::test]
async fn the_queue_has_an_end_and_whoever_goes_leaves_it() {
    let encoder = Encoder::load(&files(), Options { queue: 2, ..Options::default() }).unwrap();
    let long = request(EmbeddingInput::Tokens(vec![vec![1000; 256]; 1000]));
    let mut first = Box::pin(embed(&encoder, &long));
    let mut second = Box::pin(embed(&encoder, &long));
    // Both are asked, and neither can be done.
    assert!((&mut first).now_or_never().is_none() && (&mut second).now_or_never().is_none());
    let short = texts(&["short"]);
    match embed(&encoder, &short).await {
        Err(Failure::Failed(error)) => assert_eq!(error.kind, ModelErrorKind::Overloaded),
        other => panic!("{other:?}"),
    }
    drop(first);
    // Answered although the other has minutes to go.
    assert_eq!(embed(&encoder, &short).await.unwrap().vectors.len(), 1);
    assert!((&mut second).now_or_never().is_none());
}

#[test]
fn damaged_and_strange_files_are_refused_with_a_reason() {
    type Change = fn(&mut Files);
    let changes: [(&str, Change); 11] = [
        ("config.json is damaged", |files| files.config.truncate(100)),
        ("architecture gpt2", |files| set(&mut files.config, "model_type", json!("gpt2"))),
        ("positions of kind relative_key", |files| {
            set(&mut files.config, "position_embedding_type", json!("relative_key"));
        }),
        ("a size is out of range", |files| set(&mut files.config, "num_hidden_layers", json!(1_000_000))),
        ("7 heads", |files| set(&mut files.config, "num_attention_heads", json!(7))),
        ("encoder.layer.6.", |files| set(&mut files.config, "num_hidden_layers", json!(7))),
        ("pooling by pooling_mode_cls_token", |files| {
            files.pooling = Some(br#"{"pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false}"#.to_vec());
        }),
        ("its vocabulary does not fit", |files| set(&mut files.config, "vocab_size", json!(100))),
        ("model.safetensors is damaged (it is cut off)", |files| files.weights.truncate(1000)),
        ("is cut off)", |files| files.weights.truncate(80_000_000)),
        ("its header is too long", |files| files.weights[7] = 1),
    ];
    let good = files();
    for (expected, change) in changes {
        let mut files = Files {
            weights: good.weights.clone(),
            config: good.config.clone(),
            tokenizer: good.tokenizer.clone(),
            sentences: None,
            pooling: None,
        };
        change(&mut files);
        let error: LoadError = Encoder::load(&files, Options::default()).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

fn set(file: &mut Vec<u8>, key: &str, value: Value) {
    let mut whole: Value = serde_json::from_slice(file).unwrap();
    whole[key] = value;
    *file = serde_json::to_vec(&whole).unwrap();
}
