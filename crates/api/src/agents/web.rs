//! Looks at the web as wire JSON shows them, and the places of answers that name what was found.

use serde_json::{Map, Value};
use std::borrow::Cow;
use types::{Citation, Item, ItemBody, ToolCall, ToolOutcome, WebAction};
use wire::agents as outer;
use wire::agents::{ItemStatus, WebSearchAction};

/// What was done, or, before that is known and where it came to nothing, what was asked.
pub fn call<'a>(item: &'a Item, call: &'a ToolCall) -> outer::Item<'a> {
    let outcome = match &item.body {
        ItemBody::ToolOutcome { outcome, .. } => Some(outcome),
        _ => None,
    };
    let status = match outcome {
        None | Some(ToolOutcome::Paused(_)) => ItemStatus::InProgress,
        // Clients know no other word for one that came to nothing.
        Some(ToolOutcome::Failed(_) | ToolOutcome::Unknown(_)) => ItemStatus::Incomplete,
        Some(_) => ItemStatus::Completed,
    };
    let action = match outcome {
        Some(ToolOutcome::Web(result)) => Some(match &result.action {
            WebAction::Search { query } => WebSearchAction::Search { query: Cow::Borrowed(query) },
            WebAction::OpenPage { url } => WebSearchAction::OpenPage { url: Cow::Borrowed(url) },
        }),
        _ => asked(&call.arguments),
    };
    outer::Item::WebSearchCall { id: item.id.as_str(), turn_id: item.turn.as_str(), action, status }
}

fn asked(arguments: &str) -> Option<WebSearchAction<'static>> {
    let mut arguments = serde_json::from_str::<Map<String, Value>>(arguments).ok()?;
    let mut text = |key: &str| match arguments.remove(key) {
        Some(Value::String(text)) => Some(Cow::Owned(text)),
        _ => None,
    };
    match text("query") {
        Some(query) => Some(WebSearchAction::Search { query }),
        None => text("url").map(|url| WebSearchAction::OpenPage { url }),
    }
}

pub fn citation(citation: &Citation) -> outer::Annotation<'_> {
    let Citation { start, end, url, title } = citation;
    outer::Annotation::UrlCitation { start_index: *start, end_index: *end, url, title }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::super::shown::{self, Stage};
    use serde_json::{Value, json};
    use types::{
        Attempt, Cause, Citation, EffectId, ItemBody, OfferedTool, Phase, ToolKind, ToolOutcome, WebAction, WebResult,
    };

    fn look(arguments: &str, outcome: Option<ToolOutcome>) -> Value {
        let tool = OfferedTool { name: "web_search".into(), kind: ToolKind::WebSearch, ..OfferedTool::default() };
        let call = tool.called(EffectId(2), "c".into(), arguments.to_owned());
        let (attempt, cause) = (Attempt(1), Cause::Answered);
        let body = match outcome {
            None => ItemBody::ToolCall(call),
            Some(outcome) => ItemBody::ToolOutcome { call, attempt, cause, outcome, said: None },
        };
        let item = samples::item(Some(0), body);
        let mut shown = serde_json::to_value(shown::item(&item, Stage::Done)).expect("json");
        for known in ["id", "turn_id"] {
            shown.as_object_mut().expect("an object").remove(known);
        }
        shown
    }

    #[test]
    fn a_look_at_the_web_says_what_was_looked_at() {
        let kind = "web_search_call";
        let search = json!({ "type": "search", "query": "q" });
        let page = json!({ "type": "open_page", "url": "https://a.example" });
        let of = |action: &Value, status: &str| json!({ "type": kind, "action": action, "status": status });
        assert_eq!(look(r#"{"query":"q"}"#, None), of(&search, "in_progress"));
        assert_eq!(look(r#"{"url":"https://a.example"}"#, None), of(&page, "in_progress"));
        assert_eq!(look("{}", Some(ToolOutcome::Failed("no".into()))), of(&Value::Null, "incomplete"));
        let action = WebAction::Search { query: "q".to_owned() };
        let outcome = ToolOutcome::Web(WebResult { action, told: "t".into(), sources: Vec::new() });
        assert_eq!(look("{}", Some(outcome)), of(&search, "completed"));
    }

    #[test]
    fn an_answer_shows_what_it_cites() {
        let cited = Citation { start: 4, end: 5, url: "u".into(), title: "t".into() };
        let body = |annotations| ItemBody::AssistantMessage {
            text: "see u".into(),
            phase: Phase::FinalAnswer,
            complete: true,
            logprobs: Vec::new(),
            annotations,
        };
        let content = |annotations| {
            let item = samples::item(Some(0), body(annotations));
            serde_json::to_value(shown::output_text(&item)).expect("json")
        };
        assert_eq!(content(Vec::new()), json!({ "type": "output_text", "text": "see u" }));
        let cited = content(vec![cited]);
        let expected = json!([{ "type": "url_citation", "start_index": 4, "end_index": 5, "url": "u", "title": "t" }]);
        assert_eq!(cited["annotations"], expected);
    }
}
