//! Projects with many environments, and what becomes of those that nobody takes.

use super::*;
use crate::hosting::{Hosting, MOST};
use crate::record::Setup;
use crate::rows::SETUPS;
use crate::stage::Stage;
use crate::wanted::{Claim, Wanted};
use std::time::Instant;
use types::{ContainerSize, EnvironmentId, HostedSettings, NetworkSettings, Packages, SessionId, Timestamp};

fn row(id: &str, status: EnvironmentStatus) -> Environment {
    let settings = HostedSettings {
        id: EnvironmentId::new(id),
        container_size: ContainerSize::Small,
        network: NetworkSettings::default(),
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    };
    Environment::new(settings, status, Timestamp(0))
}

fn is_busy<T>(answer: Result<T, Refusal>) -> bool {
    matches!(answer.map(drop).map_err(|refusal| refusal.kind), Err(RefusalKind::Busy { .. }))
}

/// Polls: nobody tells what becomes of one that is nobody's.
#[expect(clippy::disallowed_methods, reason = "a test's edge")]
async fn becomes(hosting: &Hosting, project: &ProjectId, id: &str, status: EnvironmentStatus) {
    let end = Instant::now() + Duration::from_secs(60);
    while hosting.environment(project, id).await.unwrap().status != status {
        assert!(Instant::now() < end, "{id} does not become {status:?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn nobodys_are_bounded_for_each_project() {
    let (crowd, mine, other) = (Crowd::default(), ProjectId::new("p"), ProjectId::new("q"));
    for number in 0..NOBODYS {
        crowd.enter(&mine, &row(&format!("env_{number}"), EnvironmentStatus::Ready)).unwrap();
    }
    let one_more = row("env_more", EnvironmentStatus::Ready);
    assert!(is_busy(crowd.enter(&mine, &one_more)));
    crowd.enter(&other, &one_more).unwrap();
    crowd.enter(&mine, &Environment { session: Some(SessionId::new("sess_1")), ..one_more.clone() }).unwrap();
    crowd.note(
        &mine,
        &Environment { session: Some(SessionId::new("sess_2")), ..row("env_0", EnvironmentStatus::Ready) },
    );
    crowd.enter(&mine, &one_more).unwrap();
    assert!(is_busy(crowd.enter(&mine, &row("env_last", EnvironmentStatus::Ready))));
    crowd.leave(&mine, "env_1");
    crowd.enter(&mine, &row("env_last", EnvironmentStatus::Ready)).unwrap();
}

#[tokio::test]
async fn setups_of_a_project_are_bounded() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let project = &stage.project;
    let all = hosting.inner.places.clone().acquire_many_owned(MOST.try_into().unwrap()).await.unwrap();
    let mut first = None;
    for _ in 0..PENDING {
        let made = hosting.create(project, Wanted::default(), None).await.unwrap();
        first.get_or_insert(made.settings.id);
    }
    let session = SessionId::new("sess_00000000000000000000000000000001");
    let claim = || Claim::New(Box::default());
    assert!(is_busy(hosting.create(project, Wanted::default(), None).await));
    assert!(is_busy(hosting.claim(project, &session, claim()).await));
    drop(all);
    becomes(&hosting, project, first.unwrap().as_str(), EnvironmentStatus::Failed).await;
    hosting.claim(project, &session, claim()).await.unwrap();
}

#[tokio::test]
async fn what_failed_and_nobody_took_leaves_nothing() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let project = &stage.project;
    let id = hosting.create(project, Wanted::default(), None).await.unwrap().settings.id;
    becomes(&hosting, project, id.as_str(), EnvironmentStatus::Failed).await;
    let seat = hosting.seat(project, id.as_str());
    drop(seat.turn.lock().await);
    let setup: Option<Setup> = hosting.inner.rows.read(project, SETUPS, id.as_str()).await.unwrap();
    assert!(setup.is_none());
    let folder = hosting.inner.folder(id.as_str());
    assert!(folder.exists());
    hosting.expire(&seat, Duration::ZERO).await;
    assert!(!folder.exists());
    let gone = hosting.environment(project, id.as_str()).await.unwrap_err();
    assert_eq!(gone.kind, RefusalKind::NotFound);
}

#[tokio::test]
async fn what_a_session_took_expires_and_stays() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let (project, session) = (&stage.project, SessionId::new("sess_00000000000000000000000000000001"));
    let mut made = row("env_1", EnvironmentStatus::Ready);
    made.is_prewarmed = true;
    hosting.make(project, &made, &Setup::default()).await.unwrap();
    hosting.claim(project, &session, Claim::Existing("env_1".to_owned())).await.unwrap();
    assert!(!hosting.remove_nobodys(project, "env_1").await.unwrap());
    assert!(hosting.environment(project, "env_1").await.is_ok());
    hosting.drop_claim(project, &session).await;
    assert!(hosting.remove_nobodys(project, "env_1").await.unwrap());
    assert!(hosting.environment(project, "env_1").await.is_err());
}
