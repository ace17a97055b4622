//! Files: what comes back is what went in.

use super::Row;
use crate::client::{Answer, Call};
use crate::endpoint::Method;
use crate::probe::{Probe, asked, data_of};
use crate::trouble::Trouble;
use serde_json::{Value, json};

const SDK: &str = "§2c; SDK: FileObject";

pub const CHECKS: &[Row] = &[
    ("files.create", "A file shows its name, its size and its purpose.", SDK),
    ("files.retrieve", "It is retrieved as it was made.", SDK),
    ("files.content", "Its content is byte for byte what was sent.", "SDK: files.content"),
    ("files.empty", "So is that of an empty file.", "SDK: files.content"),
    ("files.listed", "It is listed, newest first, and by its purpose.", "SDK: files.list"),
    ("files.walk", "Pages of one hold every file a single time.", "SDK: SyncCursorPage"),
    ("files.expires", "A file that is to expire says when.", "SDK: expires_after"),
    ("files.input", "A response takes a file by its id, and as data.", "SDK: ResponseInputFile"),
    ("files.delete", "A deletion says so; then file and content are a 404.", "SDK: FileDeleted"),
    ("files.unknown", "An unknown file is a 404 on each of its routes.", SDK),
    ("files.no-file", "A form without a file: 400.", SDK),
    ("files.purpose", "A purpose that is none: 400, param purpose.", SDK),
    ("files.no-form", "A body that is no form: 400.", SDK),
];

/// Pages of one that are read at most.
const WALKED: usize = 50;

const BOUNDARY: &str = "conform-boundary-7d1f";

pub async fn run(probe: &mut Probe) {
    parts!(probe: round, lists, input, wrong);
}

/// A form; a field with a filename is a file.
pub fn form(path: impl Into<String>, fields: &[(&str, Option<&str>, &[u8])]) -> Call {
    let mut body = Vec::new();
    for (name, filename, bytes) in fields {
        let named = filename.map(|name| format!("; filename=\"{name}\"")).unwrap_or_default();
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{named}\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    Call::new(Method::Post, path).raw(body).with("content-type", kind)
}

pub async fn put(probe: &mut Probe, name: &str, bytes: &[u8]) -> Result<Answer, Trouble> {
    probe.send(form("/files", &[("purpose", None, b"user_data"), ("file", Some(name), bytes)])).await
}

/// Every byte, line ends of all kinds, and what looks like the form's own boundary.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..=255).chain(*b"\r\n--conform\r\n\r\n\0\n--").cycle().take(length).collect();
    bytes.extend_from_slice(b"\r\n");
    bytes
}

async fn round(probe: &mut Probe) -> Result<(), Trouble> {
    let sent = bytes(100_000);
    let made = put(probe, "bytes.bin", &sent).await?;
    probe.status("files.create", &made, 200);
    for (pointer, wanted) in [
        ("/object", json!("file")),
        ("/filename", json!("bytes.bin")),
        ("/bytes", json!(sent.len())),
        ("/purpose", json!("user_data")),
    ] {
        probe.value("files.create", &made, pointer, &wanted);
    }
    let path = format!("/files/{}", made.need("/id")?);
    let again = probe.get(path.as_str()).await?;
    probe.that("files.retrieve", again.json == made.json, &made.json, &again.json, &again.evidence);
    let content = probe.get(format!("{path}/content")).await?;
    let same = content.bytes == sent;
    probe.that("files.content", same, sent.len(), content.bytes.len(), "GET …/content");
    let empty = put(probe, "empty.txt", b"").await?;
    let content = probe.get(format!("/files/{}/content", empty.need("/id")?)).await?;
    let fine = content.status == 200 && content.bytes.is_empty() && empty.json["bytes"] == 0;
    probe.that("files.empty", fine, "200, no bytes", content.status, &content.evidence);
    let deleted = probe.delete(path.as_str()).await?;
    probe.value("files.delete", &deleted, "/deleted", &json!(true));
    for rest in ["", "/content"] {
        let gone = probe.get(format!("{path}{rest}")).await?;
        probe.status("files.delete", &gone, 404);
    }
    let soon = form(
        "/files",
        &[
            ("purpose", None, b"user_data"),
            ("expires_after[anchor]", None, b"created_at"),
            ("expires_after[seconds]", None, b"7200"),
            ("file", Some("soon.txt"), b"soon"),
        ],
    );
    let soon = probe.send(soon).await?;
    let left = soon.json["expires_at"].as_i64().zip(soon.json["created_at"].as_i64()).map(|(end, start)| end - start);
    probe.that("files.expires", left == Some(7200), 7200, format!("{left:?}"), &soon.evidence);
    Ok(())
}

