//! Accounts and reservations. A reservation holds only if `spent + reserved + amount <= limit`, decided in the same
//! transaction as the intent that it pays for. Reservations stay after they were settled: that is what makes both
//! verbs idempotent.

use super::fault::Fault;
use crate::{Account, AppendError, Error};
use rusqlite::{Connection, OptionalExtension, params};
use types::{MicroUsd, ProjectId};

pub(super) fn account(
    connection: &Connection,
    project: &ProjectId,
    account: &str,
) -> Result<Option<Account>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT spent, reserved, \"limit\" FROM accounts WHERE project = ?1 AND account = ?2")?
        .query_row(params![project.as_str(), account], |row| {
            Ok(Account {
                spent: money(row.get(0)?),
                reserved: money(row.get(1)?),
                limit: row.get::<_, Option<i64>>(2)?.map(money),
            })
        })
        .optional()
}

pub(super) fn read(connection: &Connection, project: &ProjectId, name: &str) -> Result<Option<Account>, Error> {
    Ok(account(connection, project, name)?)
}

pub(super) fn reserve(
    connection: &Connection,
    project: &ProjectId,
    name: &str,
    key: &str,
    amount: MicroUsd,
) -> Result<(), Fault<AppendError>> {
    if reservation(connection, project, name, key)?.is_some() {
        return Ok(());
    }
    let mut standing = account(connection, project, name)?.unwrap_or_default();
    if !standing.has_room(amount) {
        return Err(AppendError::OverBudget { account: name.to_owned() }.into());
    }
    standing.reserved = standing.reserved.plus(amount);
    put(connection, project, name, &standing)?;
    Ok(put_reservation(connection, project, name, key, amount, None)?)
}

pub(super) fn settle(
    connection: &Connection,
    project: &ProjectId,
    name: &str,
    key: &str,
    spent: MicroUsd,
) -> Result<(), rusqlite::Error> {
    let amount = match reservation(connection, project, name, key)? {
        Some((_, Some(_))) => return Ok(()),
        Some((amount, None)) => amount,
        None => MicroUsd::ZERO,
    };
    let mut standing = account(connection, project, name)?.unwrap_or_default();
    standing.reserved = MicroUsd(standing.reserved.0.saturating_sub(amount.0));
    standing.spent = standing.spent.plus(spent);
    put(connection, project, name, &standing)?;
    put_reservation(connection, project, name, key, amount, Some(spent))
}

pub(super) fn limit(
    connection: &Connection,
    project: &ProjectId,
    name: &str,
    limit: Option<MicroUsd>,
) -> Result<(), rusqlite::Error> {
    let standing = account(connection, project, name)?.unwrap_or_default();
    put(connection, project, name, &Account { limit, ..standing })
}

fn put(connection: &Connection, project: &ProjectId, name: &str, account: &Account) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO accounts (project, account, spent, reserved, \"limit\") VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            project.as_str(),
            name,
            column(account.spent),
            column(account.reserved),
            account.limit.map(column)
        ])
        .map(|_| ())
}

/// Its amount, and what was settled.
fn reservation(
    connection: &Connection,
    project: &ProjectId,
    account: &str,
    key: &str,
) -> Result<Option<(MicroUsd, Option<MicroUsd>)>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT amount, settled FROM reservations WHERE project = ?1 AND account = ?2 AND key = ?3")?
        .query_row(params![project.as_str(), account, key], |row| {
            Ok((money(row.get(0)?), row.get::<_, Option<i64>>(1)?.map(money)))
        })
        .optional()
}

fn put_reservation(
    connection: &Connection,
    project: &ProjectId,
    account: &str,
    key: &str,
    amount: MicroUsd,
    settled: Option<MicroUsd>,
) -> Result<(), rusqlite::Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO reservations (project, account, key, amount, settled) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![project.as_str(), account, key, column(amount), settled.map(column)])
        .map(|_| ())
}

/// SQL never compares or adds these, so all 64 bits can be kept.
fn column(money: MicroUsd) -> i64 {
    money.0.cast_signed()
}

fn money(column: i64) -> MicroUsd {
    MicroUsd(column.cast_unsigned())
}
