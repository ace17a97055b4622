//! What every implementation of [`Store`] must do: one function a claim, [`suite`] for all of them. A claim that does
//! not hold panics. Each claim works in a project of its own, so that they can share a store; they are run one after
//! the other, because a new epoch fences every older one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a claim that does not hold panics")]

pub mod appends;
pub mod bodies;
pub mod files;
pub mod forks;
pub mod keys;
pub mod lists;
pub mod logs;
pub mod money;
pub mod rows;
pub mod sessions;
pub mod tenants;

use crate::{Append, AppendError, Direction, Page, SideWrite, Store};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use types::{
    AgentId, AgentSettings, Encoded, EnvironmentSettings, Epoch, Head, MicroUsd, ProjectId, Review, Seq, SessionId,
    SessionSettings, SessionStatus, Timestamp,
};

/// Every claim.
pub async fn suite(store: Arc<dyn Store>) {
    appends::suite(&store).await;
    bodies::suite(&store).await;
    forks::suite(&store).await;
    files::suite(&store).await;
    keys::suite(&store).await;
    lists::suite(&store).await;
    logs::suite(&store).await;
    money::suite(&store).await;
    rows::suite(&store).await;
    sessions::suite(&store).await;
    tenants::suite(&store).await;
}

/// One session as a writer sees it; builds what it appends.
pub struct Writer {
    pub store: Arc<dyn Store>,
    pub project: ProjectId,
    pub session: SessionId,
    pub epoch: Epoch,
    pub seq: Seq,
    /// What the first append says that it stands on.
    pub base: Option<(SessionId, Seq)>,
    pub settings: SessionSettings,
    pub created_at: Timestamp,
    pub needs_work: bool,
}

impl Writer {
    /// A session that is not there yet, with an epoch of its own.
    pub async fn new(store: &Arc<dyn Store>, project: &str, session: &str) -> Self {
        let epoch = store.begin_epoch().await.unwrap();
        Self {
            store: store.clone(),
            project: ProjectId::from(project),
            session: SessionId::from(session),
            epoch,
            seq: Seq(0),
            base: None,
            settings: settings("agent_1"),
            created_at: Timestamp(1_000),
            needs_work: false,
        }
    }

    /// Another session of the same node and project.
    pub fn beside(&self, session: &str) -> Self {
        Self {
            store: self.store.clone(),
            project: self.project.clone(),
            session: SessionId::from(session),
            epoch: self.epoch,
            seq: Seq(0),
            base: None,
            settings: self.settings.clone(),
            created_at: self.created_at,
            needs_work: false,
        }
    }

    /// A session that is not there yet and will stand on this one's records up to `seq`.
    pub fn fork(&self, session: &str, seq: Seq) -> Self {
        Self { seq, base: Some((self.session.clone(), seq)), ..self.beside(session) }
    }

    pub fn head(&self, seq: Seq) -> Head {
        Head {
            session: self.session.clone(),
            seq,
            base: None,
            status: SessionStatus::Idle,
            required_actions: Vec::new(),
            turn: None,
            usage: None,
            spent: MicroUsd::ZERO,
            error: None,
            created_at: self.created_at,
            last_active_at: self.created_at,
            needs_work: self.needs_work,
            has_gaps: false,
            environment: None,
        }
    }

    /// The records after what this writer knows, the head that goes with them, and `side`. The first brings settings.
    pub fn append_of(&self, records: Vec<Encoded>, side: Vec<SideWrite>) -> Append {
        let seq = Seq(self.seq.0 + records.len() as u64);
        let settings = (self.seq == Seq(0) || self.base.is_some()).then(|| Box::new(self.settings.clone()));
        let at = records.iter().map(|record| record.at).max().unwrap_or(self.created_at);
        let mut writes = vec![SideWrite::Head { head: Box::new(self.head(seq)), settings }];
        writes.extend(side);
        Append {
            project: self.project.clone(),
            session: self.session.clone(),
            epoch: self.epoch,
            at,
            expected: self.seq,
            base: self.base.clone(),
            records,
            side: writes,
        }
    }

    pub async fn try_append(&mut self, records: Vec<Encoded>, side: Vec<SideWrite>) -> Result<Seq, AppendError> {
        let seq = self.store.append(self.append_of(records, side)).await?;
        self.seq = seq;
        self.base = None;
        Ok(seq)
    }

    pub async fn append(&mut self, records: Vec<Encoded>) -> Seq {
        self.try_append(records, Vec::new()).await.expect("an append that fits is taken")
    }

    pub async fn side(&mut self, write: SideWrite) -> Result<Seq, AppendError> {
        self.try_append(Vec::new(), vec![write]).await
    }

    pub async fn delete(&self) -> Result<bool, AppendError> {
        self.store.delete_session(&self.project, &self.session, self.seq, self.epoch, Timestamp(9_000)).await
    }
}

pub fn settings(agent: &str) -> SessionSettings {
    SessionSettings {
        agent_id: AgentId::from(agent),
        agent_name: None,
        agent: AgentSettings::new("gpt-test"),
        environment: EnvironmentSettings::None,
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::None,
        spend_limit: None,
        door: types::Door::Agents,
        aws: None,
        metadata: types::Metadata::new(),
    }
}

/// A record of some kind; only its columns matter to a store.
pub fn record(kind: &str, body: &str) -> Encoded {
    Encoded {
        at: Timestamp(1_500),
        v: 1,
        kind: kind.to_owned(),
        turn: None,
        item: None,
        body: body.as_bytes().to_vec(),
    }
}

pub fn turn(turn: &str) -> Encoded {
    Encoded { turn: Some(turn.into()), ..record("turn_created", "{}") }
}

pub fn item(turn: &str, item: &str) -> Encoded {
    Encoded { turn: Some(turn.into()), item: Some(item.into()), ..record("assistant_message", item) }
}

pub fn page(after: Option<&str>, limit: usize, direction: Direction) -> Page {
    Page { after: after.map(str::to_owned), limit, direction }
}

/// Both directions, from every cursor, with every limit: pages that follow each other must show `all` (in ascending
/// order) once, and say rightly whether more follows. `cursors` are ids that never show but keep a place: the id, and
/// how many of `all` come before it.
pub async fn check_pages<F>(all: &[&str], cursors: &[(&str, usize)], fetch: F)
where
    F: AsyncFn(Page) -> (Vec<String>, bool),
{
    for direction in [Direction::Ascending, Direction::Descending] {
        let mut expected: Vec<&str> = all.to_vec();
        let mut places: Vec<(Option<&str>, usize)> = vec![(None, 0)];
        places.extend(all.iter().enumerate().map(|(index, id)| (Some(*id), index + 1)));
        places.extend(cursors.iter().map(|(id, before)| (Some(*id), *before)));
        if direction == Direction::Descending {
            expected.reverse();
            for (id, place) in &mut places {
                let shown = id.is_some_and(|id| all.contains(&id));
                *place = if id.is_none() { 0 } else { all.len() - *place + usize::from(shown) };
            }
        }
        for limit in 1..=all.len() + 1 {
            for (after, place) in &places {
                let rest = &expected[*place..];
                let want: Vec<&str> = rest.iter().take(limit).copied().collect();
                let (got, more) = fetch(page(*after, limit, direction)).await;
                assert_eq!(got, want, "after {after:?}, limit {limit}, {direction:?}");
                assert_eq!(more, rest.len() > limit, "after {after:?}, limit {limit}, {direction:?}");
            }
        }
    }
}

/// Polls all of them until each is done: at the same time, on any executor.
pub async fn together<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<Pin<Box<_>>> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none()
                && let Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}
