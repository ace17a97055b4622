//! What an earlier server left in the middle.

use super::*;
use crate::disk::Disk;
use crate::stage::Stage;
use crate::wanted::Wanted;
use types::{EnvironmentId, Timestamp};

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
