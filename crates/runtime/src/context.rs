//! What a model is asked: the transcript as a provider needs it. Calls and results pair, always: a call that never
//! became an effect and one that was closed get an answer that says so.

use serde_json::Map;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use types::{
    AgentSettings, CallId, CallOutput, CallResult, Content, ContextItem, Effort, FunctionKind, FunctionTool, Item,
    ItemBody, ModelRequest, Offer, Origin, Role, Seq, SessionId, Tool, ToolOutcome, TurnRequest,
};

/// What a compacted past begins with, for the model.
const COMPACTED: &str = "What was said before, in short:\n";

/// Everything about a call that is not in the transcript.
pub(crate) struct Asked<'a> {
    pub(crate) session: &'a SessionId,
    pub(crate) agent: &'a AgentSettings,
    /// What this server performs, and what it tells of that.
    pub(crate) offered: &'a Offer,
    /// The name that the upstream knows.
    pub(crate) upstream_model: &'a str,
    pub(crate) effort: Option<Effort>,
    pub(crate) max_output_tokens: Option<u64>,
    /// What the turn's own request says.
    pub(crate) turn: &'a TurnRequest,
}

pub(crate) fn request(asked: &Asked<'_>, context: Arc<Vec<ContextItem>>) -> ModelRequest {
    ModelRequest {
        model: asked.upstream_model.to_owned(),
        instructions: instructions(asked),
        context,
        tools: tools(asked),
        tool_choice: asked.turn.tool_choice.clone(),
        parallel_tool_calls: asked.turn.parallel_tool_calls,
        format: asked.agent.text.format.clone(),
        verbosity: asked.agent.text.verbosity,
        effort: asked.effort,
        summary: asked.agent.reasoning.summary,
        max_output_tokens: asked.max_output_tokens,
        sampling: asked.turn.sampling.clone(),
        top_logprobs: asked.turn.top_logprobs,
        cache_key: asked.session.to_string(),
    }
}

/// What an entry was shown last. Most often the next call is shown the same and what came after it, so only that is
/// translated.
#[derive(Default)]
pub(crate) struct Transcript {
    entry: String,
    shown: Vec<Seq>,
    context: Arc<Vec<ContextItem>>,
}

impl Transcript {
    pub(crate) fn show(
        &mut self,
        entry: &str,
        shown: Vec<Seq>,
        items: &BTreeMap<Seq, Arc<Item>>,
        may_part: bool,
    ) -> Arc<Vec<ContextItem>> {
        if self.entry != entry || !shown.starts_with(&self.shown) {
            *self = Self { entry: entry.to_owned(), ..Self::default() };
        }
        // While nobody else holds it, this copies nothing.
        let mut reading = Reading::new(entry, Arc::make_mut(&mut self.context));
        for item in shown.iter().skip(self.shown.len()).filter_map(|seq| items.get(seq)) {
            reading.push(item);
        }
        reading.close_calls();
        self.shown = shown;
        if may_part { Arc::new(paired(&self.context)) } else { self.context.clone() }
    }
}

/// Calls and results that lost the other are left out. Of calls with one id a result belongs to the newest.
fn paired(context: &[ContextItem]) -> Vec<ContextItem> {
    let (mut waiting, mut alone) = (BTreeMap::new(), BTreeSet::new());
    for (item, place) in context.iter().zip(0_usize..) {
        match item {
            ContextItem::Call { call_id, .. } => alone.extend(waiting.insert(call_id, place)),
            ContextItem::Output { call_id, .. } if waiting.remove(call_id).is_none() => alone.extend([place]),
            _ => {}
        }
    }
    alone.extend(waiting.into_values());
    let whole = context.iter().zip(0..).filter(|(_, place)| !alone.contains(place));
    whole.map(|(item, _)| item.clone()).collect()
}

/// What is told of the offer, then the agent's own: the last word is the client's.
fn instructions(asked: &Asked<'_>) -> Option<String> {
    match (&asked.offered.instructions, &asked.agent.instructions) {
        (Some(offered), Some(own)) if !own.is_empty() => Some(format!("{}\n\n{own}", offered.trim_end())),
        (Some(offered), _) => Some(offered.clone()),
        (None, own) => own.clone(),
    }
}

/// A function of the session goes before an offered tool of the same name.
fn tools(asked: &Asked<'_>) -> Vec<FunctionTool> {
    let mut tools: Vec<_> = asked.agent.tools.iter().filter_map(function).collect();
    let own = tools.len();
    for tool in &asked.offered.tools {
        if tools[..own].iter().all(|function| function.name != tool.name) {
            let (name, description) = (tool.name.clone(), tool.description.clone());
            let (parameters, kind) = (tool.parameters.clone(), FunctionKind::default());
            tools.push(FunctionTool { name, description, parameters, kind });
        }
    }
    if let Some(allowed) = &asked.turn.allowed_tools {
        tools.retain(|tool| allowed.contains(&tool.name));
    }
    tools
}

pub(crate) fn function(tool: &Tool) -> Option<FunctionTool> {
    match tool {
        Tool::Function { name, description, parameters, strict, .. } => {
            let kind = FunctionKind::Function { strict: *strict };
            let (name, description, parameters) = (name.clone(), description.clone(), parameters.clone());
            Some(FunctionTool { name, description, parameters, kind })
        }
        Tool::Custom { name, description, format } => {
            let kind = FunctionKind::Custom { format: format.clone() };
            let (name, description, parameters) = (name.clone(), description.clone(), Map::new());
            Some(FunctionTool { name, description, parameters, kind })
        }
        _ => None,
    }
}

