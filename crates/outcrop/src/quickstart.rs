//! `outcrop quickstart`: first contact. Fetches the small model, runs the server in a child process, has a conversation
//! of two turns with it over HTTP as any client would, and says how to go on. What went well is judged by the states
//! of turns and session, never by what a model said.

mod child;

use crate::client::{Client, Events};
use crate::configuration::{Configuration, Flags, Provider, Variables};
use crate::data::DataFolder;
use crate::follow::Follower;
use crate::terminal::{self, Style};
use crate::world::TokioClock;
use crate::{address, identity, shelf};
use anyhow::{Context, Result, bail};
use child::Child;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use types::Clock;

/// The name under which the model is asked.
const MODEL: &str = "small";
/// The longest silence within a turn: a slow machine reads the weights first.
const PATIENCE: Duration = Duration::from_secs(600);

const INSTRUCTIONS: &str = "You are a helpful assistant. Answer in one or two short sentences.";
/// Both are chosen so that a very small model can show that it remembers.
const FIRST: &str = "My cat is called Tom. Why do cats purr?";
const SECOND: &str = "What is my cat called?";

pub async fn run(configuration: &Configuration, flags: &Flags, variables: &Variables, once: bool) -> Result<()> {
    let style = Style::of_stdout(variables.get("NO_COLOR").is_some());
    let data = DataFolder::create(&configuration.data)?;
    if data.is_served() {
        let url = address::find(&data).map_or("another address".to_owned(), |address| address.url);
        bail!(
            "a server runs on {} already, at {url}; stop it, or name another folder with --data",
            data.path().display()
        );
    }
    provide_model(configuration, &data).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut server = Child::start(&address_for(configuration, flags, once), flags, &data).await?;
    let key = identity::own_key(configuration, &data)?;
    let url = address::find(&data)?.url;
    terminal::say(format_args!("The server runs at {url}; a session on the model `{MODEL}`:\n"));

    let talk = converse(&url, &key, style);
    let talked = tokio::select! {
        talked = talk => talked,
        ended = server.ended() => Err(ended),
        _ = interrupt.recv() => Err(anyhow::anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow::anyhow!("interrupted")),
    };
    if let Err(error) = talked {
        let log = server.log();
        server.stop().await?;
        return Err(error.context(format!("the session did not go well; the server's log is {log}")));
    }
    if once {
        return server.stop().await;
    }
    farewell(&url, &key);
    tokio::select! {
        ended = server.ended() => return Err(ended),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    server.stop().await
}

/// The model's file, if its entry needs one.
async fn provide_model(configuration: &Configuration, data: &DataFolder) -> Result<()> {
    let Some(entry) = configuration.models.iter().find(|entry| entry.name == MODEL) else {
        bail!("quickstart asks the model `{MODEL}`, and none has that name; add a [[model]] with name = \"{MODEL}\"");
    };
    match &entry.provider {
        Provider::Local(weights) => {
            shelf::pull(MODEL, weights, data).await?;
            terminal::say(format_args!("Model `{MODEL}`: {}, inside the server's process", weights.source));
        }
        other => terminal::say(format_args!("Model `{MODEL}`: provider {}", other.word())),
    }
    Ok(())
}

/// The address that was asked for; where nobody said, the configured one if it is free.
fn address_for(configuration: &Configuration, flags: &Flags, once: bool) -> String {
    if let Some(listen) = &flags.listen {
        return listen.clone();
    }
    let free = !once && std::net::TcpListener::bind(configuration.listen).is_ok();
    if free { configuration.listen.to_string() } else { "127.0.0.1:0".to_owned() }
}

/// Two turns of one session.
async fn converse(url: &str, key: &str, style: Style) -> Result<()> {
    let client = Client::new(url, key)?;
    let mut follower = Follower::new(style);
    let body = json!({
        "agent": { "model": MODEL, "instructions": INSTRUCTIONS },
        "environment": { "type": "none" },
        "input": FIRST,
        "stream": true,
    });
    let mut events = client.create_streaming(&body).await?;
    let created = next(&mut events).await?;
    let session = created["session"]["id"].as_str().context("the first event names no session")?.to_owned();
    follower.note(&format!("session {session}"));
    until_idle(&mut events, &mut follower).await?;

    let path = format!("/v1/agents/sessions/{session}");
    // The stream is opened first, so that nothing of the turn is missed.
    let mut events = client.events(&session).await?;
    let message = json!({ "role": "user", "content": [{ "type": "input_text", "text": SECOND }] });
    let input = json!({ "events": [{ "type": "agent.session.input.message", "input": [message] }] });
    client.post(&format!("{path}/events"), &input).await?;
    until_idle(&mut events, &mut follower).await?;

    let status = client.get(&path).await?["status"].clone();
    anyhow::ensure!(status == "idle", "the session is {status} after its turns, and should be idle");
    let turns = client.get(&format!("{path}/turns")).await?;
    let completed = turns["data"].as_array().into_iter().flatten().filter(|turn| turn["status"] == "completed").count();
    anyhow::ensure!(completed == 2, "{completed} of 2 turns are completed");
    follower.note("both turns are in the log; a session outlives its server");
    Ok(())
}

/// Shows a turn to its end. Only a completed one goes well.
async fn until_idle(events: &mut Events, follower: &mut Follower) -> Result<()> {
    let mut completed = false;
    loop {
        let event = next(events).await?;
        follower.show(&event);
        match event["type"].as_str().unwrap_or_default() {
            "agent.session.turn.completed" => completed = true,
            "agent.session.turn.failed" | "agent.session.turn.cancelled" => bail!("the turn did not complete"),
            "agent.session.failed" | "agent.session.budget_reached" => bail!("the session stopped"),
            "agent.session.requires_action" => bail!("the session waits for something that nobody here can give"),
            "agent.session.idle" if completed => return Ok(()),
            _ => {}
        }
    }
}

async fn next(events: &mut Events) -> Result<Value> {
    tokio::select! {
        event = events.next() => event?.context("the stream ended before the turn did"),
        () = TokioClock::start().sleep(PATIENCE) => bail!("nothing was said for {} minutes", PATIENCE.as_secs() / 60),
    }
}

fn farewell(url: &str, key: &str) {
    terminal::say(format_args!(
        "\nIt keeps serving. To go on, with the `openai` package of Python:\n
    from openai import OpenAI
    client = OpenAI(base_url=\"{url}/v1\", api_key=\"{key}\")
    print(client.beta.agents.sessions.create(agent={{\"model\": \"{MODEL}\"}}, environment={{\"type\": \"none\"}}, input=\"Hello\").id)

Base URL  {url}/v1
API key   {key}
Models    [[model]] entries in outcrop.toml; docs/configuration.md names every key
Next time `outcrop serve`

Ctrl-C stops the server; its sessions stay."
    ));
}
