//! Files that a message carries or names, as the `data:` URLs that models are shown.

use crate::Door;
use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use types::{ProjectId, RefusalKind};

/// The largest uploaded file that a message may name: it goes to the model with every later call.
const FILE_BYTES: u64 = 16 << 20;

/// Bare base64 is said to be what it is.
pub fn data_url(data: String) -> String {
    if data.starts_with("data:") { data } else { format!("data:application/octet-stream;base64,{data}") }
}

/// A file that was uploaded: its name, and its content as a `data:` URL. `path` is where the request names it.
pub async fn uploaded(door: &Door, project: &ProjectId, id: &str, path: &str) -> Result<(String, String), Failure> {
    let file = door.files.content(project, id, FILE_BYTES).await;
    let file = file.map_err(|refusal| match refusal.kind {
        RefusalKind::NotFound => Failure::invalid(refusal.message).at(path),
        _ => Failure::from(refusal).at(path),
    })?;
    let data = format!("data:{};base64,{}", file.media_type, STANDARD.encode(&file.bytes));
    Ok((file.filename, data))
}
