//! Clients: people and programs outside of the process, who survive it. They ask over a network that loses answers, hear
//! streams that break off, answer calls late, twice or not at all, and write down all that they are told.

mod asker;
mod follower;
mod line;
mod listener;
mod operator;
mod owner;

pub(crate) use asker::ask;
pub(crate) use listener::{Heard, Listener};
pub(crate) use owner::own;

use crate::arena::{Arena, Boundary, Node};
use crate::notes::{Asked, Told, What};
use crate::random::Random;
use runtime::{Handle, RequestKey};
use std::sync::Arc;
use std::time::Duration;
use types::{
    BoxFuture, CallId, CallOutput, Decision, Input, Message, Refusal, RefusalKind, RequestId, SessionId, TurnId,
};

/// After this long a client gives up waiting for an answer.
const PATIENCE: Duration = Duration::from_secs(600);
/// Tries of one request.
const TRIES: u32 = 60;

pub(crate) struct Client {
    pub(crate) arena: Arc<Arena>,
    pub(crate) name: String,
    pub(crate) random: Random,
    /// What its messages say beside their marks.
    pub(crate) says: &'static str,
}

/// What came back.
pub(crate) enum Answer<T> {
    Yes(T),
    No(Refusal),
    /// The connection broke, or nobody waited any longer.
    Nothing,
}

impl<T> Answer<T> {
    fn told(&self) -> Told {
        match self {
            Self::Yes(_) => Told::Taken,
            Self::No(refusal) => Told::Refused(refusal.kind),
            Self::Nothing => Told::Nothing,
        }
    }

    pub(crate) fn yes(self) -> Option<T> {
        match self {
            Self::Yes(value) => Some(value),
            Self::No(_) | Self::Nothing => None,
        }
    }
}

impl Client {
    pub(crate) fn new(arena: &Arc<Arena>, name: String) -> Self {
        Self { arena: arena.clone(), name, random: arena.random(), says: "say" }
    }

