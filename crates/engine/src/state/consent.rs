//! What State knows of consent: requests, what tools were when they were relied on, and outcomes that nobody knows.

use super::{Call, OpenTool, State, fnv};
use std::collections::BTreeSet;
use types::{
    Approval, Approver, Consent, Decider, Decision, EffectId, Offer, RequestId, SettledCall, Settlement, Timestamp,
    ToolCall, TurnId,
};

/// Tools of which a session remembers what they were.
const MAX_PINS: usize = 1 << 16;
/// Stands for the pin of a tool that was added later, until somebody agrees to a call of it.
const NOT_AGREED: &str = "";

/// A request for consent to one call.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    pub id: RequestId,
    pub by: Approver,
    /// Of a person's consent.
    pub expires: Timestamp,
    /// Its tool is not what it was.
    pub changed: bool,
    /// The model call that decides, where a model does.
    pub review: Option<Call>,
}

/// What became of a request for a person's consent.
#[derive(Clone, PartialEq, Debug)]
pub struct RequestState {
    pub effect: EffectId,
    pub answer: Option<(Decider, Decision)>,
}

/// An effect whose outcome nobody knows.
#[derive(Clone, PartialEq, Debug)]
pub struct Unsettled {
    pub turn: TurnId,
    pub call: Option<SettledCall>,
}

impl OpenTool {
    /// Whether it may go on, as far as others are asked.
    pub fn consent(&self) -> Consent {
        match (self.call.approval, self.approved) {
            (Approval::None, _) => Consent::NotNeeded,
            (Approval::Person, true) => Consent::Given,
            (Approval::Person, false) => Consent::Missing,
        }
    }

    /// Whether somebody must say something before anything is done for it. What may have begun in a part of the log that is
    /// lost is not held up by that.
    pub fn waits_for_person(&self) -> bool {
        let asked = self.request.as_ref().is_some_and(|request| request.by == Approver::Person);
        asked && !self.intended
    }
}

impl State {
    /// The moment at which the first open request for a person's consent runs out, or the time of a function's caller.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let turn = self.turn.as_ref()?;
        let asked = turn.tools.iter().filter(|open| open.waits_for_person());
        let requests = asked.filter_map(|open| open.request.as_ref()).map(|request| request.expires);
        requests.chain(turn.open.iter().filter_map(|call| call.expires)).min()
    }

    /// Whether the tool is described otherwise than when the session first saw it, or last agreed to a call of it; or came
    /// after its server was first heard, and nobody has agreed to a call of it yet.
    pub(crate) fn has_changed(&self, call: &ToolCall) -> bool {
        let Some(pin) = &call.pin else { return false };
        let key = (call.server_label.clone(), call.shown_name().to_owned());
        match self.pins.get(&key) {
            Some(known) => known != pin,
            // A server must not talk until nothing more is kept.
            None => self.pins.len() >= MAX_PINS,
        }
    }

    /// Keeps what the tools of an offer are. What a server had when it was first heard counts as it was seen. What it adds
    /// later is nothing that anybody relied on, whatever it says of itself, unless the session's owner named it.
    pub(crate) fn pin_offered(&mut self, offer: &Offer) {
        let known = |label: &String| {
            let first = self.pins.range((label.clone(), String::new())..).next();
            first.is_some_and(|((other, _), _)| other == label)
        };
        let pinned = offer.tools.iter().filter(|tool| tool.pin.is_some());
        let known: BTreeSet<&String> =
            pinned.clone().map(|tool| &tool.server_label).filter(|label| known(label)).collect();
        for tool in pinned {
            let key = (tool.server_label.clone(), tool.remote.as_ref().unwrap_or(&tool.name).clone());
            let is_new = self.pins.get(&key).is_none_or(String::is_empty);
            if !is_new || (self.pins.len() >= MAX_PINS && !self.pins.contains_key(&key)) {
                continue;
            }
            let relied_on = tool.vouched || !known.contains(&tool.server_label);
            let pin = if relied_on { tool.pin.clone() } else { None };
            self.pins.insert(key, pin.unwrap_or_else(|| NOT_AGREED.to_owned()));
        }
    }

    /// Somebody has agreed to a call: what its tool is now is what counts from here on.
    pub(crate) fn pin_agreed(&mut self, call: &ToolCall) {
        if let Some(pin) = &call.pin {
            self.pins.insert((call.server_label.clone(), call.shown_name().to_owned()), pin.clone());
        }
    }
}

pub(crate) fn settlement_digest(outcome: &Settlement) -> u64 {
    fnv(&serde_json::to_vec(outcome).unwrap_or_default())
}
