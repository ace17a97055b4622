//! Files that come in parts.

use super::Row;
use super::files::{bytes, form};
use crate::client::{Answer, Call};
use crate::endpoint::Method;
use crate::probe::Probe;
use crate::trouble::Trouble;
use serde_json::{Value, json};

const SDK: &str = "§2c; SDK: Upload";

pub const CHECKS: &[Row] = &[
    ("uploads.create", "An upload is pending and says what it will be.", SDK),
    ("uploads.part", "A part has an id and names its upload.", "SDK: UploadPart"),
    ("uploads.complete", "Completed, it has a file of the whole size.", SDK),
    ("uploads.order", "The file is the parts in the order that complete names.", SDK),
    ("uploads.size", "Parts that are not as much as was said: 400.", SDK),
    ("uploads.stray", "A part of another upload: 400 or 404.", SDK),
    ("uploads.cancel", "A cancelled upload says so, and takes no more parts.", SDK),
    ("uploads.unknown", "An unknown upload is a 404 on each of its routes.", SDK),
    ("uploads.types", "A wrong value is a 400 that names the parameter.", SDK),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: whole, wrong);
}

fn wanted(length: usize) -> Value {
    json!({"bytes": length, "filename": "whole.bin", "mime_type": "application/octet-stream", "purpose": "user_data"})
}

async fn part(probe: &mut Probe, upload: &str, bytes: &[u8]) -> Result<Answer, Trouble> {
    probe.send(form(format!("/uploads/{upload}/parts"), &[("data", Some("part"), bytes)])).await
}

async fn whole(probe: &mut Probe) -> Result<(), Trouble> {
    let (first, second) = (bytes(70_000), bytes(333));
    let sent = [first.as_slice(), second.as_slice()].concat();
    let made = probe.post("/uploads", wanted(sent.len())).await?;
    for (pointer, wanted) in
        [("/object", json!("upload")), ("/status", json!("pending")), ("/bytes", json!(sent.len()))]
    {
        probe.value("uploads.create", &made, pointer, &wanted);
    }
    let id = made.need("/id")?;
    // They come the other way round.
    let later = part(probe, &id, &second).await?;
    let former = part(probe, &id, &first).await?;
    probe.value("uploads.part", &former, "/upload_id", &json!(id));
    probe.value("uploads.part", &former, "/object", &json!("upload.part"));
    let complete = format!("/uploads/{id}/complete");
    let half = probe.post(complete.as_str(), json!({"part_ids": [former.json["id"]]})).await?;
    probe.invalid("uploads.size", &half);
    let both = json!({"part_ids": [former.json["id"], later.json["id"]]});
    let done = probe.post(complete, both).await?;
    probe.value("uploads.complete", &done, "/status", &json!("completed"));
    probe.value("uploads.complete", &done, "/file/bytes", &json!(sent.len()));
    let file = done.need("/file/id")?;
    probe.created.push(format!("/files/{file}"));
    let content = probe.get(format!("/files/{file}/content")).await?;
    probe.that("uploads.order", content.bytes == sent, sent.len(), content.bytes.len(), "GET …/content");

    let other = probe.post("/uploads", wanted(first.len())).await?.need("/id")?;
    let stray = json!({"part_ids": [former.json["id"]]});
    let answer = probe.post(format!("/uploads/{other}/complete"), stray).await?;
    let fine = matches!(answer.status, 400 | 404);
    probe.that("uploads.stray", fine, "400 or 404", answer.status, &answer.evidence);
    let cancelled = probe.send(Call::new(Method::Post, format!("/uploads/{other}/cancel"))).await?;
    probe.value("uploads.cancel", &cancelled, "/status", &json!("cancelled"));
    let late = part(probe, &other, b"late").await?;
    let fine = matches!(late.status, 400 | 404 | 409);
    probe.that("uploads.cancel", fine, "refused", late.status, &late.evidence);
    Ok(())
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    let unknown = "upload_that_is_not_there";
    let answer = probe.post(format!("/uploads/{unknown}/complete"), json!({"part_ids": ["part_x"]})).await?;
    probe.status("uploads.unknown", &answer, 404);
    let answer = probe.send(Call::new(Method::Post, format!("/uploads/{unknown}/cancel"))).await?;
    probe.status("uploads.unknown", &answer, 404);
    let answer = part(probe, unknown, b"x").await?;
    probe.status("uploads.unknown", &answer, 404);
    for (key, value) in [("bytes", json!("many")), ("purpose", json!("fun")), ("filename", json!(7))] {
        let mut body = wanted(10);
        body[key] = value;
        let answer = probe.post("/uploads", body).await?;
        let said = crate::probe::Said { param: Some(key), ..Default::default() };
        probe.refused("uploads.types", &answer, 400, said);
    }
    Ok(())
}
