//! Reading logs: a fork's shared records first, each segment where it was written.

use super::Memory;
use super::restore::follows;
use super::sessions::Session;
use crate::chain::{self, GENESIS};
use crate::{Direction, Error, LogQuery, Stored};
use types::{Encoded, ProjectId, Seq, SessionId};

/// Part of a log: whose records they are.
struct Segment<'a> {
    session: &'a SessionId,
    records: &'a [Stored],
}

impl Memory {
    pub(super) fn log(&self, project: &ProjectId, session: &SessionId, query: &LogQuery) -> Vec<Stored> {
        let Some(found) = self.live(project, session) else { return Vec::new() };
        let shown = |stored: &&Stored| {
            let record = &stored.record;
            query.before.is_none_or(|before| stored.seq < before)
                && (query.kinds.is_empty() || query.kinds.contains(&record.kind.as_str()))
                && (query.turn.is_none() || query.turn == record.turn)
                && (!query.listed_items || record.item.is_some())
        };
        let segments = self.segments(project, session, found, query.after);
        let records = segments.iter().flat_map(|segment| segment.records).filter(shown);
        match query.direction {
            Direction::Ascending => records.take(query.limit).cloned().collect(),
            Direction::Descending => records.rev().take(query.limit).cloned().collect(),
        }
    }

    /// The whole log of a session, deleted or not; empty where it is not kept.
    pub fn records(&self, project: &ProjectId, session: &SessionId) -> Vec<Stored> {
        let Some(found) = self.sessions.get(&(project.clone(), session.clone())) else { return Vec::new() };
        let segments = self.segments(project, session, found, Seq(0));
        segments.iter().flat_map(|segment| segment.records).cloned().collect()
    }

    /// The first record of a session that fits.
    pub(super) fn seq_of(
        &self,
        project: &ProjectId,
        session: &SessionId,
        fits: impl Fn(&Encoded) -> bool,
    ) -> Option<Seq> {
        let found = self.live(project, session)?;
        let segments = self.segments(project, session, found, Seq(0));
        let mut records = segments.iter().flat_map(|segment| segment.records);
        records.find(|stored| fits(&stored.record)).map(|stored| stored.seq)
    }

    pub(super) fn verify(&self, project: &ProjectId, session: &SessionId) -> Result<Seq, Error> {
        let name = (project.clone(), session.clone());
        let Some(found) = self.sessions.get(&name) else { return Ok(self.tombs.end(&name).unwrap_or_default()) };
        let (mut at, mut hash) = (Seq(0), GENESIS);
        for segment in self.segments(project, session, found, Seq(0)) {
            for stored in segment.records {
                let fits = follows(at, stored);
                at = stored.seq;
                let body = chain::of_body(&stored.record.body);
                hash = chain::link(&hash, project, segment.session, at, &stored.record, &body);
                if !fits || stored.hash != chain::hex(&hash) {
                    return Err(Error::Damaged { seq: at, what: "its link does not fit".to_owned() });
                }
            }
        }
        if at != found.seq || hash != found.hash {
            return Err(Error::Damaged { seq: at, what: "it is not where the session ends".to_owned() });
        }
        Ok(at)
    }

    /// The parts of a log that lie after `after`, oldest first.
    fn segments<'a>(
        &'a self,
        project: &ProjectId,
        session: &'a SessionId,
        found: &'a Session,
        after: Seq,
    ) -> Vec<Segment<'a>> {
        let mut segments = vec![Segment { session, records: from(&found.records, after) }];
        let mut base = found.base.as_ref();
        while let Some(below) = base.filter(|base| base.seq > after) {
            let Some(parent) = self.sessions.get(&(project.clone(), below.session.clone())) else { break };
            let shared = parent.records.partition_point(|stored| stored.seq <= below.seq);
            segments.push(Segment { session: &below.session, records: from(&parent.records[..shared], after) });
            base = parent.base.as_ref();
        }
        segments.reverse();
        segments
    }
}

fn from(records: &[Stored], after: Seq) -> &[Stored] {
    &records[records.partition_point(|stored| stored.seq <= after)..]
}
