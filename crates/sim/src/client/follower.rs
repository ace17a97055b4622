//! A client beside the owner: it listens from the beginning or from somewhere, hangs up and comes back, and answers calls
//! in a race with the others.

use super::{Client, Heard, Listener};
use crate::arena::Arena;
use runtime::Start;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use types::{Event, EventBody, ItemBody, SessionId};

/// Listens until the owner has gone.
pub(crate) async fn follow(arena: Arc<Arena>, name: String, session: SessionId, over: Arc<AtomicBool>) {
    let mut client = Client::new(&arena, name);
    let start = if client.random.chance(700) { Start::Beginning } else { Start::Live };
    let mut listener = Listener::new(&client, &session, start);
    while !over.load(Ordering::Relaxed) {
        let Some(heard) = client.hear_again(&session, listener).await else { return };
        listener = heard;
        match listener.next(&mut client, Duration::from_secs(20)).await {
            Heard::Event(event) => {
                client.react(&session, &event).await;
                if client.random.chance(60) {
                    client.arena.count("streams: hung up");
                    listener.hang_up();
                    arena.pause(Duration::from_secs(2)).await;
                }
            }
            Heard::Silence | Heard::Broken => {}
            Heard::Over => return,
        }
    }
}

impl Client {
    /// What an event makes a client do.
    pub(crate) async fn react(&mut self, session: &SessionId, event: &Event) {
        let EventBody::ItemAdded(item) = &event.body else { return };
        if let ItemBody::FunctionCall { call_id, .. } = &item.body {
            self.maybe_answer(session, &item.turn, call_id).await;
        }
    }
}
