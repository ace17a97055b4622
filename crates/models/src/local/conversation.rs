//! A request as this model reads it: messages with roles, put into the words of the model's own template.
//!
//! The template has no place for functions. What a conversation holds of calls (another model may have made them) is
//! told as plain text.

use super::error::LoadError;
use super::gguf::Gguf;
use super::vocabulary::Vocabulary;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::Serialize;
use std::collections::BTreeMap;
use types::{CallOutput, Content, ContextItem, ModelError, ModelErrorKind, ModelRequest, TextFormat};

const TEMPLATE: &str = "chat";

/// One message of a conversation.
#[derive(Clone, Serialize, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    pub role: &'static str,
    pub content: String,
}

/// The turns of a request, or why this model cannot take it.
pub(super) fn turns(request: &ModelRequest) -> Result<Vec<Turn>, ModelError> {
    if !matches!(request.format, TextFormat::Text) {
        return Err(invalid("the local model answers in plain text only: ask it without a format"));
    }
    let mut turns = Vec::new();
    let mut push = |role, content| turns.push(Turn { role, content });
    if let Some(instructions) = &request.instructions {
        push("system", instructions.clone());
    }
    let mut names = BTreeMap::new();
    for item in &request.context {
        match item {
            ContextItem::User { content } => push("user", text_of(content)?),
            ContextItem::Assistant { text } => push("assistant", text.clone()),
            ContextItem::Reasoning { .. } => {}
            ContextItem::Call { call_id, name, arguments } => {
                names.insert(call_id, name);
                push("assistant", format!("I call the function {name} with {arguments}."));
            }
            ContextItem::Output { call_id, output } => {
                let name = names.get(call_id).map_or(call_id.as_str(), |name| name);
                let output = match output {
                    CallOutput::Text(text) => text.clone(),
                    CallOutput::Parts(parts) => text_of(parts)?,
                };
                push("user", format!("The function {name} returned: {output}"));
            }
        }
    }
    Ok(turns)
}

fn text_of(content: &[Content]) -> Result<String, ModelError> {
    let texts = content.iter().map(|part| match part {
        Content::Text { text } => Ok(text.as_str()),
        Content::Image { .. } => Err(invalid("the local model reads text only: it cannot see images")),
    });
    Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
}

fn invalid(message: &str) -> ModelError {
    ModelError::new(ModelErrorKind::Invalid, message)
}

/// The model's own way to write a conversation down.
pub(super) struct Template(Environment<'static>);

impl Template {
    pub fn read(gguf: &Gguf) -> Result<Self, LoadError> {
        let Some(source) = gguf.text("tokenizer.chat_template") else {
            return Err(gguf.unsupported("it has no chat template, so it is no instruct model".to_owned()));
        };
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        // A template is a program: it may not run for ever.
        environment.set_fuel(Some(50_000_000));
        environment.add_function("raise_exception", |message: String| -> Result<Value, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, message))
        });
        let unusable = |error: minijinja::Error| gguf.unsupported(format!("its chat template fails: {error}"));
        environment.add_template_owned(TEMPLATE, source.to_owned()).map_err(unusable)?;
        let template = Self(environment);
        template.render(&[Turn { role: "user", content: "Hello".to_owned() }]).map_err(unusable)?;
        Ok(template)
    }

    /// The tokens of a conversation up to the place where the answer begins. At most `limit` tokens: more is
    /// [`ModelErrorKind::ContextLength`].
    pub fn prompt(&self, turns: &[Turn], vocabulary: &Vocabulary, limit: usize) -> Result<Vec<u32>, ModelError> {
        let too_long = |count: usize, least: &str| {
            let message = format!(
                "the conversation has {least}{count} tokens and the local model's context holds {limit}, \
                 answer included"
            );
            ModelError::new(ModelErrorKind::ContextLength, message)
        };
        // What cannot fit is not worth cutting into tokens.
        let least = vocabulary.least_tokens(turns.iter().map(|turn| turn.content.len()).sum());
        if least >= limit {
            return Err(too_long(least, "at least "));
        }
        let shielded: Vec<Turn> =
            turns.iter().map(|turn| Turn { role: turn.role, content: vocabulary.shield(&turn.content) }).collect();
        let text = self.render(&shielded).map_err(|error| {
            ModelError::new(ModelErrorKind::Invalid, format!("the local model's template refuses this: {error}"))
        })?;
        let tokens = vocabulary.encode(&text).map_err(|why| ModelError::new(ModelErrorKind::Internal, why))?;
        match tokens.len() {
            0 => Err(invalid("the conversation is empty")),
            count if count >= limit => Err(too_long(count, "")),
            _ => Ok(tokens),
        }
    }

    fn render(&self, turns: &[Turn]) -> Result<String, minijinja::Error> {
        self.0.get_template(TEMPLATE)?.render(context! { messages => turns, add_generation_prompt => true })
    }
}
