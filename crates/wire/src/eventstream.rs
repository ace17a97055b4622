//! Frames of `application/vnd.amazon.eventstream`, in which AWS's services stream: a length, headers, a payload, and a
//! checksum over the lengths and one over all. Written here and never read: no door of this server takes a stream.
//!
//! ```text
//! u32 length of all | u32 length of the headers | u32 CRC-32 of these eight bytes | headers | payload | u32 CRC-32 of all before
//! ```
//!
//! A header is a byte's length and its name, a byte for its type (7: text), two bytes' length and its value. Numbers are
//! big-endian.

use serde::Serialize;

/// The media type of a body of frames.
pub const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";
/// The largest payload of a frame, in bytes: what AWS allows. Their clients refuse larger ones.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// A text in a payload is cut into pieces of at most so many bytes, so that escaped it is far from the limit.
pub const MAX_TEXT: usize = 256 << 10;

const JSON: &str = "application/json";
const TEXT: u8 = 7;
/// The lengths and their checksum.
const PRELUDE: usize = 12;
const CHECKSUM: usize = 4;

/// Why a frame is not written: nothing of it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unwritable {
    /// The payload is larger than [`MAX_PAYLOAD`], or a header than its length can say.
    TooLarge,
    /// The payload is no JSON.
    Payload,
}

/// Writes an event: a frame whose payload is `payload` as JSON.
pub fn event(out: &mut Vec<u8>, name: &str, payload: &impl Serialize) -> Result<(), Unwritable> {
    let headers = [(":event-type", name), (":content-type", JSON), (":message-type", "event")];
    json(out, &headers, payload)
}

/// Writes an exception, after which nothing comes: `name` is that of a member of the stream, such as
/// `throttlingException`.
pub fn exception(out: &mut Vec<u8>, name: &str, payload: &impl Serialize) -> Result<(), Unwritable> {
    let headers = [(":exception-type", name), (":content-type", JSON), (":message-type", "exception")];
    json(out, &headers, payload)
}

/// The pieces of a text, each of at most [`MAX_TEXT`] bytes, none of a text that is empty.
pub fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let (piece, rest) = text.split_at(end);
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

fn json(out: &mut Vec<u8>, headers: &[(&str, &str)], payload: &impl Serialize) -> Result<(), Unwritable> {
    let start = out.len();
    let written = append(out, start, headers, payload);
    if written.is_err() {
        out.truncate(start);
    }
    written
}

fn append(
    out: &mut Vec<u8>,
    start: usize,
    headers: &[(&str, &str)],
    payload: &impl Serialize,
) -> Result<(), Unwritable> {
    out.extend_from_slice(&[0; PRELUDE]);
    for (name, value) in headers {
        out.push(u8::try_from(name.len()).map_err(|_| Unwritable::TooLarge)?);
        out.extend_from_slice(name.as_bytes());
        out.push(TEXT);
        out.extend_from_slice(&u16::try_from(value.len()).map_err(|_| Unwritable::TooLarge)?.to_be_bytes());
        out.extend_from_slice(value.as_bytes());
    }
    let headers = out.len() - start - PRELUDE;
    serde_json::to_writer(&mut *out, payload).map_err(|_| Unwritable::Payload)?;
    let size = out.len() - start + CHECKSUM;
    if size - CHECKSUM - headers - PRELUDE > MAX_PAYLOAD {
        return Err(Unwritable::TooLarge);
    }
    let (size, headers) = (u32::try_from(size), u32::try_from(headers));
    let (Ok(size), Ok(headers)) = (size, headers) else { return Err(Unwritable::TooLarge) };
    let mut prelude = [0; PRELUDE];
    prelude[..4].copy_from_slice(&size.to_be_bytes());
    prelude[4..8].copy_from_slice(&headers.to_be_bytes());
    let checksum = crc32fast::hash(&prelude[..8]);
    prelude[8..].copy_from_slice(&checksum.to_be_bytes());
    out[start..start + PRELUDE].copy_from_slice(&prelude);
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests;
