//! Instructions: what they take from the machine's files.

use crate::faults::{Faulty, Moment::Before};
use crate::stage::{Stage, bench, bench_with, request, self_hosted, settings};
use environments::instructions::instructions;
use environments::machine::Fault;
use environments::skills;
use environments::workbench::{Machines, Station, Workbench};
use serde_json::json;
use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;
use types::{BoxFuture, Offer, ProjectId, SessionId, Tools};

fn skill(name: &str) -> String {
    format!("---\nname: {name}\ndescription: What {name} is for.\n---\nSECRET BODY\n")
}

#[tokio::test]
async fn skills_are_listed_by_name_description_and_path() {
    let mut stage = Stage::new();
    stage.put("skills/pdf/SKILL.md", skill("pdf"));
    stage.put("skills/pdf/inner/SKILL.md", skill("inner"));
    stage.put("skills/office/excel/SKILL.md", skill("excel"));
    stage.put("skills/.hidden/SKILL.md", skill("hidden"));
    stage.put("skills/twin/SKILL.md", skill("pdf"));
    stage.put("skills/broken/SKILL.md", "# no front matter\n");
    stage.put("skills/binary/SKILL.md", [0, 1, 2]);
    symlink("..", stage.path("skills/loop")).unwrap();
    stage.put("single/SKILL.md", skill("single"));
    stage.station.capability_directories = vec!["skills".into(), "single".into(), "none".into()];

    let space = stage.station.workspace_directory.clone();
    let directories = ["skills", "single", "none"].map(|name| format!("{space}/{name}"));
    let found = skills::find(&*stage.station.machine, &directories).await.unwrap();
    let names: Vec<&str> = found.skills.iter().map(|skill| skill.name.as_str()).collect();
    assert_eq!(names, ["excel", "pdf", "single"]);
    let mut warned: Vec<&str> = found.warnings.iter().map(|warning| warning.split(": ").next().unwrap()).collect();
    warned.sort_unstable();
    let expected = ["none", "skills/binary/SKILL.md", "skills/broken/SKILL.md", "skills/twin/SKILL.md"];
    assert_eq!(warned, expected.map(|name| format!("{space}/{name}")));

    let text = instructions(&stage.station).await.unwrap();
    assert!(text.contains(&format!("\n- pdf: What pdf is for. ({space}/skills/pdf/SKILL.md)\n")), "{text}");
    assert!(!text.contains("SECRET BODY") && !text.contains("hidden"));
}

#[tokio::test]
async fn notes_are_taken_from_the_root_of_the_repository_down() {
    let mut stage = Stage::new();
    stage.put("AGENTS.md", "above the repository");
    stage.put("repository/.git/HEAD", "");
    stage.put("repository/AGENTS.md", "first note\n");
    stage.put("repository/a/AGENTS.md", " \n");
    stage.put("repository/a/b/AGENTS.md", "second note\n");
    stage.put("repository/a/b/c/AGENTS.md", "below the workspace");
    stage.station.workspace_directory = stage.path("repository/a/b").to_str().unwrap().to_owned();
    let text = instructions(&stage.station).await.unwrap();
    let first = text.find("repository/AGENTS.md\nfirst note\n").expect("the first");
    let second = text.find("repository/a/b/AGENTS.md\nsecond note\n").expect("the second");
    assert!(first < second);
    assert!(!text.contains("above the repository") && !text.contains("below the workspace"));
    assert!(!text.contains("a/AGENTS.md\n "));
}

#[tokio::test]
async fn without_a_repository_only_the_workspace_is_heard_and_never_without_end() {
    let mut stage = Stage::new();
    stage.put("AGENTS.md", "above");
    stage.put("here/AGENTS.md", format!("{}THE END", "ä".repeat(20_000)));
    stage.station.workspace_directory = stage.path("here").to_str().unwrap().to_owned();
    let text = instructions(&stage.station).await.unwrap();
    assert!(!text.contains("\nabove") && !text.contains("THE END"));
    assert!(text.ends_with("ä\n[cut here; read the rest of the file yourself]\n"));
    stage.put("here/AGENTS.md", vec![b'x'; (1 << 20) + 1]);
    let text = instructions(&stage.station).await.unwrap();
    assert!(text.contains("is too large to stand here"));
}

#[tokio::test]
async fn a_long_list_of_skills_is_cut() {
    let mut stage = Stage::new();
    let long = |name: &str| format!("---\nname: {name}\ndescription: {}\n---\n", "x".repeat(1000));
    for place in 10..40 {
        stage.put(&format!("skills/s{place}/SKILL.md"), long(&format!("s{place}")));
    }
    stage.station.capability_directories = vec!["skills".into()];
    let text = instructions(&stage.station).await.unwrap();
    let listed = text.lines().filter(|line| line.starts_with("- s")).count();
    assert!((10..=16).contains(&listed), "{listed}");
    let space = &stage.station.workspace_directory;
    let rest = format!("[{} more are not listed; look for SKILL.md below {space}/skills]\n", 30 - listed);
    assert!(text.contains(&rest), "{text}");
}

async fn offered(bench: &Workbench, last: &Offer) -> Offer {
    let call = request(1, "shell", &json!({}));
    bench.offered(&call.project, &call.session, &settings(self_hosted()), last).await.expect("an offer")
}

fn end_turn(bench: &Workbench) {
    let call = request(1, "shell", &json!({}));
    bench.turn_ended(&call.project, &call.session, &call.turn);
}

#[tokio::test]
async fn an_offer_says_what_the_files_say_and_is_the_same_while_they_are() {
    let mut stage = Stage::new();
    stage.put("AGENTS.md", "a note\n");
    for name in ["one", "two", "three"] {
        stage.put(&format!("skills/{name}/SKILL.md"), skill(name));
    }
    stage.station.capability_directories = vec!["skills".into()];
    let bench = bench(Some(stage.station.clone()));
    let first = offered(&bench, &Offer::default()).await;
    assert_eq!(first.instructions, Some(instructions(&stage.station).await.unwrap()));
    assert_eq!(offered(&bench, &first).await, first);
    // What changes in a turn counts from the next one on.
    stage.put("AGENTS.md", "another note\n");
    assert_eq!(offered(&bench, &first).await, first);
    end_turn(&bench);
    let changed = offered(&bench, &first).await;
    assert_eq!(changed.tools, first.tools);
    assert_eq!(changed.instructions, first.instructions.map(|text| text.replace("a note", "another note")));
}

#[tokio::test]
async fn what_was_told_stays_while_the_machine_does_not_answer() {
    for fault in [Fault::Disconnected, Fault::Lost] {
        let stage = Stage::on(Faulty::with(&[("read_file", "AGENTS.md", 1, Before, fault)]));
        let told = offered(&stage.bench, &Offer::default()).await;
        assert!(told.instructions.is_some());
        end_turn(&stage.bench);
        assert_eq!(offered(&stage.bench, &told).await, told);
        // Nothing was told before: the tools are offered all the same.
        assert_eq!(offered(&stage.bench, &Offer::default()).await, Offer { instructions: None, ..told });
    }
}

/// Nobody says whether there is a machine.
struct Silent;

impl Machines for Silent {
    fn find<'a>(&'a self, _: &'a ProjectId, _: &'a SessionId, _: Duration) -> BoxFuture<'a, Option<Station>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn nobody_waits_long_for_a_machine_that_is_silent() {
    let last = Offer { tools: Vec::new(), instructions: Some("as before".to_owned()) };
    let told = offered(&bench_with(Arc::new(Silent)), &last).await;
    assert_eq!(told.instructions, last.instructions);
}
