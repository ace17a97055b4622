//! Reading a session's ledger, page by page. The store keeps no list of effects: their numbers grow with the log, and
//! an effect begins and ends in one turn, save a call that was handed over: a later turn brings its result. So a page is
//! found by halving the log, and read turn by turn; nothing but the records of these turns is decoded, and such results.

use crate::actor::store_refusal;
use crate::subscription::decode;
use crate::{Direction, Listed, Page};
use engine::ledger::{Entry, KINDS, Ledger};
use store::{LogQuery, Store, Stored};
use types::{EffectId, ItemBody, ProjectId, Record, RecordBody, Refusal, Seq, SessionId, TurnId};

/// Records read at a time.
const BATCH: usize = 64;

/// The id of an effect, as clients see it; no two sessions share one.
pub fn effect_id(session: &SessionId, effect: EffectId) -> String {
    format!("eff_{}_{}", session.digits(), effect.0)
}

fn parse(session: &SessionId, id: &str) -> Option<EffectId> {
    let number = id.strip_prefix("eff_")?.strip_prefix(session.digits())?.strip_prefix('_')?.parse().ok()?;
    let effect = EffectId(number);
    (effect_id(session, effect) == id).then_some(effect)
}

/// The effect of this id. `NotFound`: no such session, or no such effect of it.
pub(crate) async fn find(
    store: &dyn Store,
    project: &ProjectId,
    session: &SessionId,
    id: &str,
) -> Result<EffectId, Refusal> {
    let head = store.head(project, session).await.map_err(|error| store_refusal(&error))?;
    let head = head.ok_or_else(|| Refusal::not_found("session", session.as_str()))?;
    let log = Log { store, project, session };
    let unknown = || Refusal::not_found("effect", id);
    let effect = parse(session, id).ok_or_else(unknown)?;
    let stretch = log.stretch_of(effect, head.seq).await?.ok_or_else(unknown)?;
    let entries = log.effects(&stretch).await?;
    entries.iter().find(|entry| entry.id == effect).map(|entry| entry.id).ok_or_else(unknown)
}

/// Effects by their number. `NotFound`: no such session, or `after` names no effect of it.
pub async fn ledger(
    store: &dyn Store,
    project: &ProjectId,
    session: &SessionId,
    page: Page,
) -> Result<Listed<Entry>, Refusal> {
    let head = store.head(project, session).await.map_err(|error| store_refusal(&error))?;
    let head = head.ok_or_else(|| Refusal::not_found("session", session.as_str()))?;
    let log = Log { store, project, session };
    let mut data: Vec<Entry> = Vec::new();
    let mut stretch = match &page.after {
        None => log.beyond(None, page.direction).await?,
        Some(id) => {
            let unknown = || Refusal::not_found("effect", id);
            let effect = parse(session, id).ok_or_else(unknown)?;
            let stretch = log.stretch_of(effect, head.seq).await?.ok_or_else(unknown)?;
            let mut entries = log.effects(&stretch).await?;
            if !entries.iter().any(|entry| entry.id == effect) {
                return Err(unknown());
            }
            entries.retain(|entry| match page.direction {
                Direction::Ascending => entry.id > effect,
                Direction::Descending => entry.id < effect,
            });
            add(&mut data, entries, page.direction);
            log.beyond(Some(stretch.seq), page.direction).await?
        }
    };
    while data.len() <= page.limit
        && let Some(found) = stretch
    {
        add(&mut data, log.effects(&found).await?, page.direction);
        stretch = log.beyond(Some(found.seq), page.direction).await?;
    }
    let has_more = data.len() > page.limit;
    data.truncate(page.limit);
    Ok(Listed { data, has_more })
}

fn add(data: &mut Vec<Entry>, entries: Vec<Entry>, direction: Direction) {
    match direction {
        Direction::Ascending => data.extend(entries),
        Direction::Descending => data.extend(entries.into_iter().rev()),
    }
}

/// One session's log, as the store has it.
struct Log<'a> {
    store: &'a dyn Store,
    project: &'a ProjectId,
    session: &'a SessionId,
}

/// A part of the log whose effects have numbers of their own: a turn, or a restore between turns.
struct Stretch {
    /// Its first record.
    seq: Seq,
    /// None for a restore.
    turn: Option<TurnId>,
}

/// The kinds with which a stretch begins. A restore within a turn belongs to it.
const BEGINNINGS: [&str; 2] = ["turn_created", "restored"];

