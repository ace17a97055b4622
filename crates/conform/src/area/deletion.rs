//! Deleting sessions: when it is allowed, what it answers, and what is left.

use super::Row;
use super::inputs::no_retry;
use crate::client::Call;
use crate::endpoint::Method::Get;
use crate::probe::{CANCEL, Probe, Said, message};
use crate::trouble::Trouble;
use serde_json::json;

pub const CHECKS: &[Row] = &[
    ("deletion.running", "A session that works cannot be deleted: 409 with code conflict_error.", "§4; observed 12"),
    ("deletion.running-no-retry", "That 409 tells SDKs not to try again.", "§1"),
    ("deletion.running-goes-on", "The refused deletion leaves the session as it was.", "§4"),
    ("deletion.waiting", "A session that waits for a result cannot be deleted either.", "observed 12"),
    ("deletion.idle", "An idle session is deleted with a 200 that has its id and agent.session.deleted.", "§2"),
    ("deletion.again", "A repeat gives the same answer.", "observed 12"),
    ("deletion.never-was", "A session that never was is a 404.", "observed 12"),
    ("deletion.gone", "A deleted session is a 404.", "§4"),
    ("deletion.items-gone", "Its items and turns are 404s.", "§4"),
    ("deletion.stream-gone", "Its stream is a 404.", "§4"),
    ("deletion.input-gone", "Input to it is a 404.", "§4"),
    ("deletion.update-gone", "An update of it is a 404.", "§4"),
    ("deletion.unlisted", "It is on no list.", "§4"),
    ("deletion.cursor", "It still works as a cursor.", "observed 15"),
    ("deletion.agent-stays", "Deleting a saved agent leaves its sessions alone.", "§3"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: running, waiting, idle, agent);
}

async fn running(probe: &mut Probe) -> Result<(), Trouble> {
    let (session, mut reader) = probe.speaking(400).await?;
    let answer = probe.delete(format!("/agents/sessions/{session}")).await?;
    let said = Said { code: Some("conflict_error"), ..Said::default() };
    probe.refused("deletion.running", &answer, 409, said);
    no_retry(probe, "deletion.running-no-retry", &answer);
    let read = probe.get(format!("/agents/sessions/{session}")).await?;
    probe.value("deletion.running-goes-on", &read, "/status", &json!("in_progress"));
    probe.input(&session, &[CANCEL()]).await?;
    probe.until(&mut reader, &["agent.session.idle"]).await?;
    Ok(())
}

async fn waiting(probe: &mut Probe) -> Result<(), Trouble> {
    let Some(turned) = probe.waiting("call lookup {\"n\":1}\nsay done", &["lookup"]).await? else {
        let reason = "the model made no call, although it was asked to";
        if probe.facts.scripted {
            return Err(Trouble::Useless(reason.to_owned()));
        }
        probe.skip("deletion.waiting", reason);
        return Ok(());
    };
    let answer = probe.delete(turned.path("")).await?;
    let said = Said { code: Some("conflict_error"), ..Said::default() };
    probe.refused("deletion.waiting", &answer, 409, said);
    probe.input(&turned.session, &[CANCEL()]).await?;
    probe.settle(&turned.session, &["idle"]).await?;
    Ok(())
}

async fn idle(probe: &mut Probe) -> Result<(), Trouble> {
    let mark = format!("{}-deletion", probe.facts.run);
    let mut made = Vec::new();
    for _ in 0..3 {
        let mut body = probe.session("hello");
        body["metadata"] = json!({"conform": mark});
        let id = probe.post("/agents/sessions", body).await?.need("/id")?;
        probe.settle(&id, &["idle"]).await?;
        made.push(id);
    }
    let path = format!("/agents/sessions/{}", made[1]);
    let body = json!({"id": made[1], "object": "agent.session.deleted", "deleted": true});
    for id in ["deletion.idle", "deletion.again"] {
        let answer = probe.delete(&path).await?;
        probe.that(id, answer.status == 200 && answer.json == body, &body, &answer.json, &answer.evidence);
    }
    let answer = probe.delete("/agents/sessions/sess_that_is_not_there").await?;
    probe.missing("deletion.never-was", &answer);
    for (id, rest) in [("deletion.gone", ""), ("deletion.items-gone", "/items"), ("deletion.items-gone", "/turns")] {
        let answer = probe.get(format!("{path}{rest}")).await?;
        probe.missing(id, &answer);
    }
    match probe.open(Call::new(Get, format!("{path}/events"))).await? {
        Err(answer) => probe.missing("deletion.stream-gone", &answer),
        Ok(reader) => probe.that("deletion.stream-gone", false, 404, reader.stream.status, &reader.evidence()),
    }
    let answer = probe.input(&made[1], &[message("hello")]).await?;
    probe.missing("deletion.input-gone", &answer);
    let answer = probe.post(&path, json!({"metadata": {}})).await?;
    probe.missing("deletion.update-gone", &answer);
    let query = format!("/agents/sessions?metadata%5Bconform%5D={mark}&order=asc");
    for (id, after, wanted) in [
        ("deletion.unlisted", String::new(), json!([made[0], made[2]])),
        ("deletion.cursor", format!("&after={}", made[1]), json!([made[2]])),
    ] {
        let page = probe.get(format!("{query}{after}")).await?;
        let data = page.json["data"].as_array().into_iter().flatten();
        let came: serde_json::Value = data.map(|session| session["id"].clone()).collect();
        probe.that(id, came == wanted, &wanted, &came, &page.evidence);
    }
    Ok(())
}

async fn agent(probe: &mut Probe) -> Result<(), Trouble> {
    let body = probe.agent();
    let id = probe.post("/agents", body).await?.need("/id")?;
    let mut body = probe.session("hello");
    body["agent"] = json!({});
    body["agent_id"] = json!(id);
    let session = probe.post("/agents/sessions", body).await?.need("/id")?;
    probe.settle(&session, &["idle"]).await?;
    probe.delete(format!("/agents/{id}")).await?;
    let next = probe.say(&session, "say still here").await?;
    let completed = next.frames.iter().any(|frame| frame.kind() == "agent.session.turn.completed");
    probe.that("deletion.agent-stays", completed, "turn.completed", "none", &next.evidence());
    Ok(())
}
