//! What is kept of a runtime. Fields are only added, with defaults.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use types::Timestamp;

/// The endpoint that always names the newest version.
pub const DEFAULT: &str = "DEFAULT";

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Runtime {
    /// Its name, a hyphen and ten characters.
    pub id: String,
    pub name: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// The newest version. There is every one from 1 to it.
    pub latest: u32,
    pub endpoints: Vec<Endpoint>,
    /// Of the request that made it.
    #[serde(default)]
    pub(crate) token: Option<String>,
}

/// A name for a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Endpoint {
    pub name: String,
    pub version: u32,
    #[serde(default)]
    pub description: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Of the request that made it.
    #[serde(default)]
    pub(crate) token: Option<String>,
}

/// What never changes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Version {
    pub number: u32,
    pub created_at: Timestamp,
    pub details: Details,
    pub(crate) place: Place,
    /// Of the request that made it, where that was no creation.
    #[serde(default)]
    pub(crate) token: Option<String>,
}

/// What a client says of a version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Details {
    #[serde(default)]
    pub description: Option<String>,
    /// Where its code comes from.
    pub bucket: String,
    pub prefix: String,
    pub language: Language,
    /// A file of the code, and before it a program that starts it, if there are two.
    pub entry_point: Vec<String>,
    /// Kept and shown; nobody takes it on.
    pub role: String,
    /// `HTTP` or `AGUI`.
    #[serde(default)]
    pub protocol: Option<String>,
    /// Seconds.
    #[serde(default)]
    pub idle: Option<u32>,
    #[serde(default)]
    pub lifetime: Option<u32>,
    /// Headers of invocations that are handed on.
    #[serde(default)]
    pub headers: Vec<String>,
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
}

/// What runs the code.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Language {
    #[serde(rename = "PYTHON_3_10")]
    Python310,
    #[serde(rename = "PYTHON_3_11")]
    Python311,
    #[serde(rename = "PYTHON_3_12")]
    Python312,
    #[serde(rename = "PYTHON_3_13")]
    Python313,
    #[serde(rename = "PYTHON_3_14")]
    Python314,
    #[serde(rename = "NODE_22")]
    Node22,
}

impl Language {
    /// Its name for clients.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Python310 => "PYTHON_3_10",
            Self::Python311 => "PYTHON_3_11",
            Self::Python312 => "PYTHON_3_12",
            Self::Python313 => "PYTHON_3_13",
            Self::Python314 => "PYTHON_3_14",
            Self::Node22 => "NODE_22",
        }
    }

    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        let all = [Self::Python310, Self::Python311, Self::Python312, Self::Python313, Self::Python314, Self::Node22];
        all.into_iter().find(|language| language.word() == word)
    }

    /// The program of that name inside.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::Python310 => "python3.10",
            Self::Python311 => "python3.11",
            Self::Python312 => "python3.12",
            Self::Python313 => "python3.13",
            Self::Python314 => "python3.14",
            Self::Node22 => "node",
        }
    }
}

/// Where the code is on this machine.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    /// A folder of that name beside those of the environments.
    Unpacked(String),
    /// The operator's.
    Folder(PathBuf),
}

/// A runtime to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewRuntime {
    pub name: String,
    pub details: Details,
    /// The same twice is one.
    pub token: Option<String>,
}

impl Runtime {
    pub(super) fn new(id: String, new: &NewRuntime, now: Timestamp) -> Self {
        let default = Endpoint {
            name: DEFAULT.to_owned(),
            version: 1,
            description: None,
            created_at: now,
            updated_at: now,
            token: None,
        };
        let (name, token) = (new.name.clone(), new.token.clone());
        Self { id, name, created_at: now, updated_at: now, latest: 1, endpoints: vec![default], token }
    }

    /// There is one version more.
    pub(super) fn renew(&mut self, now: Timestamp) {
        self.latest += 1;
        self.updated_at = now;
        if let Some(default) = self.endpoints.iter_mut().find(|endpoint| endpoint.name == DEFAULT) {
            (default.version, default.updated_at) = (self.latest, now);
        }
    }

    pub(crate) fn endpoint(&self, name: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }
}
