//! The network: the sizes that a file declares, and its weights. Architecture `llama` and no other; a tensor or a
//! setting that is not understood refuses the file, since to leave it out would change what the model says.

use super::error::LoadError;
use super::gguf::Gguf;
use super::kernel::{Arithmetic, BLOCK, LANES, Weights};
use super::matrix::Matrix;

/// Bytes of a tensor that are read and converted at a time.
const SLAB: usize = 16 << 20;

/// Sizes, in numbers of elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub layers: usize,
    /// Width of the stream between layers.
    pub width: usize,
    pub hidden: usize,
    pub heads: usize,
    /// Heads of keys and values; each serves `heads / kv_heads` heads of queries.
    pub kv_heads: usize,
    pub head: usize,
    pub vocabulary: usize,
    /// Tokens that the model was trained to see at once.
    pub context: usize,
    pub rope_base: f64,
    pub epsilon: f32,
}

impl Sizes {
    pub fn read(gguf: &Gguf) -> Result<Self, LoadError> {
        match gguf.text("general.architecture") {
            Some("llama") => {}
            Some(other) => return Err(gguf.unsupported(format!("architecture {other}"))),
            None => return Err(gguf.malformed("it names no architecture".to_owned())),
        }
        let bounded = |key: &str, most: usize| match gguf.number(key) {
            Some(n) if (1..=most).contains(&n) => Ok(n),
            Some(n) => Err(gguf.malformed(format!("{key} is {n}"))),
            None => Err(gguf.malformed(format!("{key} is missing"))),
        };
        let heads = bounded("llama.attention.head_count", 1024)?;
        let width = bounded("llama.embedding_length", 1 << 16)?;
        let vocabulary = gguf.texts("tokenizer.ggml.tokens").map_or(0, <[String]>::len);
        let sizes = Self {
            layers: bounded("llama.block_count", 1024)?,
            width,
            hidden: bounded("llama.feed_forward_length", 1 << 18)?,
            heads,
            kv_heads: match gguf.number("llama.attention.head_count_kv") {
                Some(_) => bounded("llama.attention.head_count_kv", heads)?,
                None => heads,
            },
            head: width / heads,
            vocabulary,
            context: bounded("llama.context_length", 1 << 24)?,
            rope_base: gguf.float("llama.rope.freq_base").unwrap_or(10_000.0),
            epsilon: gguf.float("llama.attention.layer_norm_rms_epsilon").unwrap_or(1e-5) as f32,
        };
        sizes.check(gguf)?;
        Ok(sizes)
    }

    fn check(&self, gguf: &Gguf) -> Result<(), LoadError> {
        if !self.width.is_multiple_of(self.heads) || !self.heads.is_multiple_of(self.kv_heads) {
            return Err(
                gguf.malformed(format!("width {} in {} heads over {} of keys", self.width, self.heads, self.kv_heads))
            );
        }
        if !self.head.is_multiple_of(LANES) {
            return Err(gguf.unsupported(format!("heads of {}", self.head)));
        }
        if !self.width.is_multiple_of(BLOCK) || !self.hidden.is_multiple_of(BLOCK) {
            return Err(gguf.unsupported(format!("widths {} and {}", self.width, self.hidden)));
        }
        for key in ["llama.rope.dimension_count", "llama.attention.key_length", "llama.attention.value_length"] {
            if gguf.number(key).is_some_and(|n| n != self.head) {
                return Err(gguf.unsupported(format!("{key} other than {}", self.head)));
            }
        }
        match gguf.text("llama.rope.scaling.type") {
            None | Some("none") => Ok(()),
            Some(kind) => Err(gguf.unsupported(format!("position scaling {kind}"))),
        }
    }

    /// Elements of one token's keys in one layer; its values are as many.
    pub fn kv_width(&self) -> usize {
        self.kv_heads * self.head
    }

    /// Bytes that the weights take in memory.
    pub fn weight_bytes(&self, own_output: bool) -> u64 {
        let layer = self.width * (self.width * 2 + self.kv_width() * 2) + 3 * self.width * self.hidden;
        let ends = self.vocabulary * self.width * if own_output { 2 } else { 1 };
        (self.layers * layer + ends) as u64 / (LANES * BLOCK) as u64 * size_of::<Weights>() as u64
    }

    /// Bytes that the keys and values of `tokens` take in memory.
    pub fn cache_bytes(&self, tokens: usize) -> u64 {
        (self.layers * self.kv_width() * 2 * size_of::<f32>()) as u64 * tokens as u64
    }
}

#[derive(Debug)]
pub(super) struct Layer {
    pub attention_norm: Vec<f32>,
    /// Queries, keys and values below one another: one product for the three.
    pub attention_in: Matrix,
    pub attention_out: Matrix,
    pub feed_norm: Vec<f32>,
    /// Gate and up, by turns [`LANES`] rows of each.
    pub feed_in: Matrix,
    pub feed_out: Matrix,
}

#[derive(Debug)]
pub(super) struct Network {
    pub sizes: Sizes,
    pub arithmetic: Arithmetic,
    pub embedding: Matrix,
    pub layers: Vec<Layer>,
    pub norm: Vec<f32>,
    /// None: the embedding serves for both.
    pub output: Option<Matrix>,
}

