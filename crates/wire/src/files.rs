//! The JSON of files and uploads, and the forms in which files come.

pub mod multipart;
mod object;
pub mod request;

pub use object::{Deleted, FileObject, UploadObject, UploadPart};

use crate::words::words;

words! {
    /// What a client may say that a file is for.
    Purpose {
        Assistants => "assistants", Batch => "batch", FineTune => "fine-tune", Vision => "vision",
        UserData => "user_data", Evals => "evals",
    }
    UploadStatus {
        Pending => "pending", Completed => "completed", Cancelled => "cancelled", Expired => "expired",
    }
    /// From when the life of a file is counted.
    Anchor { CreatedAt => "created_at" }
}
