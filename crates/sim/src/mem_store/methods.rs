//! `trait Store`, method by method.

use super::MemStore;
use store::chain;
use store::{
    Account, Append, AppendError, BlobHash, DueTimer, Error, HeadRow, Idempotency, KeyRow, LogQuery, Page, Row,
    RowsChange, SessionFilter, Store, Stored,
};
use types::{BoxFuture, Epoch, ItemId, KeyId, ProjectId, Seq, SessionId, Timestamp, TurnId};

impl Store for MemStore {
    fn begin_epoch(&self) -> BoxFuture<'_, Result<Epoch, Error>> {
        Box::pin(self.write(|state| Ok(state.begin_epoch())))
    }

    fn append(&self, append: Append) -> BoxFuture<'_, Result<Seq, AppendError>> {
        Box::pin(self.write(move |state| state.append(append)))
    }

    fn log(
        &self,
        project: &ProjectId,
        session: &SessionId,
        query: LogQuery,
    ) -> BoxFuture<'_, Result<Vec<Stored>, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |state| Ok(state.log(&project, &session, &query))))
    }

    fn turn_seq(
        &self,
        project: &ProjectId,
        session: &SessionId,
        turn: &TurnId,
    ) -> BoxFuture<'_, Result<Option<Seq>, Error>> {
        let (project, session, turn) = (project.clone(), session.clone(), turn.clone());
        Box::pin(self.read(move |state| {
            Ok(state.seq_of(&project, &session, |record| {
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
            self.read(move |state| Ok(state.seq_of(&project, &session, |record| record.item.as_ref() == Some(&item)))),
        )
    }

    fn session(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Option<HeadRow>, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |state| Ok(state.live(&project, &session).map(|found| found.row.clone()))))
    }

    fn sessions(
        &self,
        project: &ProjectId,
        filter: SessionFilter,
        page: Page,
    ) -> BoxFuture<'_, Result<(Vec<HeadRow>, bool), Error>> {
        let project = project.clone();
        Box::pin(self.read(move |state| state.list_sessions(&project, &filter, &page)))
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
        Box::pin(self.write(move |state| state.delete_session(&project, &session, expected, epoch)))
    }

    fn is_deleted(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<bool, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |state| Ok(state.sessions.get(&(project, session)).is_some_and(|found| found.deleted))))
    }

    fn unfinished(&self) -> BoxFuture<'_, Result<Vec<(ProjectId, SessionId)>, Error>> {
        Box::pin(self.read(|state| Ok(state.unfinished())))
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
        Box::pin(self.read(move |state| {
            let found = state.idempotency.get(&(project, route, session, key));
            Ok(found.filter(|(_, expires)| *expires > now).map(|(answer, _)| answer.clone()))
        }))
    }

    fn account(&self, project: &ProjectId, account: &str) -> BoxFuture<'_, Result<Option<Account>, Error>> {
        let (project, account) = (project.clone(), account.to_owned());
        Box::pin(self.read(move |state| Ok(state.accounts.get(&(project, account)).copied())))
    }

    fn put_row(&self, project: &ProjectId, row: Row, insert: bool) -> BoxFuture<'_, Result<(), Error>> {
        let project = project.clone();
        Box::pin(self.write(move |state| state.put_row(project, row, insert)))
    }

    fn row(&self, project: &ProjectId, collection: &str, id: &str) -> BoxFuture<'_, Result<Option<Row>, Error>> {
        let (project, collection, id) = (project.clone(), collection.to_owned(), id.to_owned());
        Box::pin(self.read(move |state| {
            let found = state.rows.get(&(project, collection, id));
            Ok(found.filter(|entry| !entry.deleted).map(|entry| entry.row.clone()))
        }))
    }

    fn rows(
        &self,
        project: &ProjectId,
        collection: &str,
        page: Page,
    ) -> BoxFuture<'_, Result<(Vec<Row>, bool), Error>> {
        let (project, collection) = (project.clone(), collection.to_owned());
        Box::pin(self.read(move |state| state.list_rows(&project, &collection, &page)))
    }

    fn delete_row(
        &self,
        project: &ProjectId,
        collection: &str,
        id: &str,
        _at: Timestamp,
    ) -> BoxFuture<'_, Result<bool, Error>> {
        let (project, collection, id) = (project.clone(), collection.to_owned(), id.to_owned());
        Box::pin(self.write(move |state| {
            let found = state.rows.get_mut(&(project, collection, id)).filter(|entry| !entry.deleted);
            Ok(found.map(|entry| entry.deleted = true).is_some())
        }))
    }

    fn change_rows(&self, project: &ProjectId, change: RowsChange) -> BoxFuture<'_, Result<(), Error>> {
        let project = project.clone();
        Box::pin(self.write(move |state| state.change_rows(&project, change)))
    }

    fn key_by_hash(&self, hash: &str) -> BoxFuture<'_, Result<Option<KeyRow>, Error>> {
        let hash = hash.to_owned();
        Box::pin(self.read(move |state| Ok(state.keys.iter().find(|key| key.hash == hash).cloned())))
    }

    fn put_key(&self, key: KeyRow) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.write(move |state| state.put_key(key)))
    }

    fn keys(&self) -> BoxFuture<'_, Result<Vec<KeyRow>, Error>> {
        Box::pin(self.read(|state| Ok(state.keys.clone())))
    }

    fn revoke_key(&self, id: &KeyId, at: Timestamp) -> BoxFuture<'_, Result<bool, Error>> {
        let id = id.clone();
        Box::pin(self.write(move |state| Ok(state.revoke_key(&id, at))))
    }

    fn due_timers(&self, now: Timestamp) -> BoxFuture<'_, Result<Vec<DueTimer>, Error>> {
        Box::pin(self.read(move |state| Ok(state.due_timers(now))))
    }

    fn put_blob(&self, project: &ProjectId, body: Vec<u8>) -> BoxFuture<'_, Result<BlobHash, Error>> {
        let project = project.clone();
        Box::pin(self.write(move |state| {
            let hash = BlobHash(chain::hex(&chain::of_body(&body)));
            state.blobs.insert((project, hash.clone()), body);
            Ok(hash)
        }))
    }

    fn blob(&self, project: &ProjectId, hash: &BlobHash) -> BoxFuture<'_, Result<Option<Vec<u8>>, Error>> {
        let (project, hash) = (project.clone(), hash.clone());
        Box::pin(self.read(move |state| Ok(state.blobs.get(&(project, hash)).cloned())))
    }

    fn verify(&self, project: &ProjectId, session: &SessionId) -> BoxFuture<'_, Result<Seq, Error>> {
        let (project, session) = (project.clone(), session.clone());
        Box::pin(self.read(move |state| state.verify(&project, &session)))
    }

    fn is_healthy(&self) -> bool {
        self.inner().stopped.is_none()
    }
}
