//! Files and folders. Every access by path may come with a sandbox; without one, the executor's own rights count.

use super::{Base64, FileUri, Sandbox};
use serde::{Deserialize, Serialize};

/// `fs/readFile`, `fs/getMetadata`, `fs/canonicalize` and `fs/readDirectory`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathOnly {
    pub path: FileUri,
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}

/// The answer to `fs/readFile`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileData {
    pub data_base64: Base64,
}

/// `fs/writeFile`; answered with an empty object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteFile {
    pub path: FileUri,
    pub data_base64: Base64,
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}

/// `fs/open`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenFile {
    pub handle_id: String,
    pub path: FileUri,
    #[serde(default)]
    pub mode: OpenMode,
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OpenMode {
    #[default]
    Read,
    /// A new file, which takes the place of the old one when the handle is closed.
    Replace,
}

/// The answer to `fs/open`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileHandle {
    pub handle_id: String,
}

/// `fs/readBlock`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadBlock {
    pub handle_id: String,
    pub offset: u64,
    pub len: u64,
}

/// The answer to `fs/readBlock`; `eof` where nothing follows the chunk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadBytes {
    pub chunk: Base64,
    pub eof: bool,
}

/// `fs/writeBlock`; answered with an empty object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WriteBlock {
    pub handle_id: String,
    pub offset: u64,
    pub chunk: Base64,
}

/// `fs/close`; answered with an empty object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloseFile {
    pub handle_id: String,
}

/// `fs/createDirectory`; answered with an empty object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CreateDirectory {
    pub path: FileUri,
    #[serde(default)]
    pub recursive: bool,
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}

/// The answer to `fs/getMetadata`. Times are milliseconds of the Unix epoch, 0 where they are not known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub is_directory: bool,
    pub is_file: bool,
    pub is_symlink: bool,
    #[serde(default)]
    pub size: u64,
    #[serde(default)]
    pub created_at_ms: i64,
    #[serde(default)]
    pub modified_at_ms: i64,
}

/// The answer to `fs/canonicalize`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CanonicalPath {
    pub path: FileUri,
}

/// The answer to `fs/readDirectory`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entries {
    pub entries: Vec<DirectoryEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryEntry {
    pub file_name: String,
    pub is_directory: bool,
    pub is_file: bool,
}

/// `fs/walk`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Walk {
    pub path: FileUri,
    pub options: WalkOptions,
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WalkOptions {
    pub max_depth: u64,
    pub max_entries: u64,
    pub max_directories: u64,
    pub follow_directory_symlinks: bool,
}

/// The answer to `fs/walk`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Walked {
    pub entries: Vec<WalkEntry>,
    #[serde(default)]
    pub errors: Vec<WalkError>,
    /// A limit was reached: there is more.
    pub truncated: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalkEntry {
    pub path: FileUri,
    pub kind: WalkKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WalkKind {
    File,
    Directory,
    /// Anything else, also words that a later executor says.
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WalkError {
    pub path: FileUri,
    pub message: String,
}

/// `fs/remove`; answered with an empty object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remove {
    pub path: FileUri,
    #[serde(default)]
    pub recursive: bool,
    /// What is not there is no error.
    #[serde(default)]
    pub force: bool,
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}

/// `fs/copy`; answered with an empty object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Copy {
    pub source_path: FileUri,
    pub destination_path: FileUri,
    #[serde(default)]
    pub recursive: bool,
    #[serde(default)]
    pub sandbox: Option<Sandbox>,
}
