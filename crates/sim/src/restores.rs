//! Restores: a backup is made while sessions are at work, and some time later the disk is put back to it. What was seen
//! outside is looked through for what the log knows nothing of any more.

use crate::arena::Arena;
use crate::check::restore::names;
use crate::mem_store::{Backup, Kept, MemStore};
use crate::notes::{Cut, Notes, Told};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use types::{Attempt, EffectId, EventId, Record, RecordBody, Seq, SessionId};

/// How often it is looked whether a node is there.
const LOOKS: u32 = 2000;
/// How long a backup waits for its moment.
const MOMENT: Duration = Duration::from_secs(40);
/// Whoever asks for a node finds it within this.
const CALM: Duration = Duration::from_secs(2);

/// Makes backups, some time during the run, and restores each of them later; some are restored twice.
pub(crate) async fn put_back(arena: Arc<Arena>) {
    let mut made = None;
    for _ in 0..arena.plan.restores {
        arena.pause(Duration::from_secs(40)).await;
        let (backup, told) = match made.take() {
            Some(made) if arena.between(0, 2) == 0 => made,
            _ => back_up(&arena).await,
        };
        let later = if arena.between(0, 1) == 0 { Duration::from_secs(3) } else { Duration::from_secs(120) };
        arena.pause(later).await;
        if !is_calm(&arena).await {
            return;
        }
        restore(&arena, backup.clone(), &told);
        made = Some((backup, told));
    }
}

/// What each request had been told when the backup was made.
type ToldSoFar = BTreeMap<u64, usize>;

async fn back_up(arena: &Arena) -> (Backup, ToldSoFar) {
    // Half of them in the moment between a call and its intent.
    if arena.between(0, 1) == 0 {
        wait_for(arena, Duration::from_millis(2), MemStore::has_a_call_to_begin).await;
    } else {
        wait_for(arena, Duration::from_millis(20), MemStore::is_at_work).await;
        arena.pause(Duration::from_millis(500)).await;
    }
    arena.trace("a backup is made".to_owned());
    let told = arena.notes(|notes| notes.asked.iter().map(|(mark, asked)| (*mark, asked.told.len())).collect());
    (arena.disk.backup(), told)
}

/// Not for ever.
async fn wait_for(arena: &Arena, between: Duration, is_so: impl Fn(&MemStore) -> bool) {
    let end = arena.clock.monotonic() + MOMENT;
    while !is_so(&arena.disk) && arena.clock.monotonic() < end {
        arena.clock.sleep(between).await;
    }
}

/// Waits until nobody is waiting for a node, or on the way to one that begins.
async fn is_calm(arena: &Arena) -> bool {
    for _ in 0..LOOKS {
        let before = newest(arena);
        arena.clock.sleep(CALM).await;
        if before.is_some() && before == newest(arena) {
            return true;
        }
    }
    false
}

fn newest(arena: &Arena) -> Option<u32> {
    let newest = arena.living().last().map(|node| node.life.number)?;
    arena.is_newest(newest).then_some(newest)
}

fn restore(arena: &Arena, backup: Backup, told: &ToldSoFar) {
    arena.count("restores");
    arena.living().iter().for_each(|node| node.life.die());
    let before = arena.disk.kept();
    let ends: BTreeMap<SessionId, Option<Seq>> = before
        .iter()
        .map(|kept| (kept.row.head.session.clone(), backup.end(&kept.project, &kept.row.head.session)))
        .collect();
    arena.disk.restore(backup);
    arena.trace("the disk is put back to its backup".to_owned());
    arena.notes(|notes| {
        for kept in &before {
            let end = ends.get(&kept.row.head.session).copied().flatten();
            forget(notes, kept, end);
        }
        for (mark, asked) in &mut notes.asked {
            let known = told.get(mark).copied().unwrap_or_default();
            asked.told.iter_mut().skip(known).filter(|told| **told == Told::Taken).for_each(|told| *told = Told::Lost);
        }
    });
}

/// What of a session's log was seen outside and is lost.
fn forget(notes: &mut Notes, kept: &Kept, end: Option<Seq>) {
    let session = &kept.row.head.session;
    let last = kept.row.head.seq;
    let (gone, end) = (end.is_none(), end.unwrap_or_default());
    let records = kept.records.iter().filter_map(|stored| Some((stored.seq, Record::decode(&stored.record).ok()?)));
    let (known, lost): (Vec<_>, Vec<_>) = records.partition(|(seq, _)| *seq <= end);
    let given = effects_given(session, &known);
    let (known, lost) = (Names::of(&known), Names::of(&lost));
    let is_lost = |seq: Seq| gone || seq > end;
    for call in notes.calls.iter_mut().filter(|call| call.session == *session && is_lost(call.head)) {
        call.lost = true;
    }
    for dispatch in notes.dispatches.iter_mut().filter(|dispatch| dispatch.session == *session) {
        let is_known = known.intents.contains(&(dispatch.effect, dispatch.attempt));
        dispatch.lost |=
            !is_known && lost.intents.contains(&(dispatch.effect, dispatch.attempt)) || dispatch.effect > given;
    }
    notes.ended.retain(|(of, turn)| of != session || known.ended.contains(turn.as_str()));
    for (place, stream) in notes.streams.iter_mut().enumerate().filter(|(_, stream)| stream.session == *session) {
        let seq = |id: EventId| match id {
            EventId::Record { seq, .. } | EventId::Draft { seq, .. } => seq,
        };
        if let Some(heard) = stream.events.last().map(|event| event.id).filter(|id| is_lost(seq(*id))) {
            stream.events.retain(|event| !is_lost(seq(event.id)));
            notes.cut_streams.entry(place).or_insert(heard);
        }
    }
    let cut = lost.cut;
    notes.cuts.push(Cut {
        session: session.clone(),
        gone,
        kept: end,
        lost: last,
        effects: cut.effects.into_iter().filter(|effect| *effect > given).collect(),
        turns: cut.turns.difference(&known.cut.turns).cloned().collect(),
        items: cut.items.difference(&known.cut.items).cloned().collect(),
    });
}

/// The last number that an effect had by then: that of one which is due stands in no record.
fn effects_given(session: &SessionId, records: &[(Seq, Record)]) -> EffectId {
    let mut state = engine::State::new(session.clone());
    for (seq, record) in records {
        engine::apply(&mut state, *seq, record);
    }
    state.effects
}

/// What a part of a log names.
struct Names {
    cut: Cut,
    intents: BTreeSet<(EffectId, Attempt)>,
    /// Turns that have ended.
    ended: BTreeSet<String>,
}

impl Names {
    fn of(records: &[(Seq, Record)]) -> Self {
        let cut = Cut {
            session: SessionId::new(""),
            gone: false,
            kept: Seq(0),
            lost: Seq(0),
            effects: BTreeSet::new(),
            turns: BTreeSet::new(),
            items: BTreeSet::new(),
        };
        let mut found = Self { cut, intents: BTreeSet::new(), ended: BTreeSet::new() };
        for (_, record) in records {
            let (effects, turn, item) = names(&record.body);
            found.cut.effects.extend(effects.into_iter().flatten());
            found.cut.turns.extend(turn.cloned());
            found.cut.items.extend(item.cloned());
            match &record.body {
                RecordBody::Intended(of) => drop(found.intents.insert((of.effect, of.attempt))),
                RecordBody::TurnEnded(of) => drop(found.ended.insert(of.turn.as_str().to_owned())),
                _ => {}
            }
        }
        found
    }
}
