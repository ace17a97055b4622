//! Programs of models: where one stands that called tools, and what its calls become. They are ordinary effects, save
//! that the model is told of none of them: the program is.
//!
//! A step of a program is pure, so nothing of it is kept but where it paused; the newest pause counts. What it calls is
//! looked at as a model's calls are: what never becomes an effect is raised in the program.

use super::{answer, approval, arguments, item, overdue, tool};
use crate::state::{OpenTool, Program, State, Turn};
use types::{
    Attempt, Became, CallId, Cause, EffectId, Item, ItemBody, Origin, Pause, PausedCall, ProgramCall, ProgramPaused,
    RecordBody, Rules, Timestamp, Told, Tool, ToolKind, ToolOutcome,
};

/// Bytes that a program keeps over a call, and over all its calls together.
const MAX_KEPT: usize = 1 << 20;
const MAX_KEPT_IN_ALL: u64 = 64 << 20;
/// The same of a snapshot's text, which is base64: four characters of three bytes.
const MAX_SNAPSHOT: usize = MAX_KEPT.div_ceil(3) * 4;
const MAX_SNAPSHOTS: u64 = MAX_KEPT_IN_ALL / MAX_KEPT as u64 * MAX_SNAPSHOT as u64;
/// Calls that a program makes at a time.
const MAX_CALLS: usize = 256;

/// A step came to calls. One that has no room for them fails with the program.
pub(super) fn paused(
    state: &State,
    rules: &Rules,
    (turn, open): (&Turn, &OpenTool),
    pause: Pause,
    now: Timestamp,
) -> Vec<RecordBody> {
    if let Err(why) = check(open, &pause) {
        let mut records = tool::free_intent(state, turn, open);
        records.push(tool::ended(turn, open, Cause::Answered, ToolOutcome::Failed(why)));
        return records;
    }
    let printed = open.program.as_ref().map_or("", |program| &program.printed);
    let printed = pause.printed.strip_prefix(printed).unwrap_or_default().to_owned();
    let mut made = Made::new(state, rules, turn, open, now);
    let calls = pause.calls.into_iter().map(|call| {
        let (number, became) = (call.number, made.call(call));
        PausedCall { number, became: became.map_or_else(Became::Refused, Became::Effect) }
    });
    let calls = calls.collect();
    let mut records = made.records;
    records.push(RecordBody::ProgramPaused(ProgramPaused {
        effect: open.call.effect,
        attempt: open.attempt,
        turn: turn.id.clone(),
        snapshot: pause.snapshot,
        printed,
        calls,
    }));
    records
}

fn check(open: &OpenTool, pause: &Pause) -> Result<(), String> {
    if open.call.kind != ToolKind::Program {
        return Err("the tool paused, and is no program".to_owned());
    }
    let characters = pause.snapshot.len();
    if characters > MAX_SNAPSHOT {
        let bytes = characters / 4 * 3;
        return Err(format!(
            "the program's variables are too large to be kept over a call: about {bytes} bytes, and {MAX_KEPT} are allowed"
        ));
    }
    let before = open.program.as_ref().map_or(0, |program| program.bytes);
    if before + characters as u64 > MAX_SNAPSHOTS {
        return Err(format!(
            "the program's variables, kept over each of its calls, are too large together: more than {MAX_KEPT_IN_ALL} bytes"
        ));
    }
    Ok(())
}

/// The calls of one step, and the items that they become.
struct Made<'a> {
    state: &'a State,
    turn: &'a Turn,
    parent: EffectId,
    /// Calls of this step so far.
    calls: usize,
    /// Calls that the turn may still make.
    left: u32,
    most: u32,
    effects: u64,
    outputs: u32,
    /// Of the functions that it calls.
    expires: Option<Timestamp>,
    records: Vec<RecordBody>,
}

