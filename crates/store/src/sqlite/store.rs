//! `trait Store`, method by method: which thread does what.

use super::append::{Prepared, begin_epoch};
use super::{Sqlite, idempotency, keys, log, money, rows, rows_change, session_list, sessions, timers};
use crate::chain;
use crate::{
    Account, Append, AppendError, BLOB_BYTES, BlobHash, DueTimer, Error, HeadRow, Idempotency, KeyRow, LogQuery, Page,
    Row, RowsChange, SessionFilter, Store, Stored,
};
use types::{BoxFuture, Epoch, Head, ItemId, KeyId, ProjectId, Seq, SessionId, Timestamp, TurnId};

impl Store for Sqlite {
    fn begin_epoch(&self) -> BoxFuture<'_, Result<Epoch, Error>> {
        Box::pin(async {
            self.check_alone()?;
            self.writer.write(begin_epoch).await
        })
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Seq, AppendError>> {
        Box::pin(async {
            self.check_alone()?;
            self.health.check()?;
            let place = self.backlog.enter(append.records.iter().map(|record| record.body.len()).sum())?;
            let prepared = if append.records.iter().any(|record| record.body.len() >= BLOB_BYTES) {
                let folder = self.folder.clone();
                self.files
                    .run(move |()| {
                        let mut prepared = Prepared::new(append)?;
                        for (hash, body) in prepared.take_blobs() {
                            folder.put(prepared.project(), &hash, &body)?;
                        }
                        Ok((prepared, place))
                    })
                    .await?
            } else {
                (Prepared::new(append)?, place)
            };
            let (mut prepared, place) = prepared;
            self.writer
                .write(move |connection| {
                    // Its place in the queue is kept until it is answered.
                    let _place = &place;
                    prepared.write(connection)
                })
                .await
        })
    }

