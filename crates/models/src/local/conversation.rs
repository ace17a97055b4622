//! A request as this model reads it: messages with roles, put into the words of the model's own template.
//!
//! The template has no place for functions. They are told of in the system message, and calls and results are written
//! down in the form that the grammar gives to calls. Where a request has no functions, what the conversation holds of calls
//! is told as plain text.

use super::error::LoadError;
use super::gguf::Gguf;
use super::grammar::preamble;
use super::vocabulary::Vocabulary;
use crate::custom;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use types::{CallId, CallOutput, Content, ContextItem, ModelError, ModelErrorKind, ModelRequest};

const TEMPLATE: &str = "chat";

/// One message of a conversation.
#[derive(Clone, Serialize, PartialEq, Eq, Debug)]
pub(super) struct Turn {
    pub role: &'static str,
    pub content: String,
}

/// The turns of a request, or why this model cannot take it.
pub(super) fn turns(request: &ModelRequest) -> Result<Vec<Turn>, ModelError> {
    let told = [request.instructions.clone().unwrap_or_default(), preamble::preamble(request)];
    let system = told.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n");
    let mut turns: Vec<Turn> = Vec::new();
    if !system.is_empty() {
        turns.push(Turn { role: "system", content: system });
    }
    let mut names: BTreeMap<&CallId, &str> = BTreeMap::new();
    let mut items = request.context.as_slice();
    while let Some((item, rest)) = items.split_first() {
        let of_calls = match item {
            ContextItem::Call { .. } => {
                items.iter().take_while(|item| matches!(item, ContextItem::Call { .. })).count()
            }
            ContextItem::Output { .. } => {
                items.iter().take_while(|item| matches!(item, ContextItem::Output { .. })).count()
            }
            _ => 0,
        };
        if of_calls > 0 {
            let (some, after) = items.split_at(of_calls);
            calls_and_results(some, preamble::has_functions(request), &mut names, &mut turns)?;
            items = after;
            continue;
        }
        match item {
            // What stands above the conversation from the start is one with the instructions.
            ContextItem::System { content } => match turns.last_mut() {
                Some(turn) if turn.role == "system" => {
                    turn.content = format!("{}\n\n{}", turn.content, text_of(content)?);
                }
                _ => turns.push(Turn { role: "system", content: text_of(content)? }),
            },
            ContextItem::User { content } => turns.push(Turn { role: "user", content: text_of(content)? }),
            ContextItem::Assistant { text } => turns.push(Turn { role: "assistant", content: text.clone() }),
            _ => {}
        }
        items = rest;
    }
    Ok(turns)
}

/// Calls that stand together, or results that do: one turn.
fn calls_and_results<'a>(
    items: &'a [ContextItem],
    as_calls: bool,
    names: &mut BTreeMap<&'a CallId, &'a str>,
    turns: &mut Vec<Turn>,
) -> Result<(), ModelError> {
    let mut calls = Vec::new();
    let mut results = Vec::new();
    for item in items {
        match item {
            ContextItem::Call { call_id, name, arguments, custom } => {
                names.insert(call_id, name);
                let arguments = if *custom { Cow::from(custom::written(arguments)) } else { Cow::from(arguments) };
                calls.push((name.as_str(), arguments));
            }
            ContextItem::Output { call_id, output } => {
                let name = names.get(call_id).copied().unwrap_or(call_id.as_str());
                let output = match output {
                    CallOutput::Text(text) => text.clone(),
                    CallOutput::Parts(parts) => text_of(parts)?,
                };
                results.push((name, output));
            }
            _ => {}
        }
    }
    if !calls.is_empty() {
        let called = match as_calls {
            true => {
                let written: Vec<_> = calls.iter().map(|(name, arguments)| (*name, arguments.as_ref())).collect();
                preamble::written(&written)
            }
            false => {
                lines(calls.iter().map(|(name, arguments)| format!("I call the function {name} with {arguments}.")))
            }
        };
        match turns.last_mut() {
            // What the model said before its calls belongs to the same answer.
            Some(turn) if turn.role == "assistant" => turn.content = format!("{}\n{called}", turn.content),
            _ => turns.push(Turn { role: "assistant", content: called }),
        }
    }
    if !results.is_empty() {
        let returned = match as_calls {
            true => preamble::returned(&results),
            false => lines(results.iter().map(|(name, output)| format!("The function {name} returned: {output}"))),
        };
        turns.push(Turn { role: "user", content: returned });
    }
    Ok(())
}

fn lines(lines: impl Iterator<Item = String>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

fn text_of(content: &[Content]) -> Result<String, ModelError> {
    let texts = content.iter().map(|part| match part {
        Content::Text { text } => Ok(text.as_str()),
        Content::Image { .. } => Err(invalid("the local model reads text only: it cannot see images")),
        Content::File { .. } => Err(invalid("the local model reads text only: it cannot read files")),
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
