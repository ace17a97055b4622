//! Vectors of texts. Which model makes them is said by who runs the suite.

use super::Row;
use crate::client::Call;
use crate::endpoint::Method;
use crate::probe::{Probe, Said};
use crate::trouble::Trouble;
use base64::Engine as _;
use serde_json::{Value, json};

const SDK: &str = "SDK: CreateEmbeddingResponse";

pub const CHECKS: &[Row] = &[
    ("embeddings.list", "Each text has a vector, numbered in the order of the texts.", SDK),
    ("embeddings.length", "All vectors have one length.", SDK),
    ("embeddings.unit", "Vectors have the length 1.", "OpenAI's guide to embeddings"),
    ("embeddings.equal", "One text has one vector, alone or with others; others have others.", SDK),
    ("embeddings.base64", "base64 holds the same, as little-endian floats of 32 bits.", "SDK: encoding_format"),
    ("embeddings.dimensions", "A vector can be asked for shorter; it has the length 1 too.", "SDK: dimensions"),
    ("embeddings.usage", "Usage counts the prompt and nothing else.", SDK),
    ("embeddings.empty", "No texts: 400.", "SDK: input"),
    ("embeddings.types", "An encoding that is none, or dimensions that are none: 400.", "SDK: BadRequestError"),
    ("embeddings.model-missing", "Without a model: 400, param model.", SDK),
    ("embeddings.model-unknown", "An unknown model: model_not_found.", "SDK: NotFoundError"),
];

/// For sums of 32-bit floats.
const NEAR: f64 = 1e-3;

pub async fn run(probe: &mut Probe) {
    parts!(probe: refusals, vectors);
}

fn vector(value: &Value) -> Vec<f64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_f64).collect()
}

fn unpacked(value: &Value) -> Vec<f64> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or("!"));
    let bytes = bytes.unwrap_or_default();
    bytes.as_chunks::<4>().0.iter().map(|four| f64::from(f32::from_le_bytes(*four))).collect()
}

fn apart(left: &[f64], right: &[f64]) -> f64 {
    if left.len() != right.len() || left.is_empty() {
        return f64::INFINITY;
    }
    left.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

fn is_unit(vector: &[f64]) -> bool {
    (vector.iter().map(|x| x * x).sum::<f64>().sqrt() - 1.0).abs() < NEAR
}

async fn vectors(probe: &mut Probe) -> Result<(), Trouble> {
    let Some(model) = probe.facts.embedding.clone() else {
        let ids: Vec<&str> = CHECKS.iter().map(|row| row.0).take(9).collect();
        probe.skip_all(&ids, "no embedding model was named");
        return Ok(());
    };
    let texts = ["a cat sits", "the price of copper rose", "a cat sits"];
    let ask = |input: Value| json!({"model": model, "input": input, "encoding_format": "float"});
    let all = probe.post("/embeddings", ask(json!(texts))).await?;
    let data = all.json["data"].as_array().cloned().unwrap_or_default();
    let places: Vec<&Value> = data.iter().map(|one| &one["index"]).collect();
    let fine = json!(places) == json!([0, 1, 2]) && all.json["object"] == "list";
    probe.that("embeddings.list", fine, "0, 1, 2", json!(places), &all.evidence);
    let made: Vec<Vec<f64>> = data.iter().map(|one| vector(&one["embedding"])).collect();
    if made.len() != texts.len() {
        return Err(Trouble::Useless(format!("no three vectors: {}", all.evidence)));
    }
    let lengths: Vec<usize> = made.iter().map(Vec::len).collect();
    let fine = lengths[0] > 0 && lengths.iter().all(|length| *length == lengths[0]);
    probe.that("embeddings.length", fine, "one length", format!("{lengths:?}"), &all.evidence);
    probe.that("embeddings.unit", made.iter().all(|one| is_unit(one)), "1", "another length", &all.evidence);
    let alone = probe.post("/embeddings", ask(json!(texts[0]))).await?;
    let alone = vector(&alone.json["data"][0]["embedding"]);
    let near = apart(&made[0], &made[2]) < NEAR && apart(&alone, &made[0]) < NEAR;
    let other = apart(&made[0], &made[1]) > NEAR;
    probe.that("embeddings.equal", near && other, "equal for equal texts", "not so", &all.evidence);
    let usage = &all.json["usage"];
    let fine = usage["prompt_tokens"].as_u64() > Some(0) && usage["prompt_tokens"] == usage["total_tokens"];
    probe.that("embeddings.usage", fine, "prompt_tokens = total_tokens", usage, &all.evidence);

    let mut packed = ask(json!(texts));
    packed["encoding_format"] = json!("base64");
    // The type of an answer in base64 is another one.
    let call = Call::new(Method::Post, "/embeddings").json(packed);
    let answer = probe.facts.client.send(&call).await?;
    for (at, one) in made.iter().enumerate() {
        let same = apart(&unpacked(&answer.json["data"][at]["embedding"]), one);
        probe.that("embeddings.base64", same < 1e-6, "the same", same, &answer.evidence);
    }
    let mut short = ask(json!(texts[0]));
    short["dimensions"] = json!(lengths[0] / 2);
    let answer = probe.post("/embeddings", short).await?;
    let cut = vector(&answer.json["data"][0]["embedding"]);
    let fine = cut.len() == lengths[0] / 2 && is_unit(&cut);
    probe.that("embeddings.dimensions", fine, lengths[0] / 2, cut.len(), &answer.evidence);
    let answer = probe.post("/embeddings", ask(json!([]))).await?;
    probe.invalid("embeddings.empty", &answer);
    for (key, value) in [("encoding_format", json!("roman")), ("dimensions", json!(0)), ("dimensions", json!("few"))] {
        let mut body = ask(json!("hello"));
        body[key] = value;
        let answer = probe.post("/embeddings", body).await?;
        probe.refused("embeddings.types", &answer, 400, Said { param: Some(key), ..Said::default() });
    }
    Ok(())
}

async fn refusals(probe: &mut Probe) -> Result<(), Trouble> {
    let answer = probe.post("/embeddings", json!({"input": "hello"})).await?;
    probe.refused("embeddings.model-missing", &answer, 400, Said { param: Some("model"), ..Said::default() });
    let answer = probe.post("/embeddings", json!({"model": "a-model-that-is-not-there", "input": "hello"})).await?;
    let fine = matches!(answer.status, 400 | 404) && answer.json["error"]["code"] == "model_not_found";
    probe.that("embeddings.model-unknown", fine, "model_not_found", &answer.json["error"], &answer.evidence);
    Ok(())
}
