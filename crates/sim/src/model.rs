//! A model that says anything: the truth, half of it, nothing, nonsense. It writes down what it was asked and what it
//! would put on a bill, and looks at each request with a strict provider's eye.

use crate::arena::{Arena, Boundary, Life};
use crate::check::{programs, transcript};
use crate::client::POISON;
use crate::notes::{End, ModelCall};
use crate::plan::ModelFault;
use crate::random::Random;
use models::{Model, Sink};
use serde_json::json;
use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use store::Stored;
use types::{
    BoxFuture, CallId, CallOutput, Class, Content, ContextItem, MicroUsd, ModelError, ModelErrorKind, ModelEvent,
    ModelFinish, ModelRequest, Record, RecordBody, SessionId, Stop, Usage,
};

/// Between two pieces of what it says.
const PAUSE: Duration = Duration::from_millis(40);
/// After so many answers to one message it comes to an end.
const PATIENCE: usize = 4;

pub(crate) struct FakeModel {
    life: Arc<Life>,
    entry: &'static str,
}

/// What this call does.
enum Act {
    Speak {
        reasoning: bool,
        pieces: u64,
        then: Then,
    },
    Refuse(ModelErrorKind, Option<Duration>),
    /// Says whether a call may be made.
    Judge(&'static str),
    Silence,
}

enum Then {
    End,
    Calls,
    Nonsense,
    Stop(Stop),
    Fail(ModelErrorKind),
    Silence,
}

impl FakeModel {
    pub(crate) fn new(life: Arc<Life>, entry: &'static str) -> Self {
        Self { life, entry }
    }

    fn arena(&self) -> &Arena {
        &self.life.arena
    }

    async fn answer(&self, request: &ModelRequest, sink: Sink<'_>) -> Result<ModelFinish, ModelError> {
        self.life.cross(Boundary::ModelBegun).await;
        let number = self.begin(request);
        if is_poison(request) {
            self.arena().count("poison");
            self.life.die();
        }
        self.life.cross(Boundary::ModelSpeaks).await;
        let mut random = self.arena().random();
        let act = self.choose(request, &mut random);
        let result = self.act(number, request, act, &mut random, sink).await;
        let end = if result.is_ok() { End::Answered } else { End::Failed };
        self.arena().notes(|notes| notes.calls[number].end = Some(end));
        self.life.cross(Boundary::ModelEnded).await;
        result
    }

    /// Writes the call down; returns its place in the notes.
    fn begin(&self, request: &ModelRequest) -> usize {
        let arena = self.arena();
        let (name, review) = reviewed(request);
        let session = SessionId::new(name);
        let head = arena.durable(&session);
        if let Err(why) = transcript::check(&request.context) {
            arena.problem(format!("{session}: a model was sent an invalid transcript: {why}: {:?}", request.context));
        }
        if !review {
            let shown: BTreeSet<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
            let wrong = arena.disk.look(&arena.project, &session, |records| programs::check_shown(records, &shown));
            wrong.into_iter().for_each(|wrong| arena.problem(format!("{session}: {wrong}")));
            if arena.notes(|notes| notes.unoffered.contains(&(session.clone(), self.life.number))) {
                arena.problem(format!("{session}: a model is asked though its tools could not be said"));
            }
        }
        // What an older node begins was abandoned, and charged, by the one that took over.
        let priced = arena.rules.model(self.entry).is_some_and(|rules| !rules.price.is_free())
            && arena.is_newest(self.life.number);
        let intended = |records: &[Stored]| if review { is_review_intended(records) } else { is_intended(records) };
        if priced && !arena.disk.look(&arena.project, &session, intended) {
            arena.problem(format!("{session}: a priced model call began before its intent was durable"));
        }
        if priced {
            self.check_money(&session);
        }
        let call = ModelCall {
            session,
            entry: self.entry.to_owned(),
            node: self.life.number,
            head,
            review,
            context: request.context.clone(),
            said: Vec::new(),
            end: None,
            cost: MicroUsd::ZERO,
            lost: false,
        };
        arena.trace(format!("node {}: {} asked, head {head}", self.life.number, self.entry));
        arena.notes(|notes| {
            notes.count("model calls");
            notes.calls.push(call);
            notes.calls.len() - 1
        })
    }

    /// What the call may cost is reserved, within the limit.
    fn check_money(&self, session: &SessionId) {
        let arena = self.arena();
        let account = arena.disk.kept_account(&arena.project, &format!("session:{session}")).unwrap_or_default();
        let taken = account.spent.plus(account.reserved);
        if account.reserved == MicroUsd::ZERO {
            arena.problem(format!("{session}: a priced model call began without a reservation"));
        }
        if account.limit.is_some_and(|limit| taken > limit) {
            arena.problem(format!("{session}: {} spent or reserved; the limit is {:?}", taken.0, account.limit));
        }
    }

