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
pub use input::{CallOutput, InputItem, Part, item_list, items};
pub use text::TextSettings;

use crate::error::Fault;
use crate::reader::Object;
use crate::words::Word;

/// The longest id that a request may name, in characters.
pub const MAX_ID: usize = 64;
/// The longest name of a model, in characters.
pub const MAX_MODEL: usize = 256;
/// The longest name of a tool or a format, in characters.
const MAX_NAME: usize = 128;

/// The `type` of an object that has one kind only.
fn kind<W: Word>(object: &mut Object) -> Result<W, Fault> {
    object.required("type")?.word()
}

/// What the original serves and this server does not.
fn not_served(path: &str) -> Fault {
    Fault::at(path, format!("Unsupported parameter: '{path}' is not supported by this server."))
}
