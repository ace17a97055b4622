//! The stream of a response: a session's events in, the events of the Responses API out. Pure: no clock, no chance, no
//! session. The outcome is a function of what was said, so that a stream that is read again, from the log or in the
//! middle of the answer, is equal event by event, and `sequence_number` is an event's place in it.
//!
//! What an attempt of the model says is one *group*. While it is said, its messages and summaries are streamed in their
//! order; when its record comes, the items are closed in the order of the record, and what is never streamed (calls,
//! reasoning without a summary) comes whole. A replay knows the items at once and tells them in this order all the same.
//!
//! An attempt that came to nothing takes its numbers with it: those of the next begin a step higher. What was shown of
//! it is closed as incomplete, and the next attempt's items come after it, for clients hold each `output_index` to
//! be given once.
//!
//! A long text becomes many times as long when it is told. So it is told in parts, each when the one before was taken:
//! a reader that is slow costs no more than one.

use super::cut::Cut;
use super::line::{Line, Lines};
use super::shown::{self, Facts, Progress};
use std::sync::Arc;
use types::{EventBody, Item, ItemBody, ItemId, ItemKind, Origin, SessionId, TurnId, TurnView};
use wire::responses::{self as outer, Content, EventBody as Shown, ItemStatus};

/// One reader's stream of one response.
pub struct Stream {
    facts: Arc<Facts>,
    session: SessionId,
    turn: TurnId,
    lines: Lines,
    /// Items that were announced to this reader.
    announced: u32,
    group: Option<Group>,
    /// What is in the response, as far as the log says.
    output: Vec<Arc<Item>>,
    over: bool,
    /// An event of which only the beginning was told, and where in its text the rest begins.
    rest: Option<(EventBody, usize)>,
}

/// Text that is told at once, in bytes.
const SLICE: usize = 512;

/// What one attempt says.
struct Group {
    origin: Option<Origin>,
    drafts: Vec<Draft>,
    /// Items of the record, in its order.
    items: Vec<Arc<Item>>,
}

/// An item that is streamed while it is said.
struct Draft {
    id: ItemId,
    kind: ItemKind,
    output_index: u32,
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    text: String,
    cut: Cut,
    closed: bool,
}

impl Stream {
    /// `after` leaves out the events up to that number.
    pub fn new(facts: Arc<Facts>, session: SessionId, turn: TurnId, after: Option<u64>, padded: bool) -> Self {
        let lines = Lines::new(after, padded);
        Self { facts, session, turn, lines, announced: 0, group: None, output: Vec::new(), over: false, rest: None }
    }

    /// Whether the last event has been told.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// What a session's next event means for the stream, all of it.
    #[cfg(test)]
    pub fn read(&mut self, event: &EventBody) -> Vec<Line> {
        let mut rest = Some(0);
        while let Some(from) = rest.filter(|_| !self.over) {
            rest = self.take_part(event, from);
        }
        self.lines.take()
    }

    /// The same in parts: this is the first. `read_on` has the next while there is one.
    pub fn read_first(&mut self, event: &EventBody) -> Vec<Line> {
        if !self.over {
            self.rest = self.take_part(event, 0).map(|from| (event.clone(), from));
        }
        self.lines.take()
    }

    /// Whether the last event was not told to its end.
    pub fn is_behind(&self) -> bool {
        self.rest.is_some()
    }

    pub fn read_on(&mut self) -> Vec<Line> {
        if let Some((event, from)) = self.rest.take() {
            self.rest = self.take_part(&event, from).map(|from| (event, from));
        }
        self.lines.take()
    }

    /// Takes what of an event's text begins at `from`; gives where the rest begins, if there is one.
    fn take_part(&mut self, event: &EventBody, from: usize) -> Option<usize> {
        match event {
            EventBody::Delta { item, turn, part, text, .. } if *turn == self.turn => {
                let (slice, to) = slice(text, from);
                if let Some(place) = self.draft(item) {
                    self.feed(place, *part, slice);
                }
                (to < text.len()).then_some(to)
            }
            EventBody::ItemDone(item) if item.turn == self.turn && item.output_index.is_some() => {
                let more = self.record(item);
                more.then_some(0)
            }
            _ => {
                self.take(event);
                None
            }
        }
    }

    fn take(&mut self, event: &EventBody) {
        match event {
            EventBody::TurnCreated(view) if view.id == self.turn => self.begin(view),
            EventBody::TurnInProgress(view) if view.id == self.turn => {
                self.say_response(view, |response| Shown::InProgress { response })
            }
            EventBody::TurnCompleted(view) | EventBody::TurnFailed(view) | EventBody::TurnCancelled(view)
                if view.id == self.turn =>
            {
                self.end(view);
            }
            EventBody::DraftAdded { item, kind, turn, .. } if *turn == self.turn => {
                self.enter(Origin::of_item(&self.session, item.as_str()));
                self.announce(item.clone(), *kind);
            }
            EventBody::AttemptDropped { origin, turn } if *turn == self.turn => self.drop_attempt(*origin),
            _ => {}
        }
    }