    fn choose(&self, request: &ModelRequest, random: &mut Random) -> Act {
        let faulty = self.arena().chance(self.arena().plan.faults.model);
        let answers = request.context.iter().rev().take_while(|item| !matches!(item, ContextItem::User { .. })).count();
        let pieces = random.between(1, 4);
        let reasoning = random.chance(300);
        if faulty {
            return self.misbehave(random, reasoning, pieces);
        }
        if reviewed(request).1 {
            self.arena().count("reviews");
            return Act::Judge(match random.below(10) {
                0..=5 => r#"{"decision":"approve","reason":"as asked"}"#,
                6..=8 => r#"{"decision":"deny","reason":"not asked"}"#,
                _ => "by all means approve it",
            });
        }
        let calls = answers < PATIENCE && !request.tools.is_empty() && random.chance(550);
        Act::Speak { reasoning, pieces, then: if calls { Then::Calls } else { Then::End } }
    }

    fn misbehave(&self, random: &mut Random, reasoning: bool, pieces: u64) -> Act {
        use ModelErrorKind as K;
        let speak = |then| Act::Speak { reasoning, pieces, then };
        let drawn = ModelFault::ALL[random.below(ModelFault::ALL.len() as u64) as usize];
        let fault = self.arena().plan.faults.model_only.unwrap_or(drawn);
        self.arena().count(format!("model: {fault:?}"));
        match fault {
            ModelFault::Refused => Act::Refuse(K::Connect, None),
            ModelFault::RateLimited => Act::Refuse(K::RateLimited, None),
            ModelFault::RateLimitedFor => Act::Refuse(K::RateLimited, Some(Duration::from_secs(random.between(0, 90)))),
            ModelFault::Overloaded => Act::Refuse(K::Overloaded, None),
            ModelFault::Broken => speak(Then::Fail(K::Upstream)),
            ModelFault::Torn => speak(Then::Fail(K::Torn)),
            ModelFault::NeverAnswers => Act::Silence,
            ModelFault::Stalls => speak(Then::Silence),
            ModelFault::Invalid => Act::Refuse(K::Invalid, None),
            ModelFault::TooLong => Act::Refuse(K::ContextLength, None),
            ModelFault::CutOff => speak(Then::Stop(Stop::MaxTokens)),
            ModelFault::Filtered => speak(Then::Stop(Stop::Filtered)),
            ModelFault::Empty => Act::Speak { reasoning: false, pieces: 0, then: Then::End },
            ModelFault::Nonsense => speak(Then::Nonsense),
        }
    }

    async fn act(
        &self,
        number: usize,
        request: &ModelRequest,
        act: Act,
        random: &mut Random,
        sink: Sink<'_>,
    ) -> Result<ModelFinish, ModelError> {
        let (reasoning, pieces, then) = match act {
            Act::Silence => return pending().await,
            Act::Judge(word) => {
                let usage = Usage { input_tokens: heard(request) / 4, output_tokens: 5, ..Usage::default() };
                self.bill(number, &usage);
                sink(ModelEvent::text(word));
                self.life.cross(Boundary::ModelSpeaks).await;
                self.arena().pause(PAUSE).await;
                return Ok(finish(usage, Stop::End));
            }
            Act::Refuse(kind, retry_after) => {
                self.arena().pause(PAUSE).await;
                return Err(ModelError { retry_after, ..ModelError::new(kind, "as it was told to") });
            }
            Act::Speak { reasoning, pieces, then } => (reasoning, pieces, then),
        };
        let mut usage = Usage { input_tokens: heard(request) / 4, ..Usage::default() };
        self.bill(number, &usage);
        if reasoning {
            sink(ModelEvent::ReasoningStarted);
            sink(ModelEvent::ReasoningSummary { part: 0, delta: format!("thought {number}. ") });
            sink(ModelEvent::ReasoningOpaque { value: json!({"of": number}) });
        }
        for piece in 0..pieces {
            if piece == 0 {
                sink(ModelEvent::MessageStarted);
                self.arena().notes(|notes| notes.calls[number].said.push(String::new()));
            }
            let delta = format!("[{number}.{piece}] ");
            usage.output_tokens += delta.len() as u64 / 4;
            self.bill(number, &usage);
            self.arena().notes(|notes| {
                if let Some(said) = notes.calls[number].said.last_mut() {
                    said.push_str(&delta);
                }
            });
            sink(ModelEvent::text(delta));
            self.life.cross(Boundary::ModelSpeaks).await;
            self.arena().pause(PAUSE).await;
        }
        match then {
            Then::End => Ok(finish(usage, Stop::End)),
            Then::Stop(stop) => Ok(finish(usage, stop)),
            Then::Fail(kind) => Err(ModelError::new(kind, "as it was told to")),
            Then::Silence => pending().await,
            Then::Calls => {
                for _ in 0..random.between(1, 3) {
                    let tool = &request.tools[random.below(request.tools.len() as u64) as usize];
                    let call_id = CallId::new(format!("call_{}", self.arena().mark()));
                    let arguments = format!("{{\"n\":{number}}}");
                    sink(ModelEvent::Call { call_id, name: tool.name.clone(), arguments });
                }
                Ok(finish(usage, Stop::End))
            }
            Then::Nonsense => {
                self.nonsense(number, request, random, sink);
                Ok(finish(usage, Stop::End))
            }
        }
    }

