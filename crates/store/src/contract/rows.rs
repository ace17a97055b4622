//! Collections of rows.

use super::{check_pages, page};
use crate::{Direction, Error, Row, RowsChange, Store};
use std::sync::Arc;
use types::{ProjectId, Timestamp};

pub async fn suite(store: &Arc<dyn Store>) {
    a_row_is_written_and_replaced(store).await;
    rows_are_listed_by_creation(store).await;
    a_deleted_row_stays_deleted(store).await;
    an_erased_row_leaves_nothing(store).await;
    rows_of_one_moment_keep_their_order(store).await;
}

fn row(id: &str, created_at: u64, body: &[u8]) -> Row {
    Row { collection: "agents".into(), id: id.into(), created_at: Timestamp(created_at), body: body.to_vec() }
}

pub async fn a_row_is_written_and_replaced(store: &Arc<dyn Store>) {
    let project = ProjectId::from("rows-write");
    store.put_row(&project, row("agent_1", 10, b"one"), true).await.unwrap();
    let refused = store.put_row(&project, row("agent_1", 20, b"two"), true).await;
    assert!(matches!(refused, Err(Error::Exists)), "{refused:?}");
    let found = store.row(&project, "agents", "agent_1").await.unwrap();
    assert_eq!(found, Some(row("agent_1", 10, b"one")));
    store.put_row(&project, row("agent_1", 99, &[0, 255]), false).await.unwrap();
    let found = store.row(&project, "agents", "agent_1").await.unwrap();
    assert_eq!(found, Some(row("agent_1", 10, &[0, 255])), "a row keeps the moment of its birth");
    store.put_row(&project, row("agent_2", 5, b""), false).await.unwrap();
    assert_eq!(store.row(&project, "agents", "agent_2").await.unwrap(), Some(row("agent_2", 5, b"")));
    assert_eq!(store.row(&project, "vaults", "agent_1").await.unwrap(), None);
    assert_eq!(store.row(&project, "agents", "agent_3").await.unwrap(), None);
}

pub async fn rows_are_listed_by_creation(store: &Arc<dyn Store>) {
    let project = ProjectId::from("rows-list");
    for (id, at) in [("d", 20), ("z", 10), ("a", 10), ("gone", 20), ("c", 30), ("b", 20)] {
        store.put_row(&project, row(id, at, b"{}"), true).await.unwrap();
    }
    store.put_row(&project, row("z", 99, b"{}"), false).await.unwrap();
    store.put_row(&project, Row { collection: "vaults".into(), ..row("v", 15, b"") }, true).await.unwrap();
    assert!(store.delete_row(&project, "agents", "gone", Timestamp(50)).await.unwrap());
    let all = ["z", "a", "d", "b", "c"];
    check_pages(&all, &[("gone", 3)], async |page| {
        let (rows, more) = store.rows(&project, "agents", page).await.unwrap();
        (rows.into_iter().map(|row| row.id).collect(), more)
    })
    .await;
    for unknown in ["none", "v"] {
        let refused = store.rows(&project, "agents", page(Some(unknown), 10, Direction::Ascending)).await;
        assert!(matches!(refused, Err(Error::NoSuchCursor)), "{refused:?}");
    }
}

pub async fn a_deleted_row_stays_deleted(store: &Arc<dyn Store>) {
    let project = ProjectId::from("rows-delete");
    assert!(!store.delete_row(&project, "agents", "agent_1", Timestamp(1)).await.unwrap());
    store.put_row(&project, row("agent_1", 10, b"one"), true).await.unwrap();
    assert!(!store.delete_row(&project, "vaults", "agent_1", Timestamp(1)).await.unwrap());
    assert!(store.delete_row(&project, "agents", "agent_1", Timestamp(1)).await.unwrap());
    assert!(!store.delete_row(&project, "agents", "agent_1", Timestamp(1)).await.unwrap());
    assert_eq!(store.row(&project, "agents", "agent_1").await.unwrap(), None);
    // An update that lost the race against a delete does not bring the row back.
    for insert in [true, false] {
        let refused = store.put_row(&project, row("agent_1", 10, b"two"), insert).await;
        assert!(matches!(refused, Err(Error::Exists)), "{refused:?}");
    }
    assert_eq!(store.row(&project, "agents", "agent_1").await.unwrap(), None);
}

pub async fn an_erased_row_leaves_nothing(store: &Arc<dyn Store>) {
    let project = ProjectId::from("rows-erase");
    let other = ProjectId::from("rows-erase-other");
    for id in ["a", "b", "c"] {
        store.put_row(&project, row(id, 10, b"1"), true).await.unwrap();
        store.put_row(&other, row(id, 10, b"1"), true).await.unwrap();
    }
    assert!(store.delete_row(&project, "agents", "b", Timestamp(20)).await.unwrap());
    // With a change that is refused nothing goes.
    let name = |id: &str| ("agents".to_owned(), id.to_owned());
    let refused = RowsChange { puts: vec![(row("a", 1, b""), true)], erases: vec![name("c")], ..RowsChange::default() };
    assert!(matches!(store.change_rows(&project, refused).await, Err(Error::Exists)));
    assert!(store.row(&project, "agents", "c").await.unwrap().is_some());
    let erases = vec![name("b"), name("c"), name("never")];
    store.change_rows(&project, RowsChange { erases, ..RowsChange::default() }).await.unwrap();
    assert_eq!(store.row(&project, "agents", "c").await.unwrap(), None);
    for gone in ["b", "c"] {
        let refused = store.rows(&project, "agents", page(Some(gone), 10, Direction::Ascending)).await;
        assert!(matches!(refused, Err(Error::NoSuchCursor)), "{refused:?}");
        // Its id is free, and it comes after what is there.
        store.put_row(&project, row(gone, 10, b"2"), true).await.unwrap();
    }
    let (rows, more) = store.rows(&project, "agents", page(None, 10, Direction::Ascending)).await.unwrap();
    assert_eq!((rows.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), more), (vec!["a", "b", "c"], false));
    assert_eq!(store.rows(&other, "agents", page(None, 10, Direction::Ascending)).await.unwrap().0.len(), 3);
}

/// What is written at one moment stands in the order of the writing, of one change and of several.
pub async fn rows_of_one_moment_keep_their_order(store: &Arc<dyn Store>) {
    let project = ProjectId::from("rows-moment");
    for pair in [["z", "m"], ["a", "y"], ["k", "b"]] {
        let puts = pair.map(|id| (row(id, 7, b""), true)).into();
        store.change_rows(&project, RowsChange { puts, ..RowsChange::default() }).await.unwrap();
    }
    let (rows, _) = store.rows(&project, "agents", page(None, 10, Direction::Descending)).await.unwrap();
    assert_eq!(rows.into_iter().map(|row| row.id).collect::<Vec<_>>(), ["b", "k", "y", "a", "m", "z"]);
}
