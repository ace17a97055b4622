//! The stream that answers one question. It ends with the answer, and where it breaks off before, it is asked for again
//! from the last event that was seen, if the server gave that an id.

use super::{HttpLine, broken};
use crate::failure::Failure;
use crate::line::{Question, Terms, Trouble, heard};
use crate::message::{self, Message};
use crate::reading;
use crate::sse::{Event, Events};
use crate::through::{Begun, HttpAnswer, Method};
use bytes::Bytes;
use serde_json::Value;
use std::time::Duration;

/// All events of one answer together, as a multiple of the largest answer: progress may go on for long.
const WHOLE: usize = 8;
/// Questions of the server's own that are answered on one stream.
const QUESTIONS: usize = 100;
/// Before a stream is taken up again, where the server does not say.
const PAUSE: Duration = Duration::from_secs(1);

/// What one stream came to.
enum End {
    Answer(Result<Value, Trouble>),
    /// It ended without one.
    Open(Option<Failure>),
}

/// What is counted over all streams of one answer.
#[derive(Default)]
struct Tally {
    bytes: usize,
    questions: usize,
}

impl HttpLine {
    pub(super) async fn read_stream(
        &self,
        terms: &Terms,
        mut answer: HttpAnswer,
        question: &Question<'_>,
    ) -> Result<Value, Trouble> {
        let mut events = Events::new(self.limits.event.min(self.most(question).0));
        let mut tally = Tally::default();
        let mut resumed = 0;
        loop {
            let ended = match self.follow(terms, &mut answer, &mut events, &mut tally, question).await? {
                End::Answer(outcome) => return outcome,
                End::Open(ended) => ended,
            };
            let last = events.last_id().filter(|id| !id.is_empty() && super::is_session(id)).map(str::to_owned);
            let unknown = ended.unwrap_or_else(|| Failure::unknown("the stream ended without an answer"));
            let Some(last) = last.filter(|_| !terms.revision.is_stateless()) else { return Err(unknown.into()) };
            loop {
                if resumed == self.limits.resumptions {
                    return Err(unknown.into());
                }
                resumed += 1;
                let pause = events.retry().map_or(PAUSE, Duration::from_millis).min(self.limits.resume_pause);
                self.world.clock.sleep(pause).await;
                if let Some(again) = self.resume(terms, &last).await? {
                    answer = again;
                    break;
                }
            }
            // What was cut in the middle is sent anew.
            events.restart();
        }
    }

    /// The stream from where it broke off; `None` where nobody answered.
    async fn resume(&self, terms: &Terms, last: &str) -> Result<Option<HttpAnswer>, Trouble> {
        let mut headers = self.headers(terms, "", None);
        headers.retain(|(name, _)| name != "accept" && name != "content-type");
        headers.push(("accept".to_owned(), "text/event-stream".to_owned()));
        headers.push(("last-event-id".to_owned(), last.to_owned()));
        // The question itself was sent: whatever becomes of this, it stays so.
        match self.authorized(Method::Get, &headers, Bytes::new(), &Begun::default()).await {
            Ok(answer) if answer.status == 200 => Ok(Some(answer)),
            Ok(answer) if answer.status >= 500 => Ok(None),
            Ok(answer) => {
                let said = format!("the stream broke off and is not given again (HTTP status {})", answer.status);
                Err(Failure::unknown(said).into())
            }
            Err(_) => Ok(None),
        }
    }

    async fn follow(
        &self,
        terms: &Terms,
        answer: &mut HttpAnswer,
        events: &mut Events,
        tally: &mut Tally,
        question: &Question<'_>,
    ) -> Result<End, Trouble> {
        let mut complete: Vec<Event> = Vec::new();
        loop {
            let piece = match answer.body.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ok(End::Open(None)),
                Err(lost) => return Ok(End::Open(Some(broken(lost)))),
            };
            tally.bytes += piece.len();
            if tally.bytes > self.limits.answer.saturating_mul(WHOLE) || events.push(&piece, &mut complete).is_err() {
                return Err(self.too_large());
            }
            for event in complete.drain(..) {
                if let Some(outcome) = self.event(terms, event, tally, question).await? {
                    return Ok(End::Answer(outcome));
                }
            }
        }
    }

    /// The answer, if the event is it.
    async fn event(
        &self,
        terms: &Terms,
        event: Event,
        tally: &mut Tally,
        question: &Question<'_>,
    ) -> Result<Option<Result<Value, Trouble>>, Trouble> {
        // A stream's first event may be there for its id alone.
        if event.data.trim().is_empty() {
            return Ok(None);
        }
        let message = reading::message(event.data.into_bytes(), self.most(question).1)
            .await
            .map_err(|why| Failure::unknown(format!("the server's answer is {why}")))?;
        match message {
            Message::Answer { id, outcome } if id == Some(question.id) => Ok(Some(outcome.map_err(Trouble::Rpc))),
            Message::Answer { .. } => Err(Failure::unknown("the server answered another request than ours").into()),
            Message::Question { id, method } => {
                tally.questions += 1;
                if tally.questions > QUESTIONS {
                    return Err(Failure::unknown("the server asks more than it answers").into());
                }
                let _ = self.post(terms, "", message::reply(&id, &method)).await;
                Ok(None)
            }
            note @ Message::Note { .. } => {
                heard(&note, question.id, Some(question), &self.changed);
                Ok(None)
            }
        }
    }
}
