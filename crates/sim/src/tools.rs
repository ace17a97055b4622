//! Tools of every class of effect, outside of the process that may die. They count each time that they are begun, look
//! whether the intent is durable by then, and hang, fail, take their time and answer when nobody waits any more.

use crate::arena::{Arena, Boundary, Life};
use crate::notes::Dispatch;
use crate::plan::ToolFault;
use crate::printing;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use store::Stored;
use types::{
    BoxFuture, CallOutput, Class, CommandResult, Offer, OfferedTool, Progress, ProjectId, Record, RecordBody,
    SessionId, SessionSettings, ToolOutcome, ToolRequest, Tools, TurnId,
};

/// By the name of the tool.
const CLASSES: [(&str, Class); 5] = [
    ("read", Class::Pure),
    ("put", Class::Idempotent),
    ("pay", Class::Keyed),
    ("run", Class::Attachable),
    ("launch", Class::Irreversible),
];

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
        let printed = match request.call.is_command() {
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
        if let ToolOutcome::Ran(result) = &mut outcome {
            result.output = printed;
        }
        self.arena().notes(|notes| notes.dispatches[place].outcome = Some(outcome.clone()));
        self.life.cross(Boundary::ToolEnded).await;
        outcome
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
        let dispatch = Dispatch {
            session: session.clone(),
            effect: call.effect,
            attempt: request.attempt,
            class: call.class,
            key: request.key.clone(),
            attach: request.attach,
            node: self.life.number,
            outcome: None,
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
    fn offered<'a>(
        &'a self,
        _: &'a ProjectId,
        _: &'a SessionId,
        settings: &'a SessionSettings,
        _: &'a Offer,
    ) -> BoxFuture<'a, Offer> {
        // Clients are shown these as commands, also without an environment: that is no matter of the runtime's.
        let runs_here = |class| matches!(class, Class::Attachable | Class::Irreversible);
        let offered = CLASSES.map(|(name, class)| OfferedTool {
            name: name.to_owned(),
            description: String::new(),
            parameters: Default::default(),
            class,
            server_label: if runs_here(class) { "" } else { "world" }.to_owned(),
        });
        let instructions = settings.environment.id().map(|id| format!("You work in {id}."));
        Box::pin(async move {
            self.arena().pause(Duration::from_millis(5)).await;
            Offer { tools: offered.to_vec(), instructions }
        })
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

/// Whether this very attempt has its durable intent.
fn is_intended(records: &[Stored], request: &ToolRequest) -> bool {
    let intents = records.iter().rev().filter(|stored| stored.record.kind == "intended");
    intents.filter_map(|stored| Record::decode(&stored.record).ok()).any(|record| match record.body {
        RecordBody::Intended(intended) => intended.effect == request.call.effect && intended.attempt == request.attempt,
        _ => false,
    })
}
