//! A client that asks for single answers: it goes on after the newest one or after any before it, answers the calls that
//! it was handed, and asks again under the same key until it knows.

use super::owner::functions;
use super::{Answer, Client, Heard, Listener, TRIES, text_of};
use crate::arena::Arena;
use crate::notes::{Told, What};
use crate::plan::MODEL;
use runtime::{Place, RepeatKey, Respond, Response, Start, TurnPlace};
use std::sync::Arc;
use std::time::Duration;
use types::{
    AgentSettings, CallOutput, Content, Door, InputBody, InputItem, ItemBody, RefusalKind, Role, SessionId,
    TurnRequest, TurnStatus,
};

/// What a turn may take of its client's attention before it counts as endless.
const LOOKS: u32 = 3000;

pub(crate) async fn ask(arena: Arc<Arena>, number: u64) {
    let mut client = Client::new(&arena, format!("asker {number}"));
    let mut known: Vec<Response> = Vec::new();
    for _ in 0..=arena.plan.rounds {
        let any = client.random.below(known.len().max(1) as u64) as usize;
        let before = if client.random.chance(400) { known.get(any) } else { known.last() }.cloned();
        let Some(place) = client.ask_for_answer(before.as_ref()).await else { return };
        let Some(response) = client.hear_out(&place).await else { return };
        arena.count("answers asked for");
        known.push(response);
    }
}

impl Client {
    /// Begins a turn, and asks until it is known what became of that.
    async fn ask_for_answer(&mut self, before: Option<&Response>) -> Option<TurnPlace> {
        let (mut items, mut marks) = (Vec::new(), Vec::new());
        // A turn that came to no answer handed nothing over.
        let answered = before.filter(|before| before.view.status == TurnStatus::Completed);
        for item in answered.iter().flat_map(|before| &before.output) {
            let ItemBody::FunctionCall { call_id, .. } = &item.body else { continue };
            let what = What::Result { turn: item.turn.clone(), call_id: call_id.clone() };
            let mark = self.plan_to(None, what, true);
            let output = CallOutput::Text(format!("result {}", text_of(mark)));
            items.push(InputItem::from(InputBody::Output { call_id: call_id.clone(), output }));
            marks.push(mark);
        }
        let mark = self.plan_to(None, What::Message, true);
        marks.push(mark);
        let text = format!("{} {}", self.says, text_of(mark));
        let content = vec![Content::Text { text }];
        items.push(InputBody::Message { role: Role::User, content }.into());
        let mut agent = AgentSettings::new(MODEL);
        agent.tools = functions();
        let key = format!("ask-{mark}");
        let asked = Respond {
            door: Door::Responses,
            place: before.map_or(Place::New, |before| Place::After(before.place.session.clone(), before.place.seq)),
            agent,
            request: TurnRequest { hands_over: true, ..TurnRequest::default() },
            items,
            key: Some(RepeatKey { route: "responses".to_owned(), key: key.clone(), body_hash: key }),
        };
        let place = self.insist_on(&asked, &marks).await?;
        if self.random.chance(200) {
            self.arena.count("answers asked for twice");
            if let Answer::Yes(again) = self.begin(&asked).await
                && again != place
            {
                self.arena.problem(format!("one key began {place:?} and {again:?}"));
            }
        }
        Some(place)
    }

    async fn insist_on(&mut self, asked: &Respond, marks: &[u64]) -> Option<TurnPlace> {
        for _ in 0..TRIES {
            let answer = self.begin(asked).await;
            let told = answer.told();
            marks.iter().for_each(|mark| self.told(*mark, told));
            if let Answer::Yes(place) = answer {
                self.note_place(&place.session, marks);
                if !marks.iter().all(|mark| self.arena.holds(&place.session, &text_of(*mark))) {
                    self.arena.problem(format!("{}: a turn was answered before it was durable", place.session));
                }
                let forked = !matches!(&asked.place, Place::After(session, _) if *session == place.session);
                self.arena.count(if forked { "answers in sessions of their own" } else { "answers that go on" });
                return Some(place);
            }
            if told.is_refusal() && !matches!(told, Told::Refused(RefusalKind::Busy { .. })) {
                self.arena.count("answers refused");
                return None;
            }
            self.arena.pause(Duration::from_secs(3)).await;
        }
        None
    }

    async fn begin(&mut self, asked: &Respond) -> Answer<TurnPlace> {
        let (project, asked) = (self.arena.project.clone(), asked.clone());
        let line = format!("respond {:?}", asked.place);
        self.ask(&line, |handle| Box::pin(async move { handle.respond(&project, asked).await })).await
    }

    fn note_place(&self, session: &SessionId, marks: &[u64]) {
        self.arena.notes(|notes| {
            for mark in marks {
                notes.asked.entry(*mark).and_modify(|asked| asked.session = Some(session.clone()));
            }
        });
    }

    /// Listens from the turn's first record on, until it has ended.
    async fn hear_out(&mut self, place: &TurnPlace) -> Option<Response> {
        let mut listener = Listener::new(self, &place.session, Start::At(place.seq));
        for _ in 0..LOOKS {
            match listener.next(self, Duration::from_secs(10)).await {
                Heard::Event(_) => {
                    if self.random.chance(20) {
                        self.stop(place).await;
                    }
                    continue;
                }
                Heard::Broken => continue,
                Heard::Over => return None,
                Heard::Silence => {}
            }
            match self.read(place).await {
                Answer::Yes(response) if response.has_ended() => return Some(response),
                Answer::No(refusal) if refusal.kind == RefusalKind::NotFound => {
                    self.arena.problem(format!("{}: a turn that was begun is not found: {refusal}", place.session));
                    return None;
                }
                Answer::Yes(_) | Answer::No(_) | Answer::Nothing => {}
            }
        }
        self.arena.problem(format!("{}: a turn that was asked for came to no end", place.session));
        None
    }

    async fn read(&mut self, place: &TurnPlace) -> Answer<Response> {
        let (project, place) = (self.arena.project.clone(), place.clone());
        let read = |handle: runtime::Handle| -> types::BoxFuture<'static, _> {
            Box::pin(async move { handle.response(&project, &place.session, place.seq).await })
        };
        self.ask("read an answer", read).await
    }

    async fn stop(&mut self, place: &TurnPlace) {
        self.arena.count("answers cancelled");
        let (project, place) = (self.arena.project.clone(), place.clone());
        let stop = |handle: runtime::Handle| -> types::BoxFuture<'static, _> {
            Box::pin(async move { handle.cancel_turn(&project, &place).await })
        };
        self.ask("cancel an answer", stop).await;
    }
}
