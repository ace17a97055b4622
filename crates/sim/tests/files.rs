//! Files by the very runtime: what ends by itself, what is given up in the middle, and who wins.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

use runtime::{Direction, File, Files, NewFile, NewUpload, Page, UploadStatus, World};
use sim::{MemStore, Sim};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use types::{NoTools, ProjectId, RefusalKind, Rules};

const HOUR: Duration = Duration::from_secs(3600);
const MOMENT: Duration = Duration::from_millis(10);

fn project() -> ProjectId {
    ProjectId::new("default")
}

/// Files of a project that has a key.
fn files(sim: &Sim) -> Files {
    let world = World {
        clock: sim.clock(),
        entropy: sim.entropy(),
        spawn: sim.spawn(),
        store: MemStore::new(sim),
        models: Arc::default(),
        tools: Arc::new(NoTools),
        rules: Arc::new(Rules::default()),
    };
    let catalog = runtime::Catalog::new(world.clone());
    sim.run(async { catalog.create_key(&project(), Vec::new()).await.expect("a key can be made") }).expect("it ends");
    Files::new(world)
}

fn new(expires_after: Option<Duration>) -> NewFile {
    NewFile { filename: "a.png".into(), purpose: "vision".into(), media_type: None, expires_after }
}

async fn create(files: &Files, content: &[u8], expires_after: Option<Duration>) -> File {
    let mut draft = files.draft(&project());
    draft.write(content).await.expect("it is written");
    files.create(draft, new(expires_after)).await.expect("it is made")
}

async fn add(files: &Files, upload: &str, content: &[u8]) -> String {
    let mut draft = files.draft(&project());
    draft.write(content).await.expect("it is written");
    files.add_part(upload, draft).await.expect("it is added").0
}

async fn listed(files: &Files) -> Vec<File> {
    let page = Page { after: None, limit: 100, direction: Direction::Descending };
    files.files(&project(), None, page).await.expect("they are listed").data
}

/// Polls `work` until it is done or `patience` is over; then it is dropped where it stands.
async fn until<T>(sim: &Sim, patience: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut over = sim.clock().sleep(patience);
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        over.as_mut().poll(context).map(|()| None)
    })
    .await
}

#[test]
fn a_file_that_has_expired_is_unknown_and_then_gone() {
    let sim = Sim::new(1);
    let files = files(&sim);
    let run = sim.run(async {
        let kept = create(&files, b"kept", None).await;
        let short = create(&files, b"short", Some(HOUR)).await;
        assert_eq!(listed(&files).await.len(), 2);
        sim.clock().sleep(HOUR).await;
        let refused = files.file(&project(), &short.id).await.expect_err("it has expired");
        assert_eq!(refused.kind, RefusalKind::NotFound);
        assert_eq!(listed(&files).await.len(), 1);
        assert!(files.part(&project(), &short, &short.parts[0]).await.is_ok(), "only a sweep takes it away");
        files.sweep_once().await.expect("it is swept");
        assert!(files.part(&project(), &short, &short.parts[0]).await.is_err());
        let content = files.content(&project(), &kept.id, 4).await.expect("it is there");
        assert_eq!((content.bytes.as_slice(), content.media_type.as_str()), (b"kept".as_slice(), "image/png"));
        let refused = files.content(&project(), &kept.id, 3).await.expect_err("it is too large");
        assert_eq!(refused.kind, RefusalKind::Invalid);
    });
    run.expect("it ends");
}

#[test]
fn an_upload_has_an_hour() {
    let sim = Sim::new(2);
    let files = files(&sim);
    let run = sim.run(async {
        let wanted = NewUpload { bytes: 4, file: new(None) };
        let late = files.create_upload(&project(), wanted.clone()).await.expect("it begins");
        let part = add(&files, &late.id, b"late").await;
        let made = files.create_upload(&project(), wanted).await.expect("it begins");
        let used = add(&files, &made.id, b"made").await;
        let (_, file) = files.complete(&project(), &made.id, vec![used], None).await.expect("it is completed");
        sim.clock().sleep(HOUR).await;
        for swept in [false, true] {
            if swept {
                files.sweep_once().await.expect("it is swept");
            }
            let refused = files.complete(&project(), &late.id, vec![part.clone()], None).await;
            let refused = refused.expect_err("it is too late");
            assert!(refused.message.contains("has expired"), "{refused}");
            assert!(files.cancel(&project(), &late.id).await.is_err());
        }
        let file = file.expect("it has a file");
        let content = files.content(&project(), &file.id, 4).await.expect("it stays");
        assert_eq!(content.bytes, b"made");
    });
    run.expect("it ends");
}

/// Whoever goes away while a file is made leaves it whole or not at all.
#[test]
fn a_file_that_is_listed_can_be_read() {
    let (mut made, mut lost) = (0, 0);
    for seed in 0..200 {
        let sim = Sim::new(seed);
        let files = files(&sim);
        let run = sim.run(async {
            let content = vec![7; (9 << 20) * usize::from(seed % 50 == 0) + 10];
            until(&sim, Duration::from_millis(seed % 60), create(&files, &content, None)).await;
            sim.clock().sleep(Duration::from_secs(1)).await;
            let there = listed(&files).await;
            for file in &there {
                let read = files.content(&project(), &file.id, 16 << 20).await;
                assert!(read.expect("it is whole").bytes == content, "seed {seed}");
            }
            there.len()
        });
        match run.expect("it ends") {
            0 => lost += 1,
            _ => made += 1,
        }
    }
    assert!(made > 20 && lost > 20, "{made} were made, {lost} were not");
}

#[test]
fn completing_and_cancelling_at_once_is_one_of_both() {
    let (mut completed, mut cancelled) = (0, 0);
    for seed in 0..100 {
        let sim = Sim::new(seed);
        let files = files(&sim);
        let run = sim.run(async {
            let wanted = NewUpload { bytes: 4, file: new(None) };
            let upload = files.create_upload(&project(), wanted).await.expect("it begins");
            let part = add(&files, &upload.id, b"part").await;
            let (project, clock) = (project(), sim.clock());
            let complete = files.complete(&project, &upload.id, vec![part], None);
            let cancel = async {
                clock.sleep(MOMENT * (seed as u32 % 4)).await;
                files.cancel(&project, &upload.id).await
            };
            let (done, gone) = tokio::join!(complete, cancel);
            match (done, gone) {
                (Ok((_, Some(file))), Err(_)) => {
                    assert_eq!(files.content(&project, &file.id, 4).await.expect("it is whole").bytes, b"part");
                    true
                }
                (Err(_), Ok(upload)) => {
                    assert_eq!(upload.status, UploadStatus::Cancelled);
                    assert!(listed(&files).await.is_empty());
                    false
                }
                other => panic!("seed {seed}: {other:?}"),
            }
        });
        if run.expect("it ends") { completed += 1 } else { cancelled += 1 }
    }
    assert!(completed > 0 && cancelled > 0, "{completed} completed, {cancelled} cancelled");
}