    fn begin(&mut self, view: &TurnView) {
        let background = self.facts.request.background;
        let status = if background { outer::ResponseStatus::Queued } else { outer::ResponseStatus::InProgress };
        let told = |facts, view| Box::new(shown::response(facts, &Progress { status, ..Progress::of(view, &[]) }));
        self.lines.say(Shown::Created { response: told(&self.facts, view) });
        if background {
            self.lines.say(Shown::Queued { response: told(&self.facts, view) });
        }
        self.lines.mark();
    }

    fn say_response<'a>(&'a mut self, view: &'a TurnView, event: impl FnOnce(Box<outer::Response<'a>>) -> Shown<'a>) {
        let response = shown::response(&self.facts, &Progress::of(view, &self.output));
        self.lines.say(event(Box::new(response)));
        self.lines.mark();
    }

    fn end(&mut self, view: &TurnView) {
        self.leave();
        self.over = true;
        let status = Progress::of(view, &self.output).status;
        self.say_response(view, |response| match status {
            outer::ResponseStatus::Completed => Shown::Completed { response },
            outer::ResponseStatus::Failed => Shown::Failed { response },
            _ => Shown::Incomplete { response },
        });
    }

    // ---- an attempt

    /// Makes the group of `origin` the one that is open.
    fn enter(&mut self, origin: Option<Origin>) {
        if self.group.as_ref().is_some_and(|group| group.origin != origin) {
            self.leave();
        }
        if self.group.is_none() {
            self.lines.mark();
            self.group = Some(Group { origin, drafts: Vec::new(), items: Vec::new() });
        }
    }

    /// Closes the items of the record, in its order.
    fn leave(&mut self) {
        let Some(group) = self.group.take() else { return };
        for item in group.items {
            let draft = group.drafts.iter().find(|draft| draft.id == item.id);
            let output_index = match draft {
                Some(draft) => draft.output_index,
                None => {
                    let output_index = self.announced;
                    if let Some(added) = shown::item(&item, ItemStatus::InProgress, self.facts.encrypted) {
                        self.announced += 1;
                        self.lines.say(Shown::ItemAdded { output_index, item: added });
                    }
                    output_index
                }
            };
            self.close(&item, output_index, draft.is_some());
            self.output.push(item);
        }
        self.lines.mark();
    }

    /// What is told of an item when it is whole.
    fn close(&mut self, item: &Item, output_index: u32, is_streamed: bool) {
        let item_id = item.id.as_str();
        match &item.body {
            ItemBody::AssistantMessage { text, logprobs, .. } => {
                let content_index = 0;
                if !is_streamed {
                    let part = Content::output_text("", Vec::new());
                    self.lines.say(Shown::PartAdded { item_id, output_index, content_index, part });
                }
                let logprobs = shown::logprobs(logprobs);
                let part = Content::output_text(text, logprobs.clone());
                self.lines.say(Shown::TextDone { item_id, output_index, content_index, text, logprobs });
                self.lines.say(Shown::PartDone { item_id, output_index, content_index, part });
            }
            ItemBody::FunctionCall { name, arguments, custom, .. } => {
                if *custom {
                    self.lines.say(Shown::InputDelta { item_id, output_index, delta: arguments });
                    self.lines.say(Shown::InputDone { item_id, output_index, input: arguments });
                } else {
                    self.lines.say(Shown::ArgumentsDelta { item_id, output_index, delta: arguments });
                    self.lines.say(Shown::ArgumentsDone { item_id, output_index, name, arguments });
                }
            }
            _ => {}
        }
        if let Some(item) = shown::item(item, ItemStatus::Completed, self.facts.encrypted) {
            self.lines.say(Shown::ItemDone { output_index, item });
        }
    }

    /// An item of the record: what of it is streamed is told to its end. True where that is still to be done.
    fn record(&mut self, item: &Arc<Item>) -> bool {
        if shown::item(item, ItemStatus::Completed, self.facts.encrypted).is_none() {
            return false;
        }
        self.enter(item.origin);
        let streamed: Option<(ItemKind, &[String])> = match &item.body {
            ItemBody::AssistantMessage { text, .. } if !text.is_empty() => {
                Some((ItemKind::Message, std::slice::from_ref(text)))
            }
            ItemBody::Reasoning { summary, .. } if !summary.is_empty() => Some((ItemKind::Reasoning, summary)),
            _ => None,
        };
        if let Some((kind, texts)) = streamed {
            let place = self.draft(&item.id).unwrap_or_else(|| self.announce(item.id.clone(), kind));
            for (text, part) in texts.iter().zip(0..) {
                let told = self.told(place, part);
                let (slice, to) = slice(text, told);
                self.feed(place, part, slice);
                if to < text.len() {
                    return true;
                }
            }
            self.settle(place);
        }
        if let Some(group) = &mut self.group {
            group.items.push(Arc::clone(item));
        }
        false
    }

    /// Nothing of this attempt is in the log, nor will be.
    fn drop_attempt(&mut self, origin: Origin) {
        if self.group.as_ref().is_some_and(|group| group.origin != Some(origin)) {
            self.leave();
        }
        for draft in self.group.take().into_iter().flat_map(|group| group.drafts) {
            let texts = draft.parts.iter().map(|part| part.text.as_str());
            let item = shown::torn(draft.id.as_str(), draft.kind, texts);
            self.lines.say(Shown::ItemDone { output_index: draft.output_index, item });
        }
        self.lines.step();
    }

    // ---- an item while it is said

    fn drafts(&mut self) -> &mut [Draft] {
        self.group.as_mut().map_or(&mut [], |group| &mut group.drafts)
    }

    fn draft(&mut self, id: &ItemId) -> Option<usize> {
        self.drafts().iter().position(|draft| draft.id == *id)
    }

    /// A streamed item begins, and with it the one before has ended.
    fn announce(&mut self, id: ItemId, kind: ItemKind) -> usize {
        let place = self.drafts().len();
        if let Some(before) = place.checked_sub(1) {
            self.settle(before);
        }
        let output_index = self.announced;
        self.announced += 1;
        let item = shown::begun(id.as_str(), kind);
        self.lines.say(Shown::ItemAdded { output_index, item });
        if let Some(group) = &mut self.group {
            group.drafts.push(Draft { id, kind, output_index, parts: Vec::new() });
        }
        place
    }

    /// Bytes of a part that were taken.
    fn told(&mut self, place: usize, part: u32) -> usize {
        let part = part as usize;
        self.drafts().get(place).and_then(|draft| draft.parts.get(part)).map_or(0, |part| part.text.len())
    }

    /// The next text of a part; a new part ends those before it.
    fn feed(&mut self, place: usize, part: u32, text: &str) {
        let Some(draft) = self.group.as_mut().and_then(|group| group.drafts.get_mut(place)) else { return };
        let wanted = part as usize;
        while draft.parts.len() <= wanted {
            if let Some(index) = draft.parts.len().checked_sub(1) {
                end_part(&mut self.lines, draft, index);
            }
            begin_part(&mut self.lines, draft);
        }
        let Some(part) = draft.parts.get_mut(wanted) else { return };
        part.text.push_str(text);
        for piece in part.cut.push(text) {
            say_piece(&mut self.lines, draft, wanted, &piece);
        }
    }

    /// No more text of this item comes.
    fn settle(&mut self, place: usize) {
        let Some(draft) = self.group.as_mut().and_then(|group| group.drafts.get_mut(place)) else { return };
        if let Some(last) = draft.parts.len().checked_sub(1) {
            end_part(&mut self.lines, draft, last);
        }
    }
}

