//! The list of models.

use super::Row;
use crate::client::Call;
use crate::endpoint::Method;
use crate::probe::{Probe, data_of};
use crate::trouble::Trouble;
use serde_json::json;

pub const CHECKS: &[Row] = &[
    ("models.listed", "The model of this run is listed.", "SDK: models.list"),
    ("models.unique", "No model is listed twice.", "SDK: models.list"),
    ("models.retrieve", "It is retrieved as it is listed.", "SDK: models.retrieve"),
    ("models.unknown", "An unknown model is a 404 with the code model_not_found.", "SDK: NotFoundError"),
    ("models.no-key", "Without a key: 401.", "SDK: AuthenticationError"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: listed);
}

async fn listed(probe: &mut Probe) -> Result<(), Trouble> {
    let list = probe.get("/models").await?;
    let all = data_of(&list);
    let named = all.iter().find(|model| model["id"] == probe.facts.model).cloned();
    probe.that("models.listed", named.is_some(), probe.facts.model.clone(), "others", &list.evidence);
    let mut names: Vec<&str> = all.iter().filter_map(|model| model["id"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    probe.that("models.unique", names.len() == all.len(), all.len(), names.len(), &list.evidence);
    let one = probe.get(format!("/models/{}", probe.facts.model)).await?;
    let listed = named.unwrap_or_default();
    probe.that("models.retrieve", one.json == listed, &listed, &one.json, &one.evidence);
    let answer = probe.get("/models/a-model-that-is-not-there").await?;
    probe.status("models.unknown", &answer, 404);
    probe.value("models.unknown", &answer, "/error/code", &json!("model_not_found"));
    let answer = probe.send(Call::new(Method::Get, "/models").without("authorization")).await?;
    probe.status("models.no-key", &answer, 401);
    Ok(())
}
