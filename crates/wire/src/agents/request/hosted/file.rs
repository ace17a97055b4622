//! Files that are to be there from the beginning, or are put into an environment later.

use super::path::destination;
use crate::agents::request::MAX_ID;
use crate::agents::words::FileSourceKind;
use crate::error::Fault;
use crate::reader::{Node, Object};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// Files of one request.
const MAX_FILES: usize = 50;
/// The largest content that stands in a request, in bytes, and all of one request together.
pub const MAX_INLINE: usize = 5 << 20;
const MAX_ALL_INLINE: usize = 10 << 20;

/// A file and where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileParam {
    /// Absolute, below `/workspace`, clean.
    pub path: String,
    pub source: FileSource,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileSource {
    /// Standard base64 with its padding, and how many bytes it stands for.
    Inline { data: String, bytes: usize },
    /// An uploaded file.
    Uploaded(String),
}

impl FileParam {
    /// `POST …/files`.
    pub fn read(body: Map<String, Value>) -> Result<Self, Fault> {
        Self::of(Object::root(body))
    }

    fn of(mut object: Object) -> Result<Self, Fault> {
        let source = match object.required("type")?.word()? {
            FileSourceKind::Inline => inline(object.required("data")?, MAX_INLINE)?,
            FileSourceKind::FileId => FileSource::Uploaded(object.required("file_id")?.short_text(MAX_ID)?),
        };
        let path = destination(object.required("path")?)?;
        object.finish()?;
        Ok(Self { path, source })
    }
}

pub fn files(node: Node) -> Result<Vec<FileParam>, Fault> {
    let at = node.path().to_owned();
    let nodes = node.sized_array("an array of objects", 0, MAX_FILES)?;
    let files: Vec<FileParam> =
        nodes.into_iter().map(|node| FileParam::of(node.object()?)).collect::<Result<_, _>>()?;
    let inline = |file: &FileParam| match &file.source {
        FileSource::Inline { bytes, .. } => *bytes,
        FileSource::Uploaded(_) => 0,
    };
    let all: usize = files.iter().map(inline).sum();
    if all > MAX_ALL_INLINE {
        let text = format!(
            "Invalid '{at}': files too large. Expected at most {MAX_ALL_INLINE} bytes of inline files together, but got {all} bytes instead."
        );
        return Err(Fault::at(&at, text));
    }
    for (index, file) in files.iter().enumerate() {
        if files[..index].iter().any(|other| other.path == file.path) {
            let path = format!("{at}[{index}].path");
            return Err(Fault::at(&path, "path must not stand there twice"));
        }
    }
    Ok(files)
}

fn inline(node: Node, most: usize) -> Result<FileSource, Fault> {
    let (data, bytes) = encoded(node, most)?;
    Ok(FileSource::Inline { data, bytes })
}

/// Standard base64 of at most so many bytes; how many they are.
pub fn encoded(node: Node, most: usize) -> Result<(String, usize), Fault> {
    let at = node.path().to_owned();
    let data = node.string()?;
    // What is too long is not decoded to be told so.
    let size = match data.len() / 4 * 3 {
        estimate if estimate > most + 2 => estimate,
        _ => match STANDARD.decode(&data) {
            Ok(bytes) => bytes.len(),
            Err(_) => {
                return Err(Fault::at(&at, format!("Invalid '{at}'. Expected standard base64 with its padding.")));
            }
        },
    };
    if size > most {
        let text = format!("Invalid '{at}': data too large. Expected at most {most} bytes, but got {size} instead.");
        return Err(Fault::at(&at, text));
    }
    Ok((data, size))
}