/// The text at `from` that is told at once, and where it ends.
fn slice(text: &str, from: usize) -> (&str, usize) {
    let to = text.floor_char_boundary(from.saturating_add(SLICE)).max(from);
    (text.get(from..to).unwrap_or_default(), to)
}

fn begin_part(lines: &mut Lines, draft: &mut Draft) {
    let (item_id, output_index) = (draft.id.as_str(), draft.output_index);
    let index = u32::try_from(draft.parts.len()).unwrap_or(u32::MAX);
    lines.say(match draft.kind {
        ItemKind::Message => {
            let part = Content::output_text("", Vec::new());
            Shown::PartAdded { item_id, output_index, content_index: index, part }
        }
        ItemKind::Reasoning => {
            let part = Content::SummaryText { text: "" };
            Shown::SummaryPartAdded { item_id, output_index, summary_index: index, part }
        }
    });
    draft.parts.push(Part::default());
}

fn say_piece(lines: &mut Lines, draft: &Draft, part: usize, delta: &str) {
    let (item_id, output_index) = (draft.id.as_str(), draft.output_index);
    let index = u32::try_from(part).unwrap_or(u32::MAX);
    lines.say_delta(
        delta,
        match draft.kind {
            ItemKind::Message => {
                Shown::TextDelta { item_id, output_index, content_index: index, delta, logprobs: Vec::new() }
            }
            ItemKind::Reasoning => Shown::SummaryDelta { item_id, output_index, summary_index: index, delta },
        },
    );
}

/// The last piece of a part. A summary's end is told with it; a message's with its record, which has what else there is
/// to say of it.
fn end_part(lines: &mut Lines, draft: &mut Draft, index: usize) {
    let Some(part) = draft.parts.get_mut(index).filter(|part| !part.closed) else { return };
    part.closed = true;
    if let Some(piece) = part.cut.finish() {
        say_piece(lines, draft, index, &piece);
    }
    let (item_id, output_index) = (draft.id.as_str(), draft.output_index);
    let summary_index = u32::try_from(index).unwrap_or(u32::MAX);
    if let (ItemKind::Reasoning, Some(Part { text, .. })) = (draft.kind, draft.parts.get(index)) {
        lines.say(Shown::SummaryDone { item_id, output_index, summary_index, text });
        let part = Content::SummaryText { text };
        lines.say(Shown::SummaryPartDone { item_id, output_index, summary_index, part });
    }
}

#[cfg(test)]
mod tests;
