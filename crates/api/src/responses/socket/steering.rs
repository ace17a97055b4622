//! Messages for a response that is being made. One that was accepted becomes the input of a successor when the response
//! has ended, or, where it ended with calls, waits for the request that answers them. It lives as long as its connection.

use crate::body::Held;
use serde_json::Value;
use std::collections::BTreeMap;
use types::{EventBody, ItemBody};
use wire::responses::request::InputItem;
use wire::responses::{RequiredInput, SteerError, SteerEvent, Steered, lane_of};

/// Steerings that one response may have, and responses that may wait with some.
pub const MOST: usize = 16;

/// A steering that was accepted.
pub struct Accepted {
    pub id: String,
    pub target: String,
    /// As it was sent.
    pub input: Value,
    pub messages: Vec<InputItem>,
    /// The memory that it has.
    pub _held: Held,
}

/// Says what becomes of steerings, numbered over the connection.
#[derive(Default)]
pub struct Teller {
    said: u64,
}

impl Teller {
    fn number(&mut self) -> u64 {
        let number = self.said;
        self.said += 1;
        number
    }

    pub fn accepted(&mut self, steer: &Accepted, lane: Option<&str>) -> String {
        let sequence_number = self.number();
        let steer = Steered { id: Some(&steer.id), previous_response_id: &steer.target, input: None };
        json(&SteerEvent::Accepted { steer, sequence_number }, lane)
    }

    pub fn pending(&mut self, steer: &Accepted, required_input: &[RequiredInput], lane: Option<&str>) -> String {
        let sequence_number = self.number();
        let reason = "waiting_for_required_input";
        let steer = Steered { id: Some(&steer.id), previous_response_id: &steer.target, input: None };
        json(&SteerEvent::Pending { steer, reason, required_input, sequence_number }, lane)
    }

    /// Its input is given back.
    pub fn failed(&mut self, steer: Steered<'_>, (code, message): (&'static str, &str), lane: Option<&str>) -> String {
        let sequence_number = self.number();
        json(&SteerEvent::Failed { steer, error: SteerError { code, message }, sequence_number }, lane)
    }
}

impl Accepted {
    pub fn steered(&self) -> Steered<'_> {
        Steered { id: Some(&self.id), previous_response_id: &self.target, input: Some(&self.input) }
    }
}

/// Steerings of responses that ended with calls, by the response.
#[derive(Default)]
pub struct Waiting(BTreeMap<String, Vec<Accepted>>);

impl Waiting {
    /// What comes back is too much.
    pub fn put(&mut self, id: String, steers: Vec<Accepted>) -> Vec<Accepted> {
        if self.0.len() >= MOST {
            return steers;
        }
        self.0.insert(id, steers);
        Vec::new()
    }

    pub fn take(&mut self, id: &str) -> Vec<Accepted> {
        self.0.remove(id).unwrap_or_default()
    }
}

/// What the client must bring for a call that `event` tells of.
pub fn required(event: &EventBody) -> Option<RequiredInput> {
    let EventBody::ItemDone(item) = event else { return None };
    match &item.body {
        ItemBody::FunctionCall { call_id, custom: true, .. } if item.output_index.is_some() => {
            Some(RequiredInput::Custom { call_id: call_id.as_str().to_owned() })
        }
        ItemBody::FunctionCall { call_id, name, .. } if item.output_index.is_some() => {
            Some(RequiredInput::Function { call_id: call_id.as_str().to_owned(), name: name.clone() })
        }
        _ => None,
    }
}

/// Puts the steerings' messages before what a request brings, but behind the results of calls: those belong to what was
/// said before.
pub fn lead(input: &mut Vec<InputItem>, steers: &[Accepted]) {
    let place = input.iter().take_while(|item| matches!(item, InputItem::Output { .. })).count();
    let messages = steers.iter().flat_map(|steer| steer.messages.iter().cloned());
    input.splice(place..place, messages.collect::<Vec<_>>());
}

fn json(event: &SteerEvent<'_>, lane: Option<&str>) -> String {
    match serde_json::to_string(event) {
        Ok(json) => lane_of(json, lane),
        Err(error) => {
            tracing::error!(%error, "what became of a steering could not be written");
            String::new()
        }
    }
}
