//! A command in a runtime's session: what is asked, and the chunks in which it is answered.

use crate::error::Fault;
use crate::eventstream::{self, Unwritable};
use crate::reader::Object;
use serde::Serialize;
use serde_json::{Map, Value};

const COMMAND: usize = 65_536;
/// Seconds.
const TIME: u64 = 300;
const LONGEST: u64 = 3_600;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuntimeCommand {
    pub command: String,
    /// Seconds.
    pub timeout: u64,
}

impl RuntimeCommand {
    pub fn read(map: Map<String, Value>) -> Result<Self, Fault> {
        let mut object = Object::root(map);
        let node = object.present("command").ok_or_else(|| object.missing("command"))?;
        let command = node.short_text(COMMAND)?;
        if command.contains('\0') {
            return Err(Fault::at("command", "Invalid 'command': no command holds a zero."));
        }
        let timeout = object.present("timeout").map(|node| node.integer(1, LONGEST)).transpose()?.unwrap_or(TIME);
        object.finish()?;
        Ok(Self { command, timeout })
    }
}

/// What comes of a command.
#[derive(Serialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum CommandChunk<'a> {
    ContentStart {},
    ContentDelta {
        #[serde(skip_serializing_if = "Option::is_none")]
        stdout: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        stderr: Option<&'a str>,
    },
    ContentStop {
        exit_code: i32,
        /// `COMPLETED` or `TIMED_OUT`.
        status: &'static str,
    },
}

impl<'a> CommandChunk<'a> {
    pub fn output(text: &'a str) -> Self {
        Self::ContentDelta { stdout: Some(text), stderr: None }
    }

    pub fn error(text: &'a str) -> Self {
        Self::ContentDelta { stdout: None, stderr: Some(text) }
    }

    /// The last one. None: its time was over.
    pub fn end(exit_code: Option<i32>) -> Self {
        let status = if exit_code.is_some() { "COMPLETED" } else { "TIMED_OUT" };
        Self::ContentStop { exit_code: exit_code.unwrap_or(-1), status }
    }

    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), Unwritable> {
        eventstream::event(out, "chunk", self)
    }
}
