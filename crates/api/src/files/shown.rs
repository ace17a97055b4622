//! Files and uploads as wire JSON.

use runtime::{File, Upload, UploadStatus};
use types::Timestamp;
use wire::Word;
use wire::files::{FileObject, Purpose, UploadObject, UploadPart, UploadStatus as Status};

pub fn file(file: &File) -> FileObject<'_> {
    FileObject {
        id: &file.id,
        bytes: file.size,
        created_at: file.created_at.seconds(),
        expires_at: file.expires_at.map(Timestamp::seconds),
        filename: &file.filename,
        purpose: &file.purpose,
        status: "processed",
        status_details: None,
    }
}

/// `made` is the file of a completed one.
pub fn upload<'a>(upload: &'a Upload, made: Option<&'a File>) -> UploadObject<'a> {
    UploadObject {
        id: &upload.id,
        bytes: upload.bytes,
        created_at: upload.created_at.seconds(),
        expires_at: upload.expires_at.seconds(),
        filename: &upload.new.filename,
        purpose: &upload.new.purpose,
        status: match upload.status {
            UploadStatus::Pending => Status::Pending,
            UploadStatus::Completed => Status::Completed,
            UploadStatus::Cancelled => Status::Cancelled,
            UploadStatus::Expired => Status::Expired,
        },
        file: made.map(file),
    }
}

pub fn upload_part<'a>(id: &'a str, created_at: Timestamp, upload_id: &'a str) -> UploadPart<'a> {
    UploadPart { id, created_at: created_at.seconds(), upload_id }
}

/// The runtime keeps the word.
pub fn purpose(purpose: Purpose) -> String {
    purpose.as_str().to_owned()
}
