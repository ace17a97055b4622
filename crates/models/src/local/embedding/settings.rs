//! What a model's small files say of it: sizes, how much of a text it reads, how its tokens become one vector. What is
//! not understood refuses the model, since to leave it out would change the vectors.

use super::super::kernel::LANES;
use super::Files;
use super::error::LoadError;
use serde::Deserialize;
use serde_json::Value;

const CONFIG: &str = "config.json";
const POOLING: &str = "1_Pooling/config.json";
/// Sizes beyond these are damage: a model of this kind is small.
const MOST_LAYERS: usize = 128;
const MOST_WIDTH: usize = 8192;
const MOST_WORDS: usize = 1 << 20;
const MOST_POSITIONS: usize = 1 << 15;

#[derive(Deserialize)]
struct Config {
    model_type: String,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    vocab_size: usize,
    hidden_act: String,
    layer_norm_eps: f64,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub layers: usize,
    pub width: usize,
    pub hidden: usize,
    pub heads: usize,
    pub positions: usize,
    pub vocabulary: usize,
    pub epsilon: f32,
    /// Tokens of one input that are read, those at its ends included.
    pub longest: usize,
}

impl Settings {
    pub fn read(files: &Files) -> Result<Self, LoadError> {
        let config: Config =
            serde_json::from_slice(&files.config).map_err(|error| LoadError::malformed(CONFIG, error.to_string()))?;
        let unsupported = |what: String| Err(LoadError::unsupported(CONFIG, what));
        if config.model_type != "bert" {
            return unsupported(format!("architecture {}", config.model_type));
        }
        if config.hidden_act != "gelu" {
            return unsupported(format!("activation {}", config.hidden_act));
        }
        if let Some(kind) = config.position_embedding_type.as_deref().filter(|kind| *kind != "absolute") {
            return unsupported(format!("positions of kind {kind}"));
        }
        pooling(files)?;
        let settings = Self {
            layers: config.num_hidden_layers,
            width: config.hidden_size,
            hidden: config.intermediate_size,
            heads: config.num_attention_heads,
            positions: config.max_position_embeddings,
            vocabulary: config.vocab_size,
            epsilon: config.layer_norm_eps as f32,
            longest: longest(files).unwrap_or(usize::MAX).min(config.max_position_embeddings),
        };
        settings.check()
    }

    fn check(self) -> Result<Self, LoadError> {
        let fits = (1..=MOST_LAYERS).contains(&self.layers)
            && (1..=MOST_WIDTH).contains(&self.width)
            && (1..=MOST_WIDTH).contains(&self.hidden)
            && (1..=MOST_WORDS).contains(&self.vocabulary)
            && (3..=MOST_POSITIONS).contains(&self.positions)
            && self.longest >= 3
            && self.epsilon >= 0.0;
        if !fits {
            return Err(LoadError::malformed(CONFIG, "a size is out of range"));
        }
        let heads_fit = self.heads > 0
            && self.width.is_multiple_of(self.heads)
            && (self.width / self.heads).is_multiple_of(LANES)
            && self.hidden.is_multiple_of(LANES);
        if !heads_fit {
            let what = format!("widths {} and {} in {} heads", self.width, self.hidden, self.heads);
            return Err(LoadError::unsupported(CONFIG, what));
        }
        Ok(self)
    }

    pub fn head(&self) -> usize {
        self.width / self.heads
    }
}

/// Only the mean over all tokens is known.
fn pooling(files: &Files) -> Result<(), LoadError> {
    let Some(bytes) = &files.pooling else { return Ok(()) };
    let pooling: Value =
        serde_json::from_slice(bytes).map_err(|error| LoadError::malformed(POOLING, error.to_string()))?;
    let modes = pooling.as_object().into_iter().flatten();
    let chosen: Vec<&str> = modes
        .filter(|(name, on)| name.starts_with("pooling_mode") && (on.as_bool() == Some(true) || on.is_string()))
        .map(|(name, on)| on.as_str().unwrap_or(name))
        .collect();
    match chosen.as_slice() {
        ["pooling_mode_mean_tokens" | "mean"] => Ok(()),
        other => Err(LoadError::unsupported(POOLING, format!("pooling by {}", other.join(" and ")))),
    }
}

fn longest(files: &Files) -> Option<usize> {
    let about: Value = serde_json::from_slice(files.sentences.as_deref()?).ok()?;
    usize::try_from(about.get("max_seq_length")?.as_u64()?).ok()
}
