//! What a request demands of a model, where Chat Completions and Responses mean the same: the form of the answer, tools,
//! which of them are to be called, and the files that it reads. Where a part stands in a request, and how long it may be, is its door's to say.

use crate::agents::request::{MAX_SCHEMAS, compact_within, object_schema};
use crate::error::{Fault, clip};
use crate::reader::{Node, Object};
use crate::words::words;
use serde_json::{Map, Value};

words! {
    FormatKind { Text => "text", JsonObject => "json_object", JsonSchema => "json_schema" }
    GrammarKind { Text => "text", Grammar => "grammar" }
    /// The language of a custom tool's grammar.
    Syntax { Lark => "lark", Regex => "regex" }
    ChoiceWord { None => "none", Auto => "auto", Required => "required" }
    ChoiceKind { Function => "function", Custom => "custom", AllowedTools => "allowed_tools" }
    AllowedMode { Auto => "auto", Required => "required" }
    /// The tools that can be named in a choice.
    NamedKind { Function => "function", Custom => "custom" }
    Detail { Auto => "auto", Low => "low", High => "high", Original => "original" }
}

/// What form the answer has.
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
        /// None where the client did not say.
        strict: Option<bool>,
    },
}

/// A tool with every default filled in.
#[derive(Clone, PartialEq, Debug)]
pub enum ToolParam {
    Function { name: String, description: String, parameters: Map<String, Value>, strict: Option<bool> },
    Custom { name: String, description: String, format: CustomFormat },
}

/// What the free text of a custom tool must look like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CustomFormat {
    Text,
    Grammar { syntax: Syntax, definition: String },
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    Function(String),
    Custom(String),
    /// Only these may be called, and one of them must be where `required`.
    Allowed {
        required: bool,
        names: Vec<String>,
    },
}

/// Where the content of a file is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileSource {
    /// Base64, with or without the head of a `data:` URL.
    Data(String),
    /// The id of an uploaded file.
    Id(String),
}

impl ToolParam {
    pub fn name(&self) -> &str {
        match self {
            Self::Function { name, .. } | Self::Custom { name, .. } => name,
        }
    }

    pub(crate) fn kind(&self) -> NamedKind {
        match self {
            Self::Function { .. } => NamedKind::Function,
            Self::Custom { .. } => NamedKind::Custom,
        }
    }
}

/// A name as upstreams take it: 1 to `most` letters, digits, `_` and `-`.
pub(crate) fn name(node: Node, most: usize) -> Result<String, Fault> {
    let path = node.path().to_owned();
    let name = node.short_text(most)?;
    if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Ok(name);
    }
    let text = format!(
        "Invalid '{path}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    );
    Err(Fault::at(&path, text))
}

/// The form that a schema describes; its name has up to `longest_name` characters.
pub(crate) fn json_schema(object: &mut Object, longest_name: usize) -> Result<Format, Fault> {
    let name = name(object.required("name")?, longest_name)?;
    let schema = object.required("schema")?.map()?;
    let path = object.path("schema");
    object_schema(&path, &format!("response_format '{name}'"), &schema)?;
    compact_within(&path, "schema", &schema, MAX_SCHEMAS)?;
    let description = object.present("description").map(Node::string).transpose()?;
    let strict = object.present("strict").map(Node::boolean).transpose()?;
    Ok(Format::JsonSchema { name, description, schema, strict })
}

pub(crate) fn function(object: &mut Object, longest_name: usize) -> Result<ToolParam, Fault> {
    let name = name(object.required("name")?, longest_name)?;
    let description = object.present("description").map_or(Ok(String::new()), Node::string)?;
    let parameters = object.present("parameters").map_or(Ok(Map::new()), Node::map)?;
    object_schema(&object.path("parameters"), &format!("function '{}'", clip(&name)), &parameters)?;
    let strict = object.present("strict").map(Node::boolean).transpose()?;
    Ok(ToolParam::Function { name, description, parameters, strict })
}

/// `format` reads what its text must look like, which each door writes its own way.
pub(crate) fn custom(
    object: &mut Object,
    longest_name: usize,
    format: fn(Node) -> Result<CustomFormat, Fault>,
) -> Result<ToolParam, Fault> {
    Ok(ToolParam::Custom {
        name: name(object.required("name")?, longest_name)?,
        description: object.present("description").map_or(Ok(String::new()), Node::string)?,
        format: object.present("format").map_or(Ok(CustomFormat::Text), format)?,
    })
}

/// The definition has up to `longest` characters.
pub(crate) fn grammar(object: &mut Object, longest: usize) -> Result<CustomFormat, Fault> {
    let syntax = object.required("syntax")?.word()?;
    Ok(CustomFormat::Grammar { syntax, definition: object.required("definition")?.short_text(longest)? })
}

/// A choice that is one word.
pub(crate) fn choice_word(node: Node) -> Result<ToolChoice, Fault> {
    Ok(match node.word()? {
        ChoiceWord::None => ToolChoice::None,
        ChoiceWord::Auto => ToolChoice::Auto,
        ChoiceWord::Required => ToolChoice::Required,
    })
}

/// The fault of a choice at `path` that names what is not there.
pub(crate) fn no_such_tool(path: &str, name: &str) -> Fault {
    Fault::at(path, format!("Tool choice '{}' not found in 'tools' parameter.", clip(name)))
}
