//! Tools of every class of effect, outside of the process that may die. They count each time that they are begun, look
//! whether the intent is durable by then, and hang, fail, take their time and answer when nobody waits any more.

use crate::arena::{Arena, Boundary, Life};
use crate::check::consent;
use crate::notes::Dispatch;
use crate::plan::ToolFault;
use crate::{offers, printing, programs};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use store::Stored;
use types::{
    Approval, BoxFuture, CallOutput, Class, CommandResult, EffectId, EnvironmentSettings, Found, Offer, Progress,
    ProjectId, Record, RecordBody, Refusal, SessionId, SessionSettings, Tool, ToolKind, ToolOutcome, ToolRequest,
    Tools, TurnError, TurnId,
};

pub(crate) struct FakeTools {
    life: Arc<Life>,
}

impl FakeTools {
    pub(crate) fn new(life: Arc<Life>) -> Self {
        Self { life }
    }

    fn arena(&self) -> &Arena {
        &self.life.arena
    }

    async fn act(&self, request: &ToolRequest, progress: &dyn Progress) -> ToolOutcome {
        let class = request.call.class;
        self.life.cross(Boundary::ToolBegun).await;
        let place = self.begin(request);
        self.life.cross(Boundary::ToolRuns).await;
        let kind = request.call.kind;
        let printed = match request.call.is_command() && kind != ToolKind::Program {
            true => Some(printing::print(&self.life, request, progress).await),
            false => None,
        };
        let mark = self.arena().mark();
        let done = |word: &str| {
            let told = format!("{word} <{mark}>");
            if request.call.is_command() {
                return ToolOutcome::Ran(CommandResult { told, exit_code: Some(0), ..CommandResult::default() });
            }
            ToolOutcome::Done(CallOutput::Text(told))
        };
        let outcome = match self.misbehave() {
            None if kind == ToolKind::Program => programs::step(request),
            None if kind == ToolKind::ToolSearch => self.find(),
            None => done("done"),
            Some(ToolFault::Fails) => ToolOutcome::Failed(format!("failed <{mark}>")),
            Some(ToolFault::DoesNotKnow) => ToolOutcome::Unknown(format!("no idea <{mark}>")),
            Some(ToolFault::Hangs) => return pending().await,
            Some(ToolFault::Late) => {
                // It may take longer than a call may, and is deaf to whoever takes it back.
                self.arena().pause(Duration::from_secs(1200)).await;
                done("late")
            }
            Some(ToolFault::Slow) => {
                self.arena().pause(Duration::from_secs(60)).await;
                done("slow")
            }
        };
        self.arena().pause(Duration::from_millis(50)).await;
        let mut outcome = if class == Class::Attachable { self.process(request, outcome) } else { outcome };
        if let (ToolOutcome::Ran(result), Some(printed)) = (&mut outcome, printed) {
            result.output = Some(printed);
        }
        self.arena().notes(|notes| notes.dispatches[place].outcome = Some(outcome.clone()));
        self.life.cross(Boundary::ToolEnded).await;
        outcome
    }

    /// One of those that are kept back, or both.
    fn find(&self) -> ToolOutcome {
        self.arena().count("searches");
        let names: &[&str] = match self.arena().between(0, 2) {
            0 => &["hidden"],
            1 => &["kept"],
            _ => &["hidden", "kept"],
        };
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        ToolOutcome::Found(Found { told: "found".to_owned(), names })
    }

    fn misbehave(&self) -> Option<ToolFault> {
        let faults = &self.arena().plan.faults;
        if !self.arena().chance(faults.tool) {
            return None;
        }
        let drawn = ToolFault::ALL[self.arena().between(0, ToolFault::ALL.len() as u64 - 1) as usize];
        let fault = faults.tool_only.unwrap_or(drawn);
        self.arena().count(format!("tool: {fault:?}"));
        Some(fault)
    }

    /// A process comes to one end, whoever asks for it and however often.
    fn process(&self, request: &ToolRequest, outcome: ToolOutcome) -> ToolOutcome {
        let name = (request.session.clone(), request.call.effect);
        self.arena().notes(|notes| {
            if request.attach && !notes.processes.contains_key(&name) {
                return ToolOutcome::Unknown("there is no such process".to_owned());
            }
            let end = notes.processes.entry(name).or_insert_with(|| outcome.clone());
            // Begun, and not ended until now.
            if *end == begun() {
                *end = outcome;
            }
            end.clone()
        })
    }

