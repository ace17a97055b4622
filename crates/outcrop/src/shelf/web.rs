//! One file over HTTP. What has arrived stays beside the shelf, `.FILE.part`, with what the server said of it; the next
//! attempt goes on there if the server still has the same file, and from the beginning if not.

use super::gguf::MAGIC;
use super::label::suffixed;
use super::place::{room, unwritten};
use super::progress::Progress;
use crate::configuration::source::{is_loopback, is_safe};
use crate::world::TokioClock;
use anyhow::{Context, Error, Result, anyhow};
use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_RANGE, LAST_MODIFIED, RANGE};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::Clock;

const CONNECT_TIME: Duration = Duration::from_secs(15);
/// The longest silence.
const STALL: Duration = Duration::from_secs(60);
/// Attempts one after the other that brought nothing.
const FRUITLESS: u32 = 3;
/// Attempts in all: a server that breaks off after every few bytes is not waited for.
const ATTEMPTS: u32 = 100;
const REDIRECTS: usize = 10;

/// What an attempt ended in.
enum Trouble {
    /// Another attempt may help.
    Again(Error),
    Final(Error),
}

/// What is kept beside a file that has arrived in part.
#[derive(Serialize, Deserialize)]
struct Note {
    url: String,
    /// ETag or Last-Modified: what shows that the server still has the same file.
    validator: Option<String>,
    total: Option<u64>,
}

struct Part {
    file: PathBuf,
    note: PathBuf,
}

impl Part {
    fn of(target: &Path) -> Self {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let file = target.with_file_name(format!(".{name}.part"));
        Self { note: suffixed(&file, ".json"), file }
    }

    fn length(&self) -> u64 {
        std::fs::metadata(&self.file).map_or(0, |about| about.len())
    }

    fn note(&self) -> Option<Note> {
        serde_json::from_slice(&std::fs::read(&self.note).ok()?).ok()
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(&self.file);
        let _ = std::fs::remove_file(&self.note);
    }
}

/// What has arrived of a file, and how long it will be.
pub fn begun(target: &Path) -> Option<(u64, Option<u64>)> {
    let part = Part::of(target);
    part.file.is_file().then(|| (part.length(), part.note().and_then(|note| note.total)))
}

/// What may lie beside a file that is being fetched.
pub fn parts(target: &Path) -> [PathBuf; 2] {
    let part = Part::of(target);
    [part.file, part.note]
}

/// Fetches the file and says where it lies: not in its place yet.
pub async fn fetch(url: &str, target: &Path) -> Result<PathBuf> {
    let url = Url::parse(url).context("the address cannot be read")?;
    let client = client(&url)?;
    let part = Part::of(target);
    let clock = TokioClock::start();
    let mut fruitless = 0;
    let mut reached = false;
    for _ in 0..ATTEMPTS {
        let before = part.length();
        let error = match attempt(&client, &url, &part, &clock, &mut reached).await {
            Ok(()) => return Ok(part.file),
            Err(Trouble::Final(error)) => return Err(error),
            Err(Trouble::Again(error)) => error,
        };
        fruitless = if part.length() > before { 0 } else { fruitless + 1 };
        // Where nobody ever answered, there is nothing to wait for.
        if fruitless >= FRUITLESS || !reached {
            return Err(stays(error, &part));
        }
        clock.sleep(Duration::from_secs(1 << fruitless) / 2).await;
    }
    Err(stays(anyhow!("it broke off {ATTEMPTS} times"), &part))
}

fn stays(error: Error, part: &Part) -> Error {
    match part.length() {
        0 => error,
        _ => error.context("it broke off; what has arrived is kept, and the next attempt goes on there"),
    }
}

fn client(url: &Url) -> Result<Client> {
    let follow = redirect::Policy::custom(|attempt| {
        if attempt.previous().len() > REDIRECTS {
            attempt.error("it redirects in circles")
        } else if is_safe(attempt.url()) {
            attempt.follow()
        } else {
            attempt.error("it redirects to an address that is neither https nor on this machine")
        }
    });
    let builder = Client::builder()
        .user_agent(concat!("outcrop/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIME)
        .redirect(follow);
    let builder = if is_loopback(url) { builder.no_proxy() } else { builder };
    builder.build().context("the HTTP client cannot be made")
}

async fn attempt(
    client: &Client,
    url: &Url,
    part: &Part,
    clock: &dyn Clock,
    reached: &mut bool,
) -> Result<(), Trouble> {
    let have = part.length();
    let mut request = client.get(url.clone());
    let validator = part.note().filter(|note| note.url == url.as_str()).and_then(|note| note.validator);
    let resumed = match validator {
        Some(validator) if have > 0 => {
            request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, validator);
            true
        }
        _ => false,
    };
    let answer = tokio::select! {
        answer = request.send() => answer.map_err(unsent)?,
        () = clock.sleep(STALL) => return Err(silent()),
    };
    *reached = true;
    let start = match answer.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT if resumed && ranged(answer.headers()).0 == Some(have) => have,
        StatusCode::RANGE_NOT_SATISFIABLE if resumed && ranged(answer.headers()).1 == Some(have) => return Ok(()),
        StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
            part.forget();
            return Err(Trouble::Again(anyhow!("the server has another file now")));
        }
        other => return Err(refused(other)),
    };
    receive(answer, start, url, part, clock).await
}

