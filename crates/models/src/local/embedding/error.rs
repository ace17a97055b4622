//! Why an embedding model could not be loaded.

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{file} is damaged ({what}): remove the model and fetch it again")]
    Malformed { file: &'static str, what: String },
    #[error(
        "{file} describes a model that cannot run in this process ({what}): choose one of architecture BERT with mean \
         pooling, or serve this one by another program and name it as an upstream"
    )]
    Unsupported { file: &'static str, what: String },
    #[error("cannot start the model's threads: {0}")]
    Threads(String),
}

impl LoadError {
    pub(super) fn malformed(file: &'static str, what: impl Into<String>) -> Self {
        Self::Malformed { file, what: what.into() }
    }

    pub(super) fn unsupported(file: &'static str, what: impl Into<String>) -> Self {
        Self::Unsupported { file, what: what.into() }
    }
}
