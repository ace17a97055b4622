//! Files that a message carries or names, as the `data:` URLs that models are shown, and how much a request may name of what
//! is kept here.

use crate::Door;
use crate::body::{Held, IDLE};
use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use types::{Content, ProjectId, RefusalKind};
use wire::demand::FileSource;

/// The largest uploaded file that a message may name: it goes to the model with every later call.
const FILE_BYTES: u64 = 16 << 20;

/// Bytes of all that one request may name.
const NAMED: usize = 64 << 20;

/// What a request names and does not bring: a short id may stand for megabytes, and may stand there often. All of it
/// together has a bound, and takes the memory that bodies take until this is dropped.
pub struct Named<'a> {
    door: &'a Door,
    bytes: usize,
    held: Held,
}

impl<'a> Named<'a> {
    pub fn new(door: &'a Door) -> Self {
        Self { door, bytes: 0, held: door.traffic.bodies.enter() }
    }

    /// Counts something of this size, which the request names at `path`.
    pub async fn add(&mut self, bytes: usize, path: &str) -> Result<(), Failure> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > NAMED {
            let message = format!("What this request names by ids is larger than {NAMED} bytes together.");
            return Err(Failure::invalid(message).at(path));
        }
        self.held.grow(self.bytes, IDLE, &*self.door.clock).await
    }
}

/// A file of a message; `path` is where an id of it stands.
pub async fn file(
    named: &mut Named<'_>,
    project: &ProjectId,
    (filename, source): (Option<String>, FileSource),
    path: &str,
) -> Result<Content, Failure> {
    match source {
        FileSource::Data(data) => Ok(Content::File { filename, data: data_url(data) }),
        FileSource::Id(id) => {
            let (name, data) = uploaded(named, project, &id, path).await?;
            Ok(Content::File { filename: filename.or(Some(name)), data })
        }
    }
}

/// Bare base64 is said to be what it is.
fn data_url(data: String) -> String {
    if data.starts_with("data:") { data } else { format!("data:application/octet-stream;base64,{data}") }
}

/// A file that was uploaded: its name, and its content as a `data:` URL. `path` is where the request names it.
pub async fn uploaded(
    named: &mut Named<'_>,
    project: &ProjectId,
    id: &str,
    path: &str,
) -> Result<(String, String), Failure> {
    let file = named.door.files.content(project, id, FILE_BYTES).await;
    let file = file.map_err(|refusal| match refusal.kind {
        RefusalKind::NotFound => Failure::invalid(refusal.message).at(path),
        _ => Failure::from(refusal).at(path),
    })?;
    named.add(file.bytes.len().div_ceil(3) * 4, path).await?;
    let data = format!("data:{};base64,{}", file.media_type, STANDARD.encode(&file.bytes));
    Ok((file.filename, data))
}
