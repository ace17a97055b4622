//! Who is there: the actors of a memory and their sessions, those that came last first.

use crate::cursor::{self, Cursor};
use crate::events::Place;
use crate::listing::{Listed, Wanted};
use crate::memories::Recall;
use crate::names::{actors, sessions};
use crate::rows;
use crate::trouble::Trouble;
use types::{ProjectId, Timestamp};

/// A session of an actor. It is there from its first event until the last of them would have gone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub id: String,
    pub actor: String,
    pub created_at: Timestamp,
}

impl Recall {
    /// `with_events`: without those whose events are all deleted or over.
    pub async fn sessions(
        &self,
        project: &ProjectId,
        (memory, actor): (&str, &str),
        with_events: bool,
        limit: usize,
        token: Option<&str>,
    ) -> Result<Listed<Session>, Trouble> {
        self.inner.memory(project, memory).await?;
        let flag = if with_events { "with events" } else { "all" };
        let list = ["sessions", project.as_str(), memory, actor, flag];
        let mut after = Cursor::read(&list, token)?.map(|cursor| cursor.after);
        let (collection, store) = (sessions(memory, actor), &*self.inner.around.store);
        let mut data: Vec<Session> = Vec::new();
        loop {
            let step = (limit + 1).saturating_sub(data.len());
            let page = rows::newest(store, project, &collection, after.take(), step).await?;
            let (found, more) = page.ok_or_else(cursor::unknown)?;
            after = found.last().map(|row| row.id.clone());
            for row in found {
                let place = Place { memory: memory.to_owned(), actor: actor.to_owned(), session: row.id };
                if with_events && self.events(project, &place, &one()).await?.data.is_empty() {
                    continue;
                }
                if data.len() == limit {
                    let next = data.last().map(|session| Cursor::token(&list, &session.id, 0));
                    return Ok(Listed { data, next });
                }
                data.push(Session { id: place.session, actor: place.actor, created_at: row.created_at });
            }
            if !more || after.is_none() {
                return Ok(Listed { data, next: None });
            }
        }
    }

    /// Their ids.
    pub async fn actors(
        &self,
        project: &ProjectId,
        memory: &str,
        limit: usize,
        token: Option<&str>,
    ) -> Result<Listed<String>, Trouble> {
        self.inner.memory(project, memory).await?;
        let list = ["actors", project.as_str(), memory];
        let after = Cursor::read(&list, token)?.map(|cursor| cursor.after);
        let page = rows::newest(&*self.inner.around.store, project, &actors(memory), after, limit).await?;
        let (found, more) = page.ok_or_else(cursor::unknown)?;
        let data: Vec<String> = found.into_iter().map(|row| row.id).collect();
        let next = data.last().filter(|_| more).map(|id| Cursor::token(&list, id, 0));
        Ok(Listed { data, next })
    }
}

fn one() -> Wanted {
    Wanted { branch: None, conditions: Vec::new(), payloads: false, limit: 1, token: None }
}
