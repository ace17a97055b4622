//! Files of environments, as the doors ask for them.

use super::*;
use crate::record::Environment;
use crate::rows::ENVIRONMENTS;
use crate::stage::Stage;
use std::fs;
use types::{ContainerSize, EnvironmentId, HostedSettings, NetworkSettings, Packages, Timestamp};

const ID: &str = "env_1";

/// An environment in a state, with a disk.
async fn scene(status: EnvironmentStatus) -> (Stage, Hosting, Disk) {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let settings = HostedSettings {
        id: EnvironmentId::new(ID),
        container_size: ContainerSize::Small,
        network: NetworkSettings::default(),
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    };
    let environment = Environment::new(settings, status, Timestamp(1));
    let rows = &hosting.inner.rows;
    rows.write(&stage.project, (ENVIRONMENTS, ID), &environment, true).await.expect("it is written");
    let disk = Disk::new(&hosting.inner.folder(ID));
    disk.create().await.expect("a disk can be made");
    (stage, hosting, disk)
}

fn bytes(path: &str, content: impl Into<Vec<u8>>) -> NewFile {
    NewFile { path: path.to_owned(), content: Content::Bytes(content.into()) }
}

fn page(path: Option<&str>, after: Option<String>, limit: usize, ascending: bool) -> FilePage {
    FilePage { path: path.map(str::to_owned), after, limit, ascending }
}

async fn listed(stage: &Stage, hosting: &Hosting, path: Option<&str>) -> Vec<String> {
    let listed = hosting.files(&stage.project, ID, page(path, None, 100, true)).await.expect("it is listed");
    assert_eq!(listed.1, None);
    listed.0.into_iter().map(|file| file.path).collect()
}

