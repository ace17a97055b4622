//! What form the answer has, and how much the model thinks and says.

use super::super::resource::Reasoning;
use super::super::words::{ReasoningContext, ReasoningMode, Summary};
use super::{MAX_NAME, kind};
use crate::agents::{Effort, Verbosity};
use crate::demand::{Format, FormatKind, json_schema};
use crate::error::Fault;
use crate::reader::Node;

#[derive(Clone, Default, PartialEq, Debug)]
pub struct TextSettings {
    pub format: Format,
    pub verbosity: Option<Verbosity>,
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
        FormatKind::JsonSchema => json_schema(&mut object, MAX_NAME)?,
    };
    object.finish()?;
    Ok(format)
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
