//! Black-box checks of the Agents API against any server: it speaks HTTP as every client does, knows nothing of how a
//! server works, and says for each check what was expected, what came, and where the expectation is known from. It
//! creates what it needs, marks it, and deletes it again.

mod area;
mod client;
mod endpoint;
mod findings;
mod frames;
mod probe;
mod report;
mod shape;
mod trouble;

pub use area::Area;
pub use findings::Outcome;
pub use report::{Checked, Counts, Covered, Report};

use client::{Call, Client};
use endpoint::Method;
use findings::Findings;
use futures_util::StreamExt;
use futures_util::stream;
use probe::{CANCEL, Facts, IDLE, Probe};
use serde_json::json;
use shape::Shapes;
use std::sync::Arc;
use std::time::Duration;
use trouble::Trouble;

/// Areas at work at the same time, and deletions at the end.
const AT_ONCE: usize = 4;

/// What to check.
#[derive(Clone, Debug)]
pub struct Target {
    /// As an SDK is given it, with `/v1`.
    pub base: String,
    pub key: String,
    pub model: String,
    /// A model whose turns cost more than a cent.
    pub priced: Option<String>,
    /// Whether the model follows scripts; None asks it.
    pub scripted: Option<bool>,
    /// How long to wait for an answer, or for an event of a stream.
    pub patience: Duration,
    /// A word of letters, digits and `-` that no other run has.
    pub run: String,
    /// All areas where it is empty.
    pub only: Vec<Area>,
}

/// Runs the suite. The error says what is wrong with the target; a server that does not answer is a report.
pub async fn run(target: Target) -> Result<Report, String> {
    let shapes = Shapes::load()?;
    let client = Client::new(&target.base, &target.key, target.patience)?;
    let mut facts =
        Facts { client, shapes, model: target.model.clone(), priced: target.priced, scripted: false, run: target.run };
    let areas: Vec<Area> =
        Area::ALL.into_iter().filter(|area| target.only.is_empty() || target.only.contains(area)).collect();
    let mut first = Probe::new(Arc::new(facts));
    let scripted = greet(&mut first, target.scripted).await;
    let mut created = std::mem::take(&mut first.created);
    facts = Arc::try_unwrap(first.facts).map_err(|_| "the first probe is still in use".to_owned())?;
    facts.scripted = *scripted.as_ref().unwrap_or(&false);
    let facts = Arc::new(facts);

    let mut found: Vec<(Area, Findings)> = Vec::new();
    match scripted {
        Ok(_) => {
            let probes = areas.iter().map(|area| one(*area, Probe::new(Arc::clone(&facts))));
            let mut done = stream::iter(probes).buffer_unordered(AT_ONCE);
            while let Some((area, probe)) = done.next().await {
                found.push((area, probe.found));
                created.extend(probe.created);
            }
        }
        Err(trouble) => {
            let lost = |area: &Area| (*area, Findings { trouble: Some(trouble.clone()), ..Findings::default() });
            found.extend(areas.iter().map(lost));
        }
    }
    found.sort_by_key(|(area, _)| *area);
    let left_behind = delete(&facts, created).await;
    let mut checks = report::outcomes(&found);
    let mut all = Findings::default();
    found.into_iter().for_each(|(_, findings)| all.merge(findings));
    checks.extend(report::shapes(&all, &facts.shapes));
    let mut report = Report::new(&target.base, &target.model, facts.scripted, checks);
    if areas.contains(&Area::Coverage) {
        report.coverage = report::covered(&all, &facts.shapes);
    }
    report.left_behind = left_behind;
    Ok(report)
}

async fn one(area: Area, mut probe: Probe) -> (Area, Probe) {
    area.run(&mut probe).await;
    (area, probe)
}

/// Whether the server answers at all, and whether its model is scripted: only such a one echoes what is no script.
async fn greet(probe: &mut Probe, known: Option<bool>) -> Result<bool, Trouble> {
    probe.get("/agents?limit=1").await?;
    if let Some(known) = known {
        return Ok(known);
    }
    let text = format!("greetings from {}", probe.facts.run);
    let body = probe.session(&text);
    let reader = match probe.create(body).await {
        Ok(mut reader) => match probe.until(&mut reader, &[IDLE]).await {
            Ok(_) => reader,
            Err(trouble) if trouble.is_silence() => return Err(trouble),
            Err(_) => return Ok(false),
        },
        Err(trouble) if trouble.is_silence() => return Err(trouble),
        // That sessions cannot be created is for the areas to say.
        Err(_) => return Ok(false),
    };
    let said = reader.frames.iter().find_map(|frame| frame.text("/text"));
    Ok(said == Some(&format!("echo: {text}")))
}

/// Deletes what was made, newest first; what is left.
async fn delete(facts: &Arc<Facts>, created: Vec<String>) -> Vec<String> {
    let deletions = created.into_iter().rev().map(|path| delete_one(facts, path));
    let mut left: Vec<String> =
        stream::iter(deletions).buffer_unordered(AT_ONCE).filter_map(async |left| left).collect().await;
    left.sort();
    left
}

async fn delete_one(facts: &Arc<Facts>, path: String) -> Option<String> {
    let gone = |status: u16| matches!(status, 200..=299 | 404 | 405);
    let call = Call::new(Method::Delete, path.as_str());
    match facts.client.send(&call).await {
        Ok(answer) if gone(answer.status) => return None,
        Ok(answer) if answer.status == 409 && path.starts_with("/agents/sessions/") => {}
        _ => return Some(path),
    }
    let cancel = Call::new(Method::Post, format!("{path}/events")).json(json!({"events": [CANCEL()]}));
    let mut probe = Probe::new(Arc::clone(facts));
    let session = path.trim_start_matches("/agents/sessions/");
    if facts.client.send(&cancel).await.is_ok()
        && probe.settle(session, &["idle", "failed", "budget_reached"]).await.is_ok()
    {
        let again = facts.client.send(&call).await;
        return again.map_or(true, |answer| !gone(answer.status)).then_some(path);
    }
    Some(path)
}
