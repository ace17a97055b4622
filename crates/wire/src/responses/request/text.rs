//! What form the answer has, and how much the model thinks and says.

use super::super::resource::Reasoning;
use super::super::words::{Effort, FormatKind, ReasoningContext, ReasoningMode, Summary, Verbosity};
use super::{kind, name};
use crate::agents::request::{MAX_SCHEMAS, compact_size, object_schema};
use crate::error::Fault;
use crate::reader::{Node, Object};
use serde_json::{Map, Value};

#[derive(Clone, Default, PartialEq, Debug)]
pub struct TextSettings {
    pub format: Format,
    pub verbosity: Option<Verbosity>,
}

#[derive(Clone, Default, PartialEq, Debug)]
pub enum Format {
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    JsonSchema {
        name: String,
        description: Option<String>,
        schema: Map<String, Value>,
        strict: Option<bool>,
    },
}

pub(super) fn text(node: Node) -> Result<TextSettings, Fault> {
    let mut object = node.object()?;
    let settings = TextSettings {
        format: object.present("format").map_or(Ok(Format::Text), format)?,
        verbosity: object.present("verbosity").map(Node::word).transpose()?,
    };
    object.finish()?;
    Ok(settings)
}

fn format(node: Node) -> Result<Format, Fault> {
    let mut object = node.object()?;
    let format = match kind(&mut object)? {
        FormatKind::Text => Format::Text,
        FormatKind::JsonObject => Format::JsonObject,
        FormatKind::JsonSchema => {
            let name = object.required("name").and_then(name)?;
            let schema = schema(&mut object, &name)?;
            let description = object.present("description").map(Node::string).transpose()?;
            let strict = object.present("strict").map(Node::boolean).transpose()?;
            Format::JsonSchema { name, description, schema, strict }
        }
    };
    object.finish()?;
    Ok(format)
}

fn schema(object: &mut Object, name: &str) -> Result<Map<String, Value>, Fault> {
    let path = object.path("schema");
    let schema = object.required("schema")?.map()?;
    object_schema(&path, &format!("response_format '{name}'"), &schema)?;
    let size = compact_size(&schema);
    if size > MAX_SCHEMAS {
        let text = format!(
            "Invalid '{path}': schema too large. Expected at most {MAX_SCHEMAS} bytes of compact JSON, but got {size} bytes instead."
        );
        return Err(Fault::at(&path, text));
    }
    Ok(schema)
}

/// `generate_summary` is the older name of `summary`.
pub(super) fn reasoning(node: Node) -> Result<Reasoning, Fault> {
    let mut object = node.object()?;
    let effort = object.present("effort").map(Node::word::<Effort>).transpose()?;
    let summary = object.present("summary").map(Node::word::<Summary>).transpose()?;
    let older = object.present("generate_summary").map(Node::word::<Summary>).transpose()?;
    object.present("context").map(Node::word::<ReasoningContext>).transpose()?;
    object.present("mode").map(Node::word::<ReasoningMode>).transpose()?;
    object.finish()?;
    Ok(Reasoning { effort, summary: summary.or(older) })
}
