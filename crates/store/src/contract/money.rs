//! Accounts: limits, reservations, what was spent.

use super::{Writer, record, together};
use crate::{Account, AppendError, SideWrite, Store};
use std::sync::Arc;
use types::MicroUsd;

pub async fn suite(store: &Arc<dyn Store>) {
    a_limit_holds_to_the_last_unit(store).await;
    without_a_limit_there_is_room(store).await;
    both_verbs_are_idempotent(store).await;
    what_is_settled_is_what_was_spent(store).await;
    nobody_reserves_the_same_money(store).await;
}

fn reserve(key: &str, amount: u64) -> SideWrite {
    SideWrite::Reserve { account: "a".into(), key: key.into(), amount: MicroUsd(amount) }
}

fn settle(key: &str, spent: u64) -> SideWrite {
    SideWrite::Settle { account: "a".into(), key: key.into(), spent: MicroUsd(spent) }
}

fn limit(limit: Option<u64>) -> SideWrite {
    SideWrite::Limit { account: "a".into(), limit: limit.map(MicroUsd) }
}

async fn open(store: &Arc<dyn Store>, project: &str) -> Writer {
    let mut writer = Writer::new(store, project, "sess_1").await;
    writer.append(vec![record("session_created", "{}")]).await;
    writer
}

/// Spent, reserved, limit.
async fn standing(writer: &Writer) -> Option<(u64, u64, Option<u64>)> {
    let account = writer.store.account(&writer.project, "a").await.unwrap();
    account.map(|Account { spent, reserved, limit }| (spent.0, reserved.0, limit.map(|limit| limit.0)))
}

fn is_over<T>(answer: &Result<T, AppendError>) -> bool {
    matches!(answer, Err(AppendError::OverBudget { account }) if account == "a")
}

pub async fn a_limit_holds_to_the_last_unit(store: &Arc<dyn Store>) {
    let mut writer = open(store, "money-limit").await;
    assert_eq!(standing(&writer).await, None);
    writer.side(limit(Some(100))).await.unwrap();
    assert_eq!(standing(&writer).await, Some((0, 0, Some(100))));
    assert!(is_over(&writer.side(reserve("1", 101)).await));
    assert!(is_over(&writer.side(reserve("1", u64::MAX)).await));
    writer.side(reserve("1", 60)).await.unwrap();
    assert!(is_over(&writer.side(reserve("2", 41)).await));
    writer.side(reserve("2", 40)).await.unwrap();
    assert!(is_over(&writer.side(reserve("3", 1)).await));
    writer.side(reserve("0", 0)).await.unwrap();
    assert_eq!(standing(&writer).await, Some((0, 100, Some(100))));

    // A raised limit makes room; a lowered one takes nothing back, but lets nothing in.
    writer.side(limit(Some(110))).await.unwrap();
    writer.side(reserve("3", 10)).await.unwrap();
    writer.side(limit(Some(50))).await.unwrap();
    assert!(is_over(&writer.side(reserve("4", 0)).await));
    assert_eq!(standing(&writer).await, Some((0, 110, Some(50))));
    writer.side(limit(None)).await.unwrap();
    writer.side(reserve("4", 1_000)).await.unwrap();
    assert_eq!(standing(&writer).await, Some((0, 1_110, None)));
}

pub async fn without_a_limit_there_is_room(store: &Arc<dyn Store>) {
    let mut writer = open(store, "money-free").await;
    writer.side(reserve("1", u64::MAX - 1)).await.unwrap();
    writer.side(reserve("2", 10)).await.unwrap();
    assert_eq!(standing(&writer).await, Some((0, u64::MAX, None)), "sums stop at the end of the numbers");
}

pub async fn both_verbs_are_idempotent(store: &Arc<dyn Store>) {
    let mut writer = open(store, "money-idempotent").await;
    writer.side(limit(Some(100))).await.unwrap();
    for amount in [80, 80, 5] {
        writer.side(reserve("1", amount)).await.unwrap();
        assert_eq!(standing(&writer).await, Some((0, 80, Some(100))));
    }
    for spent in [30, 30, 7] {
        writer.side(settle("1", spent)).await.unwrap();
        assert_eq!(standing(&writer).await, Some((30, 0, Some(100))));
    }
    // What was settled is not opened again.
    writer.side(reserve("1", 60)).await.unwrap();
    assert_eq!(standing(&writer).await, Some((30, 0, Some(100))));
    // Both in one append, in order.
    writer.try_append(Vec::new(), vec![reserve("2", 70), settle("2", 10), reserve("3", 60)]).await.unwrap();
    assert_eq!(standing(&writer).await, Some((40, 60, Some(100))));
}

pub async fn what_is_settled_is_what_was_spent(store: &Arc<dyn Store>) {
    let mut writer = open(store, "money-settle").await;
    writer.side(limit(Some(100))).await.unwrap();
    writer.side(reserve("1", 50)).await.unwrap();
    // The world may have cost more than was reserved, and more than the limit: it was spent all the same.
    writer.side(settle("1", 120)).await.unwrap();
    assert_eq!(standing(&writer).await, Some((120, 0, Some(100))));
    assert!(is_over(&writer.side(reserve("2", 0)).await));
    // Without a reservation there is nothing to end, but something to book.
    writer.side(settle("3", 5)).await.unwrap();
    writer.side(settle("3", 5)).await.unwrap();
    assert_eq!(standing(&writer).await, Some((125, 0, Some(100))));
    // The same key in another account is another reservation.
    let other = SideWrite::Settle { account: "b".into(), key: "1".into(), spent: MicroUsd(3) };
    writer.side(other).await.unwrap();
    let other = store.account(&writer.project, "b").await.unwrap().unwrap();
    assert_eq!(other, Account { spent: MicroUsd(3), reserved: MicroUsd(0), limit: None });
}

pub async fn nobody_reserves_the_same_money(store: &Arc<dyn Store>) {
    let mut writer = open(store, "money-race").await;
    writer.side(limit(Some(100))).await.unwrap();
    let sessions: Vec<Writer> = (0..8).map(|n| writer.beside(&format!("sess_r{n}"))).collect();
    let tries = sessions.iter().map(|session| {
        let write = reserve(session.session.as_str(), 30);
        store.append(session.append_of(vec![record("session_created", "{}")], vec![write]))
    });
    let answers = together(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| is_over(answer)).count(), 5, "{answers:?}");
    assert_eq!(standing(&writer).await, Some((0, 90, Some(100))));
    // Those that were refused did not spoil the others, and left no session.
    for (session, answer) in sessions.iter().zip(&answers) {
        let found = store.session(&session.project, &session.session).await.unwrap();
        assert_eq!(found.is_some(), answer.is_ok());
    }
}
