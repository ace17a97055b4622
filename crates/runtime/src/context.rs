//! What a model is asked: the transcript as a provider needs it. Calls and results pair, always: a call that never
//! became an effect and one that was closed get an answer that says so.

use serde_json::Map;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use types::{
    CallId, CallOutput, CallResult, Content, ContextItem, Effort, FunctionKind, FunctionTool, Item, ItemBody,
    ModelRequest, Offer, OfferedTool, Origin, Role, Seq, SessionId, SessionSettings, SettledCall, Settlement, Told,
    Tool, ToolKind, ToolOutcome, TurnRequest,
};

/// What a compacted past begins with, for the model.
const COMPACTED: &str = "What was said before, in short:\n";
/// What stands in the place of a result that comes later.
const BEGUN: &str = "The call was begun. Its result comes later, in a message of its own; go on without it.";

/// Everything about a call that is not in the transcript.
pub(crate) struct Asked<'a> {
    pub(crate) session: &'a SessionId,
    pub(crate) settings: &'a Arc<SessionSettings>,
    /// What this server performs, and what it tells of that.
    pub(crate) offered: &'a Arc<Offer>,
    /// Names of tools that were found, where others are kept back.
    pub(crate) found: Option<&'a BTreeSet<String>>,
    /// The name that the upstream knows.
    pub(crate) upstream_model: &'a str,
    pub(crate) effort: Option<Effort>,
    pub(crate) max_output_tokens: Option<u64>,
    /// What the turn's own request says.
    pub(crate) turn: &'a TurnRequest,
}

