//! Money: every attempt that cost something was reserved and booked, every reservation was settled, the account says what
//! the log says, and what models would bill stays within the limit.

use super::{Disk, Folded};
use crate::notes::Notes;
use crate::plan::Plan;
use types::{MicroUsd, RecordBody};

pub fn check(plan: &Plan, folded: &Folded<'_>, notes: &Notes, disk: &Disk) -> Vec<String> {
    let mut wrong = Vec::new();
    let account = disk.accounts.get(folded.id).copied().unwrap_or_default();
    let spent = folded.state.spent;
    let name = format!("session:{}", folded.id);
    for (_, amount) in disk.unsettled.iter().filter(|(account, _)| *account == name) {
        wrong.push(format!("a reservation of {} was never settled", amount.0));
    }
    if account.reserved != MicroUsd::ZERO {
        wrong.push(format!("{} stay reserved", account.reserved.0));
    }
    if account.spent != spent {
        wrong.push(format!("the account has spent {}, the log {}", account.spent.0, spent.0));
    }
    let of_session = notes.calls.iter().filter(|call| call.session == *folded.id && !call.lost);
    let billed: u64 = of_session.map(|call| call.cost.0).sum();
    if billed > spent.0 {
        wrong.push(format!("models bill {billed}, the log says {}", spent.0));
    }
    let limits = folded.records.iter().filter_map(|(_, record)| match &record.body {
        RecordBody::SessionCreated { settings, .. } | RecordBody::SessionUpdated { settings } => settings.spend_limit,
        _ => None,
    });
    let limit = limits.max();
    if plan.limit.is_some() && limit.is_some_and(|limit| spent > limit) {
        wrong.push(format!("{} were spent; the limit is {:?}", spent.0, limit));
    }
    wrong
}
