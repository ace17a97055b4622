//! Over a store that is full for a while.

use super::*;
use crate::rows::ENVIRONMENTS;
use crate::stage::Stage;
use crate::wanted::Wanted;
use store::{Row, RowsChange};
use types::{EnvironmentId, SessionId};

const FILLER: &str = "filler";

/// Takes all the room that the store has.
async fn fill(stage: &Stage) -> Vec<String> {
    let (mut ids, mut size) = (Vec::new(), 8 << 20);
    while size > 0 {
        let id = ids.len().to_string();
        let row = Row { collection: FILLER.into(), id: id.clone(), created_at: Timestamp(0), body: vec![0; size] };
        match stage.world.store.put_row(&stage.project, row, true).await {
            Ok(()) => ids.push(id),
            Err(_) => size /= 2,
        }
    }
    ids
}

async fn make_room(stage: &Stage, ids: Vec<String>) {
    let deletes = ids.into_iter().map(|id| (FILLER.to_owned(), id)).collect();
    let change = RowsChange { deletes, ..RowsChange::default() };
    stage.world.store.change_rows(&stage.project, change).await.unwrap();
}

/// The row of an environment that is being set up, for nobody or for a session that is not told yet.
async fn row(hosting: &Hosting, stage: &Stage, session: Option<&SessionId>) -> EnvironmentId {
    let id = session.map_or_else(|| EnvironmentId::new("env_1"), EnvironmentId::of);
    let settled = hosting.inner.settle(&stage.project, id.clone(), Wanted::default(), "").await.unwrap();
    let mut row = Environment::new(settled.0, EnvironmentStatus::Pending, Timestamp(0));
    row.session = session.cloned();
    hosting.inner.rows.write(&stage.project, (ENVIRONMENTS, id.as_str()), &row, true).await.unwrap();
    id
}

#[tokio::test]
async fn what_became_of_one_is_written_when_the_store_takes_it() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let seat = hosting.seat(&stage.project, row(&hosting, &stage, None).await.as_str());
    let filler = fill(&stage).await;
    let refused = hosting.inner.change(&stage.project, &seat.id, |row| row.resets += 1).await;
    assert_eq!(refused.unwrap_err().kind, RefusalKind::Unavailable);
    // The first of the two is asked first, and refused then.
    let (became, ()) = tokio::join!(hosting.became(&seat, EnvironmentStatus::Failed, None), make_room(&stage, filler));
    assert_eq!(became.unwrap().status, EnvironmentStatus::Failed);
}

#[tokio::test]
async fn a_server_that_ends_waits_for_no_store() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let seat = hosting.seat(&stage.project, row(&hosting, &stage, None).await.as_str());
    let _filler = fill(&stage).await;
    hosting.inner.close();
    let refused = hosting.became(&seat, EnvironmentStatus::Failed, None).await;
    assert_eq!(refused.unwrap_err().kind, RefusalKind::Unavailable);
}

#[tokio::test]
async fn a_session_is_told_and_its_environment_set_up_when_the_store_takes_it() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let session = SessionId::new("sess_1");
    let id = row(&hosting, &stage, Some(&session)).await;
    let filler = fill(&stage).await;
    hosting.begin_session(&stage.project, &session).await;
    assert!(!hosting.environment(&stage.project, id.as_str()).await.unwrap().is_told);
    make_room(&stage, filler).await;
    // Nothing can be started here; that it failed shows that it was begun.
    loop {
        let row = hosting.environment(&stage.project, id.as_str()).await.unwrap();
        if row.is_told && row.status == EnvironmentStatus::Failed {
            break;
        }
        stage.clock.sleep(Duration::from_millis(10)).await;
    }
}
