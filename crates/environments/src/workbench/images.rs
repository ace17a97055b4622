//! Image files, shown to the model as they are.

use super::path::{readable, whole};
use super::{Problem, Station, arguments};
use crate::machine::Fault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use types::{CallOutput, Content, ToolOutcome};

/// What fits into a result.
const MAX_IMAGE: u64 = 700 << 10;

pub(super) async fn view(station: &Station, asked: arguments::ViewImage) -> Result<ToolOutcome, Problem> {
    let path = readable(station, &asked.path)?;
    let bytes = match whole(&*station.machine, &path, MAX_IMAGE).await {
        Ok(bytes) => bytes,
        Err(Fault::TooLarge(_)) => {
            let advice = "make a smaller copy with shell";
            return Err(Problem::Failed(format!("{path} has more than {MAX_IMAGE} bytes: {advice}")));
        }
        Err(fault) => return Err(Problem::looking(&format!("{path} was not read"), &fault)),
    };
    let kind = kind(&bytes).ok_or_else(|| Problem::Failed(format!("{path} is no PNG, JPEG, GIF or WebP image")))?;
    let image_url = format!("data:image/{kind};base64,{}", STANDARD.encode(&bytes));
    let parts = vec![Content::Text { text: path }, Content::Image { image_url }];
    Ok(ToolOutcome::Done(CallOutput::Parts(parts)))
}

/// By its first bytes, whatever its name.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("png"),
        [0xff, 0xd8, 0xff, ..] => Some("jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("webp"),
        _ => None,
    }
}
