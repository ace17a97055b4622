//! What is published of a disk, turn by turn.

use super::shelf::{Published, Shelf};
use crate::disk::Disk;
use crate::hosting::Hosting;
use crate::record::Artifact;
use crate::stage::Stage;
use runtime::{Direction, Page};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;
use types::{BoxFuture, Clock, EnvironmentId, RefusalKind, SessionId, Timestamp, TurnId};

/// A session with a disk.
struct Scene {
    stage: Stage,
    hosting: Hosting,
    session: SessionId,
    environment: EnvironmentId,
    disk: Disk,
}

/// Long after every file was changed.
struct Later;

impl Clock for Later {
    fn now(&self) -> Timestamp {
        Timestamp(4_000_000_000_000)
    }
    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

impl Scene {
    async fn new() -> Self {
        let stage = Stage::new();
        let hosting = stage.hosting().await;
        let (session, environment) = (SessionId::new("sess_1"), EnvironmentId::new("env_1"));
        let disk = Disk::new(&stage.folder.path().join("env_1"));
        disk.create().await.expect("a disk can be made");
        let scene = Self { stage, hosting, session, environment, disk };
        fs::create_dir(scene.at("")).expect("a folder");
        scene
    }

    fn at(&self, path: &str) -> PathBuf {
        self.disk.folder().join("outputs").join(path)
    }

    fn write(&self, path: &str, content: &str) {
        fs::create_dir_all(self.at(path).parent().expect("it has one")).expect("a folder");
        fs::write(self.at(path), content).expect("a file");
    }

    fn shelf<'a>(&'a self, clock: &'a dyn Clock) -> Shelf<'a> {
        let (rows, files) = (&self.hosting.inner.rows, &self.stage.files);
        Shelf {
            rows,
            files,
            clock,
            entropy: &*self.stage.entropy,
            project: &self.stage.project,
            session: &self.session,
        }
    }

    async fn publish(&self, turn: &str) {
        let shelf = self.shelf(&*self.stage.clock);
        shelf.publish(&self.environment, TurnId::new(turn), &self.disk).await.expect("it is published");
    }

    async fn published(&self) -> Published {
        self.shelf(&Later).read().await.expect("it is read")
    }

    /// Path and turn of each, as they were published.
    async fn listed(&self) -> Vec<(String, String)> {
        self.list(None, 100, Direction::Ascending, None).await.0.into_iter().map(short).collect()
    }

    async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
        direction: Direction,
        environment: Option<&str>,
    ) -> (Vec<Artifact>, bool) {
        let page = Page { after: after.map(str::to_owned), limit, direction };
        let listed = self.shelf(&Later).list(environment, page).await.expect("they are listed");
        (listed.data, listed.has_more)
    }

    async fn content(&self, id: &str) -> Vec<u8> {
        let (artifact, file) = self.shelf(&Later).artifact(id).await.expect("it is there");
        let mut content = Vec::new();
        for part in &file.parts {
            content.extend(self.stage.files.part(&self.stage.project, &file, part).await.expect("it is there"));
        }
        assert_eq!((artifact.bytes, file.size), (content.len() as u64, content.len() as u64));
        content
    }
}

fn short(artifact: Artifact) -> (String, String) {
    let path = artifact.path.strip_prefix("/workspace/outputs/").expect("it is one of the outputs");
    (path.to_owned(), artifact.turn.as_str().to_owned())
}

fn pairs(wanted: &[(&str, &str)]) -> Vec<(String, String)> {
    wanted.iter().map(|&(path, turn)| (path.to_owned(), turn.to_owned())).collect()
}

#[tokio::test]
async fn a_turn_publishes_what_is_new_or_changed_and_nothing_else() {
    let scene = Scene::new().await;
    scene.write("b/c.txt", "one");
    scene.write("a.txt", "two");
    scene.publish("turn_1").await;
    assert_eq!(scene.listed().await, pairs(&[("a.txt", "turn_1"), ("b/c.txt", "turn_1")]));
    scene.write("a.txt", "more");
    scene.publish("turn_1").await;
    assert_eq!(scene.listed().await.len(), 2, "a turn is published once");

    scene.write("b/c.txt", "one");
    scene.write("new", "");
    scene.publish("turn_2").await;
    let wanted = [("a.txt", "turn_1"), ("b/c.txt", "turn_1"), ("a.txt", "turn_2"), ("new", "turn_2")];
    assert_eq!(scene.listed().await, pairs(&wanted), "what was written anew with the same content stays what it is");
    let (artifacts, _) = scene.list(None, 100, Direction::Ascending, None).await;
    let contents = [&b"two"[..], b"one", b"more", b""];
    for (artifact, content) in artifacts.iter().zip(contents) {
        assert_eq!(scene.content(&artifact.id).await, content);
        assert!(artifact.id.starts_with("artifact_") && artifact.id.len() == 33);
    }

    // Immutable, whatever becomes of the files; one that is gone is published no more, and comes back as it was.
    fs::remove_file(scene.at("b/c.txt")).expect("it is there");
    scene.publish("turn_3").await;
    scene.write("b/c.txt", "one");
    scene.publish("turn_4").await;
    scene.disk.remove().await.expect("it goes");
    scene.publish("turn_5").await;
    assert_eq!(scene.listed().await, pairs(&wanted));
    assert_eq!(scene.content(&artifacts[1].id).await, b"one");
    assert_eq!(scene.published().await.turn, Some(TurnId::new("turn_5")));
}

