//! Requests of the Agents API: an object in, a value with every default filled in out, or the first fault.

mod agent;
mod environment;
mod fork;
mod hosted;
mod input;
mod managed;
mod resolve;
mod session;
mod template;
#[cfg(test)]
mod tests;
mod tool;

pub use agent::{AgentCreate, AgentPatch, AgentUpdate, Format, TextSettings};
pub use environment::{EnvironmentParam, SelfHosted};
pub use fork::SessionFork;
pub use hosted::{
    ArchiveParam, CommandParam, FileParam, FileSource, HostedParam, NetworkParam, PackagesParam, Recipe, SkillParam,
};
pub use input::{CallOutput, Input, InputContent, Message};
pub use managed::{AgentCoreParam, ManagedCreate};
pub use resolve::EffectResolve;
pub use session::{SessionCreate, SessionInput, SessionUpdate};
pub use template::{EnvironmentCreate, TemplateCreate, TemplateUpdate};
pub use tool::{McpTool, Place, ToolParam, TransportParam, WebSearch};

use crate::error::{Fault, clip};
use crate::reader::Node;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;

/// The longest id that a request may name, in characters.
pub const MAX_ID: usize = 64;
/// The longest name of a model, in characters.
pub const MAX_MODEL: usize = 256;
/// The longest id that an input event may name, in characters. Calls may have ids of their models, so it is generous.
pub const MAX_EVENT_ID: usize = 256;
/// The longest name of an agent, in characters.
pub const MAX_NAME: usize = 128;
/// A list of tools, as compact JSON, in bytes.
pub const MAX_TOOLS: usize = 3 << 20;
/// All JSON Schemas of one request together, as compact JSON, in bytes.
pub const MAX_SCHEMAS: usize = 4 << 20;

const MAX_PAIRS: usize = 16;
const MAX_KEY: usize = 64;
const MAX_VALUE: usize = 512;

/// Up to 16 pairs, keys of 1 to 64 and values of up to 512 characters.
pub(crate) fn metadata(node: Node) -> Result<BTreeMap<String, String>, Fault> {
    let path = node.path().to_owned();
    let entries = node.entries()?;
    if entries.len() > MAX_PAIRS {
        let text = format!(
            "Invalid '{path}': too many properties. Expected an object with at most {MAX_PAIRS} properties, but got an object with {} properties instead.",
            entries.len()
        );
        return Err(Fault::at(&path, text));
    }
    let mut pairs = BTreeMap::new();
    for (key, value) in entries {
        let length = key.chars().count();
        let bound = if length == 0 {
            "is too short. Expected a string with minimum length 1, but got an empty string instead.".to_owned()
        } else if length > MAX_KEY {
            format!(
                "is too long. Expected a string with maximum length {MAX_KEY}, but got a string with length {length} instead."
            )
        } else {
            pairs.insert(key, value.short_string(MAX_VALUE)?);
            continue;
        };
        return Err(Fault::at(&path, format!("Invalid property name in '{path}': '{}' {bound}", clip(&key))));
    }
    Ok(pairs)
}

/// An object of strings with keys of the client's own.
fn string_map(node: Node) -> Result<BTreeMap<String, String>, Fault> {
    node.entries()?.map(|(key, value)| Ok((key, value.string()?))).collect()
}

/// The size of `value` as compact JSON, in bytes.
pub(crate) fn compact_size(value: &impl Serialize) -> usize {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.saturating_add(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // A count cannot fail, and neither can a value that was JSON a moment ago.
    if serde_json::to_writer(&mut count, value).is_err() { usize::MAX } else { count.0 }
}

/// Refuses a `value` at `path` that is larger than `most` bytes of compact JSON; `what` it is, is for the message.
pub(crate) fn compact_within(path: &str, what: &str, value: &impl Serialize, most: usize) -> Result<(), Fault> {
    let size = compact_size(value);
    if size <= most {
        return Ok(());
    }
    let text = format!(
        "Invalid '{path}': {what} too large. Expected at most {most} bytes of compact JSON, but got {size} bytes instead."
    );
    Err(Fault::at(path, text))
}

/// The root of a schema must describe an object; `whose` is for the message: `function 'f'`.
pub(crate) fn object_schema(path: &str, whose: &str, schema: &serde_json::Map<String, Value>) -> Result<(), Fault> {
    match schema.get("type") {
        None => Ok(()),
        Some(Value::String(kind)) if kind == "object" => Ok(()),
        Some(other) => {
            let got = match other {
                Value::String(kind) => clip(kind),
                other => clip(&other.to_string()),
            };
            let text = format!(
                "Invalid schema for {whose}: schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{got}\"'."
            );
            Err(Fault::at(path, text))
        }
    }
}