impl<'a> Made<'a> {
    fn new(state: &'a State, rules: &Rules, turn: &'a Turn, open: &OpenTool, now: Timestamp) -> Self {
        let most = rules.limits.tool_calls_per_turn;
        Self {
            state,
            turn,
            parent: open.call.effect,
            calls: 0,
            left: most.saturating_sub(turn.tool_calls),
            most,
            effects: state.effects.0,
            outputs: turn.outputs,
            expires: overdue::after(rules, turn, now),
            records: Vec::new(),
        }
    }

    /// The effect that a call becomes, or why it becomes none.
    fn call(&mut self, ProgramCall { name, arguments, .. }: ProgramCall) -> Result<EffectId, String> {
        if self.calls == MAX_CALLS {
            return Err(format!("a program makes at most {MAX_CALLS} calls at a time"));
        }
        self.calls += 1;
        if self.left == 0 {
            let most = self.most;
            return Err(format!("not permitted: the turn made {most} tool calls, the most that this server allows"));
        }
        let called = self.known(&name)?;
        let arguments =
            arguments::object(&arguments).map_err(|error| format!("The arguments are not a JSON object: {error}."))?;
        self.left -= 1;
        self.effects += 1;
        let (effect, index) = (EffectId(self.effects), self.outputs);
        self.outputs += 1;
        let origin = Origin { effect, attempt: Attempt(1) };
        let call_id = self.unused(origin, index);
        let body = match called {
            None => {
                let (told, expires) = (Told::Program(self.parent), self.expires);
                ItemBody::FunctionCall { effect, call_id, name, arguments, custom: false, told, expires }
            }
            Some(tool) => {
                let mut call = approval::called(self.state, tool, effect, call_id, arguments);
                call.parent = Some(self.parent);
                ItemBody::ToolCall(call)
            }
        };
        // No model said it: its id derives from its own effect, whose number no other ever gets.
        self.records.push(item(Item {
            id: origin.item_id(&self.state.session, answer::prefix(&body), index),
            turn: self.turn.id.clone(),
            output_index: Some(index),
            origin: None,
            body,
        }));
        Ok(effect)
    }

    /// The offered tool of that name, or None for a function of the caller's, which goes before it.
    fn known(&self, name: &str) -> Result<Option<&'a types::OfferedTool>, String> {
        let declared = self.state.settings.agent.tools.iter().find_map(|tool| match tool {
            Tool::Function { name: declared, .. } if declared == name => Some(true),
            Tool::Custom { name: declared, .. } if declared == name => Some(false),
            _ => None,
        });
        let offered = self.state.offered.tools.iter().find(|tool| tool.name == name);
        let is_allowed = self.turn.allows(name);
        match (declared, offered) {
            (Some(_), _) | (_, Some(_)) if !is_allowed => {
                Err(format!("{name:?} is not among the tools that this request allows."))
            }
            (Some(true), _) if self.turn.hands_over() => {
                Err(format!("{name:?} is the caller's own and is not called from a program here."))
            }
            (Some(true), _) => Ok(None),
            (Some(false), _) => Err(format!("{name:?} takes free text and is not called from a program.")),
            (None, None) => Err(format!("There is no function named {name:?}.")),
            (None, Some(tool)) if matches!(tool.kind, ToolKind::Program | ToolKind::ToolSearch) => {
                Err(format!("{name:?} is not called from a program."))
            }
            (None, Some(tool)) => Ok(Some(tool)),
        }
    }

    /// An id of its own; a model may have written the one that it would have.
    fn unused(&self, origin: Origin, index: u32) -> CallId {
        let mut id = CallId::new(origin.item_id(&self.state.session, "call", index).as_str());
        while self.state.calls.contains_key(&id) {
            id = CallId::new(format!("{id}p"));
        }
        id
    }
}

/// What the program had printed, where it comes to nothing: clients were shown it.
pub(super) fn said(open: &OpenTool, outcome: &ToolOutcome) -> Option<String> {
    let printed = |program: &Program| (!program.printed.is_empty()).then(|| program.printed.clone());
    open.program.as_ref().filter(|_| outcome.error().is_some()).and_then(printed)
}
