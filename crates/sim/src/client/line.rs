//! Whoever holds the line to a session's environment: it comes late, goes away and comes back, or never comes.

use super::{Answer, Client, TRIES};
use crate::arena::Arena;
use crate::plan::Line;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use types::{EnvironmentChange, EnvironmentError, EnvironmentSettings, EnvironmentStatus, SessionId};

/// What a new session's environment is asked to be.
pub(super) fn wanted(line: Option<Line>) -> EnvironmentSettings {
    match line {
        None => EnvironmentSettings::None,
        Some(_) => EnvironmentSettings::SelfHosted {
            id: types::EnvironmentId::new(""),
            workspace_directory: "/workspace".to_owned(),
            capability_directories: Vec::new(),
        },
    }
}

/// Holds the line until the session's owner has gone.
pub(crate) async fn hold(arena: Arc<Arena>, line: Line, session: SessionId, over: Arc<AtomicBool>) {
    let mut client = Client::new(&arena, "line".to_owned());
    match line {
        Line::Never => {}
        Line::Late => {
            // Some come in time, some do not.
            arena.pause(Duration::from_secs(420)).await;
            client.tell(&session, EnvironmentStatus::Connected).await;
        }
        Line::Restless => {
            while !over.load(Ordering::Relaxed) {
                let away = if client.random.chance(50) { 600 } else { 30 };
                arena.pause(Duration::from_secs(away)).await;
                if !client.tell(&session, EnvironmentStatus::Connected).await {
                    return;
                }
                arena.pause(Duration::from_secs(30)).await;
                let status = match client.random.below(20) {
                    0 => EnvironmentStatus::Failed,
                    _ => EnvironmentStatus::Disconnected,
                };
                if !client.tell(&session, status).await {
                    return;
                }
            }
        }
    }
}

impl Client {
    /// Says it until it is known what became of it. False where nobody wants to hear of this environment any more.
    async fn tell(&mut self, session: &SessionId, status: EnvironmentStatus) -> bool {
        let error = (status == EnvironmentStatus::Failed).then(|| EnvironmentError {
            code: "environment_connection_failed".to_owned(),
            message: "The line is dead.".to_owned(),
        });
        let change = EnvironmentChange { status, error, reset: None };
        for _ in 0..TRIES {
            let (project, id, change) = (self.arena.project.clone(), session.clone(), change.clone());
            let line = format!("environment {status:?}");
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
