//! Instructions: what they take from the machine's files.

use crate::stage::Stage;
use environments::instructions::instructions;
use environments::skills;
use std::os::unix::fs::symlink;

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
