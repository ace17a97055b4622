//! The end of a session's log, as its readers see it: the newest events, and the draft of what is being said right now.
//!
//! Written by the session's actor alone: records after their commit, drafts as a model speaks and as commands print. Readers
//! (`subscription`) are woken by a version number and look for themselves; nothing is queued for anybody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use types::{Answer, EffectId, Event, EventBody, ItemId, ModelEvent, Origin, Seq, SessionId, TurnId};

/// Events kept for readers that are only a little behind, and bytes of their texts, about; the others read the log.
const RECENT_EVENTS: usize = 1024;
const RECENT_BYTES: usize = 4 << 20;
/// Of what one command prints; the rest comes with its end.
const MOST_PRINTED: usize = 512 << 10;

pub(crate) struct Tail {
    pub(crate) session: SessionId,
    inner: Mutex<Inner>,
    /// Counts changes: what readers wait for.
    version: watch::Sender<u64>,
}

#[derive(Default)]
pub(crate) struct Inner {
    /// The last record known to be durable.
    pub(crate) head: Seq,
    /// The last record whose outcome the draft knows of: what was published, or what the actor began with. A draft is
    /// shown only to readers that are not past it, or they would see an item again that they have whole.
    pub(crate) published: Seq,
    /// Records of the actor are on their way to the log: the store may show them before this tail does.
    pub(crate) is_behind: bool,
    /// The events of the newest records, without gaps, ending with `head`.
    recent: VecDeque<(Seq, Arc<Vec<Event>>)>,
    recent_events: usize,
    recent_bytes: usize,
    pub(crate) draft: Option<Draft>,
    /// What the commands that run have printed.
    pub(crate) printed: BTreeMap<EffectId, Printed>,
    /// How many commands were begun here.
    births: u64,
    /// No more will ever come: the session was deleted, or the server drains.
    pub(crate) ended: bool,
}

/// What one attempt of a model call has said so far.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) origin: Origin,
    pub(crate) turn: TurnId,
    /// The output index of the attempt's first item.
    pub(crate) base: u32,
    pub(crate) answer: Answer,
}

/// What a command has printed so far, as clients are shown it.
#[derive(Clone, Debug)]
pub(crate) struct Printed {
    /// The attempt of the call.
    pub(crate) origin: Origin,
    pub(crate) item: ItemId,
    pub(crate) turn: TurnId,
    pub(crate) output_index: u32,
    /// Tells this draft from another of the same call.
    pub(crate) birth: u64,
    pub(crate) text: String,
    /// No more is taken.
    pub(crate) is_full: bool,
}

/// Who may still say something that the log does not have.
#[derive(Default)]
pub(crate) struct Speakers {
    /// The attempt of the model call.
    pub(crate) call: Option<Origin>,
    /// The attempts of tool calls.
    pub(crate) commands: Vec<Origin>,
}

