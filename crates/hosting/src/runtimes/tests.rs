//! Runtimes, their versions and their endpoints, over a store in memory and this machine's own programs.

use super::*;
use crate::archive::tests::{made, zip};
use crate::stage::Stage;
use std::collections::BTreeMap;
use std::path::Path;

fn details(prefix: &str, entry: &str) -> Details {
    let minor = (10..15).find(|minor| Path::new(&format!("/usr/bin/python3.{minor}")).exists());
    Details {
        description: None,
        bucket: FILES_BUCKET.to_owned(),
        prefix: prefix.to_owned(),
        language: Language::read(&format!("PYTHON_3_{}", minor.expect("a Python"))).expect("one of them"),
        entry_point: vec![entry.to_owned()],
        role: "arn:aws:iam::000000000000:role/agent".to_owned(),
        protocol: None,
        idle: None,
        lifetime: None,
        headers: Vec::new(),
        variables: BTreeMap::new(),
    }
}

fn new(name: &str, details: Details) -> NewRuntime {
    NewRuntime { name: name.to_owned(), details, token: None }
}

fn folders(hosting: &Hosting) -> usize {
    std::fs::read_dir(&hosting.inner.settings.agents.folder).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_unpacked_for_each_version_and_goes_with_its_runtime() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let file = stage.upload(&zip(&[made("main.py", "print()"), made("lib/a.py", "")])).await;
    let (runtime, version) =
        hosting.create_runtime(&stage.project, new("a", details(&file, "main.py"))).await.expect("it is made");
    let code = hosting.inner.code(&version.place);
    assert_eq!(std::fs::read_to_string(code.join("main.py")).expect("it is there"), "print()");
    assert!(code.join("lib/a.py").is_file());
    let (_, second) = hosting
        .update_runtime(&stage.project, &runtime.id, details(&file, "lib/a.py"), Some("t".to_owned()))
        .await
        .expect("it is changed");
    assert_eq!((second.number, folders(&hosting)), (2, 2));
    // The same again, as from a client that has heard no answer: no version more, and no code.
    let again = hosting.update_runtime(&stage.project, &runtime.id, details(&file, "lib/a.py"), Some("t".to_owned()));
    assert_eq!((again.await.expect("it is the same").1, folders(&hosting)), (second, 2));
    let other = ProjectId::new("another");
    let refusal = hosting.runtime(&other, &runtime.id, None).await.expect_err("it is another's");
    assert_eq!(refusal.kind, RefusalKind::NotFound);
    hosting.delete_runtime(&stage.project, &runtime.id).await.expect("it is deleted");
    hosting.runtime(&stage.project, &runtime.id, None).await.expect_err("it is gone");
    while folders(&hosting) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_what_is_refused() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let good = stage.upload(&zip(&[made("main.py", "")])).await;
    let up = stage.upload(&zip(&[made("../main.py", "")])).await;
    let twice = stage.upload(&zip(&[made("main.py", "a"), made("main.py", "b")])).await;
    let below = stage.upload(&zip(&[made("a", ""), made("a/b", "")])).await;
    // Each entry names thirty folders that are nobody else's.
    let deep: Vec<String> = (0..2_200).map(|entry| format!("{entry}/{}main.py", "d/".repeat(29))).collect();
    let deep: Vec<_> = deep.iter().map(|name| made(name, "")).collect();
    let deep = stage.upload(&zip(&deep)).await;
    let refusal = hosting.create_runtime(&stage.project, new("a", details(&deep, "0/main.py"))).await;
    assert!(refusal.expect_err("too many").message.contains("more than 65534 folders"));
    assert_eq!(folders(&hosting), 0);
    for (file, entry) in
        [(&good, "other.py"), (&good, "../main.py"), (&good, "/etc/passwd"), (&up, "main.py"), (&twice, "main.py")]
    {
        let refusal = hosting.create_runtime(&stage.project, new("a", details(file, entry))).await.expect_err(entry);
        assert_eq!((refusal.kind, folders(&hosting)), (RefusalKind::Invalid, 0), "{refusal}");
    }
    let refusal = hosting.create_runtime(&stage.project, new("a", details(&below, "a"))).await;
    assert_eq!(refusal.expect_err("a file and a folder").kind, RefusalKind::Invalid);
    assert_eq!(folders(&hosting), 0);
    let first = hosting.create_runtime(&stage.project, new("a", details(&good, "main.py"))).await.expect("it is made");
    let refusal = hosting.create_runtime(&stage.project, new("a", details(&good, "main.py"))).await;
    assert_eq!(refusal.expect_err("the name is taken").kind, RefusalKind::Conflict);
    assert_eq!(folders(&hosting), 1);
    // What nobody names is removed by the next server, and what somebody does is not.
    std::fs::create_dir(hosting.inner.settings.agents.folder.join("code_left")).expect("a folder");
    hosting.clear_code(&[stage.project.clone()].into()).await.expect("it is looked at");
    while folders(&hosting) > 1 {
        tokio::task::yield_now().await;
    }
    assert!(hosting.inner.code(&first.1.place).join("main.py").is_file());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operators_folder_is_named_and_not_left() {
    let mut stage = Stage::new();
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(root.path().join("bucket/agent")).expect("a folder");
    std::fs::create_dir_all(root.path().join("secret")).expect("a folder");
    std::fs::create_dir(root.path().join("secret/deep")).expect("a folder");
    for file in ["bucket/agent/main.py", "secret/main.py", "secret/deep/main.py"] {
        std::fs::write(root.path().join(file), "").expect("a file");
    }
    std::os::unix::fs::symlink(root.path().join("secret"), root.path().join("bucket/out")).expect("a link");
    stage.code = Some(root.path().to_owned());
    let hosting = stage.hosting().await;
    let of = |bucket: &str, prefix: &str| Details { bucket: bucket.to_owned(), ..details(prefix, "main.py") };
    for (bucket, prefix) in [
        ("bucket", "../secret"),
        ("bucket", "out"),
        ("bucket/out", "deep"),
        ("..", "secret"),
        ("bucket", "/etc"),
        ("none", "x"),
    ] {
        let refused = hosting.create_runtime(&stage.project, new("a", of(bucket, prefix))).await;
        assert_eq!(refused.expect_err(prefix).kind, RefusalKind::Invalid, "{bucket} {prefix}");
    }
    let (runtime, version) =
        hosting.create_runtime(&stage.project, new("a", of("bucket", "agent"))).await.expect("it is made");
    assert!(hosting.inner.code(&version.place).ends_with("bucket/agent"));
    hosting.delete_runtime(&stage.project, &runtime.id).await.expect("it is deleted");
    assert!(root.path().join("bucket/agent/main.py").is_file());
}

#[tokio::test]
async fn what_runs_for_a_runtime_is_no_clients_environment() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let id = "rts_000000000000000000000000";
    hosting.environment(&stage.project, id).await.expect_err("it is none");
    let claim = crate::Claim::Existing(id.to_owned());
    let refusal = hosting.claim(&stage.project, &types::SessionId::new("sess_1"), claim).await.expect_err("it is none");
    assert_eq!(refusal.kind, RefusalKind::NotFound);
}
