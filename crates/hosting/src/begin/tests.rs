//! What an earlier server left in the middle.

use super::*;
use crate::disk::Disk;
use crate::stage::Stage;
use crate::wanted::Wanted;
use types::{EnvironmentId, SessionId, Timestamp};

#[tokio::test]
async fn the_disk_of_what_has_none_any_more_goes_with_the_next_server() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    for (id, status) in [("env_1", EnvironmentStatus::Expired), ("env_2", EnvironmentStatus::Failed)] {
        let settled = hosting.inner.settle(&stage.project, EnvironmentId::new(id), Wanted::default(), "");
        let row = Environment::new(settled.await.unwrap().0, status, Timestamp(0));
        hosting.inner.rows.write(&stage.project, (ENVIRONMENTS, id), &row, true).await.unwrap();
        let disk = Disk::new(&hosting.inner.folder(id));
        disk.create().await.unwrap();
        assert!(hosting.take_up(&stage.project, &row).await.unwrap());
        let mut looks = 0;
        while disk.folder().exists() {
            looks += 1;
            assert!(looks < 3_000, "the disk of {id} stays");
            stage.clock.sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn what_was_restored_without_its_disk_is_set_up_anew() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    for (id, session) in [("env_1", Some("sess_1")), ("env_2", None)] {
        let settled = hosting.inner.settle(&stage.project, EnvironmentId::new(id), Wanted::default(), "");
        let mut row = Environment::new(settled.await.unwrap().0, EnvironmentStatus::Suspended, Timestamp(0));
        row.session = session.map(SessionId::new);
        row.lose_disk();
        let wanted = if session.is_some() { EnvironmentStatus::Expired } else { EnvironmentStatus::Pending };
        assert_eq!(row.status, wanted);
        // To a session its next disk is another one; what nobody had is as new.
        assert_eq!(life::need(row.status), Need::SetUp);
        assert_eq!(row.error.is_some(), session.is_some());
    }
    let settled = hosting.inner.settle(&stage.project, EnvironmentId::new("env_3"), Wanted::default(), "");
    let row = Environment::new(settled.await.unwrap().0, EnvironmentStatus::Ready, Timestamp(0));
    hosting.inner.rows.write(&stage.project, (ENVIRONMENTS, "env_3"), &row, true).await.unwrap();
    assert!(hosting.take_up(&stage.project, &row).await.unwrap());
    let seen = hosting.environment(&stage.project, "env_3").await.unwrap();
    assert_ne!(seen.status, EnvironmentStatus::Ready, "there is nothing to be ready");
}
