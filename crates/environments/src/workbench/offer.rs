//! The tools as a model is told of them.

use serde_json::{Value, json};
use types::{Class, OfferedTool};

pub(super) const SHELL: &str = "shell";
pub(super) const WRITE_STDIN: &str = "write_stdin";
pub(super) const APPLY_PATCH: &str = "apply_patch";
pub(super) const READ_FILE: &str = "read_file";
pub(super) const WRITE_FILE: &str = "write_file";
pub(super) const LIST_FILES: &str = "list_files";
pub(super) const VIEW_IMAGE: &str = "view_image";

/// All of them, always in the same order.
pub(super) fn tools() -> Vec<OfferedTool> {
    vec![shell(), write_stdin(), apply_patch(), read_file(), write_file(), list_files(), view_image()]
}

fn tool(name: &str, class: Class, description: &str, required: &[&str], properties: Value) -> OfferedTool {
    let schema = json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    });
    let parameters = schema.as_object().cloned().unwrap_or_default().into();
    let (name, description) = (name.to_owned(), description.to_owned());
    OfferedTool { name, description, parameters, class, ..OfferedTool::default() }
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn number(description: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": description})
}

fn flag(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

fn shell() -> OfferedTool {
    let description = "Runs a command line in the environment's shell and returns its exit code and what it printed. \
        Without `background` it waits until the command ends, and stops it when its time is over; such a command gets no \
        input. With `background` it returns while the command runs on, with a process id for `write_stdin`: for servers, \
        watchers, programs that ask questions, and whatever takes more than a few minutes.";
    let properties = json!({
        "command": text("The command line. Pipes, `&&` and several lines are fine."),
        "workdir": text("Where to run it; relative to the workspace, which is also the default."),
        "timeout_ms": number("How long it may run; 120000 if left out, at most 540000. Not with `background`."),
        "background": flag("Return while it still runs."),
        "yield_time_ms": number("With `background`: how long to wait for its first output; 1000 if left out, at most 300000."),
        "terminal": flag("With `background`: give it a terminal, for programs that insist on one."),
    });
    tool(SHELL, Class::Attachable, description, &["command"], properties)
}

fn write_stdin() -> OfferedTool {
    let description = "Talks to a process that `shell` left running: writes input to it, signals it, or only looks what it \
        has printed since. Returns its new output and, once it has ended, its exit code.";
    let properties = json!({
        "process_id": number("The id that `shell` returned."),
        "input": text("What to write; end it with a newline where the program reads lines. Leave it out to look only."),
        "signal": {
            "type": "string",
            "enum": ["interrupt", "terminate"],
            "description": "`interrupt` is Ctrl-C; `terminate` ends it.",
        },
        "after": number("The place from which to read on, as the last result said; 0 if left out: all that is still kept."),
        "yield_time_ms": number("How long to wait for output; 1000 if left out, at most 300000."),
    });
    tool(WRITE_STDIN, Class::Irreversible, description, &["process_id"], properties)
}

fn apply_patch() -> OfferedTool {
    let description = "Changes files by a patch: all of them, or none if a part does not fit. The patch begins with the line \
        `*** Begin Patch` and ends with `*** End Patch`. Between them each file has one section: `*** Add File: PATH`, then \
        its lines, each after a `+`; `*** Delete File: PATH`; or `*** Update File: PATH`, perhaps `*** Move to: PATH`, then \
        the parts that change. A part begins with `@@`, which may be followed by a line that comes earlier in the file, as \
        the head of a function, to say where. Its lines begin with a space (kept), `-` (removed) or `+` (added). There are no \
        line numbers: give about three kept lines before and after a change, to the letter, so that there is one place only. \
        Parts are in the order of the file. `*** End of File` after a part says that it is the file's end.";
    let properties = json!({"patch": text("The whole patch.")});
    tool(APPLY_PATCH, Class::Idempotent, description, &["patch"], properties)
}

fn read_file() -> OfferedTool {
    let description = "Returns lines of a text file, and says where to go on if there are more.";
    let properties = json!({
        "path": text("Relative to the workspace, or absolute."),
        "offset": number("The first line, counted from 1."),
        "limit": number("How many lines; 800 if left out."),
    });
    tool(READ_FILE, Class::Pure, description, &["path"], properties)
}

fn write_file() -> OfferedTool {
    let description = "Writes a whole text file, with the directories above it; what it held before is gone. To change a part \
        of a file use `apply_patch`.";
    let properties = json!({
        "path": text("Relative to the workspace, or absolute."),
        "content": text("All that the file is to hold."),
    });
    tool(WRITE_FILE, Class::Idempotent, description, &["path", "content"], properties)
}

fn list_files() -> OfferedTool {
    let description = "Lists a directory. Directories end with `/`, links with `@`.";
    let properties = json!({
        "path": text("Relative to the workspace, which is also the default, or absolute."),
        "depth": number("How many levels; 1 if left out, at most 6."),
    });
    tool(LIST_FILES, Class::Pure, description, &[], properties)
}

fn view_image() -> OfferedTool {
    let description = "Shows you an image file of the environment: PNG, JPEG, GIF or WebP.";
    let properties = json!({"path": text("Relative to the workspace, or absolute.")});
    tool(VIEW_IMAGE, Class::Pure, description, &["path"], properties)
}

#[cfg(test)]
mod tests {
    use super::super::{Problem, arguments};
    use super::*;

    /// The fields that a tool's arguments have, as the error about a foreign one names them.
    fn fields<T: serde::de::DeserializeOwned>() -> Vec<String> {
        let Err(Problem::Failed(error)) = arguments::read::<T>("{\"?\":1}") else { panic!("it takes anything") };
        let mut names: Vec<String> = error.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        names.sort();
        names
    }

    #[test]
    fn every_tool_takes_what_its_schema_says() {
        let read = [
            fields::<arguments::Shell>(),
            fields::<arguments::WriteStdin>(),
            fields::<arguments::ApplyPatch>(),
            fields::<arguments::ReadFile>(),
            fields::<arguments::WriteFile>(),
            fields::<arguments::ListFiles>(),
            fields::<arguments::ViewImage>(),
        ];
        for (tool, fields) in tools().iter().zip(read) {
            let mut said: Vec<String> = tool.parameters["properties"].as_object().unwrap().keys().cloned().collect();
            said.sort();
            assert_eq!(said, fields, "{}", tool.name);
            for name in tool.parameters["required"].as_array().unwrap() {
                assert!(fields.iter().any(|field| name == field), "{}: {name}", tool.name);
            }
        }
        assert_eq!(tools().len(), 7);
    }
}
