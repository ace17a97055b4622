//! A session's turns, from their records.

use super::{Handle, Listed, from};
use crate::actor::store_refusal;
use crate::subscription::decode;
use crate::{Direction, Page};
use store::{HeadRow, LogQuery};
use types::{
    Ending, ProjectId, Record, RecordBody, Refusal, Seq, SessionId, TurnEnded, TurnError, TurnId, TurnStatus, TurnView,
};

impl Handle {
    /// Unknown `after`: `NotFound`.
    pub async fn turns(
        &self,
        project: &ProjectId,
        session: &SessionId,
        page: Page,
    ) -> Result<Listed<TurnView>, Refusal> {
        let row = self.row(project, session).await?;
        let cursor = match &page.after {
            None => None,
            Some(turn) => Some(self.turn_seq(project, session, &TurnId::new(turn.clone())).await?),
        };
        let query = LogQuery { kinds: vec!["turn_created"], ..from(cursor, &page) };
        let (records, has_more) = self.page(project, session, query, page.limit).await?;
        let mut data = Vec::with_capacity(records.len());
        for record in records {
            if let RecordBody::TurnCreated { turn, .. } = &record.body {
                data.push(self.turn_view(project, session, &row, turn).await?);
            }
        }
        Ok(Listed { data, has_more })
    }

    /// The newest turn of the session's own that came to its answer. Turns of a session that it was forked from do not count.
    pub async fn last_completed_turn(
        &self,
        project: &ProjectId,
        session: &SessionId,
    ) -> Result<Option<TurnId>, Refusal> {
        /// Records read at a time: mostly the newest turn is it.
        const AT_A_TIME: usize = 8;
        let base = self.head(project, session).await?.base.unwrap_or_default();
        let mut before = None;
        loop {
            let (direction, limit) = (Direction::Descending, AT_A_TIME);
            let query = LogQuery { kinds: vec!["turn_ended"], before, direction, limit, ..LogQuery::after(base) };
            let log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
            for stored in &log {
                if let RecordBody::TurnEnded(TurnEnded { turn, ending: Ending::Completed, .. }) =
                    decode(&stored.record)?.body
                {
                    return Ok(Some(turn));
                }
            }
            match log.last() {
                Some(last) => before = Some(last.seq),
                None => return Ok(None),
            }
        }
    }

    /// Whether the session has a turn that has not ended, also one that waits.
    pub async fn has_open_turn(&self, project: &ProjectId, session: &SessionId) -> Result<bool, Refusal> {
        Ok(self.head(project, session).await?.turn.is_some())
    }

    pub async fn turn(&self, project: &ProjectId, session: &SessionId, turn: &TurnId) -> Result<TurnView, Refusal> {
        let row = self.row(project, session).await?;
        self.turn_seq(project, session, turn).await?;
        self.turn_view(project, session, &row, turn).await
    }

    pub(super) async fn turn_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        turn: &TurnId,
    ) -> Result<Seq, Refusal> {
        let seq = self.world.store.turn_seq(project, session, turn).await.map_err(|error| store_refusal(&error))?;
        seq.ok_or_else(|| Refusal::not_found("turn", turn.as_str()))
    }

    /// The head knows the turn that runs; of one that ended, its few records tell.
    pub(super) async fn turn_view(
        &self,
        project: &ProjectId,
        session: &SessionId,
        row: &HeadRow,
        id: &TurnId,
    ) -> Result<TurnView, Refusal> {
        if let Some(turn) = row.head.turn.as_ref().filter(|turn| turn.id == *id) {
            return Ok(turn.clone());
        }
        let kinds = vec!["turn_created", "turn_started", "committed", "abandoned", "turn_ended"];
        let query = LogQuery { kinds, turn: Some(id.clone()), ..LogQuery::after(Seq(0)) };
        let (records, _) = self.page(project, session, query, usize::MAX - 1).await?;
        Ok(ended_turn(id, row, &records))
    }
}

/// A turn as its lifecycle records tell it.
pub(super) fn ended_turn(id: &TurnId, row: &HeadRow, records: &[Record]) -> TurnView {
    let mut view = TurnView {
        id: id.clone(),
        agent_id: row.settings.agent_id.clone(),
        status: TurnStatus::InProgress,
        error: None,
        usage: Some(types::Usage::default()),
        prompt_cache: None,
        created_at: types::Timestamp(0),
        started_at: None,
        completed_at: None,
    };
    for record in records {
        match &record.body {
            RecordBody::TurnCreated { prompt_cache, .. } => {
                view.created_at = record.at;
                view.prompt_cache = *prompt_cache;
            }
            RecordBody::TurnStarted { .. } => view.started_at = Some(record.at),
            RecordBody::Committed(committed) => {
                view.usage = view.usage.zip(committed.usage).map(|(sum, usage)| sum.plus(usage));
            }
            RecordBody::Abandoned(abandoned) if abandoned.unmeasured => view.usage = None,
            RecordBody::TurnEnded(ended) => {
                view.completed_at = Some(record.at);
                view.status = match &ended.ending {
                    Ending::Completed => TurnStatus::Completed,
                    Ending::Cancelled => TurnStatus::Cancelled,
                    Ending::Failed { code, message } => {
                        view.error = Some(TurnError { code: code.clone(), message: message.clone() });
                        TurnStatus::Failed
                    }
                };
            }
            _ => {}
        }
    }
    // One that began after the head was read: its usage is known when it has ended.
    view.usage = view.usage.filter(|_| view.completed_at.is_some());
    view
}
