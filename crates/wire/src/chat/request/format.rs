//! What form the answer has.

use super::tool::MAX_NAME;
use crate::demand::{Format, FormatKind, json_schema};
use crate::error::Fault;
use crate::reader::Node;

pub(super) fn read(node: Node) -> Result<Format, Fault> {
    let mut object = node.object()?;
    let format = match object.required("type")?.word()? {
        FormatKind::Text => Format::Text,
        FormatKind::JsonObject => Format::JsonObject,
        FormatKind::JsonSchema => {
            let mut inner = object.required("json_schema")?.object()?;
            let format = json_schema(&mut inner, MAX_NAME)?;
            inner.finish()?;
            format
        }
    };
    object.finish()?;
    Ok(format)
}