    /// One request to some node.
    pub(crate) async fn ask<T: Send + 'static>(
        &mut self,
        line: &str,
        request: impl FnOnce(Handle) -> BoxFuture<'static, Result<T, Refusal>>,
    ) -> Answer<T> {
        let node = self.arena.node().await;
        self.ask_node(&node, line, request).await
    }

    pub(crate) async fn ask_node<T: Send + 'static>(
        &mut self,
        node: &Arc<Node>,
        line: &str,
        request: impl FnOnce(Handle) -> BoxFuture<'static, Result<T, Refusal>>,
    ) -> Answer<T> {
        let goes_away = self.arena.chance(self.arena.plan.faults.client);
        let patience = if goes_away { Duration::from_millis(self.random.below(40)) } else { PATIENCE };
        let served = async {
            let answer = request(node.handle.clone()).await;
            node.life.cross(Boundary::Reply).await;
            answer
        };
        let answer = tokio::select! {
            biased;
            () = node.life.death() => Answer::Nothing,
            answer = served => answer.map_or_else(Answer::No, Answer::Yes),
            () = self.arena.clock.sleep(patience) => Answer::Nothing,
        };
        let outcome = match &answer {
            Answer::Yes(_) => "yes".to_owned(),
            Answer::No(refusal) => format!("no, {:?}: {refusal}", refusal.kind),
            Answer::Nothing => "nothing came back".to_owned(),
        };
        self.arena.trace(format!("{} to node {}: {line}: {outcome}", self.name, node.life.number));
        answer
    }

    /// Puts an input into the notes; returns its mark.
    pub(crate) fn plan_to(&self, session: Option<&SessionId>, what: What, keyed: bool) -> u64 {
        let mark = self.arena.mark();
        self.note(mark, session, what, keyed);
        mark
    }

    fn note(&self, mark: u64, session: Option<&SessionId>, what: What, keyed: bool) {
        let asked = Asked { session: session.cloned(), what, keyed, told: Vec::new() };
        self.arena.notes(|notes| notes.asked.insert(mark, asked));
    }

    pub(crate) fn told(&self, mark: u64, told: Told) {
        self.arena.notes(|notes| {
            notes.count(match told {
                Told::Taken => "inputs taken",
                Told::Refused(_) => "inputs refused",
                Told::Nothing | Told::Lost => "inputs without an answer",
            });
            if let Some(asked) = notes.asked.get_mut(&mark) {
                asked.told.push(told);
            }
        });
    }

    /// Asks for inputs under one mark, until it is known what became of them.
    pub(crate) async fn submit(&mut self, session: &SessionId, mark: u64, inputs: Vec<Input>, keyed: bool) -> Told {
        let key = keyed.then(|| RequestKey { key: format!("key-{mark}"), body_hash: format!("{mark}") });
        let line = format!("{inputs:?}");
        let is_message = matches!(inputs.as_slice(), [Input::Message(_), ..]);
        for _ in 0..TRIES {
            let (project, session_id) = (self.arena.project.clone(), session.clone());
            let (inputs, key) = (inputs.clone(), key.clone());
            let answer = self
                .ask(&line, |handle| Box::pin(async move { handle.submit(&project, &session_id, inputs, key).await }))
                .await;
            let told = answer.told();
            self.told(mark, told);
            if told == Told::Taken && !self.arena.holds(session, &text_of(mark)) && line.contains(&text_of(mark)) {
                self.arena.problem(format!("{session}: {line} was answered before it was durable"));
            }
            let known = told == Told::Taken || told.is_refusal() && !is_worked_on(&answer);
            // Asking again is a second request, unless it carries a key or is the same by its nature.
            if known || !keyed && is_message {
                return told;
            }
            self.arena.pause(Duration::from_secs(3)).await;
        }
        Told::Nothing
    }

    pub(crate) async fn message(&mut self, session: &SessionId) -> Told {
        let keyed = self.random.chance(700);
        let mark = self.plan_to(Some(session), What::Message, keyed);
        let input = vec![Input::Message(vec![Message::text(format!("{} {}", self.says, text_of(mark)))])];
        self.submit(session, mark, input, keyed).await
    }

    pub(crate) async fn cancel(&mut self, session: &SessionId) -> Told {
        let mark = self.plan_to(Some(session), What::Cancel, false);
        self.arena.count("cancels");
        self.submit(session, mark, vec![Input::Cancel], false).await
    }

    /// Answers a call, now, later, twice, differently, under a wrong turn, or leaves it to others.
    pub(crate) async fn maybe_answer(&mut self, session: &SessionId, turn: &TurnId, call_id: &CallId) {
        match self.random.below(10) {
            0 => self.arena.count("answers: left to others"),
            1 => {
                self.arena.count("answers: late");
                let delay = Duration::from_millis(self.random.below(30_000));
                self.answer_later(session, turn, call_id, delay);
            }
            2 => {
                self.arena.count("answers: two of them");
                self.answer(session, turn, call_id).await;
                self.answer(session, turn, call_id).await;
            }
            3 => {
                self.arena.count("answers: at the same time");
                self.answer_later(session, turn, call_id, Duration::ZERO);
                self.answer(session, turn, call_id).await;
            }
            4 => {
                self.arena.count("answers: under a wrong turn");
                self.answer(session, &TurnId::new("turn_000000000000000000000000"), call_id).await;
                self.answer(session, turn, call_id).await;
            }
            _ => self.answer(session, turn, call_id).await,
        }
    }

    fn answer_later(&mut self, session: &SessionId, turn: &TurnId, call_id: &CallId, delay: Duration) {
        let mut other = Self::new(&self.arena, format!("{}'", self.name));
        let (session, turn, call_id) = (session.clone(), turn.clone(), call_id.clone());
        self.arena.send_in("a late answer", async move {
            other.arena.clock.sleep(delay).await;
            other.answer(&session, &turn, &call_id).await;
        });
    }

    pub(crate) async fn answer(&mut self, session: &SessionId, turn: &TurnId, call_id: &CallId) {
        let mark = self.plan_to(Some(session), What::Result { turn: turn.clone(), call_id: call_id.clone() }, false);
        let success = self.random.chance(850);
        let text = format!("result {}", text_of(mark));
        let (output, error) = if success { (Some(CallOutput::Text(text)), None) } else { (None, Some(text)) };
        let (turn, call_id) = (turn.clone(), call_id.clone());
        self.submit(session, mark, vec![Input::ToolResult { turn, call_id, success, output, error }], false).await;
    }

    /// Says something to a request for consent: at once, late, again, otherwise, or to one that nobody made.
    pub(crate) async fn consent(&mut self, session: &SessionId, request: &RequestId) {
        if self.random.chance(150) {
            self.arena.count("requests left alone");
            self.arena.pause(Duration::from_secs(self.random.between(60, 4000))).await;
        }
        let decision = self.decision();
        self.decide(session, request, decision).await;
        if self.random.chance(200) {
            self.decide(session, request, decision).await;
        }
        if self.random.chance(200) {
            let other = self.decision();
            self.decide(session, request, other).await;
        }
        if self.random.chance(100) {
            self.decide(session, &RequestId::new("mcpr_0123456789abcdef01234567"), Decision::Approve).await;
        }
    }

    fn decision(&mut self) -> Decision {
        match self.random.below(10) {
            0..=5 => Decision::Approve,
            6..=8 => Decision::Deny,
            _ => Decision::Cancel,
        }
    }

    async fn decide(&mut self, session: &SessionId, request: &RequestId, decision: Decision) {
        let mark = self.plan_to(Some(session), What::Approval { request: request.clone(), decision }, false);
        self.arena.count(format!("consent: {decision:?}"));
        self.submit(session, mark, vec![Input::Approval { request: request.clone(), decision }], false).await;
    }
}

/// What a message that kills whoever asks a model about it says.
pub(crate) const POISON: &str = "poison";

/// How an input's text carries its mark: no other's text holds it.
pub(crate) fn text_of(mark: u64) -> String {
    format!("<{mark}>")
}

/// Another request with the same key is on its way.
fn is_worked_on<T>(answer: &Answer<T>) -> bool {
    matches!(answer, Answer::No(refusal) if refusal.kind == RefusalKind::Conflict && refusal.message.contains("Idempotency-Key"))
}
