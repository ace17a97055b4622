//! What a run found: for programs as JSON, for people as text, and as the page that says what a server serves.

mod page;
mod text;

use crate::area::coverage::{self, CONTENTS, ENVIRONMENTS, FUNCTIONS, INPUTS, ITEMS, TOOLS};
use crate::area::{Area, Check};
use crate::endpoint::{self, Answered, DOORS, ENDPOINTS};
use crate::findings::{Findings, Outcome};
use crate::part::Part;
use crate::shape::Shapes;
use serde::Serialize;
use std::collections::BTreeMap;

/// What is expected of a check that was not reached.
const UNREACHED: &str = "to come this far";
const UNSEEN: &str = "nothing of it was seen in this run";

#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    pub id: String,
    pub area: Area,
    pub says: String,
    pub source: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

/// One row of the coverage: `GET /agents`, `agents.list`, `served`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Covered {
    pub name: String,
    pub also: String,
    pub state: String,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub base: String,
    pub model: String,
    /// Whether the model follows scripts to the letter.
    pub scripted: bool,
    pub counts: Counts,
    pub areas: BTreeMap<&'static str, Counts>,
    pub checks: Vec<Checked>,
    /// Endpoints, events, inputs, tools, environments; empty where the coverage was not asked for.
    pub coverage: BTreeMap<&'static str, Vec<Covered>>,
    /// Doors that the server does not have, and that were not asked for.
    pub absent: Vec<Part>,
    /// What could not be deleted again.
    pub left_behind: Vec<String>,
}

impl Counts {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Skipped { .. } => self.skipped += 1,
        }
    }
}

impl Report {
    pub fn new(base: &str, model: &str, scripted: bool, checks: Vec<Checked>) -> Self {
        let mut areas: BTreeMap<&'static str, Counts> = BTreeMap::new();
        let mut counts = Counts::default();
        for check in &checks {
            counts.add(&check.outcome);
            areas.entry(check.area.name()).or_default().add(&check.outcome);
        }
        Self {
            base: base.to_owned(),
            model: model.to_owned(),
            scripted,
            counts,
            areas,
            checks,
            coverage: BTreeMap::new(),
            absent: Vec::new(),
            left_behind: Vec::new(),
        }
    }

    pub fn is_good(&self) -> bool {
        self.counts.failed == 0
    }
}

/// The outcome of each check of these areas. A check that was not reached has failed: somebody must look.
pub fn outcomes(areas: &[(Area, Findings)]) -> Vec<Checked> {
    let mut checked = Vec::new();
    for (area, found) in areas {
        for Check { id, area, says, source } in area.checks() {
            let outcome = found.outcomes.get(&id).cloned().unwrap_or_else(|| {
                let came = found.trouble.as_ref().map_or("nothing".to_owned(), ToString::to_string);
                Outcome::Failed { expected: UNREACHED.to_owned(), came, evidence: String::new() }
            });
            checked.push(Checked { id, area, says, source: source.to_owned(), outcome });
        }
    }
    checked
}

