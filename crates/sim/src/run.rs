//! One run of a plan: clients at work while nodes die and start, then calm, then the last look at everything.

use crate::Sim;
use crate::arena::{Arena, Node};
use crate::check::{Disk, history};
use crate::client::{Client, Heard, Listener, ask, own};
use crate::mem_store::Kept;
use crate::notes::Notes;
use crate::plan::Plan;
use crate::restores::put_back;
use runtime::{Direction, Page};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::Store;
use types::{Input, SessionId, SessionStatus};

/// Polls after which a run counts as endless: a hundred times what they take.
const STEPS: u64 = 20_000_000;
/// The longest that clients may be at work, in the run's own time.
const LONGEST: Duration = Duration::from_secs(4 * 24 * 3600);
/// How often sessions are looked at until they rest.
const LOOKS: u32 = 2000;

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Report {
    pub plan: Plan,
    /// What was wrong; empty where all held.
    pub problems: Vec<String>,
    /// The end of its trace.
    pub tail: Vec<String>,
    /// The logs of the sessions that the problems name.
    pub logs: Vec<String>,
    /// Of the whole trace and of the order of all tasks: the same plan has the same.
    pub digest: u64,
    /// Boundaries that were crossed, those after the last fault included.
    pub boundaries: u64,
    pub counts: BTreeMap<String, u64>,
}

/// Runs a plan to its end.
pub fn run(plan: Plan) -> Report {
    look(plan).0
}

/// The same, with what was seen and what was left.
pub fn look(plan: Plan) -> (Report, Notes, Disk) {
    let sim = Sim::new(plan.seed).with_steps(STEPS);
    let arena = Arena::new(&sim, plan.clone());
    let outcome = sim.run(drive(arena.clone()));
    let disk = disk(&arena);
    count(&arena, &disk);
    let trace = sim.trace();
    let (notes, tail, digest, boundaries) = arena.take();
    arena.close();
    let mut problems = notes.problems.clone();
    match outcome {
        Ok(()) => problems.extend(history(&plan, &notes, &disk)),
        Err(stuck) => problems.push(format!("the run is stuck: {stuck:?}")),
    }
    let counts = notes.counts.clone();
    let digest = digest ^ trace.digest.rotate_left(1);
    let logs = disk.sessions.iter().filter(|kept| is_named(kept, &problems)).flat_map(lines).collect();
    (Report { plan, problems, tail, logs, digest, boundaries, counts }, notes, disk)
}

fn is_named(kept: &Kept, problems: &[String]) -> bool {
    problems.iter().any(|problem| problem.contains(kept.row.head.session.digits()))
}

/// A log, a line for each record.
fn lines(kept: &Kept) -> Vec<String> {
    const LONGEST: usize = 240;
    let line = |stored: &store::Stored| {
        let body: String = String::from_utf8_lossy(&stored.record.body).chars().take(LONGEST).collect();
        format!("{:>5} {} {body}", stored.seq.0, stored.record.kind)
    };
    let title = format!("log of {}", kept.row.head.session);
    std::iter::once(title).chain(kept.records.iter().map(line)).collect()
}

/// What only the disk tells.
fn count(arena: &Arena, disk: &Disk) {
    let of_kind = |kind: &str, text: &[u8]| {
        let records = disk.sessions.iter().flat_map(|kept| &kept.records).map(|stored| &stored.record);
        let found = records.filter(|record| record.kind == kind);
        found.filter(|record| record.body.windows(text.len()).any(|window| window == text)).count() as u64
    };
    let counts = [
        ("appends refused to old nodes", arena.disk.refused_to_old_nodes()),
        ("outcomes unknown", of_kind("tool_outcome", b"\"unknown\"")),
        ("outcomes that came late", of_kind("late", b"{")),
        ("recoveries", of_kind("recovered", b"{")),
        ("turns", of_kind("turn_ended", b"{")),
    ];
    arena.notes(|notes| notes.counts.extend(counts.map(|(what, count)| (what.to_owned(), count))));
}

fn disk(arena: &Arena) -> Disk {
    let sessions = arena.disk.kept();
    let accounts = sessions.iter().filter_map(|kept| {
        let session = &kept.row.head.session;
        let account = arena.disk.kept_account(&kept.project, &format!("session:{session}"))?;
        Some((session.clone(), account))
    });
    Disk {
        accounts: accounts.collect(),
        unsettled: arena.disk.unsettled(),
        taken_from_old_nodes: arena.disk.taken_from_old_nodes(),
        sessions,
    }
}

