//! A conversation of Bedrock's into what the runtime takes.

use crate::demand::{self, narrow};
use crate::words::Translate;
use serde_json::Map;
use types::{
    AgentSettings, CallId, CallOutput, Content, InputBody, InputItem, Role, Sampling, ServiceTier, TurnRequest,
};
use wire::bedrock::converse::{Converse, Tier};
use wire::bedrock::{Part, Turn};

/// What one turn is made of.
pub struct Wanted {
    pub agent: AgentSettings,
    pub request: TurnRequest,
    pub items: Vec<InputItem>,
}

impl Wanted {
    /// `entry` is asked.
    pub fn new(entry: String, asked: Converse) -> Self {
        let agent = AgentSettings {
            tools: asked.tools.into_iter().map(demand::tool).collect(),
            reasoning: types::Reasoning { effort: asked.effort.map(Translate::translate), summary: None },
            text: demand::text(asked.format, None),
            service_tier: asked.tier.map_or(ServiceTier::Auto, tier),
            ..AgentSettings::new(entry)
        };
        let (tool_choice, allowed_tools) = demand::tool_choice(asked.tool_choice);
        let inference = asked.inference;
        let mut echo = Map::new();
        if !asked.labels.is_empty() {
            echo.insert("metadata".to_owned(), demand::metadata(asked.labels));
        }
        let request = TurnRequest {
            hands_over: true,
            tool_choice,
            allowed_tools,
            sampling: Sampling {
                temperature: inference.temperature.map(narrow),
                top_p: inference.top_p.map(narrow),
                seed: inference.seed.map(i64::cast_unsigned),
                stop: inference.stop,
                presence_penalty: inference.presence_penalty.map(narrow),
                frequency_penalty: inference.frequency_penalty.map(narrow),
            },
            max_output_tokens: inference.max_tokens,
            echo,
            ..TurnRequest::default()
        };
        Self { agent, request, items: items(asked.system, asked.turns) }
    }
}

fn tier(tier: Tier) -> ServiceTier {
    match tier {
        Tier::Priority => ServiceTier::Priority,
        Tier::Flex => ServiceTier::Flex,
        Tier::Default | Tier::Reserved => ServiceTier::Default,
    }
}

fn items(system: Vec<String>, turns: Vec<Turn>) -> Vec<InputItem> {
    let above = (!system.is_empty()).then_some(Turn::System(system));
    above.into_iter().chain(turns).map(|turn| item(turn).into()).collect()
}

fn item(turn: Turn) -> InputBody {
    match turn {
        Turn::System(texts) => {
            let content = texts.into_iter().map(|text| Content::Text { text }).collect();
            InputBody::Message { role: Role::System, content }
        }
        Turn::User(parts) => InputBody::Message { role: Role::User, content: parts.into_iter().map(content).collect() },
        Turn::Assistant(text) => InputBody::Assistant { text, phase: None },
        Turn::Reasoning(text) => InputBody::Reasoning { summary: vec![text], opaque: None },
        Turn::Call { id, name, arguments } => {
            InputBody::Call { call_id: CallId::new(id), name, arguments, custom: false }
        }
        Turn::Result { id, content, failed } => {
            InputBody::Output { call_id: CallId::new(id), output: output(content, failed) }
        }
    }
}

fn content(part: Part) -> Content {
    match part {
        Part::Text(text) => Content::Text { text },
        Part::Image(image_url) => Content::Image { image_url },
        Part::File { name, data } => Content::File { filename: Some(name), data },
    }
}

/// Texts are one text, unless something else stands among them. That a call failed, the model is told in words.
fn output(parts: Vec<Part>, failed: bool) -> CallOutput {
    let texts: Option<Vec<&str>> = parts
        .iter()
        .map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    match texts.map(|texts| texts.join("\n")) {
        Some(text) if !failed => CallOutput::Text(text),
        Some(text) if text.is_empty() => CallOutput::Text("error".to_owned()),
        Some(text) => CallOutput::Text(format!("error: {text}")),
        None => {
            let error = failed.then(|| Part::Text("error:".to_owned()));
            CallOutput::Parts(error.into_iter().chain(parts).map(content).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_one_text_where_it_can_be() {
        let text = |text: &str| Part::Text(text.to_owned());
        let said = |text: &str| CallOutput::Text(text.to_owned());
        assert_eq!(output(vec![text("a"), text("b")], false), said("a\nb"));
        assert_eq!(output(vec![text("a")], true), said("error: a"));
        assert_eq!(output(Vec::new(), false), said(""));
        assert_eq!(output(Vec::new(), true), said("error"));
        let mixed = output(vec![text("a"), Part::Image("u".into())], true);
        let CallOutput::Parts(parts) = mixed else { panic!("{mixed:?}") };
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[0], Content::Text { text: "error:".into() });
    }
}
