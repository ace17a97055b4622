//! A file's bytes on their way out: one blob at a time, in the pace of the reader. All readers share a bounded memory.

use super::{refused, unknown};
use crate::Door;
use crate::body::{Held, IDLE};
use crate::failure::Failure;
use crate::query::Ids;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::try_unfold;
use runtime::{File, Files, Identity};
use std::fmt::Write as _;
use std::sync::Arc;
use types::{ProjectId, Refusal};

/// What one reader holds of it, bytes: a blob.
const HELD: u64 = 8 << 20;

pub async fn content(
    State(door): State<Arc<Door>>,
    Extension(identity): Extension<Identity>,
    Ids(id): Ids<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let file = door.files.file(&identity.project, &id).await.map_err(refused)?;
    let mut answer = HeaderMap::new();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Ok(disposition) = HeaderValue::from_str(&disposition(&file.filename)) {
        answer.insert(header::CONTENT_DISPOSITION, disposition);
    }
    let wanted = match headers.contains_key(header::IF_RANGE) {
        // Whether it changed is asked of what never changes; but by a mark that we never gave.
        true => Wanted::All,
        false => wanted(headers.get(header::RANGE).and_then(|value| value.to_str().ok()), file.size),
    };
    let size = file.size;
    let (status, first, left) = match wanted {
        Wanted::All => (StatusCode::OK, 0, size),
        Wanted::Some { first, last } => {
            set(&mut answer, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
            (StatusCode::PARTIAL_CONTENT, first, last - first + 1)
        }
        Wanted::Nothing => {
            set(&mut answer, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, answer).into_response());
        }
    };
    let body = body(&door, &identity.project, file, (first, left)).await.map_err(unknown)?;
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
    Ok((status, answer, body).into_response())
}

/// A content of which no parts are given.
pub async fn whole(door: &Door, project: &ProjectId, file: File, filename: &str) -> Result<Response, Failure> {
    let size = file.size;
    let mut answer = HeaderMap::new();
    answer.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    answer.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    set(&mut answer, header::CONTENT_DISPOSITION, &disposition(filename));
    let body = body(door, project, file, (0, size)).await?;
    Ok((StatusCode::OK, answer, body).into_response())
}

/// So many bytes of a file from a place on.
async fn body(door: &Door, project: &ProjectId, file: File, (first, left): (u64, u64)) -> Result<Body, Failure> {
    let mut held = door.traffic.contents.enter();
    held.grow(usize::try_from(left.min(HELD)).unwrap_or(usize::MAX), IDLE, &*door.clock).await?;
    let (files, project) = (door.files.clone(), project.clone());
    let reading = Reading { files, project, file, part: 0, skip: first, left, _held: held };
    // What is wrong with the first blob can still be said; later ones break the answer off.
    let begun = reading.next().await?;
    let body = try_unfold(Step::Begun(begun), |step| async {
        match step {
            Step::Begun(begun) => Ok::<_, Refusal>(begun.map(|(bytes, reading)| (bytes, Step::Going(reading)))),
            Step::Going(reading) => Ok(reading.next().await?.map(|(bytes, reading)| (bytes, Step::Going(reading)))),
        }
    });
    Ok(Body::from_stream(body))
}

/// A reader's place in a file.
struct Reading {
    files: Files,
    project: ProjectId,
    file: File,
    part: usize,
    /// Bytes to leave out from here on.
    skip: u64,
    /// Bytes to send then.
    left: u64,
    _held: Held,
}

enum Step {
    Begun(Option<(Bytes, Reading)>),
    Going(Reading),
}

impl Reading {
    /// The next bytes; None at the end.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Refusal> {
        while self.left > 0 {
            let Some(part) = self.file.parts.get(self.part) else { return Ok(None) };
            self.part += 1;
            if part.size <= self.skip {
                self.skip -= part.size;
                continue;
            }
            let bytes = Bytes::from(self.files.part(&self.project, &self.file, part).await?);
            let from = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            let more = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - from);
            self.skip = 0;
            self.left -= more as u64;
            return Ok(Some((bytes.slice(from..from + more), self)));
        }
        Ok(None)
    }
}

/// What a `Range` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wanted {
    All,
    /// Both are within the file.
    Some {
        first: u64,
        last: u64,
    },
    Nothing,
}

/// Several ranges at once, and what is no range, are answered with the whole.
fn wanted(range: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) = range.and_then(|range| range.trim().strip_prefix("bytes=")?.split_once('-')) else {
        return Wanted::All;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let end = size.saturating_sub(1);
    let (first, last) = match (first.trim(), number(first), last.trim(), number(last)) {
        ("", _, _, Some(length)) => {
            (size.saturating_sub(length), if length == 0 { return Wanted::Nothing } else { end })
        }
        (_, Some(first), "", _) => (first, end),
        (_, Some(first), _, Some(last)) if first <= last => (first, last.min(end)),
        _ => return Wanted::All,
    };
    if first < size { Wanted::Some { first, last } } else { Wanted::Nothing }
}

/// A name for those who save it: plain for old readers, and as it is.
fn disposition(filename: &str) -> String {
    let plain: String = filename
        .chars()
        .map(|c| if (' '..='~').contains(&c) && !matches!(c, '"' | '\\' | '%') { c } else { '_' })
        .collect();
    let mut exact = String::new();
    for byte in filename.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            exact.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            _ = write!(exact, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{exact}")
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood() {
        let some = |first, last| Wanted::Some { first, last };
        for (range, size, answer) in [
            (None, 10, Wanted::All),
            (Some("bytes=0-"), 10, some(0, 9)),
            (Some("bytes=2-4"), 10, some(2, 4)),
            (Some("bytes=2-99"), 10, some(2, 9)),
            (Some("bytes=-3"), 10, some(7, 9)),
            (Some("bytes=-99"), 10, some(0, 9)),
            (Some("bytes=10-"), 10, Wanted::Nothing),
            (Some("bytes=-0"), 10, Wanted::Nothing),
            (Some("bytes=0-"), 0, Wanted::Nothing),
            (Some("bytes=4-2"), 10, Wanted::All),
            (Some("bytes=0-1,4-5"), 10, Wanted::All),
            (Some("bytes=x-1"), 10, Wanted::All),
            (Some("lines=1-2"), 10, Wanted::All),
            (Some("bytes=99999999999999999999-"), 10, Wanted::All),
        ] {
            assert_eq!(wanted(range, size), answer, "{range:?}");
        }
    }

    #[test]
    fn a_name_is_written_twice() {
        assert_eq!(disposition("a b.txt"), "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt");
        assert_eq!(
            disposition("ä\"\\%.txt"),
            "attachment; filename=\"____.txt\"; filename*=UTF-8''%C3%A4%22%5C%25.txt"
        );
    }
}