    fn log(
        &self,
        project: &ProjectId,
        session: &SessionId,
        query: LogQuery,
    ) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |connection, folder| log::read(connection, folder, &project, &session, &query)))
    }

    fn turn_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        turn: &TurnId,
    ) -> BoxFuture<'_, Result<Option<Seq>, Error>> {
        let (project, session, turn) = (project.clone(), session.clone(), turn.clone());
        Box::pin(self.read(move |connection, _| log::turn_seq(connection, &project, &session, &turn)))
    }

    fn item_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        item: &ItemId,
    ) -> BoxFuture<'_, Result<Option<Seq>, Error>> {
        let (project, session, item) = (project.clone(), session.clone(), item.clone());
        Box::pin(self.read(move |connection, _| log::item_seq(connection, &project, &session, &item)))
    }

    fn head(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Option<Head>, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |connection, _| sessions::read_head(connection, &project, &session)))
    }

    fn session(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Option<HeadRow>, Error>> {
        let (project, session, known) = (project.clone(), session.clone(), self.settings.clone());
        Box::pin(self.read(move |connection, _| sessions::read(connection, &known, &project, &session)))
    }

    fn sessions(
        &self,
        project: &ProjectId,
        filter: SessionFilter,
        page: Page,
    ) -> BoxFuture<'_, Result<(Vec<HeadRow>, bool), Error>> {
        let project = project.clone();
        Box::pin(self.read(move |connection, _| session_list::list(connection, &project, &filter, &page)))
    }

    fn delete_session(
        &self,
        project: &ProjectId,
        session: &SessionId,
        expected: Seq,
        epoch: Epoch,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, AppendError>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(async move {
            self.check_alone()?;
            self.writer
                .write(move |connection| sessions::delete(connection, &project, &session, expected, epoch, at))
                .await
        })
    }

    fn is_deleted(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<bool, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |connection, _| sessions::is_deleted(connection, &project, &session)))
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<(ProjectId, SessionId)>, Error>> {
        Box::pin(self.read(|connection, _| sessions::unfinished(connection)))
    }

    fn idempotency(
        &self,
        project: &ProjectId,
        route: &str,
        session: &SessionId,
        key: &str,
        now: Timestamp,
    ) -> BoxFuture<'_, Result<Option<Idempotency>, Error>> {
        let (project, session) = (project.clone(), session.clone());
        let (route, key) = (route.to_owned(), key.to_owned());
        Box::pin(self.read(move |connection, _| idempotency::recall(connection, &project, &route, &session, &key, now)))
    }

    fn account(&self, project: &ProjectId, account: &str) -> BoxFuture<'_, Result<Option<Account>, Error>> {
        let (project, account) = (project.clone(), account.to_owned());
        Box::pin(self.read(move |connection, _| money::read(connection, &project, &account)))
    }

    fn put_row(&self, project: &ProjectId, row: Row, insert: bool) -> BoxFuture<'_, Result<(), Error>> {
        let project = project.clone();
        Box::pin(self.writer.write(move |connection| rows::put(connection, &project, &row, insert)))
    }

    fn row(&self, project: &ProjectId, collection: &str, id: &str) -> BoxFuture<'_, Result<Option<Row>, Error>> {
        let (project, collection, id) = (project.clone(), collection.to_owned(), id.to_owned());
        Box::pin(self.read(move |connection, _| rows::get(connection, &project, &collection, &id)))
    }

    fn rows(
        &self,
        project: &ProjectId,
        collection: &str,
        page: Page,
    ) -> BoxFuture<'_, Result<(Vec<Row>, bool), Error>> {
        let (project, collection) = (project.clone(), collection.to_owned());
        Box::pin(self.read(move |connection, _| rows::list(connection, &project, &collection, &page)))
    }

    fn delete_row(
        &self,
        project: &ProjectId,
        collection: &str,
        id: &str,
        at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, Error>> {
        let (project, collection, id) = (project.clone(), collection.to_owned(), id.to_owned());
        Box::pin(self.writer.write(move |connection| rows::delete(connection, &project, &collection, &id, at)))
    }

    fn change_rows(&self, project: &ProjectId, change: RowsChange) -> BoxFuture<'_, Result<(), Error>> {
        let project = project.clone();
        Box::pin(async move {
            self.check_alone()?;
            let whose = project.clone();
            let unnamed = self.writer.write(move |connection| rows_change::write(connection, &whose, &change)).await?;
            if unnamed.is_empty() {
                return Ok(());
            }
            let folder = self.folder.clone();
            let removed = self.files.run(move |()| folder.remove(&project, &unnamed)).await;
            if let Err(error) = removed {
                tracing::warn!(%error, "a blob's file stays until the next start");
            }
            Ok(())
        })
    }

    fn key_by_hash(&self, hash: &str) -> BoxFuture<'_, Result<Option<KeyRow>, Error>> {
        let hash = hash.to_owned();
        Box::pin(self.read(move |connection, _| keys::by_hash(connection, &hash)))
    }

    fn put_key(&self, key: KeyRow) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.writer.write(move |connection| keys::put(connection, &key)))
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRow>, Error>> {
        Box::pin(self.read(|connection, _| keys::list(connection)))
    }

    fn revoke_key(&self, id: &KeyId, at: Timestamp) -> BoxFuture<'_, Result<bool, Error>> {
        let id = id.clone();
        Box::pin(self.writer.write(move |connection| keys::revoke(connection, &id, at)))
    }

    fn due_timers(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<DueTimer>, Error>> {
        Box::pin(self.read(move |connection, _| timers::due(connection, now)))
    }

    fn put_blob(&self, project: &ProjectId, body: Vec<u8>) -> BoxFuture<'_, Result<BlobHash, Error>> {
        let project = project.clone();
        Box::pin(async move {
            self.check_alone()?;
            self.health.check()?;
            let folder = self.folder.clone();
            self.files
                .run(move |()| {
                    let hash = chain::of_body(&body);
                    folder.put(&project, &hash, &body)?;
                    Ok(BlobHash(chain::hex(&hash)))
                })
                .await
        })
    }

    fn blob(&self, project: &ProjectId, hash: &BlobHash) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
        let (project, hash) = (project.clone(), hash.clone());
        Box::pin(self.read(move |_, folder| folder.checked(&project, &hash)))
    }

    fn verify(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Seq, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |connection, folder| log::verify(connection, folder, &project, &session)))
    }

    fn is_healthy(&self) -> bool {
        self.health.check().is_ok()
    }
}
