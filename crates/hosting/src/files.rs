//! The files of an environment, as clients put and list them.

use crate::hosting::{Hosting, unavailable};
use types::{ProjectId, Refusal};

/// A file to put into an environment.
#[derive(Clone, PartialEq, Eq)]
pub struct NewFile {
    /// As the client wrote it; checked here.
    pub path: String,
    pub content: Content,
}

#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    Bytes(Vec<u8>),
    /// An uploaded file.
    File(String),
}

/// A file as it is in an environment now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EnvironmentFile {
    /// Absolute, in the environment.
    pub path: String,
    pub bytes: u64,
}

/// Which files of an environment are listed, by the components of their paths.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePage {
    /// An absolute directory. None: all of the workspace.
    pub path: Option<String>,
    /// The token of the page before.
    pub after: Option<String>,
    pub limit: usize,
    pub ascending: bool,
}

impl Hosting {
    pub async fn put_file(&self, _project: &ProjectId, _id: &str, _file: NewFile) -> Result<EnvironmentFile, Refusal> {
        unavailable()
    }

    /// The page, and the token of the next.
    pub async fn files(
        &self,
        _project: &ProjectId,
        _id: &str,
        _page: FilePage,
    ) -> Result<(Vec<EnvironmentFile>, Option<String>), Refusal> {
        unavailable()
    }
}
