//! Function calls put together from their fragments. Servers number them, name them, or neither: a fragment belongs to
//! the call of its index, unless it brings another id; without an index, a new id begins a new call.

use crate::upstream::Fault;
use crate::{Sink, custom};
use serde_json::Value;
use types::{CallId, FunctionTool, ModelErrorKind, ModelEvent};

/// More calls in one answer than any model makes.
const MAX_CALLS: usize = 1024;

#[derive(Default)]
pub(super) struct Calls {
    parts: Vec<Call>,
}

#[derive(Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn add(&mut self, fragment: &Value) -> Result<(), Fault> {
        let index = fragment["index"].as_u64();
        let id = fragment["id"].as_str().unwrap_or_default();
        let function = &fragment["function"];
        let call = self.find(index, id)?;
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            function["name"].as_str().unwrap_or_default().clone_into(&mut call.name);
        }
        match &function["arguments"] {
            Value::String(arguments) => call.arguments.push_str(arguments),
            Value::Null => {}
            // Some servers send the object itself.
            arguments => call.arguments.push_str(&arguments.to_string()),
        }
        Ok(())
    }

    /// Tells every call, in the order of their beginning. `is_cut`: the answer hit its limit, so that a last call whose
    /// arguments are no JSON was never made. `tools` are those that were offered.
    pub(super) fn tell(mut self, is_cut: bool, tools: &[FunctionTool], sink: Sink<'_>) -> Result<(), Fault> {
        let is_whole =
            |call: &Call| call.arguments.is_empty() || serde_json::from_str::<Value>(&call.arguments).is_ok();
        if is_cut && self.parts.last().is_some_and(|call| !is_whole(call)) {
            self.parts.pop();
        }
        for (number, call) in self.parts.into_iter().enumerate() {
            if call.name.is_empty() {
                return Err(Fault::new(ModelErrorKind::Protocol, "the upstream called a function without a name"));
            }
            let id = if call.id.is_empty() { format!("call_{number}") } else { call.id };
            let arguments = if call.arguments.is_empty() { "{}".to_owned() } else { call.arguments };
            let is_custom = custom::is_named(tools, &call.name);
            let arguments = if is_custom { custom::read(arguments) } else { arguments };
            sink(ModelEvent::Call { call_id: CallId::new(id), name: call.name, arguments });
        }
        Ok(())
    }

    fn find(&mut self, index: Option<u64>, id: &str) -> Result<&mut Call, Fault> {
        let is_same = |call: &Call| id.is_empty() || call.id.is_empty() || call.id == id;
        let found = match index {
            Some(_) => self.parts.iter().rposition(|call| call.index == index).filter(|at| is_same(&self.parts[*at])),
            None => self.parts.len().checked_sub(1).filter(|at| is_same(&self.parts[*at])),
        };
        let at = match found {
            Some(at) => at,
            None if self.parts.len() >= MAX_CALLS => {
                return Err(Fault::new(ModelErrorKind::Protocol, "the upstream called too many functions at once"));
            }
            None => {
                self.parts.push(Call { index, ..Call::default() });
                self.parts.len() - 1
            }
        };
        Ok(&mut self.parts[at])
    }
}
