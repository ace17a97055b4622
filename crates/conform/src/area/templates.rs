//! Templates of hosted environments: what is saved, what of it is shown, and what is refused. Nothing is started here.

use super::Row;
use crate::client::Answer;
use crate::probe::{Probe, Said, data_of};
use crate::trouble::Trouble;
use serde_json::{Value, json};

const SDK: &str = "§8; SDK: EnvironmentTemplate";
const PATH: &str = "/agents/environments/templates";

pub const CHECKS: &[Row] = &[
    ("templates.create", "A template is a 201 and shows what it was given.", SDK),
    ("templates.defaults", "One that says nothing has empty lists and no name.", SDK),
    ("templates.hides", "Variables, commands and contents of files are never shown.", "§1"),
    ("templates.retrieve", "It is retrieved as it was made.", SDK),
    ("templates.listed", "It is listed, newest first.", SDK),
    ("templates.limit", "A limit of 0 is one, of 101 a hundred.", "observed 13"),
    ("templates.after", "An unknown after is a 404.", "observed 15"),
    ("templates.update", "An update changes what it names and nothing else.", SDK),
    (
        "templates.null",
        "null takes the name away and puts the network back to its default.",
        "SDK: TemplateUpdateParams",
    ),
    ("templates.path", "A file outside the workspace: 400, param files[0].path.", "§1 Errors"),
    ("templates.reserved", "Reserved paths and variables: 400.", "§8"),
    ("templates.domain", "A wildcard is no domain: 400.", "SDK: Network"),
    ("templates.base64", "Data that is no base64: 400.", "§8"),
    ("templates.archive", "A skill that is no archive: 400.", "§8"),
    ("templates.broaden", "An environment cannot reach more than its template: 400.", "§8"),
    ("templates.unknown", "An unknown template is a 404 on each of its routes.", SDK),
    ("templates.delete", "A deletion says so; then it is a 404.", "SDK: EnvironmentTemplateDeleted"),
];

pub async fn run(probe: &mut Probe) {
    parts!(probe: round, lists, wrong);
}

fn whole(run: &str) -> Value {
    json!({
        "name": format!("conform {run}"),
        "env": {"CONFORM": "value-nobody-sees"},
        "setup_commands": [{"command": "echo command-nobody-sees", "cwd": "/workspace"}],
        "files": [{"type": "inline", "path": "/workspace/a/b.txt", "data": "bm9ib2R5LXNlZXM="}],
        "network": {"access": "restricted", "allowed_domains": ["api.example.com"]},
        "packages": {"python": ["requests>=2.31"]},
        "capability_directories": ["/workspace/skills"],
    })
}

async fn round(probe: &mut Probe) -> Result<(), Trouble> {
    let made = probe.post(PATH, whole(&probe.facts.run)).await?;
    probe.status("templates.create", &made, 201);
    let restricted = json!(["api.example.com"]);
    for (pointer, wanted) in [
        ("/object", json!("agent.environment.template")),
        ("/name", json!(format!("conform {}", probe.facts.run))),
        ("/network/access", json!("restricted")),
        ("/network/allowed_domains", restricted.clone()),
        ("/packages/python", json!(["requests>=2.31"])),
        ("/files/0/path", json!("/workspace/a/b.txt")),
        ("/files/0/size_bytes", json!(11)),
        ("/capability_directories", json!(["/workspace/skills"])),
    ] {
        probe.value("templates.create", &made, pointer, &wanted);
    }
    hides(probe, &made);
    let path = format!("{PATH}/{}", made.need("/id")?);
    let read = probe.get(path.as_str()).await?;
    probe.that("templates.retrieve", read.json == made.json, &made.json, &read.json, &read.evidence);
    let changed = probe
        .post(path.as_str(), json!({"packages": {"npm": ["left-pad"]}, "env": {"CONFORM": "value-nobody-sees"}}))
        .await?;
    probe.status("templates.update", &changed, 200);
    for (pointer, wanted) in [
        ("/packages/npm", json!(["left-pad"])),
        ("/packages/python", json!([])),
        ("/name", made.json["name"].clone()),
        ("/files", made.json["files"].clone()),
        ("/network/allowed_domains", restricted),
    ] {
        probe.value("templates.update", &changed, pointer, &wanted);
    }
    hides(probe, &changed);
    let broad = json!({"environment": {"type": "openai_hosted", "environment_template_id": made.need("/id")?,
        "network": {"access": "enabled"}}});
    let answer = probe.post("/agents/environments", broad).await?;
    probe.invalid("templates.broaden", &answer);
    let changed = probe.post(path.as_str(), json!({"name": null, "network": null})).await?;
    probe.value("templates.null", &changed, "/name", &Value::Null);
    probe.value("templates.null", &changed, "/network/allowed_domains", &json!([]));
    let deleted = probe.delete(path.as_str()).await?;
    probe.value("templates.delete", &deleted, "/deleted", &json!(true));
    let gone = probe.get(path.as_str()).await?;
    probe.missing("templates.delete", &gone);
    Ok(())
}

