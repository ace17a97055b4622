//! The three ways in which a stream is told: ConverseStream's events, Nova's chunks, and Chat's chunks.

use super::ask::milliseconds;
use super::heard::{stop_reason, usage};
use super::teller::{End, Voice};
use types::{ItemId, ItemKind};
use wire::bedrock::answer::{Metrics, Told};
use wire::bedrock::event::{self, Chunk, Delta, Event, Invocation, Metadata, Named, Start};
use wire::chat as outer;
use wire::chat::{ChunkChoice, ToolCall};
use wire::eventstream::{self, Unwritable, pieces};

/// Whether events are frames of their own, or chunks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Converse,
    Nova,
}

/// ConverseStream, and Nova's InvokeModelWithResponseStream.
pub struct Blocks {
    form: Form,
    manner: Told,
    has_begun: bool,
    /// The block that is open, by its item.
    open: Option<ItemId>,
    /// Its place, or that of the next one.
    index: u32,
}

impl Blocks {
    pub fn new(form: Form, manner: Told) -> Self {
        Self { form, manner, has_begun: false, open: None, index: 0 }
    }

    fn write(&self, out: &mut Vec<u8>, event: Event<'_>) -> Result<(), Unwritable> {
        match self.form {
            Form::Converse => eventstream::event(out, event.name(), &event),
            Form::Nova => event::chunk(out, &Named(event)),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        self.write(out, Event::BEGIN)
    }

    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        if self.open.take().is_none() {
            return Ok(());
        }
        self.stop(out)
    }

    fn stop(&mut self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        self.write(out, Event::BlockStop { content_block_index: self.index })?;
        self.index += 1;
        Ok(())
    }
}

impl Voice for Blocks {
    fn said(&mut self, out: &mut Vec<u8>, item: &ItemId, kind: ItemKind, text: &str) -> Result<(), Unwritable> {
        self.begin(out)?;
        if self.open.as_ref() != Some(item) {
            self.close(out)?;
            self.open = Some(item.clone());
        }
        let delta = match kind {
            ItemKind::Message => Delta::Text(text),
            ItemKind::Reasoning => Delta::ReasoningContent { text },
        };
        self.write(out, Event::BlockDelta { delta, content_block_index: self.index })
    }

    fn called(&mut self, out: &mut Vec<u8>, call: ToolCall) -> Result<(), Unwritable> {
        self.begin(out)?;
        self.close(out)?;
        let content_block_index = self.index;
        let start = Start::ToolUse { tool_use_id: &call.id, name: &call.name };
        self.write(out, Event::BlockStart { start, content_block_index })?;
        for input in pieces(&call.arguments) {
            self.write(out, Event::BlockDelta { delta: Delta::ToolUse { input }, content_block_index })?;
        }
        self.stop(out)
    }

    fn end(&mut self, out: &mut Vec<u8>, end: &End<'_>) -> Result<(), Unwritable> {
        self.begin(out)?;
        self.close(out)?;
        self.write(out, Event::MessageStop { stop_reason: stop_reason(end.reason) })?;
        let metrics = Metrics { latency_ms: milliseconds(end.took) };
        let metadata = Event::Metadata(Metadata { usage: usage(end.view), metrics, manner: self.manner });
        match self.form {
            Form::Converse => self.write(out, metadata),
            Form::Nova => event::chunk(out, &Chunk { said: Named(metadata), invocation: Some(invocation(end)) }),
        }
    }

    fn knows(&self, exception: &str) -> bool {
        self.form == Form::Nova || exception != "modelTimeoutException"
    }
}

/// Chat's chunks, in the frames of InvokeModelWithResponseStream.
pub struct Chunks {
    id: String,
    created: u64,
    model: String,
    include_usage: bool,
    has_begun: bool,
    calls: Vec<ToolCall>,
}

impl Chunks {
    /// `created` in Unix seconds; `model` as the client calls it.
    pub fn new(id: String, created: u64, model: String, include_usage: bool) -> Self {
        Self { id, created, model, include_usage, has_begun: false, calls: Vec::new() }
    }

    fn chunk(
        &self,
        delta: outer::Delta<'_>,
        finish_reason: Option<outer::FinishReason>,
        invocation: Option<Invocation>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unwritable> {
        let mut said = outer::Chunk::new(&self.id, self.created, &self.model);
        said.usage = self.include_usage.then_some(None);
        said.choices.push(ChunkChoice { index: 0, delta, logprobs: None, finish_reason });
        event::chunk(out, &Chunk { said, invocation })
    }

    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        self.chunk(outer::Delta::Begin, None, None, out)
    }
}

impl Voice for Chunks {
    fn said(&mut self, out: &mut Vec<u8>, _: &ItemId, kind: ItemKind, text: &str) -> Result<(), Unwritable> {
        if kind == ItemKind::Reasoning {
            return Ok(());
        }
        self.begin(out)?;
        self.chunk(outer::Delta::Text(text), None, None, out)
    }

    fn called(&mut self, _: &mut Vec<u8>, call: ToolCall) -> Result<(), Unwritable> {
        self.calls.push(call);
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<u8>, end: &End<'_>) -> Result<(), Unwritable> {
        self.begin(out)?;
        if !self.calls.is_empty() {
            self.chunk(outer::Delta::calls(&self.calls, false), None, None, out)?;
        }
        let last = invocation(end);
        self.chunk(outer::Delta::End, Some(end.reason), (!self.include_usage).then_some(last), out)?;
        if !self.include_usage {
            return Ok(());
        }
        let mut said = outer::Chunk::new(&self.id, self.created, &self.model);
        said.usage = Some(crate::chat::heard::usage(std::iter::once(end.view.usage)));
        event::chunk(out, &Chunk { said, invocation: Some(last) })
    }

    fn knows(&self, _: &str) -> bool {
        true
    }
}

fn invocation(end: &End<'_>) -> Invocation {
    let usage = usage(end.view);
    Invocation {
        input_token_count: usage.input_tokens(),
        output_token_count: usage.output_tokens(),
        invocation_latency: milliseconds(end.took),
        first_byte_latency: milliseconds(end.waited),
    }
}
