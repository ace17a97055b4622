//! What a server says without being asked: that its tools changed, or questions of its own. Heard on one stream that stays
//! open as long as the terms hold; a server that offers none is left alone.

use super::HttpLine;
use crate::line::{Terms, heard};
use crate::message::{self, Message};
use crate::negotiation::say_who;
use crate::sse::{Event, Events};
use crate::through::{Begun, HttpAnswer, HttpRequest, Method};
use crate::time::within;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// Before the stream is opened again, where the server does not say; doubled with each failure in a row.
const PAUSE: Duration = Duration::from_secs(1);
/// Failures in a row until nobody listens any more.
const FAILURES: u32 = 10;
/// Questions on one stream that are answered.
const QUESTIONS: usize = 100;

/// What one listener knows.
pub(crate) struct Listener {
    line: Weak<HttpLine>,
    terms: Terms,
    /// Of the request that opens the stream, in the revision without sessions.
    id: i64,
}

impl Listener {
    pub fn new(line: &Arc<HttpLine>, terms: &Terms, id: i64) -> Self {
        Self { line: Arc::downgrade(line), terms: terms.clone(), id }
    }

    /// Listens until it is told to stop, its connection is dropped, or the server does not want it.
    /// `opened` resolves when it is known whether anybody speaks.
    pub async fn run(self, mut stop: watch::Receiver<u64>, opened: oneshot::Sender<()>) {
        stop.mark_unchanged();
        tokio::select! {
            biased;
            _ = stop.changed() => {}
            () = self.listen(opened) => {}
        }
    }

    async fn listen(&self, known: oneshot::Sender<()>) {
        let mut known = Some(known);
        let mut last = None;
        let mut failures = 0;
        loop {
            let Some(line) = self.line.upgrade() else { return };
            let (clock, limits) = (line.world.clock.clone(), line.limits.clone());
            let opened = within(&*clock, limits.opening, self.open(&line, last.as_deref())).await;
            drop(line);
            if let Some(known) = known.take() {
                let _ = known.send(());
            }
            let mut pause = PAUSE.saturating_mul(1 << failures.min(6));
            match opened {
                Some(Some(answer)) if answer.status == 200 => {
                    failures = 0;
                    let mut events = Events::new(limits.event);
                    self.follow(answer, &mut events).await;
                    last = events.last_id().filter(|id| super::is_session(id)).map(str::to_owned).or(last);
                    pause = events.retry().map_or(PAUSE, Duration::from_millis).clamp(PAUSE, limits.longest_pause);
                }
                Some(Some(answer)) if answer.status < 500 => return,
                _ => failures += 1,
            }
            if failures == FAILURES {
                return;
            }
            clock.sleep(pause).await;
        }
    }

    /// With the token that there is: nobody is asked for another one because of this.
    async fn open(&self, line: &HttpLine, last: Option<&str>) -> Option<HttpAnswer> {
        let stateless = self.terms.revision.is_stateless();
        let mut headers = line.headers(&self.terms, if stateless { "subscriptions/listen" } else { "" }, None);
        if let Some(bearer) = &line.target.bearer
            && let Ok(Some(token)) = bearer.current().await
        {
            headers.push(("authorization".to_owned(), format!("Bearer {token}")));
        }
        let (method, body) = if stateless {
            (Method::Post, Bytes::from(subscription(self.id)))
        } else {
            headers.retain(|(name, _)| name != "accept" && name != "content-type");
            headers.push(("accept".to_owned(), "text/event-stream".to_owned()));
            headers.extend(last.map(|last| ("last-event-id".to_owned(), last.to_owned())));
            (Method::Get, Bytes::new())
        };
        let url = line.target.url.clone();
        let answer =
            line.carrier.send(HttpRequest { method, url, headers, body, begun: Begun::default() }).await.ok()?;
        let is_stream = answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        // Another kind of answer is a no.
        Some(if is_stream { answer } else { HttpAnswer { status: 400, ..answer } })
    }

    async fn follow(&self, mut answer: HttpAnswer, events: &mut Events) {
        let mut complete: Vec<Event> = Vec::new();
        let mut questions = 0;
        while let Ok(Some(piece)) = answer.body.next().await {
            if events.push(&piece, &mut complete).is_err() {
                return;
            }
            for event in complete.drain(..) {
                let Ok(message) = message::read(event.data.as_bytes()) else { continue };
                let Some(line) = self.line.upgrade() else { return };
                match message {
                    // The server closes what it opened.
                    Message::Answer { .. } => return,
                    Message::Question { id, method } => {
                        questions += 1;
                        if questions > QUESTIONS {
                            return;
                        }
                        let _ = line.post(&self.terms, "", message::reply(&id, &method)).await;
                    }
                    note @ Message::Note { .. } => heard(&note, 0, None, &line.changed),
                }
            }
        }
    }
}

/// Asks to be told when tools change.
pub(crate) fn subscription(id: i64) -> String {
    let mut meta = Map::new();
    say_who(&mut meta);
    let mut params = Map::new();
    params.insert("_meta".to_owned(), Value::Object(meta));
    params.insert("notifications".to_owned(), json!({"toolsListChanged": true}));
    message::request(id, "subscriptions/listen", &params, None)
}