    /// Writes the attempt down; returns its place in the notes.
    fn begin(&self, request: &ToolRequest) -> usize {
        let arena = self.arena();
        let (session, call) = (request.session.clone(), &request.call);
        arena.trace(format!(
            "node {}: tool {} of effect {} attempt {}{}",
            self.life.number,
            call.name,
            call.effect.0,
            request.attempt.0,
            if request.attach { ", attach" } else { "" }
        ));
        let durable = arena.disk.look(&arena.project, &session, |records| is_intended(records, request));
        if call.class != Class::Pure && !durable {
            arena.problem(format!(
                "{session}: effect {} attempt {} ({:?}) was begun before its intent was durable",
                call.effect.0, request.attempt.0, call.class
            ));
        }
        let agreed = call.approval == Approval::None
            || arena.disk.look(&arena.project, &session, |records| is_agreed(records, call.effect));
        if !agreed {
            arena.problem(format!("{session}: effect {} was begun before anybody had agreed to it", call.effect.0));
        }
        if call.kind == ToolKind::Program {
            let wrong = arena.disk.look(&arena.project, &session, |records| programs::check_step(records, request));
            arena.count(if request.resume.is_some() { "programs that go on" } else { "programs begun" });
            wrong.into_iter().for_each(|wrong| arena.problem(format!("{session}: effect {}: {wrong}", call.effect.0)));
        }
        let dispatch = Dispatch {
            session: session.clone(),
            effect: call.effect,
            attempt: request.attempt,
            class: call.class,
            key: request.key.clone(),
            attach: request.attach,
            node: self.life.number,
            outcome: None,
            lost: false,
        };
        arena.notes(|notes| {
            notes.count(format!("tool calls: {:?}", call.class));
            if call.class == Class::Attachable && !request.attach {
                let name = (session.clone(), call.effect);
                if notes.processes.insert(name, begun()).is_some() {
                    notes.problems.push(format!("{session}: effect {} was started twice", call.effect.0));
                }
            }
            notes.dispatches.push(dispatch);
            notes.dispatches.len() - 1
        })
    }
}

impl Tools for FakeTools {
    fn admit<'a>(
        &'a self,
        _: &'a ProjectId,
        _: &'a [Tool],
        _: &'a EnvironmentSettings,
        _: &'a [String],
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(async { Ok(()) })
    }

    fn offered<'a>(
        &'a self,
        _: &'a ProjectId,
        session: &'a SessionId,
        settings: &'a SessionSettings,
        last: &'a Offer,
    ) -> BoxFuture<'a, Result<Offer, TurnError>> {
        Box::pin(offers::offered(&self.life, session, settings, last))
    }

    fn perform<'a>(&'a self, request: &'a ToolRequest, progress: &'a dyn Progress) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(self.act(request, progress))
    }

    fn cancel(&self, request: &ToolRequest) {
        self.arena().count("tool calls taken back");
        self.arena().trace(format!("tool of effect {} is taken back", request.call.effect.0));
    }

    fn turn_ended(&self, _: &ProjectId, session: &SessionId, turn: &TurnId) {
        let (arena, place) = (self.arena(), (session.clone(), turn.clone()));
        arena.count("turns told to have ended");
        let ends = |stored: &Stored| stored.record.kind == "turn_ended" && stored.record.turn.as_ref() == Some(turn);
        let is_durable = arena.disk.look(&arena.project, session, |records| records.iter().rev().any(ends));
        if !is_durable {
            arena.problem(format!("{session}: the end of turn {turn} was told before it was durable"));
        }
        if !arena.notes(|notes| notes.ended.insert(place)) {
            arena.problem(format!("{session}: the end of turn {turn} was told twice"));
        }
    }
}

/// What a process that has not ended stands for.
fn begun() -> ToolOutcome {
    ToolOutcome::Unknown("begun".to_owned())
}

/// Whether this very attempt has its durable intent. What was open at a backup may have been begun in the part that a
/// restore took away: it is looked for without one.
fn is_intended(records: &[Stored], request: &ToolRequest) -> bool {
    if request.attach && records.iter().rev().any(|stored| stored.record.kind == types::RESTORED) {
        return true;
    }
    let intents = records.iter().rev().filter(|stored| stored.record.kind == "intended");
    intents.filter_map(|stored| Record::decode(&stored.record).ok()).any(|record| match record.body {
        RecordBody::Intended(intended) => intended.effect == request.call.effect && intended.attempt == request.attempt,
        _ => false,
    })
}

/// Whether consent to this very effect is durable.
fn is_agreed(records: &[Stored], effect: EffectId) -> bool {
    let answers = records.iter().filter(|stored| stored.record.kind.starts_with("approval_"));
    let answers: Vec<_> =
        answers.filter_map(|stored| Some((stored.seq, Record::decode(&stored.record).ok()?))).collect();
    consent::agreed(&answers, effect)
}