async fn lists(probe: &mut Probe) -> Result<(), Trouble> {
    let mut ids = Vec::new();
    for name in ["first.txt", "second.txt", "third.txt"] {
        ids.push(put(probe, name, name.as_bytes()).await?.need("/id")?);
    }
    let own = |data: &[Value]| -> Vec<String> {
        let all = data.iter().filter_map(|file| file["id"].as_str().map(str::to_owned));
        all.filter(|id| ids.contains(id)).collect()
    };
    let newest: Vec<String> = ids.iter().rev().cloned().collect();
    let listed = probe.get("/files?limit=100").await?;
    let came = own(&data_of(&listed));
    probe.that("files.listed", came == newest, newest.join(" "), came.join(" "), &listed.evidence);
    for (purpose, wanted) in [("user_data", 3), ("batch", 0)] {
        let listed = probe.get(format!("/files?limit=100&purpose={purpose}")).await?;
        let came = own(&data_of(&listed)).len();
        probe.that("files.listed", came == wanted, wanted, came, &listed.evidence);
    }
    // From the first of ours on; others may put files between them.
    let (mut walked, mut after) = (Vec::new(), ids[0].clone());
    for _ in 0..WALKED {
        let page = probe.get(format!("/files?order=asc&limit=1&after={after}")).await?;
        let Some(id) = data_of(&page).first().and_then(|file| file["id"].as_str()).map(str::to_owned) else { break };
        if ids.contains(&id) {
            walked.push(id.clone());
        }
        after = id;
        if walked.len() + 1 == ids.len() {
            break;
        }
    }
    probe.that("files.walk", walked == ids[1..], ids[1..].join(" "), walked.join(" "), &listed.evidence);
    Ok(())
}

async fn input(probe: &mut Probe) -> Result<(), Trouble> {
    let id = put(probe, "notes.txt", b"The launch is on Tuesday.").await?.need("/id")?;
    let data = "data:text/plain;base64,VGhlIGxhdW5jaCBpcyBvbiBUdWVzZGF5Lg==";
    for part in [
        json!({"type": "input_file", "file_id": id}),
        json!({"type": "input_file", "filename": "notes.txt", "file_data": data}),
    ] {
        let text = json!({"type": "input_text", "text": "When is the launch?"});
        let body = asked(probe, json!([{"role": "user", "content": [part, text]}]));
        let answer = probe.respond(body).await?;
        if answer.status == 404 {
            probe.skip("files.input", "responses are not served");
            return Ok(());
        }
        probe.value("files.input", &answer, "/status", &json!("completed"));
    }
    Ok(())
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    for (method, rest) in [(Method::Get, ""), (Method::Get, "/content"), (Method::Delete, "")] {
        let answer = probe.send(Call::new(method, format!("/files/file-that-is-not-there{rest}"))).await?;
        probe.status("files.unknown", &answer, 404);
    }
    let answer = probe.send(form("/files", &[("purpose", None, b"user_data")])).await?;
    probe.invalid("files.no-file", &answer);
    let answer = probe.send(form("/files", &[("purpose", None, b"fun"), ("file", Some("a.txt"), b"a")])).await?;
    let said = crate::probe::Said { param: Some("purpose"), ..Default::default() };
    probe.refused("files.purpose", &answer, 400, said);
    let answer = probe.post("/files", json!({"purpose": "user_data"})).await?;
    probe.invalid("files.no-form", &answer);
    Ok(())
}
