//! Bodies of every size, blobs, and the hash chain over them.

use super::{Writer, record};
use crate::chain::{self, GENESIS};
use crate::{BLOB_BYTES, BlobHash, LogQuery, RowsChange, SideWrite, Store};
use std::sync::Arc;
use types::{Encoded, ProjectId, Seq, SessionId};

pub async fn suite(store: &Arc<dyn Store>) {
    bodies_come_back_as_they_went(store).await;
    the_chain_links_every_record(store).await;
    a_blob_is_kept_under_its_hash(store).await;
    a_blob_that_records_name_is_not_forgotten(store).await;
}

pub async fn bodies_come_back_as_they_went(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "bodies-sizes", "sess_1").await;
    let sizes = [0, 1, BLOB_BYTES - 1, BLOB_BYTES, BLOB_BYTES + 1, 1 << 20];
    let records: Vec<Encoded> = sizes
        .into_iter()
        .map(|size| Encoded { body: (0..size).map(|n| (n % 251) as u8).collect(), ..record("a", "") })
        .collect();
    writer.append(records.clone()).await;
    // The same large body twice is one blob, and both records have it.
    writer.append(vec![records[5].clone()]).await;
    let log = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
    let got: Vec<&Encoded> = log.iter().map(|stored| &stored.record).collect();
    let want: Vec<&Encoded> = records.iter().chain([&records[5]]).collect();
    assert!(got == want, "a body came back changed");
    assert_eq!(store.verify(&writer.project, &writer.session).await.unwrap(), Seq(7));
}

pub async fn the_chain_links_every_record(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "bodies-chain", "sess_1").await;
    writer.append(vec![super::turn("turn_1"), super::item("turn_1", "msg_1")]).await;
    writer.append(vec![record("b", &"x".repeat(BLOB_BYTES))]).await;
    let (project, session) = (&writer.project, &writer.session);
    let log = store.log(project, session, LogQuery::after(Seq(0))).await.unwrap();
    let mut hash = GENESIS;
    for stored in &log {
        let body = chain::of_body(&stored.record.body);
        hash = chain::link(&hash, project, session, stored.seq, &stored.record, &body);
        assert_eq!(stored.hash, chain::hex(&hash), "record {}", stored.seq);
    }
    assert_eq!(store.verify(project, session).await.unwrap(), Seq(3));
    assert_eq!(store.verify(project, &SessionId::from("sess_0")).await.unwrap(), Seq(0));
    writer.delete().await.unwrap();
    assert_eq!(store.verify(&writer.project, &writer.session).await.unwrap(), Seq(3), "deleting breaks no chain");
}

pub async fn a_blob_is_kept_under_its_hash(store: &Arc<dyn Store>) {
    // A name that would leave the folder, if it were taken as a path.
    let project = ProjectId::from("../bodies/blobs");
    for body in [Vec::new(), b"small".to_vec(), vec![7; 1 << 20]] {
        let hash = store.put_blob(&project, body.clone()).await.unwrap();
        assert_eq!(hash.0, chain::hex(&chain::of_body(&body)));
        assert_eq!(store.put_blob(&project, body.clone()).await.unwrap(), hash);
        assert_eq!(store.blob(&project, &hash).await.unwrap(), Some(body));
        assert_eq!(store.blob(&ProjectId::from("bodies-other"), &hash).await.unwrap(), None);
    }
    for unknown in ["0".repeat(64), String::new(), "../../outcrop.db".to_owned(), "é".repeat(32)] {
        assert_eq!(store.blob(&project, &BlobHash(unknown)).await.unwrap(), None);
    }
}

pub async fn a_blob_that_records_name_is_not_forgotten(store: &Arc<dyn Store>) {
    let mut writer = Writer::new(store, "bodies-named", "sess_1").await;
    let (first, again) = (vec![1; 100], vec![2; 100]);
    let named = [first.clone(), again.clone()].map(|body| store.put_blob(&writer.project, body));
    let [first_hash, again_hash] = named;
    let (first_hash, again_hash) = (first_hash.await.unwrap(), again_hash.await.unwrap());
    // With the session's first records, and with later ones; a second time it is the same.
    for hash in [&first_hash, &again_hash, &again_hash] {
        writer.try_append(vec![record("a", "1")], vec![SideWrite::Blob { hash: hash.clone() }]).await.unwrap();
    }
    let forgets = vec![first_hash.clone(), again_hash.clone()];
    let change = RowsChange { forgets, ..RowsChange::default() };
    store.change_rows(&writer.project, change).await.unwrap();
    assert_eq!(store.blob(&writer.project, &first_hash).await.unwrap(), Some(first));
    // A fork shares the records, and keeps what they name when the other session is deleted.
    let mut fork = writer.fork("sess_2", Seq(3));
    fork.append(vec![record("forked", "1")]).await;
    writer.delete().await.unwrap();
    assert_eq!(store.blob(&writer.project, &again_hash).await.unwrap(), Some(again));
}
