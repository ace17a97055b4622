//! Tools as a server lists them, read with distrust: what is none of use is left out and said why.

use crate::failure::quoted;
use crate::limits::Limits;
use crate::mirror::{Mirrored, mirrored};
use crate::schema::checked;
use serde_json::{Map, Value};

/// The longest name and description that are read.
const NAME: usize = 256;
const DESCRIPTION: usize = 64 * 1024;

/// What a server says of what a tool does. Its word, not a fact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    pub read_only: bool,
    pub idempotent: bool,
    /// `None` where it does not say, which the protocol takes for yes.
    pub destructive: Option<bool>,
    pub open_world: Option<bool>,
}

/// A tool that may be offered.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// At most 256 bytes, without control characters; unique in its listing.
    pub name: String,
    pub title: Option<String>,
    /// At most 64 KiB.
    pub description: String,
    /// Describes an object. References in it lead nowhere: nothing is fetched.
    pub input_schema: Map<String, Value>,
    pub hints: Hints,
    pub(crate) mirrored: Vec<Mirrored>,
}

/// A tool that is not offered, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub name: String,
    pub why: String,
}

impl Tool {
    /// `http` is whether arguments may have to be repeated in headers.
    pub(crate) fn read(value: Value, limits: &Limits, http: bool) -> Result<Self, LeftOut> {
        let Value::Object(mut fields) = value else {
            return Err(LeftOut { name: String::new(), why: "it is no object".to_owned() });
        };
        let name = match fields.remove("name") {
            Some(Value::String(name)) => name,
            _ => return Err(LeftOut { name: String::new(), why: "it has no name".to_owned() }),
        };
        let left_out = |why: String| LeftOut { name: quoted(&name), why };
        if name.is_empty() || name.len() > NAME || !is_plain(&name) {
            return Err(left_out(format!("its name is not 1 to {NAME} bytes that look like what they are")));
        }
        let input_schema =
            checked(fields.remove("inputSchema"), limits.schema, limits.schema_depth).map_err(left_out)?;
        let mirrored = if http { mirrored(&input_schema).map_err(left_out)? } else { Vec::new() };
        let mut description = text(fields.remove("description")).unwrap_or_default();
        if description.len() > DESCRIPTION {
            return Err(left_out(format!("its description is longer than {DESCRIPTION} bytes")));
        }
        description.truncate(description.trim_end().len());
        let annotations = fields.remove("annotations").unwrap_or(Value::Null);
        let title = text(fields.remove("title")).or_else(|| annotations["title"].as_str().map(str::to_owned));
        let title = title.map(|title| quoted(&title)).filter(|title| !title.is_empty());
        Ok(Self { title, description, input_schema, hints: hints(&annotations), mirrored, name })
    }
}

/// Whether a person who reads it reads what it is: nothing in it is hidden, turns it around or has another spelling.
fn is_plain(name: &str) -> bool {
    !name.chars().any(crate::failure::is_hidden) && unicode_normalization::is_nfc(name)
}

fn text(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn hints(annotations: &Value) -> Hints {
    let flag = |key: &str| annotations[key].as_bool();
    let read_only = flag("readOnlyHint").unwrap_or(false);
    Hints {
        read_only,
        idempotent: flag("idempotentHint").unwrap_or(false),
        destructive: flag("destructiveHint"),
        open_world: flag("openWorldHint"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Tool, LeftOut> {
        Tool::read(value, &Limits::default(), true)
    }

    #[test]
    fn a_tool_is_read() {
        let tool = read(json!({
            "name": "add", "title": "Add", "description": "Adds.\n", "inputSchema": {"type": "object"},
            "annotations": {"readOnlyHint": true, "destructiveHint": false, "title": "other"},
        }))
        .unwrap();
        assert_eq!((tool.title.as_deref(), tool.description.as_str()), (Some("Add"), "Adds."));
        assert!(tool.hints.read_only && !tool.hints.idempotent && tool.hints.destructive == Some(false));
        let plain = read(json!({"name": "x", "inputSchema": {"type": "object"}, "annotations": [1]})).unwrap();
        assert_eq!(plain.hints, Hints::default());
    }

    #[test]
    fn tools_of_no_use_are_left_out() {
        for bad in [
            json!(1),
            json!({"inputSchema": {}}),
            json!({"name": "", "inputSchema": {}}),
            json!({"name": "a\nb", "inputSchema": {}}),
            json!({"name": "a\u{202e}b", "inputSchema": {}}),
            json!({"name": "a\u{200b}", "inputSchema": {}}),
            json!({"name": "a\u{2066}b\u{2069}", "inputSchema": {}}),
            json!({"name": "e\u{301}", "inputSchema": {}}),
            json!({"name": "a".repeat(257), "inputSchema": {}}),
            json!({"name": "a"}),
            json!({"name": "a", "inputSchema": {"type": "string"}}),
            json!({"name": "a", "inputSchema": {}, "description": "x".repeat(70_000)}),
            json!({"name": "a", "inputSchema": {"properties": {"p": {"type": "number", "x-mcp-header": "P"}}}}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
    }
}
