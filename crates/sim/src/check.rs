//! The checker: what must hold of a run, whatever its seed. Pure: it reads what was seen from outside ([`Notes`]) and the
//! final log ([`Disk`]), and says what does not fit.

pub mod consent;
pub mod effects;
pub mod environment;
pub mod inputs;
pub mod ledger;
pub mod log;
pub mod money;
pub mod pins;
pub mod programs;
pub mod restore;
pub mod settled;
pub mod streams;
pub mod transcript;

use crate::mem_store::Kept;
use crate::notes::Notes;
use crate::plan::Plan;
use engine::State;
use std::collections::BTreeMap;
use store::Account;
use types::{EffectId, Epoch, Event, MicroUsd, Record, Seq, SessionId};

/// What was on the disk at the end.
#[derive(Default)]
pub struct Disk {
    pub sessions: Vec<Kept>,
    pub accounts: BTreeMap<SessionId, Account>,
    pub unsettled: Vec<(String, MicroUsd)>,
    pub taken_from_old_nodes: Vec<(SessionId, Epoch, Epoch)>,
}

/// A session's log, read and folded.
pub struct Folded<'a> {
    pub kept: &'a Kept,
    pub id: &'a SessionId,
    /// Its own, without those that a fork shares.
    pub records: Vec<(Seq, Record)>,
    /// The events of every record, as a reader of the log alone is told them.
    pub events: Vec<Event>,
    /// What a fork stands on; empty for others.
    pub inherited: State,
    pub state: State,
    /// Calls that were open where a restore put the log back.
    pub open_at_restores: Vec<EffectId>,
}

/// Everything that is wrong with a run that has come to its end.
pub fn history(plan: &Plan, notes: &Notes, disk: &Disk) -> Vec<String> {
    let mut wrong = Vec::new();
    for (session, epoch, newest) in &disk.taken_from_old_nodes {
        wrong.push(format!("{session}: an append of epoch {} was taken when {} had begun", epoch.0, newest.0));
    }
    let mut sessions = BTreeMap::new();
    for kept in &disk.sessions {
        match log::fold(kept) {
            Ok(folded) => drop(sessions.insert(folded.id.clone(), folded)),
            Err(why) => wrong.push(format!("{}: the log cannot be read: {why}", kept.row.head.session)),
        }
    }
    for folded in sessions.values() {
        let id = folded.id;
        let mut say = |found: Vec<String>| wrong.extend(found.into_iter().map(|what| format!("{id}: {what}")));
        say(log::check(folded));
        say(environment::check(plan, folded));
        say(log::heard(folded, notes));
        say(log::said(folded, notes));
        say(effects::check(folded, notes));
        say(programs::check(folded, notes));
        say(consent::check(folded, notes));
        say(pins::check(folded, notes));
        say(settled::check(folded, notes));
        say(restore::check(folded, notes));
        say(ledger::check(folded, notes));
        say(money::check(plan, folded, notes, disk));
    }
    wrong.extend(inputs::check(notes, &sessions));
    wrong.extend(streams::check(notes, &sessions));
    wrong
}
