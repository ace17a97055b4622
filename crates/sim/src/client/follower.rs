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
                if client.random.chance(20) {
                    client.come_anew(&session).await;
                }
            }
            Heard::Silence | Heard::Broken => {}
            Heard::Over => return,
        }
    }
}

/// How long a newcomer looks out for something new, and how often: a write is durable for a moment before it is shown.
const LOOKS: u32 = 100;
const LOOK: Duration = Duration::from_millis(1);
/// What it waits for an event.
const EAR: Duration = Duration::from_millis(100);

impl Client {
    /// Listens for a moment to what comes from now on, just when reads show something that streams may not have shown.
    async fn come_anew(&mut self, session: &SessionId) {
        let before = self.arena.durable(session);
        for _ in 0..LOOKS {
            if self.arena.durable(session) > before {
                break;
            }
            self.arena.clock.sleep(LOOK).await;
        }
        self.arena.count("streams: begun anew");
        let mut listener = Listener::new(self, session, Start::Live);
        for _ in 0..3 {
            let Some(heard) = self.hear_again(session, listener).await else { return };
            listener = heard;
            if matches!(listener.next(self, EAR).await, Heard::Over) {
                return;
            }
        }
    }

    /// What an event makes a client do.
    pub(crate) async fn react(&mut self, session: &SessionId, event: &Event) {
        let EventBody::ItemAdded(item) = &event.body else { return };
        if let ItemBody::FunctionCall { call_id, .. } = &item.body {
            self.maybe_answer(session, &item.turn, call_id).await;
        }
    }
}
