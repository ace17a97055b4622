//! Files and uploads as clients are shown them. Times are seconds since the Unix epoch, sizes are bytes.

use super::UploadStatus;
use serde::Serialize;

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "file")]
pub struct FileObject<'a> {
    pub id: &'a str,
    pub bytes: u64,
    pub created_at: u64,
    pub expires_at: Option<u64>,
    pub filename: &'a str,
    pub purpose: &'a str,
    /// A file that is shown is whole.
    pub status: &'static str,
    pub status_details: Option<&'static str>,
}

#[derive(Serialize, Clone, Debug)]
pub struct Deleted<'a> {
    pub id: &'a str,
    pub object: &'static str,
    pub deleted: bool,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "upload")]
pub struct UploadObject<'a> {
    pub id: &'a str,
    pub bytes: u64,
    pub created_at: u64,
    pub expires_at: u64,
    pub filename: &'a str,
    pub purpose: &'a str,
    pub status: UploadStatus,
    pub file: Option<FileObject<'a>>,
}

#[derive(Serialize, Clone, Debug)]
#[serde(tag = "object", rename = "upload.part")]
pub struct UploadPart<'a> {
    pub id: &'a str,
    pub created_at: u64,
    pub upload_id: &'a str,
}
