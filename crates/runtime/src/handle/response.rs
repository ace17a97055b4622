//! One turn as the doors of single answers show it: what was asked, what was brought, what came of it.

use super::Handle;
use super::turns::ended_turn;
use crate::actor::store_refusal;
use crate::handle::TurnPlace;
use crate::subscription::decode;
use std::sync::Arc;
use store::LogQuery;
use types::{Door, Input, Item, ProjectId, Record, RecordBody, Refusal, RefusalKind, Seq, SessionId, SessionSettings};
use types::{TurnId, TurnRequest, TurnStatus, TurnView};

/// A turn that a request began.
#[derive(Clone, PartialEq, Debug)]
pub struct Response {
    pub place: TurnPlace,
    /// Its status, usage and times. Where the model was cut off it has failed with the code `max_output_tokens` or
    /// `content_filter`, and what was said until then is in `output`.
    pub view: TurnView,
    pub request: Arc<TurnRequest>,
    /// As they were for this turn.
    pub settings: Arc<SessionSettings>,
    /// What the client brought, in order.
    pub input: Vec<Arc<Item>>,
    /// What came of it so far, in order; hidden items are not here, and a call of a tool is replaced by its outcome.
    pub output: Vec<Arc<Item>>,
}

impl Response {
    pub fn has_ended(&self) -> bool {
        self.view.completed_at.is_some()
    }

    /// Why the model was cut off; None where it was not.
    pub fn incomplete(&self) -> Option<&str> {
        let error = self.view.error.as_ref().filter(|_| self.view.status == TurnStatus::Failed)?;
        ["max_output_tokens", "content_filter"].into_iter().find(|code| error.code == *code)
    }
}

impl Handle {
    /// The turn that begins at `seq`. `NotFound` where no request began one there, it was removed, or it is a chat's, which
    /// nobody can fetch.
    pub async fn response(&self, project: &ProjectId, session: &SessionId, seq: Seq) -> Result<Response, Refusal> {
        let row = self.row(project, session).await.map_err(|refusal| unknown(refusal, session, seq))?;
        if row.settings.door == Door::Chat {
            return Err(no_response(session, seq));
        }
        let Some(RecordBody::TurnCreated { turn, request: Some(request), .. }) =
            self.record_at(project, session, seq).await?
        else {
            return Err(no_response(session, seq));
        };
        let records = self.records_of(project, session, &turn, seq).await?;
        let settings = match request.settings_at {
            Some(at) => self.record_at(project, session, at).await?,
            None => None,
        };
        let settings = match settings {
            Some(RecordBody::SessionCreated { settings, .. } | RecordBody::SessionUpdated { settings }) => settings,
            Some(RecordBody::Forked(forked)) => forked.settings,
            // A turn that only brought items: nothing was answered.
            _ => return Err(no_response(session, seq)),
        };
        if records.iter().any(|record| matches!(record.body, RecordBody::TurnRemoved { .. })) {
            return Err(no_response(session, seq));
        }
        let ended = records.iter().any(|record| matches!(record.body, RecordBody::TurnEnded(_)));
        let running = row.head.turn.clone().filter(|running| running.id == turn && !ended);
        let view = running.unwrap_or_else(|| ended_turn(&turn, &row, &records));
        let (input, output) = sorted(records);
        let place = TurnPlace { session: session.clone(), seq, turn };
        Ok(Response { place, view, request, settings, input, output })
    }

    /// Ends the turn, if it runs.
    pub async fn cancel_turn(&self, project: &ProjectId, place: &TurnPlace) -> Result<(), Refusal> {
        self.submit(project, &place.session, vec![Input::CancelTurn { turn: place.turn.clone() }], None).await
    }

    /// From here on the turn is not found any more; one that runs is cancelled. What was built on it stays.
    pub async fn remove_turn(&self, project: &ProjectId, place: &TurnPlace) -> Result<(), Refusal> {
        let turn = place.turn.clone();
        let inputs = vec![Input::CancelTurn { turn: turn.clone() }, Input::RemoveTurn { turn }];
        self.submit(project, &place.session, inputs, None).await
    }

    pub(super) async fn record_at(
        &self,
        project: &ProjectId,
        session: &SessionId,
        seq: Seq,
    ) -> Result<Option<RecordBody>, Refusal> {
        let Some(before) = seq.0.checked_sub(1) else { return Ok(None) };
        let Some(after) = seq.0.checked_add(1) else { return Ok(None) };
        let query = LogQuery { before: Some(Seq(after)), limit: 1, ..LogQuery::after(Seq(before)) };
        let log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
        Ok(log.first().map(|stored| decode(&stored.record)).transpose()?.map(|record| record.body))
    }

    async fn records_of(
        &self,
        project: &ProjectId,
        session: &SessionId,
        turn: &TurnId,
        seq: Seq,
    ) -> Result<Vec<Record>, Refusal> {
        let before = Seq(seq.0.saturating_sub(1));
        let query = LogQuery { turn: Some(turn.clone()), ..LogQuery::after(before) };
        let log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
        log.iter().map(|stored| decode(&stored.record)).collect()
    }
}

/// What was brought, and what came of it.
fn sorted(records: Vec<Record>) -> (Vec<Arc<Item>>, Vec<Arc<Item>>) {
    let (mut input, mut output) = (Vec::new(), Vec::<Arc<Item>>::new());
    for record in records {
        let RecordBody::Item(item) = record.body else { continue };
        match (item.is_visible(), item.output_index) {
            (false, _) => {}
            (true, None) => input.push(item),
            (true, Some(index)) => match output.iter_mut().find(|known| known.output_index == Some(index)) {
                Some(known) => *known = item,
                None => output.push(item),
            },
        }
    }
    (input, output)
}

fn no_response(session: &SessionId, seq: Seq) -> Refusal {
    Refusal::not_found("response", &format!("resp_{}t{seq}", session.digits()))
}

fn unknown(refusal: Refusal, session: &SessionId, seq: Seq) -> Refusal {
    if refusal.kind == RefusalKind::NotFound { no_response(session, seq) } else { refusal }
}
