//! Turns of the doors that ask for one answer at a time: in a session of its own, after another turn, or in a
//! conversation. What continues the newest turn of a session that rests is its next turn; anything else becomes a fork.

use super::Handle;
use crate::actor::{Command, store_refusal};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use store::LogQuery;
use types::{
    AgentId, AgentSettings, Door, EnvironmentSettings, Input, InputItem, Metadata, ProjectId, RecordBody, Refusal,
    RefusalKind, Review, Seq, SessionId, SessionSettings, SessionView, Stamp, Tool, TurnId, TurnRequest,
};

/// What a door asks of one turn.
#[derive(Clone, PartialEq, Debug)]
pub struct Respond {
    /// Of a session that is made for it.
    pub door: Door,
    pub place: Place,
    pub agent: AgentSettings,
    pub request: TurnRequest,
    pub items: Vec<InputItem>,
    pub key: Option<RepeatKey>,
}

/// Where a turn goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Into a session of its own.
    New,
    /// After the turn that begins at this record: in that session, or in a fork of it.
    After(SessionId, Seq),
    /// At the end of this session, and nowhere else.
    In(SessionId),
}

/// An Idempotency-Key: the request that comes again under it gets the turn of the first one, at any later time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepeatKey {
    pub route: String,
    pub key: String,
    /// SHA-256 of the request's body, hex.
    pub body_hash: String,
}

/// Where a turn is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TurnPlace {
    pub session: SessionId,
    /// Its `turn_created`.
    pub seq: Seq,
    pub turn: TurnId,
}

/// What a key makes of the ids, so that a repeat finds them.
struct Derived {
    session: SessionId,
    turn: TurnId,
    body_hash: String,
}

impl Derived {
    fn of(project: &ProjectId, key: &RepeatKey) -> Self {
        let text = format!("{project}\n{}\n{}", key.route, key.key);
        let digits = types::hex(&Sha256::digest(text.as_bytes()));
        let (session, turn) = (SessionId::new(format!("sess_{}", &digits[..24])), &digits[24..48]);
        Self { session, turn: TurnId::new(format!("turn_{turn}")), body_hash: key.body_hash.clone() }
    }
}

impl Handle {
    /// Begins a turn. What it returns is durable, and goes on whether or not anybody waits for it.
    ///
    /// Errors: `ModelNotFound`, `Invalid` (what the model cannot do, items that do not fit, a turn before it that still
    /// runs), `NotFound` (the turn or the session that it comes after), `Locked` (a turn runs `In` the session), `Busy`,
    /// `Conflict` (the key came with another body before).
    pub async fn respond(&self, project: &ProjectId, asked: Respond) -> Result<TurnPlace, Refusal> {
        self.check_answerable(&asked.agent, &asked.request)?;
        let derived = asked.key.as_ref().map(|key| Derived::of(project, key));
        if let Some(derived) = &derived
            && let Some(known) = self.repeated(project, derived, &asked.place).await?
        {
            return Ok(known);
        }
        let place = asked.place.clone();
        let taken = self.begin(project, asked, derived.as_ref()).await;
        match (taken, derived) {
            // The same request may have come in twice at one time.
            (Err(refusal), Some(derived)) => match self.repeated(project, &derived, &place).await? {
                Some(known) => Ok(known),
                None if refusal.kind == RefusalKind::NotFound && self.is_gone(project, &derived).await? => {
                    Err(used_up())
                }
                None => Err(refusal),
            },
            (taken, _) => taken,
        }
    }

    async fn begin(
        &self,
        project: &ProjectId,
        asked: Respond,
        derived: Option<&Derived>,
    ) -> Result<TurnPlace, Refusal> {
        let Respond { door, place, agent, mut request, items, .. } = asked;
        request.body_hash = derived.map(|derived| derived.body_hash.clone());
        let silent = request.silent;
        // A silent turn has ended when its answer comes, so that its id must be known before.
        let own = || silent.then(|| TurnId::new(Stamp::new(self.world.clock.now(), &*self.world.entropy).id("turn")));
        let turn = derived.map(|derived| derived.turn.clone()).or_else(own);
        let (count, request) = (items.len() as u64, Arc::new(request));
        let respond = |follows| Input::Respond {
            agent: Box::new(agent.clone()),
            request: request.clone(),
            items: items.clone(),
            follows,
            turn: turn.clone(),
        };
        let fresh = || match derived {
            Some(derived) => derived.session.clone(),
            None => self.new_session_id(),
        };
        let (session, view) = match place {
            Place::New => {
                let session = fresh();
                let settings = Box::new(self.plain_settings(door, agent.clone(), Metadata::new()));
                let create = Input::Create { session: session.clone(), settings, input: Vec::new() };
                let view = self.take(project, &session, vec![create, respond(None)]).await?;
                (session, view)
            }
            Place::In(session) => {
                self.check_session(project, &session).await?;
                let view = self.take(project, &session, vec![respond(None)]).await?;
                (session, view)
            }
            Place::After(parent, seq) => {
                self.check_session(project, &parent).await?;
                match self.take(project, &parent, vec![respond(Some(seq))]).await {
                    Err(refusal) if refusal.kind == RefusalKind::Conflict => {
                        // The turn after it may be this very request's, which came twice at one time.
                        if let Some(derived) = derived
                            && let Some(known) = self.repeated(project, derived, &Place::In(parent.clone())).await?
                        {
                            return Ok(known);
                        }
                        let (at, settings) = self.cut_behind(project, &parent, seq).await?;
                        let session = fresh();
                        let settings = Box::new(SessionSettings { agent: agent.clone(), door, ..settings });
                        let fork = Input::Fork { session: session.clone(), settings, keeps_calls: true };
                        let inputs = vec![fork, respond(None)];
                        let view = self.branch(project, (parent, at), &session, inputs).await?;
                        (session, view)
                    }
                    Err(refusal) if refusal.kind == RefusalKind::Locked => return Err(still_running()),
                    taken => (parent, taken?),
                }
            }
        };
        let turn = turn.clone().or_else(|| view.head.turn.as_ref().map(|turn| turn.id.clone()));
        let turn = turn.ok_or_else(|| Refusal::new(RefusalKind::Internal, "The turn ended as it began."))?;
        // Its last record is `turn_started` (of a silent one its end comes too), and before that come the items.
        let seq = Seq(view.head.seq.0.saturating_sub(count + if silent { 2 } else { 1 }));
        Ok(TurnPlace { session, seq, turn })
    }

