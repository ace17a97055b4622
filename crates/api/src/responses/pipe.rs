//! A response over HTTP while it is made: the session's events, and what they mean for the response, as server-sent
//! events; or only what came of it.

use super::stream::Stream;
use crate::sse::Teller;
use runtime::Subscription;
use std::sync::Arc;
use types::{Event, EventBody, Item, TurnId, TurnView};

impl Teller for Stream {
    fn tell(&mut self, piece: &mut Vec<u8>, event: &Event) -> bool {
        for line in self.read_first(&event.body) {
            line.write_frame(piece);
        }
        self.is_over()
    }

    fn is_behind(&self) -> bool {
        Stream::is_behind(self)
    }

    fn tell_on(&mut self, piece: &mut Vec<u8>) -> bool {
        for line in self.read_on() {
            line.write_frame(piece);
        }
        self.is_over()
    }
}

/// What came of a turn.
pub struct Outcome {
    pub view: TurnView,
    /// Its output, in order.
    pub items: Vec<Arc<Item>>,
}

/// Waits for the end of a turn whose events `subscription` has from its first on. None where the server ends first.
pub async fn outcome(mut subscription: Subscription, turn: &TurnId) -> Option<Outcome> {
    let mut items = Vec::new();
    loop {
        match subscription.next().await?.body {
            EventBody::ItemDone(item) if item.turn == *turn && item.output_index.is_some() => items.push(item),
            EventBody::TurnCompleted(view) | EventBody::TurnFailed(view) | EventBody::TurnCancelled(view)
                if view.id == *turn =>
            {
                return Some(Outcome { view, items });
            }
            _ => {}
        }
    }
}