impl Tail {
    pub(crate) fn new(session: SessionId) -> Self {
        Self { session, inner: Mutex::default(), version: watch::Sender::new(0) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A reader or the writer that panicked left nothing half done: every change is a single assignment or push.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn wake(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// Learns from the store how far the log goes.
    pub(crate) fn raise(&self, head: Seq) {
        let mut inner = self.lock();
        if head > inner.head {
            inner.head = head;
            inner.forget();
        }
    }

    /// The session's actor begins, with everything up to `head`.
    ///
    /// It may begin anew, after an append that failed: what those who speak have said stays, for their outcomes are made of
    /// that.
    pub(crate) fn begin(&self, head: Seq, speakers: &Speakers) {
        self.raise(head);
        let mut inner = self.lock();
        inner.published = head;
        inner.is_behind = false;
        inner.ended = false;
        inner.hush(speakers);
    }

    /// Records go to the log.
    pub(crate) fn fall_behind(&self) {
        self.lock().is_behind = true;
    }

    /// Shows records that have become durable, oldest first, with their events. Of those who do not speak any more, the
    /// records say all.
    pub(crate) fn publish(&self, records: Vec<(Seq, Vec<Event>)>, speakers: &Speakers) {
        let mut inner = self.lock();
        for (seq, events) in records {
            if seq != inner.head.next() {
                inner.forget();
            }
            inner.head = seq;
            inner.published = seq;
            inner.recent_events += events.len().max(1);
            inner.recent_bytes += bytes(&events);
            inner.recent.push_back((seq, Arc::new(events)));
        }
        // The newest stays, however large it is: whoever waits for it would have to read it from the log.
        while inner.recent.len() > 1 && (inner.recent_events > RECENT_EVENTS || inner.recent_bytes > RECENT_BYTES) {
            let Some((_, events)) = inner.recent.pop_front() else { break };
            inner.recent_events -= events.len().max(1);
            inner.recent_bytes -= bytes(&events);
        }
        inner.is_behind = false;
        inner.hush(speakers);
        drop(inner);
        self.wake();
    }

    /// An attempt begins to speak.
    pub(crate) fn open_draft(&self, origin: Origin, turn: TurnId, base: u32) {
        self.lock().draft = Some(Draft { origin, turn, base, answer: Answer::default() });
    }

    /// The attempt says something.
    pub(crate) fn say(&self, origin: Origin, event: ModelEvent) {
        // Nothing else is shown before its record, so nobody need be woken for it.
        let shows = matches!(event, ModelEvent::Text { .. } | ModelEvent::ReasoningSummary { .. });
        let mut inner = self.lock();
        if let Some(draft) = inner.draft.as_mut().filter(|draft| draft.origin == origin) {
            draft.answer.push(event);
            drop(inner);
            if shows {
                self.wake();
            }
        }
    }

    /// What the attempt has said. The draft stays open until its outcome is durable.
    pub(crate) fn answer(&self, origin: Origin) -> Answer {
        let inner = self.lock();
        inner
            .draft
            .as_ref()
            .filter(|draft| draft.origin == origin)
            .map(|draft| draft.answer.clone())
            .unwrap_or_default()
    }

    /// A command begins, or one that was begun before a crash is found again.
    pub(crate) fn open_command(&self, origin: Origin, item: ItemId, turn: TurnId, output_index: u32) {
        let mut inner = self.lock();
        inner.births += 1;
        let (birth, text) = (inner.births, String::new());
        let printed = Printed { origin, item, turn, output_index, birth, text, is_full: false };
        inner.printed.insert(origin.effect, printed);
    }

    /// A command prints. `most` bounds what is kept of it.
    pub(crate) fn print(&self, origin: Origin, more: &str, most: usize) {
        let mut inner = self.lock();
        let open = inner.printed.get_mut(&origin.effect).filter(|open| open.origin == origin && !open.is_full);
        let Some(printed) = open else { return };
        let room = most.min(MOST_PRINTED).saturating_sub(printed.text.len());
        let more = if more.len() > room {
            printed.is_full = true;
            &more[..more.floor_char_boundary(room)]
        } else {
            more
        };
        printed.text.push_str(more);
        drop(inner);
        self.wake();
    }

    /// What the attempt of a command has printed, if anything.
    pub(crate) fn printed(&self, origin: Origin) -> Option<String> {
        let inner = self.lock();
        let printed = inner.printed.get(&origin.effect).filter(|printed| printed.origin == origin)?;
        (!printed.text.is_empty()).then(|| printed.text.clone())
    }

    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.wake();
    }
}

/// What the events of one record hold of text, about; an item that several of them show is there once.
fn bytes(events: &[Event]) -> usize {
    let of = |event: &Event| match &event.body {
        EventBody::ItemAdded(item) => item.body.bytes(),
        EventBody::Delta { text, .. } => text.len(),
        // It stands in the item, too.
        EventBody::CommandOutput { text, .. } => 2 * text.len(),
        _ => 0,
    };
    events.iter().map(of).sum()
}

impl Inner {
    /// Forgets what was said by those who do not speak any more.
    fn hush(&mut self, speakers: &Speakers) {
        self.draft.take_if(|draft| Some(draft.origin) != speakers.call);
        self.printed.retain(|_, printed| speakers.commands.contains(&printed.origin));
    }

    fn forget(&mut self) {
        self.recent.clear();
        self.recent_events = 0;
        self.recent_bytes = 0;
    }

    /// The events of every record after `seq`, if they are all at hand.
    pub(crate) fn after(&self, seq: Seq) -> Option<Vec<(Seq, Arc<Vec<Event>>)>> {
        let first = self.recent.front()?.0;
        (first <= seq.next()).then(|| self.recent.iter().filter(|(at, _)| *at > seq).cloned().collect())
    }
}