    pub(super) async fn take(
        &self,
        project: &ProjectId,
        session: &SessionId,
        inputs: Vec<Input>,
    ) -> Result<SessionView, Refusal> {
        self.ask(project, session, |reply| Command::Submit { inputs: inputs.clone(), key: None, reply }).await
    }

    /// The settings of a session of which only this was said.
    pub(super) fn plain_settings(&self, door: Door, agent: AgentSettings, metadata: Metadata) -> SessionSettings {
        let agent_id = Stamp::new(self.world.clock.now(), &*self.world.entropy).id("agent");
        SessionSettings {
            agent_id: AgentId::new(agent_id),
            agent_name: None,
            agent,
            environment: EnvironmentSettings::None,
            vault_ids: Vec::new(),
            prompt_cache: None,
            review: Review::None,
            spend_limit: None,
            metadata,
            door,
            aws: None,
        }
    }

    /// The end of the turn that begins at `seq`, and the settings that it had.
    async fn cut_behind(
        &self,
        project: &ProjectId,
        session: &SessionId,
        seq: Seq,
    ) -> Result<(Seq, SessionSettings), Refusal> {
        let response = self.response(project, session, seq).await?;
        let query =
            LogQuery { kinds: vec!["turn_ended"], turn: Some(response.place.turn), limit: 1, ..LogQuery::after(seq) };
        let log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
        let end = log.first().ok_or_else(still_running)?;
        Ok((end.seq, (*response.settings).clone()))
    }

    /// The turn that a request under this key began before. `Conflict` where that was another request, or the turn was
    /// removed.
    async fn repeated(
        &self,
        project: &ProjectId,
        derived: &Derived,
        place: &Place,
    ) -> Result<Option<TurnPlace>, Refusal> {
        let beside = match place {
            Place::New => None,
            Place::After(session, _) | Place::In(session) => Some(session),
        };
        for session in std::iter::once(&derived.session).chain(beside) {
            let seq = self.world.store.turn_seq(project, session, &derived.turn).await;
            let Some(seq) = seq.map_err(|error| store_refusal(&error))? else { continue };
            let record = self.record_at(project, session, seq).await?;
            let hash = match record {
                Some(RecordBody::TurnCreated { request: Some(request), .. }) => request.body_hash.clone(),
                _ => None,
            };
            if hash.as_ref() != Some(&derived.body_hash) {
                let message = "The Idempotency-Key was used before with a different request body.";
                return Err(Refusal::conflict(message));
            }
            let (kinds, turn) = (vec!["turn_removed"], Some(derived.turn.clone()));
            let removed = LogQuery { kinds, turn, limit: 1, ..LogQuery::after(seq) };
            let removed = self.world.store.log(project, session, removed).await;
            if !removed.map_err(|error| store_refusal(&error))?.is_empty() {
                return Err(used_up());
            }
            return Ok(Some(TurnPlace { session: session.clone(), seq, turn: derived.turn.clone() }));
        }
        Ok(None)
    }

    /// Whether what was made under a key was deleted as a session.
    async fn is_gone(&self, project: &ProjectId, derived: &Derived) -> Result<bool, Refusal> {
        let deleted = self.world.store.is_deleted(project, &derived.session).await;
        deleted.map_err(|error| store_refusal(&error))
    }

    /// What the model could not do is refused before anything is written.
    fn check_answerable(&self, agent: &AgentSettings, request: &TurnRequest) -> Result<(), Refusal> {
        self.check_model(&agent.model, "model")?;
        let served = |tool: &Tool| matches!(tool, Tool::Function { .. } | Tool::Custom { .. });
        if let Some((tool, index)) = agent.tools.iter().zip(0..).find(|(tool, _)| !served(tool)) {
            let message = format!("Tools of type '{}' are not served by this server yet.", tool.kind());
            return Err(Refusal::invalid(message).at(format!("tools[{index}]")));
        }
        let within = |refusal: Refusal| match refusal.param.as_deref().and_then(|path| path.strip_prefix("agent.")) {
            Some(path) => Refusal { param: Some(path.to_owned()), ..refusal },
            None => refusal,
        };
        self.check_schemas(&agent.model, &agent.tools, &agent.text.format).map_err(within)?;
        let Some(entry) = self.world.models.entry(&agent.model) else { return Ok(()) };
        let checked = entry.model.check_turn(request);
        checked.map_err(|refusal| Refusal::invalid(refusal.message).at(refusal.path))
    }
}

/// A key is not free again.
fn used_up() -> Refusal {
    Refusal::conflict("What was made under this Idempotency-Key was deleted.")
}

fn still_running() -> Refusal {
    Refusal::invalid("The previous response has not ended yet.").at("previous_response_id")
}