fn hides(probe: &mut Probe, answer: &Answer) {
    let secrets = ["nobody-sees", "bm9ib2R5LXNlZXM="];
    let shown = secrets.iter().find(|secret| answer.text.contains(**secret));
    probe.that("templates.hides", shown.is_none(), "nothing", format!("{shown:?}"), &answer.evidence);
}

async fn lists(probe: &mut Probe) -> Result<(), Trouble> {
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = probe.post(PATH, json!({})).await?;
        for (pointer, wanted) in [("/name", Value::Null), ("/files", json!([])), ("/skills", json!([]))] {
            probe.value("templates.defaults", &made, pointer, &wanted);
        }
        ids.push(made.need("/id")?);
    }
    let listed = probe.get(format!("{PATH}?limit=101")).await?;
    probe.status("templates.limit", &listed, 200);
    let data = data_of(&listed);
    let came: Vec<&str> =
        data.iter().filter_map(|entry| entry["id"].as_str()).filter(|id| ids.iter().any(|own| own == id)).collect();
    let newest: Vec<&str> = ids.iter().rev().map(String::as_str).collect();
    probe.that("templates.listed", came == newest, newest.join(" "), came.join(" "), &listed.evidence);
    let none = probe.get(format!("{PATH}?limit=0")).await?;
    probe.that("templates.limit", data_of(&none).len() == 1, 1, data_of(&none).len(), &none.evidence);
    let answer = probe.get(format!("{PATH}?after=envtmpl_that_is_not_there")).await?;
    probe.missing("templates.after", &answer);
    Ok(())
}

async fn wrong(probe: &mut Probe) -> Result<(), Trouble> {
    let file = |path: &str, data: &str| json!({"files": [{"type": "inline", "path": path, "data": data}]});
    let skill = json!({"skills": [{"type": "inline", "name": "conform", "description": "d",
        "source": {"type": "base64", "media_type": "application/zip", "data": "aGVsbG8="}}]});
    let wild = json!({"network": {"access": "restricted", "allowed_domains": ["*.example.com"]}});
    for (id, param, body) in [
        ("templates.path", Some("files[0].path"), file("/etc/conform", "aGk=")),
        ("templates.path", Some("files[0].path"), file("/workspace/../etc/conform", "aGk=")),
        ("templates.reserved", Some("files[0].path"), file("/workspace/.codex/conform", "aGk=")),
        ("templates.reserved", Some("files[0].path"), file("/workspace/outputs/conform", "aGk=")),
        ("templates.reserved", None, json!({"env": {"PATH": "/bin"}})),
        ("templates.reserved", None, json!({"env": {"CODEX_HOME": "/"}})),
        ("templates.domain", None, wild),
        ("templates.base64", Some("files[0].data"), file("/workspace/conform", "no base64")),
        ("templates.archive", None, skill),
    ] {
        let answer = probe.post(PATH, body).await?;
        probe.refused(id, &answer, 400, Said { param, ..Said::default() });
    }
    let nobody = format!("{PATH}/envtmpl_that_is_not_there");
    let answers = [
        probe.get(nobody.as_str()).await?,
        probe.post(nobody.as_str(), json!({"name": "x"})).await?,
        probe.delete(nobody.as_str()).await?,
    ];
    for answer in &answers {
        probe.missing("templates.unknown", answer);
    }
    Ok(())
}
