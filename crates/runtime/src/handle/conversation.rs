//! Sessions that only hold items until somebody asks for an answer: made, added to, taken from.

use super::Handle;
use crate::actor::store_refusal;
use crate::subscription::decode;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::LogQuery;
use types::{AgentSettings, Door, Head, Input, InputItem, Item, ItemId, Metadata, ProjectId, RecordBody, Refusal, Seq};
use types::{SessionId, SessionView};

impl Handle {
    /// A session without a model, with these items in it.
    pub async fn open(
        &self,
        project: &ProjectId,
        door: Door,
        metadata: Metadata,
        items: Vec<InputItem>,
    ) -> Result<SessionView, Refusal> {
        let session = self.new_session_id();
        let settings = Box::new(self.plain_settings(door, AgentSettings::new(""), metadata));
        let mut inputs = vec![Input::Create { session: session.clone(), settings, input: Vec::new() }];
        if !items.is_empty() {
            inputs.push(Input::Import { items });
        }
        self.take(project, &session, inputs).await
    }

    /// Adds items; returns them as they are kept. Errors: `Locked` while a turn runs, `Invalid`.
    pub async fn import(
        &self,
        project: &ProjectId,
        session: &SessionId,
        items: Vec<InputItem>,
    ) -> Result<Vec<Arc<Item>>, Refusal> {
        self.check_session(project, session).await?;
        let count = items.len();
        let view = self.take(project, session, vec![Input::Import { items }]).await?;
        // Its last record is the turn's end, and before that come the items.
        let before = Seq(view.head.seq.0.saturating_sub(count as u64 + 1));
        let query = LogQuery { limit: count, ..LogQuery::after(before) };
        let log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
        let mut kept = Vec::with_capacity(count);
        for stored in &log {
            if let RecordBody::Item(item) = decode(&stored.record)?.body {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// A listed item of a response or a conversation; not of a response that was removed.
    pub async fn item(&self, project: &ProjectId, session: &SessionId, id: &ItemId) -> Result<Arc<Item>, Refusal> {
        self.item_and_place(project, session, id).await.map(|(item, _)| item)
    }

    /// Takes an item out of every list and every context. Errors: `NotFound`, `Locked` while a turn runs.
    pub async fn remove_item(&self, project: &ProjectId, session: &SessionId, id: &ItemId) -> Result<(), Refusal> {
        let (_, seq) = self.item_and_place(project, session, id).await?;
        self.submit(project, session, vec![Input::RemoveItem { item: id.clone(), seq }], None).await
    }

    async fn item_and_place(
        &self,
        project: &ProjectId,
        session: &SessionId,
        id: &ItemId,
    ) -> Result<(Arc<Item>, Seq), Refusal> {
        let row = self.row(project, session).await?;
        let none = || Refusal::not_found("item", id.as_str());
        // Agents and chats have doors of their own, and keys that may not open them.
        if matches!(row.settings.door, Door::Agents | Door::Chat) {
            return Err(none());
        }
        let seq = self.world.store.item_seq(project, session, id).await.map_err(|error| store_refusal(&error))?;
        let seq = seq.ok_or_else(none)?;
        if self.removed(project, session, &row.head).await?.contains(id) {
            return Err(none());
        }
        let item = match self.record_at(project, session, seq).await? {
            Some(RecordBody::Item(item)) if item.is_listed() => item,
            _ => return Err(none()),
        };
        if row.settings.door == Door::Responses {
            let turn = Some(item.turn.clone());
            let query = LogQuery { kinds: vec!["turn_removed"], turn, limit: 1, ..LogQuery::after(seq) };
            let log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
            if !log.is_empty() {
                return Err(none());
            }
        }
        Ok((item, seq))
    }

    /// The items that were taken out.
    pub(super) async fn removed(
        &self,
        project: &ProjectId,
        session: &SessionId,
        head: &Head,
    ) -> Result<BTreeSet<ItemId>, Refusal> {
        if !head.has_gaps {
            return Ok(BTreeSet::new());
        }
        let query = LogQuery { kinds: vec!["item_removed"], ..LogQuery::after(Seq(0)) };
        let log = self.world.store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
        let mut removed = BTreeSet::new();
        for stored in &log {
            if let RecordBody::ItemRemoved(gone) = decode(&stored.record)?.body {
                removed.insert(gone.item);
            }
        }
        Ok(removed)
    }
}
