//! What form the answer has.

use super::words::FormatKind;
use crate::agents::request::{MAX_SCHEMAS, compact_size, object_schema};
use crate::error::Fault;
use crate::reader::Node;
use serde_json::{Map, Value};

#[derive(Clone, PartialEq, Debug)]
pub enum Format {
    Text,
    /// Any JSON object.
    JsonObject,
    JsonSchema {
        name: String,
        description: Option<String>,
        schema: Map<String, Value>,
        /// None where the client did not say.
        strict: Option<bool>,
    },
}

pub(super) fn read(node: Node) -> Result<Format, Fault> {
    let mut object = node.object()?;
    let format = match object.required("type")?.word()? {
        FormatKind::Text => Format::Text,
        FormatKind::JsonObject => Format::JsonObject,
        FormatKind::JsonSchema => json_schema(object.required("json_schema")?)?,
    };
    object.finish()?;
    Ok(format)
}

fn json_schema(node: Node) -> Result<Format, Fault> {
    let mut object = node.object()?;
    let name = super::tool::name(object.required("name")?)?;
    let schema = object.required("schema")?.map()?;
    let path = object.path("schema");
    object_schema(&path, &format!("response_format '{name}'"), &schema)?;
    let size = compact_size(&schema);
    if size > MAX_SCHEMAS {
        let text = format!(
            "Invalid '{path}': schema too large. Expected at most {MAX_SCHEMAS} bytes of compact JSON, but got {size} bytes instead."
        );
        return Err(Fault::at(&path, text));
    }
    let format = Format::JsonSchema {
        name,
        description: object.present("description").map(Node::string).transpose()?,
        schema,
        strict: object.present("strict").map(Node::boolean).transpose()?,
    };
    object.finish()?;
    Ok(format)
}
