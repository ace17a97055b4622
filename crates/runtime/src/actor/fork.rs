//! The first append of a session that stands on another one's records.

use super::{Actor, Failure, store_refusal};
use store::LogQuery;
use types::{Input, Record, Refusal, RefusalKind, Seq, SessionId};

/// Records of the other session read at a time.
const PAGE: usize = 256;

impl Actor {
    /// Takes inputs on the other session's state, all or none. The store says whether it is still there.
    pub(super) async fn fork(&mut self, base: (SessionId, Seq), inputs: Vec<Input>) -> Result<(), Failure> {
        if self.state.seq != Seq(0) {
            return Err(Failure::Refused(Refusal::conflict("The session is there already.")));
        }
        let made = match self.stand_on(&base).await {
            Ok(()) => {
                self.base = Some(base.clone());
                self.take_in(inputs, None).await
            }
            Err(refusal) => Err(Failure::Refused(refusal)),
        };
        // An append that was not taken has read the log again, which knows best.
        if self.base.take().is_some() || self.state.seq <= base.1 {
            self.clear();
        }
        made
    }

    async fn stand_on(&mut self, (parent, at): &(SessionId, Seq)) -> Result<(), Refusal> {
        while self.state.seq < *at {
            let query = LogQuery { limit: PAGE, before: Some(at.next()), ..LogQuery::after(self.state.seq) };
            let log = self.world.store.log(&self.project, parent, query).await;
            let log = log.map_err(|error| store_refusal(&error))?;
            if log.is_empty() {
                return Err(Refusal::not_found("session", parent.as_str()));
            }
            for stored in &log {
                let record = Record::decode(&stored.record).map_err(|error| {
                    Refusal::new(RefusalKind::Internal, format!("The session can be read, not forked: {error}."))
                })?;
                self.keep(stored.seq, &record);
                engine::apply(&mut self.state, stored.seq, &record);
            }
        }
        Ok(())
    }
}
