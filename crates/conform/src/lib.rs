//! Black-box checks of the Agents API and of the other doors of OpenAI's wire against any server: it speaks HTTP as every client does, knows nothing of how a
//! server works, and says for each check what was expected, what came, and where the expectation is known from. It
//! creates what it needs, marks it, and deletes it again.

mod area;
mod client;
mod endpoint;
mod findings;
mod frames;
mod part;
mod probe;
mod report;
mod shape;
mod socket;
mod told;
mod trouble;

pub use area::Area;
pub use findings::Outcome;
pub use part::Part;
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
    /// A model that makes vectors.
    pub embedding: Option<String>,
    /// Whether the model follows scripts; None asks it.
    pub scripted: Option<bool>,
    /// How long to wait for an answer, or for an event of a stream.
    pub patience: Duration,
    /// A word of letters, digits and `-` that no other run has.
    pub run: String,
    /// All areas where it is empty.
    pub only: Vec<Area>,
    /// All parts that the server serves where it is empty.
    pub parts: Vec<Part>,
}

/// Runs the suite. The error says what is wrong with the target; a server that does not answer is a report.
pub async fn run(target: Target) -> Result<Report, String> {
    let shapes = Shapes::load()?;
    let client = Client::new(&target.base, &target.key, target.patience)?;
    let (priced, embedding) = (target.priced.clone(), target.embedding.clone());
    let (model, run) = (target.model.clone(), target.run.clone());
    let mut facts = Facts { client, shapes, model, priced, embedding, scripted: false, run };
    let wanted = target.areas();
    let served = served(&facts.client, &wanted).await;
    let mut first = Probe::new(Arc::new(facts));
    let scripted = match &served {
        Ok(served) => greet(&mut first, target.scripted, served).await,
        Err(trouble) => Err(trouble.clone()),
    };
    let mut created = std::mem::take(&mut first.created);
    facts = Arc::try_unwrap(first.facts).map_err(|_| "the first probe is still in use".to_owned())?;
    facts.scripted = *scripted.as_ref().unwrap_or(&false);
    let facts = Arc::new(facts);

    let absent = served.as_ref().map(|served| target.absent(&wanted, served)).unwrap_or_default();
    let is_there = |area: &Area| area.part().is_none_or(|part| !absent.contains(&part));
    let areas: Vec<Area> = wanted.into_iter().filter(is_there).collect();
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
    report.absent = absent;
    Ok(report)
}

impl Target {
    /// What was asked for; where parts or areas are named, what looks at all doors only by its own name.
    fn areas(&self) -> Vec<Area> {
        let named = |area: &Area| self.only.is_empty() || self.only.contains(area);
        let parted = |area: &Area| {
            let whole = self.only.contains(area) || *area == Area::Shapes;
            self.parts.is_empty() || area.part().map_or(whole, |part| self.parts.contains(&part))
        };
        Area::ALL.into_iter().filter(|area| named(area) && parted(area)).collect()
    }

    /// Doors that are left out: those that are not served and were not asked for. Where none is served, none is left out.
    fn absent(&self, wanted: &[Area], served: &[Part]) -> Vec<Part> {
        let asked = |part: &Part| {
            self.parts.contains(part) || self.only.iter().any(|area| area.part() == Some(*part)) || served.is_empty()
        };
        let wanted = |part: &Part| wanted.iter().any(|area| area.part() == Some(*part));
        let left = Part::ALL.into_iter().filter(wanted).filter(|part| !served.contains(part));
        left.filter(|part| !asked(part)).collect()
    }
}

/// Which doors of these areas the server has. What it does not answer at all, it may have: the areas will see.
async fn served(client: &Client, areas: &[Area]) -> Result<Vec<Part>, Trouble> {
    let mut served = Vec::new();
    for part in Part::ALL {
        let is_wanted = areas.iter().any(|area| area.part() == Some(part) || *area == Area::Coverage);
        if is_wanted && part.is_served(client).await? {
            served.push(part);
        }
    }
    Ok(served)
}

async fn one(area: Area, mut probe: Probe) -> (Area, Probe) {
    area.run(&mut probe).await;
    (area, probe)
}

/// Whether the model is scripted: only such a one echoes what is no script.
async fn greet(probe: &mut Probe, known: Option<bool>, served: &[Part]) -> Result<bool, Trouble> {
    if let Some(known) = known {
        return Ok(known);
    }
    let text = format!("greetings from {}", probe.facts.run);
    let echo = format!("echo: {text}");
    let said = if served.contains(&Part::Agents) || served.contains(&Part::Fork) {
        said_in_session(probe, &text).await
    } else if served.contains(&Part::Responses) || served.contains(&Part::Conversations) {
        let body = probe::asked(probe, text.as_str());
        let answer = probe.post("/responses", body).await;
        answer.map(|answer| probe::text_of(&answer.json))
    } else if served.contains(&Part::Chat) {
        let body = json!({"model": probe.facts.model, "messages": [{"role": "user", "content": text}]});
        let answer = probe.post("/chat/completions", body).await;
        answer.map(|answer| answer.json["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned())
    } else {
        return Ok(false);
    };
    match said {
        Ok(said) => Ok(said == echo),
        Err(trouble) if trouble.is_silence() => Err(trouble),
        // That nothing is answered is for the areas to say.
        Err(_) => Ok(false),
    }
}

async fn said_in_session(probe: &mut Probe, text: &str) -> Result<String, Trouble> {
    let body = probe.session(text);
    let mut reader = probe.create(body).await?;
    probe.until(&mut reader, &[IDLE]).await?;
    Ok(reader.frames.iter().find_map(|frame| frame.text("/text")).unwrap_or_default().to_owned())
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
