//! A session's events on a terminal: text as it is said, a line for everything else that matters.

use crate::terminal::{self, Style};
use serde_json::Value;

/// Writes events as they come.
pub struct Follower {
    style: Style,
    /// The item whose text stands at the end of the current line.
    open: Option<String>,
}

impl Follower {
    pub fn new(style: Style) -> Self {
        Self { style, open: None }
    }

    pub fn show(&mut self, event: &Value) {
        let kind = event["type"].as_str().unwrap_or_default();
        match kind {
            "agent.session.turn.output_text.delta" => self.text(event),
            "agent.session.turn.item.added" => self.item(&event["item"]),
            "agent.session.turn.item.done" => {
                let item = &event["item"];
                if self.is_open(item["id"].as_str()) {
                    self.end_line();
                }
                if item["status"] == "incomplete" {
                    self.note("(broken off)");
                }
            }
            "agent.session.turn.created" => self.note(&format!("turn {}", word(&event["turn"]["id"]))),
            "agent.session.turn.completed" => self.note("turn completed"),
            "agent.session.turn.cancelled" => self.note("turn cancelled"),
            "agent.session.turn.failed" => {
                let error = &event["turn"]["error"];
                self.note(&format!("turn failed: {} ({})", word(&error["message"]), word(&error["code"])));
            }
            "agent.session.requires_action" => self.note("waits for the caller's answer"),
            "agent.session.failed" => self.note(&format!("session failed: {}", word(&event["session"]["error"]))),
            "agent.session.budget_reached" => self.note("the session's spending limit is reached"),
            _ => {}
        }
    }

    /// A line of our own, after whatever is being typed.
    pub fn note(&mut self, text: &str) {
        self.end_line();
        terminal::say(self.style.dim(&format!("  · {}", terminal::tame(text))));
    }

    fn text(&mut self, event: &Value) {
        let id = event["item_id"].as_str();
        if !self.is_open(id) {
            self.end_line();
            terminal::type_out(&format!("{} ", self.style.bold("agent")));
            self.open = id.map(str::to_owned);
        }
        terminal::type_out(&terminal::tame(event["delta"].as_str().unwrap_or_default()));
    }

    fn item(&mut self, item: &Value) {
        match item["type"].as_str() {
            Some("message") if item["role"] == "user" => {
                self.end_line();
                let text: Vec<&str> = item["content"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|part| part["text"].as_str().unwrap_or("[image]"))
                    .collect();
                terminal::say(format_args!("{}  {}", self.style.bold("user"), terminal::tame(&text.join("\n"))));
            }
            Some("function_call") => {
                self.note(&format!("calls {} {} ({})", word(&item["name"]), item["arguments"], word(&item["call_id"])));
            }
            Some("function_call_output") => self.note(&format!("result of {}", word(&item["call_id"]))),
            _ => {}
        }
    }

    fn is_open(&self, id: Option<&str>) -> bool {
        self.open.is_some() && self.open.as_deref() == id
    }

    fn end_line(&mut self) {
        if self.open.take().is_some() {
            terminal::type_out("\n");
        }
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}