#[tokio::test]
async fn what_is_put_is_listed() {
    let (stage, hosting, disk) = scene(EnvironmentStatus::Suspended).await;
    let put = hosting.put_file(&stage.project, ID, bytes("/workspace/a/b.txt", "hello")).await.expect("it is put");
    assert_eq!(put, EnvironmentFile { path: "/workspace/a/b.txt".to_owned(), bytes: 5 });
    let uploaded = stage.upload(&vec![7; 20 << 20]).await;
    let new = NewFile { path: "/workspace/large".to_owned(), content: Content::File(uploaded) };
    assert_eq!(hosting.put_file(&stage.project, ID, new).await.expect("it is put").bytes, 20 << 20);
    assert_eq!(fs::read(disk.folder().join("large")).expect("it is there"), vec![7; 20 << 20]);
    for hidden in [".codex/skills/a", ".managed-agents/ca.pem", ".managed-agents-x"] {
        let path = disk.folder().join(hidden);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, "hidden").expect("a file");
    }
    fs::create_dir_all(disk.folder().join("outputs/empty")).expect("a folder");
    fs::write(disk.folder().join("outputs/result"), "shown").expect("a file");
    std::os::unix::fs::symlink("/etc", disk.folder().join("link")).expect("a link");

    let all = ["/workspace/a/b.txt", "/workspace/large", "/workspace/outputs/result"];
    assert_eq!(listed(&stage, &hosting, None).await, all);
    assert_eq!(listed(&stage, &hosting, Some("/workspace")).await, all);
    assert_eq!(listed(&stage, &hosting, Some("/workspace/a")).await, ["/workspace/a/b.txt"]);
    for none in ["nowhere", "large", "link", "link/ssl", "outputs/empty", ".codex", ".managed-agents/x"] {
        assert!(listed(&stage, &hosting, Some(&format!("/workspace/{none}"))).await.is_empty(), "{none}");
    }

    let mut wanted: Vec<&str> = all.to_vec();
    for ascending in [true, false] {
        let (mut paths, mut after) = (Vec::new(), None);
        loop {
            let wanted = page(None, after, 2, ascending);
            let (files, next) = hosting.files(&stage.project, ID, wanted).await.expect("it is listed");
            paths.extend(files.into_iter().map(|file| file.path));
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(paths, wanted);
        wanted.reverse();
    }
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_its_reason() {
    let (stage, hosting, disk) = scene(EnvironmentStatus::Connected).await;
    fs::write(disk.folder().join("file"), "x").expect("a file");
    std::os::unix::fs::symlink("/tmp", disk.folder().join("link")).expect("a link");
    let outside = "path must be an absolute POSIX path inside /workspace";
    for (file, param, message) in [
        (bytes("/etc/passwd", ""), "path", outside),
        (bytes("/workspace/../etc/passwd", ""), "path", outside),
        (bytes("/workspace/.codex/a", ""), "path", "path must not be in a reserved directory: /workspace/.codex"),
        (bytes("/workspace/link/a", ""), "path", "path must not lead through a symbolic link"),
        (bytes("/workspace/link", ""), "path", "path must not lead through a symbolic link"),
        (bytes("/workspace/file/a", ""), "path", "path leads through a file"),
        (
            bytes("/workspace/a", vec![0; (5 << 20) + 1]),
            "data",
            "The file has 5242881 bytes. Expected at most 5242880 bytes.",
        ),
        (
            NewFile { path: "/workspace/a".to_owned(), content: Content::File("file-0".to_owned()) },
            "file_id",
            "File not found: file-0",
        ),
    ] {
        let refused = hosting.put_file(&stage.project, ID, file).await.expect_err(message);
        assert_eq!((refused.kind, refused.param.as_deref()), (RefusalKind::Invalid, Some(param)), "{message}");
        assert_eq!(refused.message, message);
    }
    let uploaded = stage.upload(&vec![7; (50 << 20) + 1]).await;
    let new = NewFile { path: "/workspace/large".to_owned(), content: Content::File(uploaded) };
    let refused = hosting.put_file(&stage.project, ID, new).await.expect_err("it is too large");
    assert_eq!(refused.param.as_deref(), Some("file_id"));
    for (wanted, param) in [
        (page(Some("/etc"), None, 10, true), "path"),
        (page(Some("/workspace/"), None, 10, true), "path"),
        (page(None, Some("not a token".to_owned()), 10, true), "page"),
    ] {
        let refused = hosting.files(&stage.project, ID, wanted).await.expect_err(param);
        assert_eq!(refused.param.as_deref(), Some(param));
    }
    let other = ProjectId::new("other");
    for (project, id) in [(&other, ID), (&stage.project, "env_2"), (&stage.project, "../env_1")] {
        let refused = hosting.put_file(project, id, bytes("/workspace/a", "")).await.expect_err("it is not theirs");
        assert_eq!(refused.kind, RefusalKind::NotFound);
        let refused = hosting.files(project, id, page(None, None, 10, true)).await.expect_err("it is not theirs");
        assert_eq!(refused.kind, RefusalKind::NotFound);
    }
    assert_eq!(listed(&stage, &hosting, None).await, ["/workspace/file"]);
}

#[tokio::test]
async fn a_disk_that_is_not_there_is_told_by_its_state() {
    for (status, why) in [
        (EnvironmentStatus::Pending, "still provisioning; wait until it is connected"),
        (EnvironmentStatus::Expired, "expired"),
        (EnvironmentStatus::Failed, "failed"),
    ] {
        let (stage, hosting, _) = scene(status).await;
        let put = hosting.put_file(&stage.project, ID, bytes("/workspace/a", "")).await.expect_err(why);
        let list = hosting.files(&stage.project, ID, page(None, None, 10, true)).await.expect_err(why);
        for refused in [put, list] {
            assert_eq!(refused.kind, RefusalKind::Invalid);
            assert!(refused.message.contains(why), "{refused}");
        }
    }
}

/// A server that ends now leaves nothing but this to the next one.
#[tokio::test]
async fn that_it_is_used_is_written_down() {
    let (stage, hosting, _) = scene(EnvironmentStatus::Suspended).await;
    let (now, rows) = (stage.clock.now(), &hosting.inner.rows);
    let used_at = async || hosting.inner.environment(&stage.project, ID).await.expect("it is there").used_at;
    let long_ago = async |by: u64| {
        let mut row = hosting.inner.environment(&stage.project, ID).await.expect("it is there");
        row.used_at = Timestamp(now.0 - by);
        rows.write(&stage.project, (ENVIRONMENTS, ID), &row, false).await.expect("it is written");
    };
    hosting.put_file(&stage.project, ID, bytes("/workspace/a", "x")).await.expect("it is put");
    assert_eq!(used_at().await, now);
    // Not each time.
    long_ago(59_999).await;
    hosting.put_file(&stage.project, ID, bytes("/workspace/a", "y")).await.expect("it is put");
    assert_eq!(used_at().await, Timestamp(now.0 - 59_999));
    long_ago(60_000).await;
    hosting.put_file(&stage.project, ID, bytes("/workspace/a", "z")).await.expect("it is put");
    assert_eq!(used_at().await, now);
    // Nor by one who only looks.
    long_ago(100_000).await;
    listed(&stage, &hosting, None).await;
    assert_eq!(used_at().await, Timestamp(now.0 - 100_000));
    let session = types::SessionId::new("sess_1");
    let claim = crate::Claim::Existing(ID.to_owned());
    hosting.claim(&stage.project, &session, claim).await.expect("it is nobody's");
    hosting.begin_session(&stage.project, &session).await;
    assert_eq!(used_at().await, now);
}

#[tokio::test]
async fn a_disk_takes_no_more_than_its_size() {
    let (stage, hosting, disk) = scene(EnvironmentStatus::Ready).await;
    fs::write(disk.folder().join("0"), vec![1; 64 << 20]).expect("a file");
    // Names of the same file count as if each had its own, as they do while a sandbox runs.
    for number in 1..64 {
        fs::hard_link(disk.folder().join("0"), disk.folder().join(number.to_string())).expect("a link");
    }
    let refused = hosting.put_file(&stage.project, ID, bytes("/workspace/a", "more")).await.expect_err("it is full");
    assert_eq!(refused.message, "The disk of environment env_1 has no room for it.");
    fs::remove_file(disk.folder().join("1")).expect("it is there");
    hosting.put_file(&stage.project, ID, bytes("/workspace/a", "more")).await.expect("there is room");
}

#[tokio::test]
async fn files_that_come_at_once_take_no_more_than_the_disk_has() {
    let (stage, hosting, disk) = scene(EnvironmentStatus::Suspended).await;
    fs::write(disk.folder().join("0"), vec![1; 64 << 20]).expect("a file");
    for number in 1..63 {
        fs::hard_link(disk.folder().join("0"), disk.folder().join(number.to_string())).expect("a link");
    }
    // There is room for one of them.
    fs::write(disk.folder().join("rest"), vec![1; 57 << 20]).expect("a file");
    let put = |name: &str| hosting.put_file(&stage.project, ID, bytes(&format!("/workspace/{name}"), vec![7; 4 << 20]));
    let (a, b, c) = tokio::join!(put("a"), put("b"), put("c"));
    assert_eq!([a, b, c].iter().filter(|put| put.is_ok()).count(), 1);
}

#[tokio::test]
async fn a_disk_takes_no_more_files_than_its_size_allows() {
    let (_stage, _hosting, disk) = scene(EnvironmentStatus::Suspended).await;
    fs::create_dir_all(disk.folder().join("a/b")).expect("folders");
    fs::write(disk.folder().join("a/b/empty"), "").expect("a file");
    std::os::unix::fs::symlink("/etc", disk.folder().join("link")).expect("a link");
    let used = disk.size().await.expect("it is measured");
    assert_eq!(used.entries, 4);
    let most = |entries| Most { bytes: 1 << 30, entries };
    // A file, and two folders that may have to be made.
    let place = Place::of_client("/workspace/c/d/empty").expect("it is one");
    assert!(fits(used, &place, 0, most(7)));
    assert!(!fits(used, &place, 0, most(6)));
    assert!(!fits(used, &place, 2 << 30, most(7)));
}