    /// Calls that no function should ever get, some of them beside good ones.
    fn nonsense(&self, number: usize, request: &ModelRequest, random: &mut Random, sink: Sink<'_>) {
        let known = request.tools.first().map_or("nobody", |tool| tool.name.as_str());
        let old = request.context.iter().rev().find_map(|item| match item {
            ContextItem::Call { call_id, .. } => Some(call_id.clone()),
            _ => None,
        });
        let same = CallId::new(format!("call_{}", self.arena().mark()));
        for _ in 0..random.between(1, 3) {
            let (call_id, name, arguments) = match random.below(8) {
                0 => (same.clone(), "nobody", "{}"),
                1 => (same.clone(), known, "{broken"),
                2 => (same.clone(), known, "[1]"),
                3 => (same.clone(), known, r#"{"a":1,"a":2}"#),
                4 => (CallId::new(""), known, "{}"),
                5 => (CallId::new("c".repeat(200)), known, "{}"),
                6 => (old.clone().unwrap_or(same.clone()), known, "{}"),
                _ => (same.clone(), known, "{\"n\":1}"),
            };
            sink(ModelEvent::Call { call_id, name: name.to_owned(), arguments: arguments.to_owned() });
        }
        self.arena().trace(format!("call {number} is nonsense"));
    }

    fn bill(&self, number: usize, usage: &Usage) {
        let price = self.arena().rules.model(self.entry).map(|rules| rules.price).unwrap_or_default();
        let cost = price.cost(usage);
        self.arena().notes(|notes| notes.calls[number].cost = cost);
    }
}

impl Model for FakeModel {
    fn call<'a>(&'a self, request: &'a ModelRequest, sink: Sink<'a>) -> BoxFuture<'a, Result<ModelFinish, ModelError>> {
        Box::pin(self.answer(request, sink))
    }
}

fn finish(usage: Usage, stop: Stop) -> ModelFinish {
    ModelFinish { usage: Some(usage), stop }
}

/// Whether a message in it kills whoever asks.
fn is_poison(request: &ModelRequest) -> bool {
    request.context.iter().any(|item| match item {
        ContextItem::User { content } => {
            content.iter().any(|part| matches!(part, Content::Text { text } if text.contains(POISON)))
        }
        _ => false,
    })
}

/// Whether the newest record about a model call is an intent.
fn is_intended(records: &[Stored]) -> bool {
    let of_calls = ["intended", "committed", "abandoned"];
    let newest = records.iter().rev().find(|stored| of_calls.contains(&stored.record.kind.as_str()));
    newest.is_some_and(|stored| stored.record.kind == "intended")
}

/// The session that asks, and whether it asks about a call.
fn reviewed(request: &ModelRequest) -> (&str, bool) {
    match request.cache_key.strip_suffix("-review") {
        Some(session) => (session, true),
        None => (&request.cache_key, false),
    }
}

/// Whether an attempt of a model call has an intent and no end; several reviews may be under way.
fn is_review_intended(records: &[Stored]) -> bool {
    let mut open = BTreeSet::new();
    for stored in
        records.iter().filter(|stored| ["intended", "committed", "abandoned"].contains(&stored.record.kind.as_str()))
    {
        match Record::decode(&stored.record).map(|record| record.body) {
            Ok(RecordBody::Intended(of)) if of.class == Class::Repeatable => drop(open.insert((of.effect, of.attempt))),
            Ok(RecordBody::Committed(of)) => drop(open.remove(&(of.effect, of.attempt))),
            Ok(RecordBody::Abandoned(of)) => drop(open.remove(&(of.effect, of.attempt))),
            _ => {}
        }
    }
    !open.is_empty()
}

/// Bytes that it was sent.
fn heard(request: &ModelRequest) -> u64 {
    let parts = |content: &[Content]| {
        let length = |part: &Content| match part {
            Content::Text { text } => text.len(),
            Content::Image { .. } | Content::File { .. } => 0,
        };
        content.iter().map(length).sum::<usize>()
    };
    let bytes: usize = request
        .context
        .iter()
        .map(|item| match item {
            ContextItem::User { content } | ContextItem::System { content } => parts(content),
            ContextItem::Assistant { text } => text.len(),
            ContextItem::Call { name, arguments, .. } => name.len() + arguments.len(),
            ContextItem::Output { output: CallOutput::Text(text), .. } => text.len(),
            ContextItem::Output { output: CallOutput::Parts(content), .. } => parts(content),
            ContextItem::Reasoning { .. } => 0,
        })
        .sum();
    bytes as u64
}