/// One check for each endpoint and event whose answers were seen, for errors, and for nullable keys.
pub fn shapes(found: &Findings, shapes: &Shapes) -> Vec<Checked> {
    let bare = [Answered::Bytes, Answered::Events, Answered::Any];
    let shaped = endpoint::all().filter(|endpoint| !bare.contains(&endpoint.answered));
    let endpoints = shaped.map(|endpoint| {
        let says = format!("{} {} answers in the shape of the API.", endpoint.method.word(), endpoint.path);
        (endpoint.sdk.to_owned(), says)
    });
    let kinds = shapes.tags("AgentSessionEvent").into_iter().chain(shapes.tags("ResponseStreamEvent"));
    let mut kinds: Vec<String> = kinds.filter(|kind| kind != "error").collect();
    kinds.extend(["error".to_owned(), "error of responses".to_owned()]);
    let events = kinds.into_iter().map(|kind| {
        let says = format!("Events of type {kind} have the shape of the API.");
        (format!("event {kind}"), says)
    });
    let chunks = ("chat chunk".to_owned(), "The chunks of a chat have the shape of the API.".to_owned());
    let errors = ("error".to_owned(), "Errors have type and message, and code and param or null.".to_owned());
    let mut checked = Vec::new();
    for (name, says) in endpoints.chain(events).chain([chunks, errors]) {
        let outcome = match found.shapes.get(&name) {
            Some(seen) => match &seen.fault {
                None => Outcome::Passed,
                Some((what, evidence)) => {
                    Outcome::Failed { expected: "the shape".to_owned(), came: what.clone(), evidence: evidence.clone() }
                }
            },
            None => Outcome::Skipped { reason: UNSEEN.to_owned() },
        };
        let id = format!("shapes.{}", name.replace(' ', "."));
        checked.push(Checked { id, area: Area::Shapes, says, source: "appendix of the contract".to_owned(), outcome });
    }
    let outcome = if found.shapes.is_empty() {
        Outcome::Skipped { reason: UNSEEN.to_owned() }
    } else if found.left_out.is_empty() {
        Outcome::Passed
    } else {
        let came = found.left_out.iter().cloned().collect::<Vec<_>>().join(", ");
        Outcome::Failed { expected: "null".to_owned(), came, evidence: String::new() }
    };
    checked.push(Checked {
        id: "shapes.nulls".to_owned(),
        area: Area::Shapes,
        says: "A key that is nullable is there, with null where it has no value.".to_owned(),
        source: "appendix of the contract".to_owned(),
        outcome,
    });
    checked
}

/// What is served, refused and missing.
pub fn covered(found: &Findings, shapes: &Shapes) -> BTreeMap<&'static str, Vec<Covered>> {
    let row = |name: &str, also: &str, state: &str| Covered {
        name: name.to_owned(),
        also: also.to_owned(),
        state: state.to_owned(),
    };
    let of =
        |part: &'static str, name: &str| found.states.get(&(part, name.to_owned())).map_or("not asked", String::as_str);
    let endpoints = ENDPOINTS.iter().map(|endpoint| {
        let name = format!("{} {}", endpoint.method.word(), endpoint.path);
        row(&name, endpoint.sdk, coverage::state(endpoint, &found.statuses))
    });
    let doors = DOORS.iter().map(|endpoint| {
        let name = format!("{} {}", endpoint.method.word(), endpoint.path);
        row(&name, endpoint.sdk, coverage::state(endpoint, &found.statuses))
    });
    let seen = |kind: &str, name: &str| {
        let seen = found.shapes.contains_key(&format!("event {name}"));
        row(kind, "", if seen { "served" } else { "not seen" })
    };
    let events = shapes.tags("AgentSessionEvent").into_iter().map(|kind| seen(&kind, &kind));
    let told = shapes.tags("ResponseStreamEvent").into_iter().map(|kind| {
        let name = if kind == "error" { "error of responses" } else { &kind };
        seen(&kind, name)
    });
    let items = ITEMS.iter().map(|kind| row(kind, "", of("items", kind)));
    let contents = CONTENTS.iter().map(|kind| row(kind, "", of("contents", kind)));
    let functions = FUNCTIONS.iter().map(|kind| row(kind, "", of("functions", kind)));
    let inputs = INPUTS.iter().map(|kind| row(kind, "", of("inputs", kind)));
    let tools = TOOLS.iter().map(|kind| row(kind, of("saved tools", kind), of("tools", kind)));
    let environments = ENVIRONMENTS.iter().map(|kind| row(kind, "", of("environments", kind)));
    BTreeMap::from([
        ("endpoints", endpoints.collect()),
        ("events", events.collect()),
        ("inputs", inputs.collect()),
        ("tools", tools.collect()),
        ("environments", environments.collect()),
        ("doors", doors.collect()),
        ("told", told.collect()),
        ("items", items.collect()),
        ("contents", contents.collect()),
        ("functions", functions.collect()),
    ])
}
