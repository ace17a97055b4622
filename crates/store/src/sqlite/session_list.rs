//! Lists of a project's sessions, by creation. Every list walks an index in order and stops at its limit, so that a
//! page costs the same among ten sessions and among a million.

use super::sessions::{door, head_row_of};
use crate::{Direction, Error, HeadRow, Page, SessionFilter};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use std::collections::BTreeSet;
use types::ProjectId;

/// No session has more pairs, so no session matches more.
const PAIRS: usize = 64;

pub(super) fn list(
    connection: &Connection,
    project: &ProjectId,
    filter: &SessionFilter,
    page: &Page,
) -> Result<(Vec<HeadRow>, bool), Error> {
    let cursor = match &page.after {
        None => None,
        Some(id) => Some(position(connection, project, id)?.ok_or(Error::NoSuchCursor)?),
    };
    let pairs: BTreeSet<&(String, String)> = filter.metadata.iter().collect();
    if pairs.len() > PAIRS {
        return Ok((Vec::new(), false));
    }
    let (sql, values) = query(project, filter, &pairs, page, cursor);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut heads = Vec::new();
    while let Some(row) = rows.next()? {
        if heads.len() == page.limit {
            return Ok((heads, true));
        }
        heads.push(head_row_of(row)?);
    }
    Ok((heads, false))
}

/// Deleted sessions keep their place.
fn position(connection: &Connection, project: &ProjectId, id: &str) -> Result<Option<(i64, i64)>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT created_at, ord FROM sessions WHERE project = ?1 AND id = ?2")?
        .query_row(params![project.as_str(), id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// One pair leads through the index of metadata, the others are looked up session by session.
fn query(
    project: &ProjectId,
    filter: &SessionFilter,
    pairs: &BTreeSet<&(String, String)>,
    page: &Page,
    cursor: Option<(i64, i64)>,
) -> (String, Vec<Value>) {
    let mut pairs = pairs.iter();
    let mut values = vec![Value::from(project.as_str().to_owned())];
    let mut value = |value: Value| {
        values.push(value);
        values.len()
    };
    let (mut sql, place) = match pairs.next() {
        None => ("FROM sessions s WHERE s.project = ?1".to_owned(), "(s.created_at, s.ord)"),
        Some((key, wanted)) => (
            format!(
                "FROM session_metadata m CROSS JOIN sessions s ON s.ord = m.session
                 WHERE m.project = ?1 AND m.key = ?{} AND m.value = ?{}",
                value(key.clone().into()),
                value(wanted.clone().into())
            ),
            "(m.created_at, m.session)",
        ),
    };
    sql.push_str(&format!(" AND s.deleted_at IS NULL AND s.door = ?{}", value(door(filter.door).to_owned().into())));
    for (key, wanted) in pairs {
        sql.push_str(&format!(
            " AND EXISTS (SELECT 1 FROM session_metadata o WHERE o.session = s.ord AND o.key = ?{} AND o.value = ?{})",
            value(key.clone().into()),
            value(wanted.clone().into())
        ));
    }
    if let Some(agent) = &filter.agent_id {
        sql.push_str(&format!(" AND s.agent_id = ?{}", value(agent.clone().into())));
    }
    let (beyond, order) = match page.direction {
        Direction::Ascending => (">", "ASC"),
        Direction::Descending => ("<", "DESC"),
    };
    if let Some((created_at, ord)) = cursor {
        sql.push_str(&format!(" AND {place} {beyond} (?{}, ?{})", value(created_at.into()), value(ord.into())));
    }
    let (first, second) = place.trim_matches(['(', ')']).split_once(", ").unwrap_or((place, place));
    let limit = i64::try_from(page.limit.saturating_add(1)).unwrap_or(i64::MAX);
    let sql = format!(
        "SELECT s.head, (SELECT settings FROM session_settings t WHERE t.session = s.ord), s.id {sql}
         ORDER BY {first} {order}, {second} {order} LIMIT ?{}",
        value(limit.into())
    );
    (sql, values)
}

#[cfg(test)]
mod tests {
    use super::query;
    use crate::sqlite::schema;
    use crate::{Direction, Page, SessionFilter};
    use rusqlite::params_from_iter;
    use std::collections::BTreeSet;
    use std::path::Path;
    use types::ProjectId;

    /// A plan that sorts or scans would pass every other test and fail the first large installation.
    #[test]
    fn every_list_walks_an_index() {
        let connection = schema::open(Path::new(":memory:"), || Ok(())).unwrap();
        for agent_id in [None, Some("agent_1".to_owned())] {
            for pairs in 0..3 {
                for cursor in [None, Some((1, 2))] {
                    for direction in [Direction::Ascending, Direction::Descending] {
                        let metadata = (0..pairs).map(|n| (format!("k{n}"), "v".to_owned())).collect();
                        let filter = SessionFilter { agent_id: agent_id.clone(), metadata, ..SessionFilter::default() };
                        let pairs: BTreeSet<_> = filter.metadata.iter().collect();
                        let page = Page { after: None, limit: 20, direction };
                        let (sql, values) = query(&ProjectId::from("p"), &filter, &pairs, &page, cursor);
                        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
                        let plan = statement.query_map(params_from_iter(values), |row| row.get::<_, String>(3));
                        let plan: Vec<String> = plan.unwrap().map(Result::unwrap).collect();
                        let bad = plan.iter().any(|step| step.contains("SCAN") || step.contains("TEMP B-TREE"));
                        assert!(!bad, "{sql}\n{plan:#?}");
                    }
                }
            }
        }
    }
}
