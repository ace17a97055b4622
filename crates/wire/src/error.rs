//! What is wrong with a request, and the one shape in which every error leaves.

use serde::Serialize;

/// The longest piece of a request that an error message repeats, in characters.
const CLIP: usize = 100;

/// A request that is wrong: always a 400.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    pub message: String,
    /// The JSON path of the parameter at fault: `agent.tools[0].name`.
    pub param: Option<String>,
}

impl Fault {
    /// A fault of the request as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), param: None }
    }

    /// A fault of one parameter.
    pub fn at(param: &str, message: impl Into<String>) -> Self {
        Self { message: message.into(), param: Some(clip(param)) }
    }
}

/// `text`, shortened to what an error may repeat.
pub(crate) fn clip(text: &str) -> String {
    match text.char_indices().nth(CLIP) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `{"error":{…}}`.
#[derive(Serialize, Clone, Debug)]
pub struct ErrorEnvelope<'a> {
    pub error: ErrorBody<'a>,
}

/// `code` and `param` are sent as null where there is none.
#[derive(Serialize, Clone, Debug)]
pub struct ErrorBody<'a> {
    pub message: &'a str,
    pub r#type: &'a str,
    pub code: Option<&'a str>,
    pub param: Option<&'a str>,
}