impl Network {
    /// Reads and converts all weights: some seconds for a small model.
    pub fn read(gguf: &mut Gguf, sizes: Sizes, arithmetic: Arithmetic) -> Result<Self, LoadError> {
        let Sizes { width, hidden, vocabulary, .. } = sizes;
        let kv = sizes.kv_width();
        let own_output = gguf.tensors.contains_key("output.weight");
        let expected = 2 + usize::from(own_output) + 9 * sizes.layers;
        let mut layers = Vec::new();
        for i in 0..sizes.layers {
            let name = |part: &str| format!("blk.{i}.{part}.weight");
            layers.push(Layer {
                attention_norm: vector(gguf, &name("attn_norm"), width)?,
                attention_in: matrix(
                    gguf,
                    &[(&name("attn_q"), width), (&name("attn_k"), kv), (&name("attn_v"), kv)],
                    width,
                )?,
                attention_out: matrix(gguf, &[(&name("attn_output"), width)], width)?,
                feed_norm: vector(gguf, &name("ffn_norm"), width)?,
                feed_in: by_turns(gguf, [&name("ffn_gate"), &name("ffn_up")], hidden, width)?,
                feed_out: matrix(gguf, &[(&name("ffn_down"), width)], hidden)?,
            });
        }
        let embedding = matrix(gguf, &[("token_embd.weight", vocabulary)], width)?;
        let norm = vector(gguf, "output_norm.weight", width)?;
        let output = match own_output {
            true => Some(matrix(gguf, &[("output.weight", vocabulary)], width)?),
            false => None,
        };
        if gguf.tensors.len() != expected {
            let known = |name: &str| name.starts_with("blk.") && KNOWN.iter().any(|part| name.ends_with(part));
            let strange = gguf.tensors.keys().find(|name| !known(name) && !ENDS.contains(&name.as_str()));
            return Err(gguf.unsupported(format!("tensor {}", strange.map_or("of another layer", String::as_str))));
        }
        Ok(Self { sizes, arithmetic, embedding, layers, norm, output })
    }
}

const ENDS: [&str; 3] = ["token_embd.weight", "output_norm.weight", "output.weight"];
const KNOWN: [&str; 9] = [
    ".attn_norm.weight",
    ".attn_q.weight",
    ".attn_k.weight",
    ".attn_v.weight",
    ".attn_output.weight",
    ".ffn_norm.weight",
    ".ffn_gate.weight",
    ".ffn_up.weight",
    ".ffn_down.weight",
];

/// One matrix out of tensors that lie below one another.
fn matrix(gguf: &mut Gguf, parts: &[(&str, usize)], columns: usize) -> Result<Matrix, LoadError> {
    let mut matrix = Matrix::new(parts.iter().map(|(_, rows)| rows).sum(), columns);
    let mut first = 0;
    for (name, rows) in parts {
        fill(gguf, &mut matrix, (name, *rows, columns), first, 1)?;
        first += rows / LANES;
    }
    Ok(matrix)
}

/// One matrix out of two tensors of `rows` each, by turns [`LANES`] rows of each.
fn by_turns(gguf: &mut Gguf, names: [&str; 2], rows: usize, columns: usize) -> Result<Matrix, LoadError> {
    let mut matrix = Matrix::new(2 * rows, columns);
    for (first, name) in names.into_iter().enumerate() {
        fill(gguf, &mut matrix, (name, rows, columns), first, 2)?;
    }
    Ok(matrix)
}

fn fill(
    gguf: &mut Gguf,
    matrix: &mut Matrix,
    (name, rows, columns): (&str, usize, usize),
    first: usize,
    every: usize,
) -> Result<(), LoadError> {
    let Some(info) = gguf.tensors.get(name) else {
        return Err(gguf.malformed(format!("tensor {name} is missing")));
    };
    if info.shape != [rows, columns] {
        return Err(gguf.malformed(format!("tensor {name} is {:?} and not {rows} by {columns}", info.shape)));
    }
    let kind = info.kind;
    let Some(row_bytes) = kind.row_bytes(columns) else {
        return Err(gguf.malformed(format!("tensor {name} of kind {kind:?} has rows of {columns}")));
    };
    let slab = (SLAB / row_bytes).max(1).next_multiple_of(LANES);
    for at in (0..rows).step_by(slab) {
        let bytes = gguf.rows(name, row_bytes, at, slab.min(rows - at))?;
        matrix.fill(first + at / LANES * every, every, kind, &bytes);
    }
    Ok(())
}

fn vector(gguf: &mut Gguf, name: &str, length: usize) -> Result<Vec<f32>, LoadError> {
    let Some(info) = gguf.tensors.get(name) else {
        return Err(gguf.malformed(format!("tensor {name} is missing")));
    };
    let kind = info.kind;
    match kind.row_bytes(length) {
        Some(row_bytes) if info.shape == [length] => Ok(kind.numbers(&gguf.rows(name, row_bytes, 0, 1)?)),
        _ => Err(gguf.malformed(format!("tensor {name} is {:?} and not {length}", info.shape))),
    }
}
