//! Vectors of texts: what is asked of an embedding model, and what it answers. Nothing of it belongs to a session.

/// Texts to be turned into vectors.
#[derive(Clone, PartialEq, Debug)]
pub struct EmbeddingRequest {
    /// The name that the model's provider knows.
    pub model: String,
    pub input: EmbeddingInput,
    /// How many numbers each vector shall have. None: as many as the model makes.
    pub dimensions: Option<usize>,
    /// The client's own word for its user; an upstream is told it.
    pub user: Option<String>,
    /// Whether the client took vectors as bytes: an upstream is asked for what the client asked for.
    pub packed: bool,
}

/// One or more inputs; none of them is empty.
#[derive(Clone, PartialEq, Debug)]
pub enum EmbeddingInput {
    Texts(Vec<String>),
    /// Numbers of the model's own vocabulary.
    Tokens(Vec<Vec<u32>>),
}

impl EmbeddingInput {
    pub fn len(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.len(),
            Self::Tokens(inputs) => inputs.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Vectors, in the order of the inputs.
#[derive(Clone, PartialEq, Debug)]
pub struct Embeddings {
    pub vectors: Vec<Vec<f32>>,
    /// As the provider counts.
    pub prompt_tokens: u64,
    pub total_tokens: u64,
}
