//! One reader of one session's events: a cursor, not a queue. It is woken, reads the records after its place, then the
//! draft; far behind, it reads the log itself. A slow reader merges deltas and holds nobody up.

use crate::World;
use crate::cursor::Cursor;
use crate::registry::Hold;
use engine::State;
use std::collections::VecDeque;
use std::sync::Arc;
use store::LogQuery;
use tokio::sync::watch;
use types::{DraftPlace, Event, EventId, Origin, ProjectId, Record, Refusal, RefusalKind, Seq};

/// Records read from the log at a time.
const PAGE: usize = 256;

/// One reader of one session's events. Whatever it was handed is never handed again.
pub struct Subscription {
    world: World,
    project: ProjectId,
    tail: Arc<Hold>,
    changed: watch::Receiver<u64>,
    cursor: Cursor,
    ready: VecDeque<Event>,
    /// State up to the last record read, while the log itself is read.
    replay: Option<State>,
}

impl Subscription {
    pub(crate) fn new(
        world: World,
        project: ProjectId,
        tail: Arc<Hold>,
        cursor: Cursor,
        replay: Option<State>,
    ) -> Self {
        let changed = tail.watch();
        Self { world, project, tail, changed, cursor, ready: VecDeque::new(), replay }
    }

    /// The next event; waits for it. None when the session was deleted, the server drains or the log cannot be read.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            self.changed.borrow_and_update();
            match self.look() {
                Seen::Fresh => {}
                Seen::Behind => {
                    if let Err(refusal) = self.read_log().await {
                        tracing::warn!(%refusal, "a reader's stream ends: the log cannot be read");
                        return None;
                    }
                }
                Seen::Nothing => self.changed.changed().await.ok()?,
                Seen::End => return None,
            }
        }
    }

    /// The next event, if it was read with the one before it.
    pub fn next_at_hand(&mut self) -> Option<Event> {
        self.ready.pop_front()
    }

    /// Takes what is at hand.
    fn look(&mut self) -> Seen {
        let inner = self.tail.lock();
        if self.cursor.seq < inner.head {
            let Some(records) = inner.after(self.cursor.seq) else { return Seen::Behind };
            drop(inner);
            self.replay = None;
            for (seq, events) in records {
                self.ready.extend(self.cursor.read_record(seq, &events));
            }
            return Seen::Fresh;
        }
        if self.cursor.seq <= inner.published {
            let said = inner.draft.as_ref().map(|draft| self.cursor.read_draft(draft));
            let mut fresh = said.unwrap_or_default();
            fresh.extend(self.cursor.read_printed(&inner.printed));
            if !fresh.is_empty() {
                drop(inner);
                self.ready.extend(fresh);
                return Seen::Fresh;
            }
        }
        if inner.ended { Seen::End } else { Seen::Nothing }
    }

    /// Reads the next records from the log and folds them into events.
    async fn read_log(&mut self) -> Result<(), Refusal> {
        let session = &self.tail.session;
        let mut state = match self.replay.take() {
            Some(state) => state,
            None => fold(&self.world, &self.project, session, self.cursor.seq).await?,
        };
        let query = LogQuery { limit: PAGE, ..LogQuery::after(state.seq) };
        let log = self.world.store.log(&self.project, session, query).await;
        let log = log.map_err(|error| crate::actor::store_refusal(&error))?;
        if log.is_empty() {
            return Err(Refusal::new(RefusalKind::NotFound, "The session was deleted."));
        }
        for stored in log {
            let events = engine::apply(&mut state, stored.seq, &decode(&stored.record)?);
            self.ready.extend(self.cursor.read_record(stored.seq, &events));
        }
        self.replay = Some(state);
        Ok(())
    }
}

enum Seen {
    Fresh,
    Behind,
    Nothing,
    End,
}

/// State after the record `upto`.
pub(crate) async fn fold(
    world: &World,
    project: &ProjectId,
    session: &types::SessionId,
    upto: Seq,
) -> Result<State, Refusal> {
    let mut state = State::new(session.clone());
    while state.seq < upto {
        let query = LogQuery { limit: PAGE, before: Some(upto.next()), ..LogQuery::after(state.seq) };
        let log = world.store.log(project, session, query).await;
        let log = log.map_err(|error| crate::actor::store_refusal(&error))?;
        if log.is_empty() {
            break;
        }
        for stored in log {
            engine::apply(&mut state, stored.seq, &decode(&stored.record)?);
        }
    }
    Ok(state)
}

/// A cursor after `id`, if `id` is a position of this session's stream: one that was, or could have been, handed out.
pub(crate) async fn cursor_after(
    world: &World,
    project: &ProjectId,
    session: &types::SessionId,
    head: Seq,
    id: EventId,
) -> Result<Option<(Cursor, State)>, Refusal> {
    let (EventId::Record { seq, .. } | EventId::Draft { seq, .. }) = id;
    if seq == Seq(0) || seq > head {
        return Ok(None);
    }
    let cursor = Cursor::after(session.clone(), id);
    let state = fold(world, project, session, cursor.seq).await?;
    let is_place = match id {
        // A restore leaves numbers out: what was said at them is lost.
        EventId::Draft { position, .. } => state.seq == seq && state.session == *session && speaks(&state, position),
        EventId::Record { index, draft, .. } => {
            let query = LogQuery { limit: 1, ..LogQuery::after(cursor.seq) };
            let log = world.store.log(project, session, query).await;
            let log = log.map_err(|error| crate::actor::store_refusal(&error))?;
            let Some(stored) = log.first().filter(|stored| stored.seq == seq) else { return Ok(None) };
            let record = decode(&stored.record)?;
            let mut after = state.clone();
            let events = engine::apply(&mut after, stored.seq, &record).len();
            // What a fork shares was told in the other session's stream.
            if after.session != *session {
                return Ok(None);
            }
            // An abandoned attempt is one event here and one for each item that a reader had seen of it.
            let abandoned = matches!(record.body, types::RecordBody::Abandoned(_));
            ((index as usize) < events || abandoned) && draft.is_none_or(|draft| speaks(&state, draft))
        }
    };
    Ok(is_place.then_some((cursor, state)))
}

/// Whether drafts may have been read up to `place` in this state.
fn speaks(state: &State, place: DraftPlace) -> bool {
    state.turn.as_ref().is_some_and(|turn| match place {
        DraftPlace::Said(position) => {
            let speaking = turn.call.as_ref().map(|call| Origin { effect: call.effect, attempt: call.attempt });
            speaking == Some(position.origin.into()) && position.output_index >= turn.outputs && position.offset > 0
        }
        DraftPlace::Printed(positions) => positions.iter().all(|position| {
            let open = turn.tools.iter().find(|open| open.call.effect == position.origin().effect);
            open.is_some_and(|open| {
                open.call.is_command()
                    && open.output_index == Some(position.output_index())
                    && position.origin().attempt <= open.attempt
                    && position.offset() > 0
            })
        }),
    })
}

pub(crate) fn decode(encoded: &types::Encoded) -> Result<Record, Refusal> {
    Record::decode(encoded).map_err(|error| Refusal::new(RefusalKind::Internal, error.to_string()))
}
