//! Search by a tool of an MCP server that the operator chose. What it returns is read as far as it can be: a list of
//! results with addresses, as structured content or as JSON, or text with an address in each of its paragraphs.

use super::provider::{Hit, Provider, Query, hits};
use mcp::{Call, Owner, Servers, Target, Way};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use types::{BoxFuture, Content, ProjectId};

const TIME: Duration = Duration::from_secs(30);
/// Where lists of results are, in what servers return.
const LISTS: [&str; 5] = ["results", "web", "items", "data", "result"];

pub struct ThroughMcp {
    servers: Arc<Servers>,
    target: Target,
    tool: String,
    argument: String,
}

impl ThroughMcp {
    pub fn new(servers: Arc<Servers>, target: Target, tool: String, argument: String) -> Self {
        Self { servers, target, tool, argument }
    }

    async fn ask(&self, query: &Query<'_>) -> Result<Vec<Hit>, String> {
        // No project's own: no project has this name.
        let owner = Owner { project: ProjectId::new(""), place: "web search".to_owned() };
        let connection =
            self.servers.connection(&owner, Way::Service(self.target.clone())).map_err(|error| error.message)?;
        let arguments = Map::from_iter([(self.argument.clone(), Value::String(query.with_sites()))]);
        let called = connection.call(Call::new(&self.tool, arguments, TIME)).await.map_err(|error| error.message)?;
        let texts = called.content.iter().filter_map(|part| match part {
            Content::Text { text } => Some(text.as_str()),
            _ => None,
        });
        let text = texts.collect::<Vec<_>>().join("\n\n");
        if called.is_error {
            return Err(super::clip(&text, 500).to_owned());
        }
        let structured = called.structured.or_else(|| serde_json::from_str(&text).ok());
        Ok(structured.as_ref().and_then(listed).unwrap_or_else(|| in_text(&text)))
    }
}

impl Provider for ThroughMcp {
    fn search<'a>(&'a self, query: &'a Query<'a>) -> BoxFuture<'a, Result<Vec<Hit>, String>> {
        Box::pin(self.ask(query))
    }
}

/// A list of results with addresses, at its usual places.
fn listed(value: &Value) -> Option<Vec<Hit>> {
    let read = |list: &Value| {
        let hits = hits(list, &["title", "name"], &["description", "content", "snippet", "text", "excerpt"]);
        (!hits.is_empty()).then_some(hits)
    };
    if value.is_array() {
        return read(value);
    }
    LISTS.iter().find_map(|name| match value.get(name)? {
        list @ Value::Array(_) => read(list),
        // Some put a list into a list of theirs.
        inner @ Value::Object(_) => inner.get("results").and_then(read),
        Value::String(text) => Some(in_text(text)).filter(|hits| !hits.is_empty()),
        _ => None,
    })
}

/// A hit for each paragraph with an address; what follows without one belongs to it.
fn in_text(text: &str) -> Vec<Hit> {
    let mut found: Vec<Hit> = Vec::new();
    for paragraph in text.split("\n\n").take(200) {
        let address = paragraph.split_whitespace().find_map(|word| {
            let at = word.find("http://").or_else(|| word.find("https://"))?;
            Some(word[at..].trim_end_matches(['.', ',', ')', ']', '>', '"', ';']))
        });
        let title = paragraph.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        match address.and_then(|address| Hit::read(address, title, paragraph)) {
            Some(hit) => found.push(hit),
            None => {
                if let Some(last) = found.last_mut().filter(|last| last.text.len() + paragraph.len() < 2000) {
                    last.text.push(' ');
                    last.text.push_str(&super::html::folded(paragraph));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn urls(hits: &[Hit]) -> Vec<&str> {
        hits.iter().map(|hit| hit.url.as_str()).collect()
    }

    #[test]
    fn results_are_found_where_servers_put_them() {
        let one = json!({"url": "https://a.example/1", "title": "A <b>b</b>", "snippet": "s"});
        for value in [
            json!([one]),
            json!({"results": [one]}),
            json!({"web": {"results": [one]}}),
            json!({"result": "Title\nhttps://a.example/1.\n\nmore"}),
        ] {
            assert_eq!(urls(&listed(&value).unwrap()), ["https://a.example/1"], "{value}");
        }
        assert_eq!(listed(&json!([one])).unwrap()[0].title, "A b");
        assert!(listed(&json!({"results": [{"url": "javascript:alert(1)"}]})).is_none());
    }

    #[test]
    fn text_is_taken_apart_by_paragraphs() {
        let hits = in_text("First\nURL: https://a.example/x, and\n\nbelongs to it\n\n[b](https://b.example)\n\n");
        assert_eq!(urls(&hits), ["https://a.example/x", "https://b.example"]);
        assert!(hits[0].text.ends_with("belongs to it") && hits[0].title == "First");
    }
}
