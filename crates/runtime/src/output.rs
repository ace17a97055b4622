//! All that a command printed. The log has what clients were shown of it; where that is not all, the rest stands beside it
//! (`types::Whole`), as long as the record that names it.

use crate::actor::store_refusal;
use crate::subscription::decode;
use store::{BlobHash, LogQuery, Store};
use types::{
    CommandResult, ItemBody, ItemId, ProjectId, RecordBody, Refusal, RefusalKind, Seq, SessionId, ToolOutcome,
};

/// The bytes of a command's output, as they were printed; where the middle was too much to keep, a line says how much is
/// left out. `NotFound`: no such session, or the item is no command that has ended.
pub async fn command_output(
    store: &dyn Store,
    project: &ProjectId,
    session: &SessionId,
    item: &ItemId,
) -> Result<Vec<u8>, Refusal> {
    let none = || Refusal::not_found("item", item.as_str());
    let head = store.head(project, session).await.map_err(|error| store_refusal(&error))?;
    head.ok_or_else(|| Refusal::not_found("session", session.as_str()))?;
    let seq = store.item_seq(project, session, item).await.map_err(|error| store_refusal(&error))?.ok_or_else(none)?;
    let query = LogQuery { limit: 1, ..LogQuery::after(Seq(seq.0.saturating_sub(1))) };
    let log = store.log(project, session, query).await.map_err(|error| store_refusal(&error))?;
    let RecordBody::Item(found) = decode(&log.first().ok_or_else(none)?.record)?.body else { return Err(none()) };
    let ItemBody::ToolOutcome { call, outcome, said, .. } = &found.body else { return Err(none()) };
    if !call.is_command() {
        return Err(none());
    }
    let ToolOutcome::Ran(CommandResult { whole: Some(whole), .. }) = outcome else {
        return Ok(outcome.shown(said.as_deref()).into_owned().into_bytes());
    };
    let hash = BlobHash(whole.blob.clone());
    let body = store.blob(project, &hash).await.map_err(|error| store_refusal(&error))?;
    body.ok_or_else(|| Refusal::new(RefusalKind::Internal, format!("The blob {} is missing.", whole.blob)))
}
