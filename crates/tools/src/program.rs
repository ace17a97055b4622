//! Programs of models: which functions they may call, one step of one, and what their calls came to as values. Making
//! the calls is the engine's doing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use code::{Described, Interpreter, Outcome, Step, StepError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use types::{
    CallOutput, Class, CommandResult, Content, Offer, OfferedTool, Pause, ProgramCall, Resume, SessionSettings, Tool,
    ToolKind, ToolOutcome, ToolRequest,
};

pub const NAME: &str = "run_python";

/// Bytes of descriptions of functions that a model is told.
const MAX_DESCRIBED: usize = 48 << 10;

/// Whether the agent has it.
pub fn is_wanted(settings: &SessionSettings) -> bool {
    settings.agent.tools.iter().any(|tool| matches!(tool, Tool::ProgrammaticToolCalling { enabled: true }))
}

/// The tool as a model is told of it, beside all else that it is offered.
pub fn tool(settings: &SessionSettings, offered: &[OfferedTool], room: usize) -> OfferedTool {
    let mut left = MAX_DESCRIBED.min(room);
    let (all, _) = functions(settings, offered);
    // There may be thousands, of which few are described.
    let shown = all.iter().take_while(|function| {
        left = left.saturating_sub(function.bytes());
        left > 0
    });
    let shown: Vec<_> = shown.map(Callable::described).collect();
    let mut description = code::description(&shown);
    if shown.len() < all.len() {
        description.push_str("The other tools that you are shown can be called under their names, too.\n");
    }
    let parameters = json!({
        "type": "object",
        "properties": {"code": {"type": "string", "description": "The program."}},
        "required": ["code"],
        "additionalProperties": false,
    });
    OfferedTool {
        name: NAME.to_owned(),
        description,
        parameters: parameters.as_object().cloned().unwrap_or_default().into(),
        class: Class::Pure,
        kind: ToolKind::Program,
        ..OfferedTool::default()
    }
}

/// A function that a program may call.
#[derive(Clone, Copy)]
struct Callable<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Map<String, Value>,
}

impl Callable<'_> {
    /// Bytes of what is said of it.
    fn bytes(&self) -> usize {
        let parameters = serde_json::to_string(self.parameters).map_or(0, |text| text.len());
        self.name.len() + self.description.len() + parameters
    }

    fn described(&self) -> Described {
        let (name, description) = (self.name.to_owned(), self.description.to_owned());
        Described { name, description, parameters: Value::Object(self.parameters.clone()) }
    }
}

/// What a program may call: first what its model is shown from the start, then what it has to search for. Always in the
/// same order, so that everything has the same name each time.
fn functions<'a>(settings: &'a SessionSettings, offered: &'a [OfferedTool]) -> (Vec<Callable<'a>>, Vec<Callable<'a>>) {
    let searches = crate::search::is_wanted(settings);
    let (mut shown, mut kept_back) = (Vec::new(), Vec::new());
    let mut names = std::collections::BTreeSet::new();
    for tool in &settings.agent.tools {
        if let Tool::Function { name, description, parameters, defer_loading, .. } = tool {
            names.insert(name.as_str());
            let callable = Callable { name, description, parameters };
            if *defer_loading && searches { kept_back.push(callable) } else { shown.push(callable) }
        }
    }
    let callable = offered.iter().filter(|tool| !matches!(tool.kind, ToolKind::ToolSearch | ToolKind::Program));
    for tool in callable.filter(|tool| !names.contains(tool.name.as_str())) {
        let callable = Callable { name: &tool.name, description: &tool.description, parameters: &tool.parameters };
        if tool.deferred && searches { kept_back.push(callable) } else { shown.push(callable) }
    }
    (shown, kept_back)
}

#[derive(Deserialize)]
struct Arguments {
    code: String,
}

/// One step of a program.
pub async fn perform(interpreter: &Interpreter, request: &ToolRequest) -> ToolOutcome {
    let (step, before) = match &request.resume {
        None => match begin(&request.settings, &request.offer, &request.call.arguments) {
            Ok(step) => (step, ""),
            Err(error) => return ToolOutcome::Failed(error),
        },
        Some(resume) => match go_on(resume) {
            Some(step) => (step, resume.printed.as_str()),
            None => return ToolOutcome::Failed("the program cannot go on: what was kept of it is damaged".to_owned()),
        },
    };
    match interpreter.step(request.project.as_str(), step).await {
        Ok(outcome) => told(outcome, before),
        // Nothing of a step is seen outside: it did not happen.
        Err(error @ (StepError::Stale | StepError::Damaged(_) | StepError::Unavailable(_))) => {
            ToolOutcome::Failed(error.to_string())
        }
    }
}

fn begin(settings: &SessionSettings, offer: &Offer, arguments: &str) -> Result<Step, String> {
    let Arguments { code } =
        serde_json::from_str(arguments).map_err(|error| format!("the arguments are wrong: {error}"))?;
    let (shown, kept_back) = functions(settings, &offer.tools);
    Ok(Step::Begin {
        code,
        functions: shown.iter().chain(&kept_back).map(|callable| callable.described().function()).collect(),
    })
}

fn go_on(resume: &Resume) -> Option<Step> {
    let snapshot = STANDARD.decode(resume.snapshot.as_bytes()).ok()?;
    let results =
        resume.results.iter().map(|(number, result)| (*number, result.as_ref().map(value).map_err(Clone::clone)));
    Some(Step::Resume { snapshot, results: results.collect() })
}

/// What a call came to, for a program: JSON as what it says, other text as text, and of images that there are some.
fn value(output: &CallOutput) -> Value {
    let text = match output {
        CallOutput::Text(text) => text.clone(),
        CallOutput::Parts(parts) => {
            let texts = parts.iter().map(|part| match part {
                Content::Text { text } => text.as_str(),
                Content::Image { .. } => "[an image]",
                Content::File { .. } => "[a file]",
            });
            texts.collect::<Vec<_>>().join("\n")
        }
    };
    // A number that JSON here does not hold to the digit stays text.
    const EXACT: usize = 15;
    match serde_json::from_str(&text) {
        Ok(Value::Number(_)) if text.trim().len() > EXACT => Value::String(text),
        Ok(value) => value,
        Err(_) => Value::String(text),
    }
}

/// `before` is what earlier steps printed.
fn told(outcome: Outcome, before: &str) -> ToolOutcome {
    let ended = |printed: String, last: Option<String>, exit_code| {
        let mut told = format!("{before}{printed}");
        if let Some(last) = last {
            if !told.is_empty() && !told.ends_with('\n') {
                told.push('\n');
            }
            told.push_str(&last);
        }
        let output = told.is_empty().then(String::new);
        if told.is_empty() {
            "The program ended, printed nothing, and its last line has no value.".clone_into(&mut told);
        }
        ToolOutcome::Ran(CommandResult { told, output, exit_code: Some(exit_code), ..CommandResult::default() })
    };
    match outcome {
        Outcome::Done { value, printed } => ended(printed, value, 0),
        Outcome::Raised { traceback, printed } => ended(printed, Some(traceback), 1),
        Outcome::Paused { snapshot, printed, calls } => {
            let calls = calls.into_iter().map(|call| ProgramCall {
                number: call.id,
                name: call.name,
                arguments: call.arguments.to_string(),
            });
            ToolOutcome::Paused(Pause {
                snapshot: STANDARD.encode(snapshot).into(),
                printed: format!("{before}{printed}"),
                calls: calls.collect(),
            })
        }
    }
}

#[cfg(test)]
mod tests;
