//! Lists by creation, with cursors that may be deleted.

use super::Memory;
use super::sessions::Place;
use crate::{Direction, Error, HeadRow, Page, Row, SessionFilter};
use types::{ProjectId, SessionId};

impl Memory {
    pub(super) fn list_sessions(
        &self,
        project: &ProjectId,
        filter: &SessionFilter,
        page: &Page,
    ) -> Result<(Vec<HeadRow>, bool), Error> {
        let place = |id: &str| {
            let name = (project.clone(), SessionId::from(id));
            self.sessions.get(&name).map(|found| found.place).or_else(|| self.tombs.place(&name))
        };
        let matching = self.sessions.iter().filter(|((owner, _), session)| {
            let settings = &session.row.settings;
            owner == project
                && !session.deleted
                && settings.door == filter.door
                && filter.agent_id.as_ref().is_none_or(|agent| settings.agent_id.as_str() == agent)
                && filter.metadata.iter().all(|(key, value)| settings.metadata.get(key) == Some(value))
        });
        cut(matching.map(|(_, session)| (session.place, &session.row)).collect(), page, place)
    }

    pub(super) fn list_rows(
        &self,
        project: &ProjectId,
        collection: &str,
        page: &Page,
    ) -> Result<(Vec<Row>, bool), Error> {
        let place =
            |id: &str| self.rows.get(&(project.clone(), collection.to_owned(), id.to_owned())).map(|found| found.place);
        let matching =
            self.rows.iter().filter(|((owner, of, _), entry)| owner == project && of == collection && !entry.deleted);
        cut(matching.map(|(_, entry)| (entry.place, &entry.row)).collect(), page, place)
    }
}

/// The part of a list that a page asks for, and whether more follows.
fn cut<T: Clone>(
    mut all: Vec<(Place, &T)>,
    page: &Page,
    place: impl Fn(&str) -> Option<Place>,
) -> Result<(Vec<T>, bool), Error> {
    let cursor = match &page.after {
        None => None,
        Some(id) => Some(place(id).ok_or(Error::NoSuchCursor)?),
    };
    all.sort_by_key(|(place, _)| *place);
    if page.direction == Direction::Descending {
        all.reverse();
    }
    all.retain(|(place, _)| match (cursor, page.direction) {
        (None, _) => true,
        (Some(cursor), Direction::Ascending) => *place > cursor,
        (Some(cursor), Direction::Descending) => *place < cursor,
    });
    let more = all.len() > page.limit;
    Ok((all.into_iter().take(page.limit).map(|(_, one)| one.clone()).collect(), more))
}
