//! Requests of the Responses API: an object in, a value with every default filled in out, or the first fault.

mod create;
mod frame;
mod input;
#[cfg(test)]
mod tests;
mod text;
mod tool;

pub use create::{CacheOptions, Compact, ResponseCreate, TokenCount};
pub use frame::{Create, Frame, Steer};
pub use input::{CallOutput, FileSource, InputItem, Part, item_list, items};
pub use text::{Format, TextSettings};
pub use tool::{Grammar, ToolChoice, ToolParam};

use crate::error::Fault;
use crate::reader::Node;
use crate::words::Word;

/// The longest id that a request may name, in characters.
pub const MAX_ID: usize = 64;
/// The longest name of a model, in characters.
pub const MAX_MODEL: usize = 256;
/// The longest name of a tool or a format, in characters.
const MAX_NAME: usize = 128;

/// A name as upstreams take it: letters, digits, `_` and `-`.
fn name(node: Node) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let name = node.short_text(MAX_NAME)?;
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Ok(name);
    }
    let text = format!(
        "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    );
    Err(Fault::at(&path, text))
}

/// The `type` of an object that has one kind only.
fn kind<W: Word>(object: &mut crate::reader::Object) -> Result<W, Fault> {
    object.required("type")?.word()
}

/// What the original serves and this server does not.
fn not_served(path: &str) -> Fault {
    Fault::at(path, format!("Unsupported parameter: '{path}' is not supported by this server."))
}
