//! Patches on files: all or none, and again after a crash.

use crate::stage::{Stage, Unheard, repeated};
use serde_json::{Value, json};
use types::{CallOutput, ToolOutcome, Tools};

fn patch(body: &str) -> Value {
    json!({"patch": format!("*** Begin Patch\n{body}*** End Patch\n")})
}

const ALL: &str = "*** Add File: new/file\n+fresh\n*** Delete File: gone\n*** Update File: changed\n@@\n one\n-two\n+2\n \
    three\n*** Update File: old\n*** Move to: moved/here\n@@\n-before\n+after\n end\n";

fn before(stage: &Stage) {
    stage.put("gone", "gone\n");
    stage.put("changed", "one\ntwo\nthree\n");
    stage.put("old", "before\nend\n");
}

fn is_after(stage: &Stage) {
    assert_eq!(stage.holds("new/file").unwrap(), "fresh\n");
    assert_eq!(stage.holds("gone"), None);
    assert_eq!(stage.holds("changed").unwrap(), "one\n2\nthree\n");
    assert_eq!(stage.holds("old"), None);
    assert_eq!(stage.holds("moved/here").unwrap(), "after\nend\n");
}

#[tokio::test]
async fn a_patch_changes_all_its_files() {
    let stage = Stage::new();
    before(&stage);
    let text = stage.said("apply_patch", patch(ALL)).await;
    let space = stage.station.workspace_directory.clone();
    let expected =
        format!("applied:\nA {space}/new/file\nD {space}/gone\nM {space}/changed\nM {space}/old -> {space}/moved/here");
    assert_eq!(text, expected);
    is_after(&stage);
}

#[tokio::test]
async fn a_part_that_does_not_fit_leaves_everything_as_it_was() {
    for (body, expected) in [
        (
            "*** Update File: changed\n@@\n one\n-deux\n+2\n",
            "it expects \"deux\" at line 2, where the file has \"two\"",
        ),
        ("*** Update File: none\n@@\n-a\n+b\n", "is to be updated, but there is no such file"),
        ("*** Delete File: none\n", "is to be deleted, but there is no such file"),
        ("*** Add File: changed\n+x\n", "is to be added, but is there already"),
        ("*** Update File: old\n*** Move to: changed\n", "is to be moved to"),
        ("*** Update File: binary\n@@\n-a\n+b\n", "is no UTF-8 text"),
        ("*** Delete File: below\n", "it is a directory"),
        ("*** Delete File: ./new\n", "is named twice"),
        ("*** Rename: a\n", "line 4 of the patch: expected \"*** Add File:\""),
    ] {
        let stage = Stage::new();
        before(&stage);
        stage.put("binary", b"\xff\xfe");
        stage.put("below/file", "");
        let error = stage.failed("apply_patch", patch(&format!("*** Add File: new\n+x\n{body}"))).await;
        assert!(error.contains(expected) && error.ends_with(". No file was changed"), "{body}: {error}");
        assert_eq!(stage.holds("new"), None, "{body}");
        assert_eq!(stage.holds("changed").unwrap(), "one\ntwo\nthree\n");
        assert_eq!(stage.holds("old").unwrap(), "before\nend\n");
    }
}

#[tokio::test]
async fn after_a_crash_a_patch_is_finished_wherever_it_was_interrupted() {
    // What an attempt had done when the server stopped, in the order in which it writes.
    let steps: [fn(&Stage); 5] = [
        |stage| stage.put("new/file", "fresh\n"),
        |stage| stage.put("changed", "one\n2\nthree\n"),
        |stage| stage.put("moved/here", "after\nend\n"),
        |stage| std::fs::remove_file(stage.path("gone")).unwrap(),
        |stage| std::fs::remove_file(stage.path("old")).unwrap(),
    ];
    for done in 0..=steps.len() {
        let stage = Stage::new();
        before(&stage);
        steps[..done].iter().for_each(|step| step(&stage));
        let request = stage.request("apply_patch", &patch(ALL));
        let outcome = stage.bench.perform(&repeated(&request), &Unheard).await;
        assert!(matches!(outcome, ToolOutcome::Done(CallOutput::Text(_))), "{done}: {outcome:?}");
        is_after(&stage);
        // A first attempt would not take that for its own work.
        let first = stage.bench.perform(&request, &Unheard).await;
        assert!(matches!(first, ToolOutcome::Failed(_)), "{first:?}");
    }
}

#[tokio::test]
async fn where_a_file_fits_both_the_outcome_is_unknown() {
    let stage = Stage::new();
    stage.put("list", "a\n");
    let request = stage.request("apply_patch", &patch("*** Update File: list\n@@\n a\n+b\n"));
    stage.bench.perform(&request, &Unheard).await;
    assert_eq!(stage.holds("list").unwrap(), "a\nb\n");
    let outcome = stage.bench.perform(&repeated(&request), &Unheard).await;
    assert!(matches!(&outcome, ToolOutcome::Unknown(reason) if reason.contains("cannot be told")), "{outcome:?}");
    assert_eq!(stage.holds("list").unwrap(), "a\nb\n");
}
