//! Why a model file could not be loaded, and what to do about it.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("cannot read the model file {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not a GGUF file: name a file that ends in .gguf, from a source of such models", path.display())]
    NotGguf { path: PathBuf },
    #[error("{} is cut off ({what} is missing): remove it and fetch it again", path.display())]
    Truncated { path: PathBuf, what: String },
    #[error("{} is damaged ({what}): remove it and fetch it again", path.display())]
    Malformed { path: PathBuf, what: String },
    #[error(
        "{} cannot run in this process ({what}): choose an instruct model of architecture llama, \
         or serve this one by another program and name it as an upstream", path.display())]
    Unsupported { path: PathBuf, what: String },
    #[error(
        "the model and its context of {context} tokens need {needed_mib} MiB of memory and {available_mib} MiB are \
         free: choose a smaller context or a smaller model"
    )]
    Memory { context: usize, needed_mib: u64, available_mib: u64 },
    #[error("cannot start the model's threads: {0}")]
    Threads(String),
}
