//! One client's ear on one session: a stream that breaks off and is taken up again by the id of the last event heard.

use super::{Answer, Client};
use crate::arena::{Boundary, Node};
use crate::notes::Stream;
use runtime::{Start, Subscription};
use std::sync::Arc;
use std::time::Duration;
use types::{Event, EventId, RefusalKind, Seq, SessionId};

pub(crate) struct Listener {
    session: SessionId,
    start: Start,
    last: Option<EventId>,
    /// How far the log went when it began to listen to what comes from then on.
    over: Option<Seq>,
    /// Its place in the notes.
    pub(super) place: usize,
    open: Option<(Arc<Node>, Subscription)>,
}

pub(crate) enum Heard {
    Event(Box<Event>),
    Silence,
    /// The connection is gone; the next call takes it up again.
    Broken,
    /// There is no such session any more.
    Over,
}

impl Listener {
    pub(crate) fn new(client: &Client, session: &SessionId, start: Start) -> Self {
        let stream = Stream {
            client: client.name.clone(),
            session: session.clone(),
            from_beginning: start == Start::Beginning,
            events: Vec::new(),
            connections: 0,
        };
        let place = client.arena.notes(|notes| {
            notes.streams.push(stream);
            notes.streams.len() - 1
        });
        Self { session: session.clone(), start, last: None, over: None, place, open: None }
    }

    /// Goes on with a stream of the notes.
    pub(crate) fn again(place: usize, stream: &Stream) -> Option<Self> {
        let last = stream.events.last().map(|event| event.id);
        if last.is_none() && !stream.from_beginning {
            return None;
        }
        Some(Self { session: stream.session.clone(), start: Start::Beginning, last, over: None, place, open: None })
    }

    pub(crate) fn hang_up(&mut self) {
        self.open = None;
    }

    /// The next event; waits for it so long.
    pub(crate) async fn next(&mut self, client: &mut Client, wait: Duration) -> Heard {
        let Some((node, subscription)) = &mut self.open else { return self.connect(client).await };
        let arena = client.arena.clone();
        let life = node.life.clone();
        let heard = async {
            let event = subscription.next().await;
            if event.is_some() {
                life.cross(Boundary::Event).await;
            }
            event
        };
        let heard = tokio::select! {
            biased;
            () = life.death() => None,
            event = heard => event,
            () = arena.clock.sleep(wait) => return Heard::Silence,
        };
        let Some(event) = heard else {
            self.open = None;
            arena.pause(Duration::from_secs(1)).await;
            return Heard::Broken;
        };
        self.note(client, &event);
        Heard::Event(Box::new(event))
    }

    fn note(&mut self, client: &Client, event: &Event) {
        let arena = &client.arena;
        let (EventId::Record { seq, .. } | EventId::Draft { seq, .. }) = event.id;
        let durable = arena.durable(&self.session);
        if seq > durable {
            arena.problem(format!(
                "{}: {} was shown; durable is {durable}",
                self.session,
                event.id.text(&self.session)
            ));
        }
        // A reader that has just seen the end of a turn elsewhere would take an old event for one of the next.
        let of_record = matches!(event.id, EventId::Record { .. });
        if let Some(over) = self.over.filter(|over| seq < *over || (seq == *over && of_record)) {
            arena.problem(format!(
                "{}: listens from {over} on and is told of {}",
                self.session,
                event.id.text(&self.session)
            ));
        }
        self.last = Some(event.id);
        arena.notes(|notes| {
            notes.count("events heard");
            notes.streams[self.place].events.push(event.clone());
        });
    }

    async fn connect(&mut self, client: &mut Client) -> Heard {
        let node = client.arena.node().await;
        let start = self.last.map_or(self.start, Start::After);
        let (project, session) = (client.arena.project.clone(), self.session.clone());
        let line = format!("listen from {start:?}");
        // A node that another has followed does not hear what that one writes.
        let knows = start == Start::Live && client.arena.is_newest(node.life.number);
        self.over = knows.then(|| client.arena.durable(&session));
        let answer = client
            .ask_node(&node, &line, |handle| Box::pin(async move { handle.subscribe(&project, &session, start).await }))
            .await;
        match answer {
            Answer::Yes(subscription) => {
                client.arena.notes(|notes| {
                    notes.count("connections of streams");
                    notes.streams[self.place].connections += 1;
                });
                self.open = Some((node, subscription));
            }
            Answer::No(refusal) if refusal.kind == RefusalKind::NotFound => {
                if !client.is_deleted(&self.session) {
                    client.arena.problem(format!("{}: {line}: {refusal}", self.session));
                }
                return Heard::Over;
            }
            Answer::No(_) | Answer::Nothing => client.arena.pause(Duration::from_secs(1)).await,
        }
        Heard::Broken
    }
}

impl Client {
    /// As the disk has it.
    pub(crate) fn is_deleted(&self, session: &SessionId) -> bool {
        self.arena.disk.kept().iter().any(|kept| kept.row.head.session == *session && kept.deleted)
    }
}
