//! What is confidential of an environment: variables, and commands that set it up. Errors never repeat a value.

use super::path::directory;
use crate::error::{Fault, clip};
use crate::reader::Node;
use std::collections::BTreeMap;

/// Variables of one environment.
const MAX_VARIABLES: usize = 100;
/// The longest name of one, and the longest value, in bytes.
const MAX_NAME: usize = 256;
const MAX_VALUE: usize = 32 << 10;
/// Setup commands, and the longest one in bytes.
const MAX_COMMANDS: usize = 50;
const MAX_COMMAND: usize = 16 << 10;

/// A command line for the shell.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CommandParam {
    pub command: String,
    /// Absolute. None: `/workspace`.
    pub cwd: Option<String>,
}

pub fn env(node: Node) -> Result<BTreeMap<String, String>, Fault> {
    let at = node.path().to_owned();
    let entries = node.entries()?;
    if entries.len() > MAX_VARIABLES {
        let text = format!(
            "Invalid '{at}': too many properties. Expected an object with at most {MAX_VARIABLES} properties, but got an object with {} properties instead.",
            entries.len()
        );
        return Err(Fault::at(&at, text));
    }
    let mut variables = BTreeMap::new();
    for (name, node) in entries {
        if let Some(trouble) = trouble(&name) {
            return Err(Fault::at(&at, format!("Invalid property name in '{at}': '{}' {trouble}", clip(&name))));
        }
        variables.insert(name, bounded(node, MAX_VALUE)?);
    }
    Ok(variables)
}

/// What is wrong with the name of a variable.
fn trouble(name: &str) -> Option<&'static str> {
    let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(is_first) && name.chars().all(|c| is_first(c) || c.is_ascii_digit());
    if !is_name {
        Some("is no name of an environment variable.")
    } else if name.len() > MAX_NAME {
        Some("is too long.")
    } else if name == "PATH" || name == "OPENAI_API_KEY" || name.starts_with("CODEX_") {
        Some("is reserved.")
    } else {
        None
    }
}

pub fn commands(node: Node) -> Result<Vec<CommandParam>, Fault> {
    node.sized_array("an array of objects", 0, MAX_COMMANDS)?.into_iter().map(command).collect()
}

fn command(node: Node) -> Result<CommandParam, Fault> {
    let mut object = node.object()?;
    let node = object.required("command")?;
    let at = node.path().to_owned();
    let command = bounded(node, MAX_COMMAND)?;
    if command.trim().is_empty() {
        return Err(Fault::at(&at, format!("Invalid '{at}': empty string. Expected a shell command.")));
    }
    let cwd = object.present("cwd").map(directory).transpose()?;
    object.finish()?;
    Ok(CommandParam { command, cwd })
}

/// Text for a process: at most so many bytes, and no NUL.
fn bounded(node: Node, most: usize) -> Result<String, Fault> {
    let at = node.path().to_owned();
    let text = node.string()?;
    if text.len() > most {
        let size = text.len();
        let text = format!("Invalid '{at}': string too long. Expected at most {most} bytes, but got {size} instead.");
        return Err(Fault::at(&at, text));
    }
    if text.contains('\0') {
        return Err(Fault::at(&at, format!("Invalid '{at}'. A value cannot have a NUL in it.")));
    }
    Ok(text)
}
