//! An operator's word on a call whose outcome nobody knew. It is a record that the model learns of; nothing is done
//! again, and what was said before stays as it was.

use super::item;
use crate::state::{State, settlement_digest};
use types::{EffectId, Item, ItemBody, ItemId, RecordBody, Refusal, Settlement};

pub(super) fn settle(
    state: &State,
    effect: EffectId,
    outcome: Settlement,
    by: Option<String>,
) -> Result<Vec<RecordBody>, Refusal> {
    match state.settled.get(&effect) {
        Some(known) if *known == settlement_digest(&outcome) => return Ok(Vec::new()),
        Some(_) => return Err(Refusal::conflict("The effect was resolved before, with another outcome.")),
        None => {}
    }
    let Some(unsettled) = state.unsettled.get(&effect) else {
        let message = "Only a call whose outcome is unknown can be resolved; the ledger says otherwise of this one.";
        return Err(Refusal::conflict(message));
    };
    Ok(vec![item(Item {
        id: ItemId::new(format!("stl_{}e{}", state.session.digits(), effect.0)),
        turn: unsettled.turn.clone(),
        output_index: None,
        origin: None,
        body: ItemBody::Settled { effect, call: unsettled.call.clone(), outcome, by },
    })])
}
