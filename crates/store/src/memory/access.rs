//! `trait Store`, method by method, for whatever has access to a [`Memory`].

use super::Memory;
use crate::{
    Account, Append, AppendError, BlobHash, DueTimer, Error, HeadRow, Idempotency, KeyRow, LogQuery, Page, Row,
    RowsChange, SessionFilter, Store, Stored,
};
use types::{BoxFuture, Epoch, Head, ItemId, KeyId, ProjectId, Seq, SessionId, Timestamp, TurnId};

/// How one comes to a [`Memory`]. Whatever has this is a [`Store`].
pub trait Access: Send + Sync + 'static {
    /// Changes it, all or nothing.
    fn write<T, E>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T, E> + Send + 'static,
    ) -> impl Future<Output = Result<T, E>> + Send
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static;

    /// Looks at it.
    fn read<T: Send>(
        &self,
        work: impl FnOnce(&Memory) -> Result<T, Error> + Send,
    ) -> impl Future<Output = Result<T, Error>> + Send;

    /// As [`Store::is_healthy`].
    fn is_healthy(&self) -> bool;
}

impl<A: Access> Store for A {
    fn begin_epoch(&self) -> BoxFuture<'_, Result<Epoch, Error>> {
        Box::pin(self.write(|memory| Ok(memory.begin_epoch())))
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Seq, AppendError>> {
        Box::pin(self.write(move |memory| memory.append(append)))
    }

    fn log(
        &self,
        project: &ProjectId,
        session: &SessionId,
        query: LogQuery,
    ) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |memory| Ok(memory.log(&project, &session, &query))))
    }

    fn turn_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        turn: &TurnId,
    ) -> BoxFuture<'_, Result<Option<Seq>, Error>> {
        let (project, session, turn) = (project.clone(), session.clone(), turn.clone());
        Box::pin(self.read(move |memory| {
            Ok(memory.seq_of(&project, &session, |record| {
                record.turn.as_ref() == Some(&turn) && record.kind == "turn_created"
            }))
        }))
    }

    fn item_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        item: &ItemId,
    ) -> BoxFuture<'_, Result<Option<Seq>, Error>> {
        let (project, session, item) = (project.clone(), session.clone(), item.clone());
        Box::pin(
            self.read(
                move |memory| Ok(memory.seq_of(&project, &session, |record| record.item.as_ref() == Some(&item))),
            ),
        )
    }

    fn head(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Option<Head>, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |memory| Ok(memory.live(&project, &session).map(|found| found.row.head.clone()))))
    }

    fn session(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Option<HeadRow>, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |memory| Ok(memory.live(&project, &session).map(|found| found.row.clone()))))
    }

    fn sessions(
        &self,
        project: &ProjectId,
        filter: SessionFilter,
        page: Page,
    ) -> BoxFuture<'_, Result<(Vec<HeadRow>, bool), Error>> {
        let project = project.clone();
        Box::pin(self.read(move |memory| memory.list_sessions(&project, &filter, &page)))
    }

    fn delete_session(
        &self,
        project: &ProjectId,
        session: &SessionId,
        expected: Seq,
        epoch: Epoch,
        _at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, AppendError>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.write(move |memory| memory.delete_session(&project, &session, expected, epoch)))
    }

    fn is_deleted(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<bool, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |memory| Ok(memory.is_deleted(&project, &session))))
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<(ProjectId, SessionId)>, Error>> {
        Box::pin(self.read(|memory| Ok(memory.unfinished())))
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
        Box::pin(self.read(move |memory| {
            let found = memory.answers.get(&(project, route, session, key));
            Ok(found.filter(|(_, expires)| *expires > now).map(|(answer, _)| answer.clone()))
        }))
    }

    fn account(&self, project: &ProjectId, account: &str) -> BoxFuture<'_, Result<Option<Account>, Error>> {
        let (project, account) = (project.clone(), account.to_owned());
        Box::pin(self.read(move |memory| Ok(memory.account(&project, &account))))
    }

    fn put_row(&self, project: &ProjectId, row: Row, insert: bool) -> BoxFuture<'_, Result<(), Error>> {
        let project = project.clone();
        Box::pin(self.write(move |memory| memory.put_row(&project, row, insert)))
    }

    fn row(&self, project: &ProjectId, collection: &str, id: &str) -> BoxFuture<'_, Result<Option<Row>, Error>> {
        let (project, collection, id) = (project.clone(), collection.to_owned(), id.to_owned());
        Box::pin(self.read(move |memory| Ok(memory.row(&(project, collection, id)))))
    }

    fn rows(
        &self,
        project: &ProjectId,
        collection: &str,
        page: Page,
    ) -> BoxFuture<'_, Result<(Vec<Row>, bool), Error>> {
        let (project, collection) = (project.clone(), collection.to_owned());
        Box::pin(self.read(move |memory| memory.list_rows(&project, &collection, &page)))
    }

    fn delete_row(
        &self,
        project: &ProjectId,
        collection: &str,
        id: &str,
        _at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, Error>> {
        let (project, collection, id) = (project.clone(), collection.to_owned(), id.to_owned());
        Box::pin(self.write(move |memory| Ok(memory.delete_row(&(project, collection, id)))))
    }

    fn change_rows(&self, project: &ProjectId, change: RowsChange) -> BoxFuture<'_, Result<(), Error>> {
        let project = project.clone();
        Box::pin(self.write(move |memory| memory.change_rows(&project, change)))
    }

    fn key_by_hash(&self, hash: &str) -> BoxFuture<'_, Result<Option<KeyRow>, Error>> {
        let hash = hash.to_owned();
        Box::pin(self.read(move |memory| Ok(memory.key_by_hash(&hash))))
    }

    fn put_key(&self, key: KeyRow) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.write(move |memory| memory.put_key(key)))
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRow>, Error>> {
        Box::pin(self.read(|memory| Ok(memory.keys.clone())))
    }

    fn revoke_key(&self, id: &KeyId, at: Timestamp) -> BoxFuture<'_, Result<bool, Error>> {
        let id = id.clone();
        Box::pin(self.write(move |memory| Ok(memory.revoke_key(&id, at))))
    }

    fn due_timers(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<DueTimer>, Error>> {
        Box::pin(self.read(move |memory| Ok(memory.due_timers(now))))
    }

    fn put_blob(&self, project: &ProjectId, body: Vec<u8>) -> BoxFuture<'_, Result<BlobHash, Error>> {
        let project = project.clone();
        Box::pin(self.write(move |memory| memory.put_blob(&project, body)))
    }

    fn blob(&self, project: &ProjectId, hash: &BlobHash) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
        let (project, hash) = (project.clone(), hash.clone());
        Box::pin(self.read(move |memory| Ok(memory.blob(&project, &hash))))
    }

    fn verify(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Seq, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |memory| memory.verify(&project, &session)))
    }

    fn is_healthy(&self) -> bool {
        Access::is_healthy(self)
    }
}
