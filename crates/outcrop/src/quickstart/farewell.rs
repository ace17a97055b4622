//! How to go on after the quickstart: the server's address and key, three lines of Python, a strong model.

use super::MODEL;
use super::stage::Stage;
use crate::configuration::{ModelEntry, Provider};

pub fn say(stage: &Stage, entry: &ModelEntry, url: &str, key: &str, once: bool) {
    stage.act("How to go on");
    let next = if once { "`outcrop serve` serves it again" } else { "It keeps serving; next time `outcrop serve`" };
    stage.line(&format!("{next}. From Python, with the unmodified package `openai`:"));
    stage.line("");
    stage.line("from openai import OpenAI");
    stage.line(&format!("client = OpenAI(base_url=\"{url}/v1\", api_key=\"{key}\")"));
    let environment = "environment={\"type\": \"none\"}";
    stage.line(&format!(
        "print(client.beta.agents.sessions.create(agent={{\"model\": \"{MODEL}\"}}, {environment}, input=\"Hello\").id)"
    ));
    if matches!(entry.provider, Provider::Local(_)) {
        stage.line("");
        stage.line(
            "A model this small proves the plumbing: of several functions it picks the right one in about two of",
        );
        stage.line("five cases. These lines in outcrop.toml put a strong one behind the same agent:");
        stage.line("");
        stage.line("[[model]]");
        stage.line(&format!("name = \"{MODEL}\""));
        stage.line("provider = \"openai-responses\"      # with the key in OPENAI_API_KEY; docs/models.md has others");
        stage.line("upstream_model = \"gpt-5\"");
    }
    if !once {
        stage.line("");
        stage.line("Ctrl-C stops the server; its sessions stay.");
    }
}
