//! What comes next, for every status and every clock.

use super::*;
use EnvironmentStatus::{Connected, Disconnected, Expired, Failed, Pending, Ready, Suspended};
use types::{ContainerSize, EnvironmentId, HostedSettings, NetworkSettings, Packages, SessionId, Timestamp};

const ALL: [EnvironmentStatus; 7] = [Pending, Ready, Connected, Disconnected, Suspended, Expired, Failed];

fn row(status: EnvironmentStatus) -> Environment {
    let settings = HostedSettings {
        id: EnvironmentId::new("env_1"),
        container_size: ContainerSize::Small,
        network: NetworkSettings::default(),
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    };
    Environment::new(settings, status, Timestamp(7))
}

#[test]
fn a_use_starts_what_has_a_disk_and_sets_up_what_has_none() {
    let needs = ALL.map(need);
    use Need::{Nothing, SetUp, Start};
    assert_eq!(needs, [SetUp, Start, Start, Start, Start, SetUp, Nothing]);
}

#[test]
fn idleness_suspends_what_runs_and_expires_what_does_not() {
    let (ten, hour) = (Duration::from_secs(600), Duration::from_secs(3600));
    for (runs, seconds, expected) in [
        (true, 599, Idle::Keep),
        (true, 600, Idle::Suspend),
        // The processes first, then the disk.
        (true, 4000, Idle::Suspend),
        (false, 600, Idle::Keep),
        (false, 3599, Idle::Keep),
        (false, 3600, Idle::Expire),
    ] {
        assert_eq!(idle(runs, Duration::from_secs(seconds), ten, hour), expected, "{runs} {seconds}");
    }
}

#[test]
fn what_an_earlier_server_left() {
    let session = Some(SessionId::new("sess_1"));
    let claimed = |status| Environment { session: session.clone(), ..row(status) };
    assert_eq!(left(&claimed(Pending), false), Left::Drop);
    assert_eq!(left(&Environment { is_prewarmed: true, ..claimed(Ready) }, false), Left::GiveBack);
    for status in ALL {
        // Whatever it was in the middle of: a session that was deleted takes it along.
        assert_eq!(left(&Environment { is_told: true, is_prewarmed: true, ..claimed(status) }, false), Left::Forget);
    }
    assert_eq!(left(&claimed(Pending), true), Left::SetUp);
    assert_eq!(left(&row(Pending), false), Left::SetUp);
    assert_eq!(left(&row(Ready), false), Left::Find);
    assert_eq!(left(&claimed(Suspended), true), Left::Find);
    assert_eq!(left(&claimed(Expired), true), Left::Keep);
    assert_eq!(left(&claimed(Failed), true), Left::Keep);
}

#[test]
fn a_reset_is_told_with_the_disk_that_it_is_about() {
    let twice = |status| Environment { resets: 2, ..row(status) };
    assert_eq!(change(&twice(Connected)).reset, Some(2));
    assert_eq!(change(&twice(Expired)).reset, None);
    assert_eq!(change(&row(Connected)).reset, None);
}

#[test]
fn how_a_sandbox_ended_is_said() {
    let exit = Exit::default();
    for (exit, expected) in [
        (None, "lost"),
        (Some(Exit { out_of_disk: true, signal: Some(9), ..exit }), "disk was full"),
        (Some(Exit { out_of_memory: Some(1), signal: Some(9), ..exit }), "memory was used up"),
        (Some(Exit { out_of_memory: Some(0), signal: Some(9), ..exit }), "signal 9"),
        (Some(Exit { code: Some(3), ..exit }), "exit code 3"),
    ] {
        let error = died(exit);
        assert_eq!(error.code, "sandbox_error");
        assert!(error.message.contains(expected), "{}", error.message);
    }
}
