//! Where a session stands in its script, told by the transcript alone, so that it is the same after a crash, on another
//! node and in a fork.
//!
//! The newest user message is the script, if it has directives; a message without any is echoed. Every round of calls
//! whose results came takes the place behind one more `call` line; a round begins with the first call, and with each
//! call that follows a result, so that several calls of one line are one round. Lines that only `fail` are passed
//! together with the `call` line behind them. A message of the model ends the script: from then on it echoes.

use super::directive::{Directive, directives};
use types::{CallOutput, Content, ContextItem};

pub(super) struct Place {
    /// Which user message is the script, counted from 0.
    pub(super) message: usize,
    /// The directives that are left, with their numbers in the script.
    pub(super) ahead: Vec<(usize, Directive)>,
    /// The newest text that the model was told, by a message or by a result.
    pub(super) newest: String,
}

impl Place {
    pub(super) fn find(context: &[ContextItem]) -> Self {
        let mut place = Self { message: 0, ahead: Vec::new(), newest: newest(context) };
        let script = context.iter().enumerate().rev().find_map(|(at, item)| match item {
            ContextItem::User { content } => Some((at, content)),
            _ => None,
        });
        if let Some((at, content)) = script {
            place.message = context[..at].iter().filter(|item| matches!(item, ContextItem::User { .. })).count();
            if let Some(rounds) = rounds(&context[at + 1..]) {
                place.ahead = ahead(directives(&text(content)), rounds);
            }
        }
        place
    }
}

/// Rounds of calls since the script; None when it has ended.
fn rounds(since: &[ContextItem]) -> Option<usize> {
    let mut rounds = 0;
    let mut begins_round = true;
    let mut ended = false;
    for item in since {
        match item {
            ContextItem::Call { .. } => {
                rounds += usize::from(begins_round);
                begins_round = false;
                // What was said before a call was no answer.
                ended = false;
            }
            ContextItem::Output { .. } => begins_round = true,
            ContextItem::Assistant { .. } => ended = true,
            ContextItem::User { .. } | ContextItem::System { .. } | ContextItem::Reasoning { .. } => {}
        }
    }
    (!ended).then_some(rounds)
}

fn ahead(script: Vec<Directive>, rounds: usize) -> Vec<(usize, Directive)> {
    let mut left = rounds;
    let mut ahead = Vec::new();
    for (line, directive) in script.into_iter().enumerate() {
        if left == 0 {
            ahead.push((line, directive));
        } else if matches!(directive, Directive::Call { .. }) {
            left -= 1;
        }
    }
    ahead
}

fn newest(context: &[ContextItem]) -> String {
    let told = context.iter().rev().find_map(|item| match item {
        ContextItem::User { content } | ContextItem::Output { output: CallOutput::Parts(content), .. } => {
            Some(text(content))
        }
        ContextItem::Output { output: CallOutput::Text(text), .. } => Some(text.clone()),
        _ => None,
    });
    told.unwrap_or_default()
}

fn text(content: &[Content]) -> String {
    let texts = content.iter().filter_map(|part| match part {
        Content::Text { text } => Some(text.as_str()),
        Content::Image { .. } | Content::File { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}