struct Reading<'a> {
    entry: &'a str,
    context: &'a mut Vec<ContextItem>,
    /// Calls of the answer that is being read: they come after everything else that it said, together, because some
    /// providers take a call only at the end of an answer.
    calls: Vec<ContextItem>,
    /// What is known of their results already.
    results: Vec<ContextItem>,
    origin: Option<Origin>,
}

impl<'a> Reading<'a> {
    fn new(entry: &'a str, context: &'a mut Vec<ContextItem>) -> Self {
        Self { entry, context, calls: Vec::new(), results: Vec::new(), origin: None }
    }

    fn push(&mut self, item: &Item) {
        if item.origin != self.origin || ends_answer(&item.body) {
            self.close_calls();
            self.origin = item.origin;
        }
        match &item.body {
            ItemBody::UserMessage { role: Role::User, content } => {
                self.context.push(ContextItem::User { content: content.clone() });
            }
            ItemBody::UserMessage { content, .. } => {
                self.context.push(ContextItem::System { content: content.clone() });
            }
            ItemBody::Compaction { text } => {
                let text = format!("{COMPACTED}{text}");
                self.context.push(ContextItem::User { content: vec![Content::Text { text }] });
            }
            ItemBody::AssistantMessage { text, .. } => {
                self.context.push(ContextItem::Assistant { text: text.clone() });
            }
            ItemBody::Reasoning { summary, opaque } => {
                if let Some(opaque) = opaque.as_ref().filter(|opaque| opaque.model == self.entry) {
                    let (summary, opaque) = (summary.clone(), opaque.value.clone());
                    self.context.push(ContextItem::Reasoning { summary, opaque });
                }
            }
            ItemBody::FunctionCall { call_id, name, arguments, custom, .. } => {
                self.call(call_id, name, arguments.clone(), *custom);
            }
            ItemBody::MalformedCall { call_id, name, arguments, error } => {
                self.call(call_id, name, arguments.clone(), false);
                self.results.push(text(call_id, error.clone()));
            }
            ItemBody::FunctionCallOutput { call_id, result, .. } => {
                let call_id = call_id.clone();
                self.context.push(ContextItem::Output { call_id, output: output(result) });
            }
            ItemBody::ToolCall(call) => self.call(&call.call_id, &call.name, call.arguments.clone(), false),
            ItemBody::ToolOutcome { call, outcome, .. } => {
                // It comes from the same answer as its call, and calls that are still held back go before it.
                self.close_calls();
                let (call_id, output) = (call.call_id.clone(), told(outcome));
                self.context.push(ContextItem::Output { call_id, output });
            }
            ItemBody::ClosedCall { call_id, reason } => self.context.push(text(call_id, reason.clone())),
        }
    }

    fn call(&mut self, call_id: &CallId, name: &str, arguments: String, custom: bool) {
        let (call_id, name) = (call_id.clone(), name.to_owned());
        self.calls.push(ContextItem::Call { call_id, name, arguments, custom });
    }

    fn close_calls(&mut self) {
        self.context.append(&mut self.calls);
        self.context.append(&mut self.results);
    }
}

/// Items that a client brought have no origin by which one answer is told from the next: what a model never says does it.
fn ends_answer(body: &ItemBody) -> bool {
    matches!(
        body,
        ItemBody::UserMessage { .. }
            | ItemBody::Compaction { .. }
            | ItemBody::FunctionCallOutput { .. }
            | ItemBody::ClosedCall { .. }
    )
}

fn text(call_id: &CallId, text: String) -> ContextItem {
    ContextItem::Output { call_id: call_id.clone(), output: CallOutput::Text(text) }
}

fn output(result: &CallResult) -> CallOutput {
    match result {
        CallResult::Success(Some(output)) => output.clone(),
        CallResult::Success(None) => CallOutput::Text(String::new()),
        CallResult::Failure { error: Some(error), .. } => CallOutput::Text(format!("error: {error}")),
        CallResult::Failure { error: None, output: Some(output) } => output.clone(),
        CallResult::Failure { error: None, output: None } => CallOutput::Text("error".to_owned()),
    }
}

fn told(outcome: &ToolOutcome) -> CallOutput {
    match outcome {
        ToolOutcome::Done(output) => output.clone(),
        ToolOutcome::Ran(result) => CallOutput::Text(result.told.clone()),
        ToolOutcome::Failed(error) => CallOutput::Text(format!("error: {error}")),
        // The model gets the same text as the client.
        ToolOutcome::Unknown(_) => CallOutput::Text(outcome.error().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(offered: Option<&str>, own: Option<&str>) -> Option<String> {
        let mut agent = AgentSettings::new("m");
        agent.instructions = own.map(str::to_owned);
        let asked = Asked {
            session: &SessionId::new("sess_1"),
            agent: &agent,
            offered: &Offer { tools: Vec::new(), instructions: offered.map(str::to_owned) },
            upstream_model: "m",
            effort: None,
            max_output_tokens: None,
            turn: &TurnRequest::default(),
        };
        request(&asked, Arc::default()).instructions
    }

    #[test]
    fn the_agents_own_instructions_come_last() {
        for (offered, own, expected) in [
            (None, None, None),
            (None, Some("own"), Some("own")),
            (Some("offered\n"), None, Some("offered\n")),
            (Some("offered\n"), Some(""), Some("offered\n")),
            (Some("offered\n"), Some("own\n"), Some("offered\n\nown\n")),
        ] {
            assert_eq!(told(offered, own).as_deref(), expected);
        }
    }
}