async fn drive(arena: Arc<Arena>) {
    for number in 0..arena.plan.sessions {
        arena.send_in("owner", own(arena.clone(), number));
    }
    for number in 0..arena.plan.askers {
        arena.send_in("asker", ask(arena.clone(), number));
    }
    for _ in 0..arena.plan.jumps {
        arena.send_in("clock", jump(arena.clone()));
    }
    for _ in 0..arena.plan.takeovers {
        arena.send_in("takeover", take_over(arena.clone()));
    }
    if arena.plan.restores > 0 {
        arena.send_in("restore", put_back(arena.clone()));
    }
    let over = arena.clock.monotonic() + LONGEST;
    let mut changed = arena.watch();
    while arena.clients() > 0 {
        changed.borrow_and_update();
        // One that a newer node has fenced serves nobody, though it lives.
        if arena.newest_is_dead() {
            arena.pause(Duration::from_secs(2)).await;
            if let Some(node) = Node::start(&arena).await {
                arena.add(node);
            }
            continue;
        }
        let left = over.saturating_sub(arena.clock.monotonic());
        tokio::select! {
            biased;
            _ = changed.changed() => {}
            () = arena.clock.sleep(left) => {
                arena.problem("clients are at work for ever".to_owned());
                return;
            }
        }
    }
    settle(&arena).await;
}

/// Sets the wall clock, some time during the run.
async fn jump(arena: Arc<Arena>) {
    arena.pause(Duration::from_secs(60)).await;
    const HOUR: i64 = 3_600_000;
    let millis = [HOUR, -HOUR, 24 * HOUR, -24 * HOUR, 500, -500][arena.between(0, 5) as usize];
    if millis >= 12 * HOUR {
        arena.notes(|notes| notes.keys_expired = true);
    }
    arena.count("jumps of the clock");
    arena.trace(format!("the clock jumps by {millis} ms"));
    arena.fate.jump_clock(millis);
}

/// A second node starts on the same disk while the first lives; the first goes on for a while.
async fn take_over(arena: Arc<Arena>) {
    arena.pause(Duration::from_secs(20)).await;
    // With something under way: that is what it is about.
    for _ in 0..LOOKS {
        if arena.disk.is_at_work() {
            break;
        }
        arena.clock.sleep(Duration::from_millis(20)).await;
    }
    arena.pause(Duration::from_millis(200)).await;
    let older = arena.living();
    // One that dies before it serves may have taken the epoch with it: then too somebody notices that nobody serves.
    if let Some(node) = Node::start(&arena).await {
        arena.count("takeovers");
        arena.add(node);
    }
    arena.pause(Duration::from_secs(30)).await;
    older.iter().for_each(|node| node.life.die());
}

/// Nothing goes wrong any more: one fresh node, every session comes to rest, every stream is heard to its end.
async fn settle(arena: &Arc<Arena>) {
    arena.calm();
    arena.living().iter().for_each(|node| node.life.die());
    let Some(node) = Node::start(arena).await else {
        arena.problem("no node starts on a healthy disk".to_owned());
        return;
    };
    arena.add(node);
    let mut janitor = Client::new(arena, "janitor".to_owned());
    for kept in arena.disk.kept().iter().filter(|kept| !kept.deleted) {
        rest(arena, &mut janitor, &kept.row.head.session).await;
    }
    let streams = arena.notes(|notes| notes.streams.clone());
    for (place, stream) in streams.iter().enumerate() {
        let deleted = janitor.is_deleted(&stream.session);
        let is_over = deleted || arena.notes(|notes| notes.is_cut(place, stream));
        if let Some(mut listener) = Listener::again(place, stream).filter(|_| !is_over) {
            while !matches!(listener.next(&mut janitor, Duration::from_secs(1)).await, Heard::Silence | Heard::Over) {}
        }
    }
    for kept in arena.disk.kept() {
        let session = &kept.row.head.session;
        if !kept.deleted {
            read_ledger(arena, session).await;
        }
        if let Err(error) = arena.disk.verify(&kept.project, session).await {
            arena.problem(format!("{session}: {error}"));
        }
    }
}

/// Reads the ledger, a few effects at a time.
async fn read_ledger(arena: &Arena, session: &SessionId) {
    let mut after = None;
    loop {
        let page = Page { after, limit: 3, direction: Direction::Ascending };
        match runtime::ledger(&*arena.disk, &arena.project, session, page).await {
            Ok(listed) => {
                after = listed.data.last().map(|entry| runtime::effect_id(session, entry.id));
                let more = listed.has_more && after.is_some();
                arena.notes(|notes| notes.ledgers.entry(session.clone()).or_default().extend(listed.data));
                if !more {
                    return;
                }
            }
            Err(refusal) => return arena.problem(format!("{session}: the ledger cannot be read: {refusal}")),
        }
    }
}

/// Waits until a session has nothing to do; what waits for a caller is cancelled.
async fn rest(arena: &Arc<Arena>, janitor: &mut Client, session: &SessionId) {
    for _ in 0..LOOKS {
        if let Some(view) = janitor.view(session).await.yes() {
            match (&view.head.turn, view.head.status) {
                (None, _) => return,
                (Some(_), SessionStatus::RequiresAction) => {
                    let (project, id) = (arena.project.clone(), session.clone());
                    let cancel = |handle: runtime::Handle| -> types::BoxFuture<'static, _> {
                        Box::pin(async move { handle.submit(&project, &id, vec![Input::Cancel], None).await })
                    };
                    janitor.ask("cancel", cancel).await;
                }
                _ => {}
            }
        }
        arena.clock.sleep(Duration::from_secs(5)).await;
    }
    arena.problem(format!("{session}: it does not come to rest"));
}