pub(crate) fn request(
    asked: &Asked<'_>,
    context: Arc<Vec<ContextItem>>,
    tools: Arc<Vec<FunctionTool>>,
) -> ModelRequest {
    let agent = &asked.settings.agent;
    ModelRequest {
        model: asked.upstream_model.to_owned(),
        instructions: instructions(asked),
        context,
        tools,
        tool_choice: asked.turn.tool_choice.clone(),
        parallel_tool_calls: asked.turn.parallel_tool_calls,
        format: agent.text.format.clone(),
        verbosity: agent.text.verbosity,
        effort: asked.effort,
        summary: agent.reasoning.summary,
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
    match (&asked.offered.instructions, &asked.settings.agent.instructions) {
        (Some(offered), Some(own)) if !own.is_empty() => Some(format!("{}\n\n{own}", offered.trim_end())),
        (Some(offered), _) => Some(offered.clone()),
        (None, own) => own.clone(),
    }
}

/// What a session's model was shown last of tools. There may be thousands, and most often the next call is shown the same.
pub(crate) struct Toolset {
    /// Of what it was made; held, so that nothing else comes to their places in memory.
    settings: Arc<SessionSettings>,
    offered: Arc<Offer>,
    found: Option<BTreeSet<String>>,
    allowed: Option<Vec<String>>,
    shown: Arc<Vec<FunctionTool>>,
}

impl Toolset {
    pub(crate) fn show(last: &mut Option<Self>, asked: &Asked<'_>) -> Arc<Vec<FunctionTool>> {
        if let Some(last) = last.as_ref().filter(|last| last.is_of(asked)) {
            return last.shown.clone();
        }
        let shown = Arc::new(tools(asked));
        *last = Some(Self {
            settings: asked.settings.clone(),
            offered: asked.offered.clone(),
            found: asked.found.cloned(),
            allowed: asked.turn.allowed_tools.clone(),
            shown: shown.clone(),
        });
        shown
    }

    fn is_of(&self, asked: &Asked<'_>) -> bool {
        Arc::ptr_eq(&self.settings, asked.settings)
            && Arc::ptr_eq(&self.offered, asked.offered)
            && self.found.as_ref() == asked.found
            && self.allowed == asked.turn.allowed_tools
    }
}

/// A function of the session goes before an offered tool of the same name. There may be thousands of which few are shown.
fn tools(asked: &Asked<'_>) -> Vec<FunctionTool> {
    let names = asked.settings.agent.tools.iter().filter_map(|tool| match tool {
        Tool::Function { name, .. } | Tool::Custom { name, .. } => Some(name.as_str()),
        _ => None,
    });
    let own: BTreeSet<&str> = names.collect();
    let allowed =
        |name: &str| asked.turn.allowed_tools.as_ref().is_none_or(|allowed| allowed.iter().any(|one| one == name));
    let shown = asked.settings.agent.tools.iter().filter(|tool| engine::shows(asked.found, tool));
    let mut tools: Vec<_> = shown.filter_map(function).filter(|tool| allowed(&tool.name)).collect();
    let offered = asked.offered.tools.iter().filter(|tool| engine::shows_offered(asked.found, tool));
    for tool in offered.filter(|tool| !own.contains(tool.name.as_str()) && allowed(&tool.name)) {
        let (name, description) = (tool.name.clone(), described(tool, asked.turn));
        let (parameters, kind) = ((*tool.parameters).clone(), FunctionKind::default());
        tools.push(FunctionTool { name, description, parameters, kind });
    }
    tools
}

/// What a program may call is the same in every turn of a session, save where a request leaves something out.
fn described(tool: &OfferedTool, turn: &TurnRequest) -> String {
    let description = &tool.description;
    match &turn.allowed_tools {
        Some(allowed) if tool.kind == ToolKind::Program => {
            let others: Vec<_> = allowed.iter().filter(|name| **name != tool.name).map(String::as_str).collect();
            let which = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
            format!("{}\nOf all these, only the following can be called now: {which}.\n", description.trim_end())
        }
        _ => description.clone(),
    }
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
            ItemBody::FunctionCall { call_id, name, arguments, custom, told, .. } => {
                self.call(call_id, name, arguments.clone(), *custom);
                if *told == Told::Apart {
                    self.results.push(text(call_id, BEGUN.to_owned()));
                }
            }
            ItemBody::FunctionCallOutput { call_id, result, apart: Some(name), .. } => {
                self.apart(call_id, name, output(result));
            }
            ItemBody::ClosedCall { call_id, reason, apart: Some(name) } => {
                self.apart(call_id, name, CallOutput::Text(format!("error: there is none: {reason}")));
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
            ItemBody::ClosedCall { call_id, reason, apart: None } => self.context.push(text(call_id, reason.clone())),
            ItemBody::Settled { call, outcome, .. } => {
                let content = vec![Content::Text { text: settled(call.as_ref(), outcome) }];
                self.context.push(ContextItem::System { content });
            }
        }
    }

    fn call(&mut self, call_id: &CallId, name: &str, arguments: String, custom: bool) {
        let (call_id, name) = (call_id.clone(), name.to_owned());
        self.calls.push(ContextItem::Call { call_id, name, arguments, custom });
    }

    /// The result of a call whose place is taken: news from outside, like a message.
    fn apart(&mut self, call_id: &CallId, name: &str, output: CallOutput) {
        let heading = |text: &str| Content::Text { text: format!("The result of call {call_id} ({name}):\n{text}") };
        let content = match output {
            CallOutput::Text(text) => vec![heading(&text)],
            CallOutput::Parts(parts) => [heading("")].into_iter().chain(parts).collect(),
        };
        self.context.push(ContextItem::User { content });
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
            | ItemBody::Settled { .. }
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

/// The news that what nobody knew is known.
fn settled(call: Option<&SettledCall>, outcome: &Settlement) -> String {
    let which = call.map_or_else(String::new, |call| match call.name.as_str() {
        "" => format!(" {}", call.call_id),
        name => format!(" of {name} ({})", call.call_id),
    });
    match outcome {
        Settlement::Committed(result) => format!(
            "The outcome of the call{which}, which was unknown, is now known: it was made, and this is its result:\n{result}"
        ),
        Settlement::Failed(error) => format!(
            "The outcome of the call{which}, which was unknown, is now known: it was not made, or it failed: {error}"
        ),
    }
}

fn told(outcome: &ToolOutcome) -> CallOutput {
    match outcome {
        ToolOutcome::Done(output) => output.clone(),
        ToolOutcome::Ran(result) => CallOutput::Text(result.told.clone()),
        ToolOutcome::Found(found) => CallOutput::Text(found.told.clone()),
        ToolOutcome::Web(result) => CallOutput::Text(result.told.clone()),
        ToolOutcome::Paused(pause) => CallOutput::Text(pause.printed.clone()),
        ToolOutcome::Failed(error) => CallOutput::Text(format!("error: {error}")),
        // The model gets the same text as the client.
        ToolOutcome::Unknown(_) => CallOutput::Text(outcome.error().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(offered: Option<&str>, own: Option<&str>) -> Option<String> {
        let mut settings = engine::State::new("sess_1".into()).settings;
        Arc::make_mut(&mut settings).agent.instructions = own.map(str::to_owned);
        let asked = Asked {
            session: &SessionId::new("sess_1"),
            settings: &settings,
            offered: &Arc::new(Offer { tools: Vec::new(), instructions: offered.map(str::to_owned) }),
            found: None,
            upstream_model: "m",
            effort: None,
            max_output_tokens: None,
            turn: &TurnRequest::default(),
        };
        request(&asked, Arc::default(), Arc::default()).instructions
    }

    #[test]
    fn tools_are_put_together_anew_only_where_something_changed() {
        let mut settings = engine::State::new("sess_1".into()).settings;
        let function = |name: &str, defer_loading| Tool::Function {
            name: name.to_owned(),
            description: String::new(),
            parameters: Map::new(),
            defer_loading,
            is_async: None,
            strict: None,
        };
        Arc::make_mut(&mut settings).agent.tools = vec![function("a", false), function("b", true)];
        let (session, offered) = (SessionId::new("sess_1"), Arc::default());
        let mut last = None;
        let mut show = |settings: &Arc<SessionSettings>, found: Option<&BTreeSet<String>>, allowed: Option<&str>| {
            let allowed_tools = allowed.map(|name| vec![name.to_owned()]);
            let turn = TurnRequest { allowed_tools, ..TurnRequest::default() };
            let (session, offered, turn) = (&session, &offered, &turn);
            let (upstream_model, effort, max_output_tokens) = ("m", None, None);
            let asked = Asked { session, settings, offered, found, upstream_model, effort, max_output_tokens, turn };
            Toolset::show(&mut last, &asked)
        };
        let names = |tools: &[FunctionTool]| tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>();
        let none = BTreeSet::new();
        let first = show(&settings, Some(&none), None);
        assert_eq!(names(&first), ["a"]);
        assert!(Arc::ptr_eq(&first, &show(&settings, Some(&none), None)));
        let found = BTreeSet::from(["b".to_owned()]);
        assert_eq!(names(&show(&settings, Some(&found), None)), ["a", "b"]);
        assert_eq!(names(&show(&settings, Some(&found), Some("b"))), ["b"]);
        Arc::make_mut(&mut settings).agent.tools.pop();
        assert_eq!(names(&show(&settings, Some(&found), None)), ["a"]);
    }

    #[test]
    fn a_program_is_told_what_its_request_leaves_it() {
        let of = |kind, allowed: &[&str]| {
            let tool = OfferedTool { name: "run".into(), kind, description: "f(), g()\n".into(), ..Default::default() };
            let allowed_tools = Some(allowed.iter().map(|name| (*name).to_owned()).collect());
            described(&tool, &TurnRequest { allowed_tools, ..TurnRequest::default() })
        };
        let only = |which: &str| format!("f(), g()\nOf all these, only the following can be called now: {which}.\n");
        assert_eq!(of(ToolKind::Program, &["run", "f"]), only("f"));
        assert_eq!(of(ToolKind::Program, &["run"]), only("none"));
        assert_eq!(of(ToolKind::Remote, &["run"]), "f(), g()\n");
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