#[tokio::test]
async fn a_change_is_seen_by_what_a_file_says() {
    let scene = Scene::new().await;
    scene.write("a", "one");
    let before = fs::metadata(scene.at("a")).expect("it is there").modified().expect("it has a time");
    let shelf = scene.shelf(&Later);
    shelf.publish(&scene.environment, TurnId::new("turn_1"), &scene.disk).await.expect("it is published");
    let stamp = scene.published().await.artifacts[0].stamp;
    assert!(stamp.is_some(), "what has not been changed for long is known again");
    scene.publish("turn_2").await;
    assert_eq!(scene.published().await.artifacts[0].stamp, stamp, "it was not even opened");

    // The same size, and the same time as far as those inside can say it.
    scene.write("a", "two");
    let file = fs::File::options().write(true).open(scene.at("a")).expect("it is there");
    file.set_modified(before).expect("it is ours");
    scene.publish("turn_3").await;
    assert_eq!(scene.listed().await, pairs(&[("a", "turn_1"), ("a", "turn_3")]));
    assert_eq!(scene.published().await.artifacts[1].stamp, None, "what was changed just now is looked at again");
    scene.publish("turn_4").await;
    assert_eq!(scene.listed().await.len(), 2);
}

#[tokio::test]
async fn a_deleted_one_is_published_again_by_a_later_turn() {
    let scene = Scene::new().await;
    scene.write("a", "one");
    scene.write("b", "two");
    scene.publish("turn_1").await;
    let shelf = scene.shelf(&Later);
    let (artifacts, _) = scene.list(None, 100, Direction::Ascending, None).await;
    let file = shelf.artifact(&artifacts[0].id).await.expect("it is there").1;
    shelf.delete(&artifacts[0].id).await.expect("it is deleted");
    let again = shelf.delete(&artifacts[0].id).await.expect_err("it is gone");
    assert_eq!(again.kind, RefusalKind::NotFound);
    let part = scene.stage.files.part(&scene.stage.project, &file, &file.parts[0]).await;
    assert_eq!(part.expect_err("its content is gone").kind, RefusalKind::NotFound);
    scene.publish("turn_1").await;
    assert_eq!(scene.listed().await, pairs(&[("b", "turn_1")]));
    scene.publish("turn_2").await;
    assert_eq!(scene.listed().await, pairs(&[("b", "turn_1"), ("a", "turn_2")]));

    let (_, file) = shelf.artifact(&artifacts[1].id).await.expect("it is there");
    shelf.forget().await.expect("it is forgotten");
    assert!(scene.listed().await.is_empty());
    let part = scene.stage.files.part(&scene.stage.project, &file, &file.parts[0]).await;
    assert_eq!(part.expect_err("its content is gone").kind, RefusalKind::NotFound);
    let late = shelf.publish(&scene.environment, TurnId::new("turn_3"), &scene.disk).await;
    assert!(late.is_err(), "nothing is published for a session that is gone");
}

#[tokio::test]
async fn a_fork_publishes_what_it_has_changed() {
    let mut scene = Scene::new().await;
    for (path, content) in [("same", "one"), ("changed", "two"), ("gone", "three")] {
        scene.write(path, content);
    }
    scene.publish("turn_1").await;
    scene.write("changed", "newer");
    scene.publish("turn_2").await;
    scene.write("never published", "four");
    let heritage = scene.published().await.for_fork();
    scene.session = SessionId::new("sess_2");
    scene.shelf(&Later).write(&heritage, Vec::new(), Vec::new()).await.expect("it is written");
    // The turn that both have is looked at no second time.
    scene.publish("turn_2").await;
    assert!(scene.listed().await.is_empty());
    scene.write("same", "one");
    fs::remove_file(scene.at("gone")).expect("it is there");
    scene.publish("turn_3").await;
    assert_eq!(scene.listed().await, pairs(&[("never published", "turn_3")]));
    scene.write("changed", "two");
    scene.publish("turn_4").await;
    assert_eq!(scene.listed().await, pairs(&[("never published", "turn_3"), ("changed", "turn_4")]));
    // What a fork of the fork begins with is what there is, whoever's artifact it was.
    let mut second: Vec<String> = Vec::new();
    for file in scene.published().await.for_fork().inherited {
        second.push(format!("{} {}", file.path.rsplit('/').next().expect("a name"), file.bytes));
    }
    second.sort();
    assert_eq!(second, ["changed 3", "gone 5", "never published 4", "same 3"]);
}