async fn receive(mut answer: Response, start: u64, url: &Url, part: &Part, clock: &dyn Clock) -> Result<(), Trouble> {
    let left = answer.content_length();
    let total = left.map(|left| left.saturating_add(start));
    let folder = part.file.parent().unwrap_or(Path::new("."));
    if let Err(error) = room(left.unwrap_or(0), folder) {
        return Err(Trouble::Final(error));
    }
    let note = Note { url: url.to_string(), validator: validator(answer.headers()), total };
    let mut file = open(part, start, &note).map_err(|error| full(error, part))?;
    let mut progress = Progress::start(total, start);
    let mut done = start;
    let mut head = Vec::new();
    loop {
        let chunk = tokio::select! {
            chunk = answer.chunk() => chunk.map_err(|error| Trouble::Again(anyhow!(error.without_url())))?,
            () = clock.sleep(STALL) => return Err(silent()),
        };
        let Some(chunk) = chunk else { break };
        if start == 0 {
            check_magic(&mut head, &chunk).inspect_err(|_| part.forget())?;
        }
        file.write_all(&chunk).map_err(|error| full(error, part))?;
        done += chunk.len() as u64;
        progress.advance(chunk.len() as u64);
    }
    match total {
        Some(total) if done < total => Err(Trouble::Again(anyhow!("it broke off at {done} of {total} bytes"))),
        _ => Ok(()),
    }
}

/// The note comes first: a part without one is never gone on with.
fn open(part: &Part, start: u64, note: &Note) -> std::io::Result<File> {
    if start == 0 {
        let _ = std::fs::remove_file(&part.file);
    }
    std::fs::write(&part.note, serde_json::to_vec(note)?)?;
    OpenOptions::new().create(true).append(true).open(&part.file)
}

/// A page that says "sign in" is no model: the first bytes tell.
fn check_magic(head: &mut Vec<u8>, chunk: &Bytes) -> Result<(), Trouble> {
    if head.len() < MAGIC.len() {
        head.extend(chunk.iter().take(MAGIC.len() - head.len()));
        if !MAGIC.starts_with(head) {
            let message = "what the server sends is not a GGUF file; name the address of the file itself";
            return Err(Trouble::Final(anyhow!(message)));
        }
    }
    Ok(())
}

/// A write that failed: on a full disk nothing is left lying about.
fn full(error: std::io::Error, part: &Part) -> Trouble {
    if matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
        part.forget();
    }
    Trouble::Final(unwritten(error, &part.file))
}

fn silent() -> Trouble {
    Trouble::Again(anyhow!("the server said nothing for {} s", STALL.as_secs()))
}

fn unsent(error: reqwest::Error) -> Trouble {
    let redirected = error.is_redirect();
    let error = anyhow!(error.without_url());
    match redirected {
        true => Trouble::Final(error),
        false => Trouble::Again(error.context("the server cannot be reached: is there a network, or a proxy to name?")),
    }
}

fn refused(status: StatusCode) -> Trouble {
    let error = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => anyhow!("the server has no such file ({status})"),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            anyhow!("the server gives it to known people only ({status}): fetch it yourself")
        }
        other => anyhow!("the server answers {other}"),
    };
    let passes = status.is_server_error()
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY);
    if passes { Trouble::Again(error) } else { Trouble::Final(error) }
}

/// Only a strong ETag promises the same bytes; a date is the next best.
fn validator(headers: &HeaderMap) -> Option<String> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    text(ETAG).filter(|tag| !tag.starts_with("W/")).or_else(|| text(LAST_MODIFIED))
}

/// Start and total of `Content-Range: bytes START-END/TOTAL`; `*` is None.
fn ranged(headers: &HeaderMap) -> (Option<u64>, Option<u64>) {
    let value = headers.get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).and_then(|v| v.strip_prefix("bytes "));
    let Some((range, total)) = value.and_then(|value| value.split_once('/')) else { return (None, None) };
    (range.split_once('-').and_then(|(start, _)| start.trim().parse().ok()), total.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn ranges_are_read() {
        for (value, expected) in [
            ("bytes 5-9/10", (Some(5), Some(10))),
            ("bytes */10", (None, Some(10))),
            ("bytes 5-9/*", (Some(5), None)),
            ("pages 1-2/3", (None, None)),
            ("bytes 99999999999999999999-/1", (None, Some(1))),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_RANGE, HeaderValue::from_static(value))]);
            assert_eq!(ranged(&headers), expected, "{value}");
        }
    }

    #[test]
    fn a_full_disk_leaves_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let part = Part::of(&folder.path().join("a.gguf"));
        for (number, stays) in [(5, true), (28, false)] {
            std::fs::write(&part.file, "GGUF").unwrap();
            let Trouble::Final(error) = full(std::io::Error::from_raw_os_error(number), &part) else { panic!("final") };
            assert_eq!((part.file.exists(), error.to_string().contains("the disk is full")), (stays, !stays));
        }
    }
}
