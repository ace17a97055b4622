//! Whoever holds the line to a session's environment: it comes late, goes away and comes back, or never comes. Of a hosted
//! one: it is set up, used, put to sleep, lost and set up anew.

use super::{Answer, Client, TRIES};
use crate::arena::Arena;
use crate::plan::Line;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use types::{
    ContainerSize, EnvironmentChange, EnvironmentError, EnvironmentId, EnvironmentSettings, EnvironmentStatus,
    HostedSettings, NetworkSettings, Packages, SessionId,
};

/// What a new session's environment is asked to be.
pub(super) fn wanted(line: Option<Line>) -> EnvironmentSettings {
    match line {
        // One of the server's own is named with the session.
        None | Some(Line::Hosted) => EnvironmentSettings::None,
        Some(Line::Late | Line::Restless | Line::Never) => EnvironmentSettings::SelfHosted {
            id: types::EnvironmentId::new(""),
            workspace_directory: "/workspace".to_owned(),
            capability_directories: Vec::new(),
        },
    }
}

/// One that the server made for a session.
pub(super) fn hosted(session: &SessionId) -> EnvironmentSettings {
    EnvironmentSettings::OpenaiHosted(Box::new(HostedSettings {
        id: EnvironmentId::of(session),
        container_size: ContainerSize::default(),
        network: NetworkSettings::default(),
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    }))
}

/// Holds the line until the session's owner has gone.
pub(crate) async fn hold(arena: Arc<Arena>, line: Line, session: SessionId, over: Arc<AtomicBool>) {
    let mut client = Client::new(&arena, "line".to_owned());
    match line {
        Line::Never => {}
        Line::Late => {
            // Some come in time, some do not.
            arena.pause(Duration::from_secs(420)).await;
            client.tell(&session, EnvironmentStatus::Connected, None).await;
        }
        Line::Hosted => client.host(&session, &over).await,
        Line::Restless => {
            while !over.load(Ordering::Relaxed) {
                let away = if client.random.chance(50) { 600 } else { 30 };
                arena.pause(Duration::from_secs(away)).await;
                if !client.tell(&session, EnvironmentStatus::Connected, None).await {
                    return;
                }
                arena.pause(Duration::from_secs(30)).await;
                let status = match client.random.below(20) {
                    0 => EnvironmentStatus::Failed,
                    _ => EnvironmentStatus::Disconnected,
                };
                if !client.tell(&session, status, None).await {
                    return;
                }
            }
        }
    }
}

impl Client {
    /// Is the server's own environment of a session, until the session's owner has gone.
    async fn host(&mut self, session: &SessionId, over: &AtomicBool) {
        let mut resets = 0;
        while !over.load(Ordering::Relaxed) {
            // Some setups outlast the patience of who waits for them.
            let setup = if self.random.chance(80) { 4000 } else { 60 };
            self.arena.pause(Duration::from_secs(setup)).await;
            let set_up = match self.random.below(20) {
                0 => EnvironmentStatus::Failed,
                1..10 => EnvironmentStatus::Ready,
                _ => EnvironmentStatus::Connected,
            };
            let reset = (resets > 0).then_some(resets);
            if !self.tell(session, set_up, reset).await || !self.wear(session, &mut resets, over).await {
                return;
            }
            // Its disk is gone: it is set up anew when it is needed.
            self.arena.pause(Duration::from_secs(60)).await;
            resets += 1;
            if !self.tell(session, EnvironmentStatus::Pending, Some(resets)).await {
                return;
            }
        }
    }

    /// From its setup to its expiry. False where nobody wants to hear of it any more.
    async fn wear(&mut self, session: &SessionId, resets: &mut u64, over: &AtomicBool) -> bool {
        loop {
            self.arena.pause(Duration::from_secs(30)).await;
            if over.load(Ordering::Relaxed) {
                return false;
            }
            let (status, reset) = match self.random.below(12) {
                0 => (EnvironmentStatus::Failed, None),
                1 | 2 => (EnvironmentStatus::Expired, None),
                3 | 4 => (EnvironmentStatus::Disconnected, None),
                5 | 6 => (EnvironmentStatus::Suspended, None),
                7 => {
                    *resets += 1;
                    (EnvironmentStatus::Connected, Some(*resets))
                }
                // Who cannot tell whether it was heard says it again.
                8 if *resets > 0 => (EnvironmentStatus::Connected, Some(*resets)),
                _ => (EnvironmentStatus::Connected, None),
            };
            if !self.tell(session, status, reset).await {
                return false;
            }
            if status == EnvironmentStatus::Expired {
                return true;
            }
        }
    }

    /// Says it until it is known what became of it. False where nobody wants to hear of this environment any more.
    async fn tell(&mut self, session: &SessionId, status: EnvironmentStatus, reset: Option<u64>) -> bool {
        let error = (status == EnvironmentStatus::Failed).then(|| EnvironmentError {
            code: "environment_connection_failed".to_owned(),
            message: "The line is dead.".to_owned(),
        });
        let change = EnvironmentChange { status, error, reset };
        for _ in 0..TRIES {
            let (project, id, change) = (self.arena.project.clone(), session.clone(), change.clone());
            let line = format!("environment {status:?}");
            if reset.is_some() {
                self.arena.count("environment resets told");
            }
            let answer = self
                .ask(&line, |handle| Box::pin(async move { handle.environment_changed(&project, &id, change).await }))
                .await;
            match &answer {
                Answer::Yes(()) => {
                    self.arena.count(line);
                    let word = format!("{status:?}").to_lowercase();
                    if !self.is_deleted(session) && !self.arena.holds(session, &format!("\"status\":\"{word}\"")) {
                        self.arena.problem(format!("{session}: {word} was answered before it was durable"));
                    }
                    return true;
                }
                Answer::No(_) if answer.told().is_refusal() => return false,
                Answer::No(_) | Answer::Nothing => self.arena.pause(Duration::from_secs(3)).await,
            }
        }
        true
    }
}