impl Log<'_> {
    async fn read(&self, query: LogQuery) -> Result<Vec<Stored>, Refusal> {
        self.store.log(self.project, self.session, query).await.map_err(|error| store_refusal(&error))
    }

    /// The next stretch in a direction; from the very end where `from` is None.
    async fn beyond(&self, from: Option<Seq>, direction: Direction) -> Result<Option<Stretch>, Refusal> {
        let mut query = LogQuery { kinds: BEGINNINGS.to_vec(), limit: 1, direction, ..LogQuery::after(Seq(0)) };
        match (from, direction) {
            (None, _) => {}
            (Some(seq), Direction::Ascending) => query.after = seq,
            (Some(seq), Direction::Descending) => query.before = Some(seq),
        }
        loop {
            let Some(stored) = self.read(query.clone()).await?.pop() else { return Ok(None) };
            match stored.record.turn {
                Some(_) if stored.record.kind == types::RESTORED => match direction {
                    Direction::Ascending => query.after = stored.seq,
                    Direction::Descending => query.before = Some(stored.seq),
                },
                turn => return Ok(Some(Stretch { seq: stored.seq, turn })),
            }
        }
    }

    /// The stretch in which the effect must be, if it is there at all: the last one that begins with a smaller number.
    async fn stretch_of(&self, effect: EffectId, head: Seq) -> Result<Option<Stretch>, Refusal> {
        let (mut low, mut high) = (Seq(1), head.next());
        let mut found = None;
        while low < high {
            let middle = Seq(low.0 + (high.0 - low.0) / 2);
            let Some(stretch) = self.beyond(Some(middle.next()), Direction::Descending).await? else {
                low = middle.next();
                continue;
            };
            if self.first_effect(stretch.seq).await?.is_some_and(|first| first <= effect) {
                low = middle.next();
                found = Some(stretch);
            } else {
                high = stretch.seq;
            }
        }
        Ok(found)
    }

    /// The number of the first effect at or after a stretch's beginning.
    async fn first_effect(&self, seq: Seq) -> Result<Option<EffectId>, Refusal> {
        let query = LogQuery { kinds: KINDS.to_vec(), limit: BATCH, ..LogQuery::after(Seq(seq.0.saturating_sub(1))) };
        let mut after = query.after;
        loop {
            let records = self.read(LogQuery { after, ..query.clone() }).await?;
            let Some(last) = records.last() else { return Ok(None) };
            after = last.seq;
            for stored in &records {
                if let Some(effect) = effect_of(&decode(&stored.record)?) {
                    return Ok(Some(effect));
                }
            }
        }
    }

    /// All effects of a stretch, oldest first.
    async fn effects(&self, stretch: &Stretch) -> Result<Vec<Entry>, Refusal> {
        let mut ledger = Ledger::default();
        let mut query = LogQuery { kinds: KINDS.to_vec(), limit: BATCH, ..LogQuery::after(Seq(stretch.seq.0 - 1)) };
        match &stretch.turn {
            Some(turn) => query.turn = Some(turn.clone()),
            None => query.before = Some(stretch.seq.next()),
        }
        let mut last_call = stretch.seq;
        loop {
            let records = self.read(query.clone()).await?;
            let Some(last) = records.last() else { break };
            query.after = last.seq;
            for stored in &records {
                if stored.record.kind == "function_call" {
                    last_call = stored.seq;
                }
                ledger.read(&decode(&stored.record)?);
            }
        }
        let kinds = vec!["function_call_output", "closed_call"];
        let mut query = LogQuery { kinds, limit: BATCH, ..LogQuery::after(last_call) };
        while ledger.waits() {
            let records = self.read(query.clone()).await?;
            let Some(last) = records.last() else { break };
            query.after = last.seq;
            for stored in &records {
                ledger.read(&decode(&stored.record)?);
            }
        }
        Ok(ledger.into_entries())
    }
}

/// The effect that a record begins, if it is one that can be a stretch's first.
fn effect_of(record: &Record) -> Option<EffectId> {
    match &record.body {
        RecordBody::Intended(intended) => Some(intended.effect),
        RecordBody::Abandoned(abandoned) => Some(abandoned.effect),
        RecordBody::Committed(committed) => Some(committed.effect),
        // Within a turn, effects from before it may follow.
        RecordBody::Restored(restored) if restored.turn.is_none() => Some(restored.effect),
        RecordBody::Item(item) => match &item.body {
            ItemBody::FunctionCall { effect, .. } => Some(*effect),
            _ => None,
        },
        _ => None,
    }
}
