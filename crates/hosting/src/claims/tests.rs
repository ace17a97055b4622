//! Disks that are copied.

use super::*;
use crate::stage::Stage;
use std::future::Future as _;
use std::task::{Context, Waker};

#[tokio::test]
async fn a_disk_is_copied_when_it_is_its_turn() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let session = |number: u32| SessionId::new(format!("sess_{number:032x}"));
    let (parent, fork) = (session(1), session(2));
    let settings = hosting.claim(&stage.project, &parent, Claim::New(Box::default())).await.unwrap();
    let id = settings.id.as_str();
    hosting.inner.change(&stage.project, id, |row| row.status = EnvironmentStatus::Suspended).await.unwrap();
    Disk::new(&hosting.inner.folder(id)).create().await.unwrap();
    let copies = hosting.inner.copies.available_permits().try_into().unwrap();
    let all = hosting.inner.copies.acquire_many(copies).await.unwrap();
    let mut copy = Box::pin(hosting.fork(&stage.project, &parent, &fork));
    assert!(copy.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let copied = hosting.inner.folder(EnvironmentId::of(&fork).as_str());
    // Nothing but the copies can end this: the rows are in memory, and answer at once.
    assert!(!copied.exists());
    hosting.inner.copies.close();
    drop(all);
    assert_eq!(copy.await.unwrap_err().kind, RefusalKind::Unavailable);
    assert!(!copied.exists());
}