#[tokio::test]
async fn only_regular_files_of_a_decent_size_are_published() {
    let scene = Scene::new().await;
    fs::write(scene.disk.folder().join("secret"), "secret").expect("a file");
    std::os::unix::fs::symlink("../secret", scene.at("link")).expect("a link");
    std::os::unix::fs::symlink("/etc", scene.at("folder")).expect("a link");
    let pipe = rustix::fs::mkfifoat(rustix::fs::CWD, scene.at("pipe"), rustix::fs::Mode::RUSR);
    pipe.expect("a pipe");
    scene.write("good", "good");
    fs::write(scene.at("").join(std::ffi::OsStr::from_bytes(b"no \xff text")), "x").expect("a file");
    let huge = fs::File::create(scene.at("huge")).expect("a file");
    huge.set_len(10 << 30).expect("it grows");
    scene.publish("turn_1").await;
    assert_eq!(scene.listed().await, pairs(&[("good", "turn_1")]));

    // The whole folder as a link, or none.
    fs::remove_dir_all(scene.at("")).expect("it goes");
    std::os::unix::fs::symlink("/etc", scene.disk.folder().join("outputs")).expect("a link");
    scene.publish("turn_2").await;
    fs::remove_file(scene.disk.folder().join("outputs")).expect("it goes");
    scene.publish("turn_3").await;
    assert_eq!(scene.listed().await, pairs(&[("good", "turn_1")]));
}

#[tokio::test]
async fn there_are_no_more_than_may_be() {
    let scene = Scene::new().await;
    for number in 0..1_005 {
        scene.write(&format!("{number:04}"), "x");
    }
    scene.publish("turn_1").await;
    let published = scene.published().await;
    assert_eq!(published.artifacts.len(), 1_000);
    assert_eq!(published.artifacts[999].artifact.path, "/workspace/outputs/0999");
    scene.write("0000", "changed");
    scene.publish("turn_2").await;
    assert_eq!(scene.published().await.artifacts.len(), 1_000);
    scene.shelf(&Later).delete(&published.artifacts[5].artifact.id).await.expect("it is deleted");
    scene.publish("turn_3").await;
    let published = scene.published().await;
    assert_eq!(published.artifacts.len(), 1_000);
    assert_eq!(published.artifacts[999].artifact.path, "/workspace/outputs/0000");
}

#[tokio::test]
async fn what_cannot_be_kept_now_is_published_later() {
    let scene = Scene::new().await;
    // More than the store takes.
    for name in ["a", "b", "c"] {
        fs::write(scene.at(name), vec![1; 24 << 20]).expect("a file");
    }
    let shelf = scene.shelf(&Later);
    let publish = || shelf.publish(&scene.environment, TurnId::new("turn_1"), &scene.disk);
    publish().await.expect_err("the store is full");
    assert_eq!(scene.published().await, Published::default());
    fs::remove_file(scene.at("c")).expect("it is there");
    let mut tries = 0;
    // What was written already is given back beside.
    while let Err(refusal) = publish().await {
        tries += 1;
        assert!(tries < 1_000, "{refusal}");
        tokio::task::yield_now().await;
    }
    assert_eq!(scene.listed().await, pairs(&[("a", "turn_1"), ("b", "turn_1")]));
}

#[tokio::test]
async fn lists_have_pages() {
    let scene = Scene::new().await;
    for name in ["a", "b", "c"] {
        scene.write(name, name);
    }
    scene.publish("turn_1").await;
    let (first, more) = scene.list(None, 2, Direction::Descending, Some("env_1")).await;
    assert!(more);
    let (rest, more) = scene.list(Some(&first[1].id), 2, Direction::Descending, None).await;
    assert!(!more);
    let paths: Vec<String> = first.into_iter().chain(rest).map(|artifact| short(artifact).0).collect();
    assert_eq!(paths, ["c", "b", "a"]);
    assert!(scene.list(None, 10, Direction::Ascending, Some("no environment")).await.0.is_empty());
    let page = Page { after: Some("artifact_0".to_owned()), limit: 10, direction: Direction::Ascending };
    let refused = scene.shelf(&Later).list(None, page).await.expect_err("it is unknown");
    assert_eq!(refused.message, "after is not a valid artifact ID");
    let other = scene.shelf(&Later).artifact("artifact_0").await.expect_err("it is unknown");
    assert_eq!(other.kind, RefusalKind::NotFound);
}

#[tokio::test]
async fn what_a_turn_left_is_owed_until_it_was_seen_to() {
    let scene = Scene::new().await;
    let (project, session, inner) = (&scene.stage.project, &scene.session, &scene.hosting.inner);
    let queue = inner.queues.wait(project, session).await;
    scene.hosting.turn_ended(project, session, &TurnId::new("turn_1"));
    scene.hosting.turn_ended(project, session, &TurnId::new("turn_2"));
    // Whoever published the first did not see the second.
    inner.owe_no_more(session, 1);
    assert!(inner.owes(session));
    drop(queue);
    assert!(scene.hosting.is_published(project, session).await);
    assert!(!inner.owes(session));
}
