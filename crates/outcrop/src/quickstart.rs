//! `outcrop quickstart`: first contact. Fetches the small model, runs the server in a child process, talks with it over
//! HTTP as any client would, kills it in the middle of an answer, starts it again and counts what is in the log. What
//! went well is judged by the states of turns, items and events, never by what a model said.

mod child;
mod farewell;
mod follow;
mod paragraph;
pub mod program;
mod stage;
mod talk;
mod tally;

use crate::client::{Client, Events, local_url};
use crate::configuration::{Configuration, Flags, ModelEntry, Provider, Variables};
use crate::data::DataFolder;
use crate::model::NO_LOCAL;
use crate::signals::Signals;
use crate::terminal::Style;
use crate::world::TokioClock;
use crate::{address, identity, shelf};
use anyhow::{Context, Result, bail};
use child::Child;
use follow::{Listener, Pause};
use serde_json::{Value, json};
use stage::Stage;
use std::time::Duration;
use talk::Talk;
use types::Clock;

/// The name under which the model is asked.
const MODEL: &str = "small";
/// All of it, fetching left out.
const SHOW_TIME: Duration = Duration::from_secs(30 * 60);
/// Characters of an answer after which the server is killed.
const KILL_AT: usize = 60;

pub async fn run(configuration: &Configuration, flags: &Flags, variables: &Variables, once: bool) -> Result<()> {
    let stage = Stage::new(Style::of_stdout(variables));
    let mut signals = Signals::new()?;
    let data = DataFolder::create(&configuration.data)?;
    if data.is_served() {
        let url = address::find(&data).map_or("another address".to_owned(), |address| address.url);
        bail!(
            "a server runs on {} already, at {url}; stop it, or name another folder with --data",
            data.path().display()
        );
    }
    let entry = entry(configuration)?;
    let mut show = Show { entry, configuration, flags, data: &data, stage: &stage, server: None };
    let shown = tokio::select! {
        shown = show.run(once) => Some(shown),
        () = signals.next() => None,
    };
    let server = show.server.take();
    match shown {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(end_badly(server, error).await),
        None => {
            stage.hush();
            if let Some(server) = server {
                // A second signal does not wait for it: dropped, it is killed.
                tokio::select! { _ = server.stop() => {}, () = signals.next() => {} }
            }
            bail!("interrupted; what was said stays in {}", data.path().display());
        }
    }
    let Some(mut server) = server else { return Ok(()) };
    let url = if once { local_url(configuration.listen) } else { server.url() };
    farewell::say(&stage, entry, &url, &identity::own_key(configuration, &data)?, once);
    if !once {
        tokio::select! {
            ended = server.ended() => return Err(ended),
            () = signals.next() => {}
        }
    }
    server.stop().await
}

fn entry(configuration: &Configuration) -> Result<&ModelEntry> {
    if let Some(entry) = configuration.models.iter().find(|entry| entry.name == MODEL) {
        return Ok(entry);
    }
    let why = if cfg!(feature = "local") { String::new() } else { format!("; {NO_LOCAL}") };
    bail!("quickstart asks the model `{MODEL}`, and none has that name{why}; add a [[model]] with name = \"{MODEL}\"")
}

/// What is told where the show did not go well. No server stays behind.
async fn end_badly(server: Option<Child>, error: anyhow::Error) -> anyhow::Error {
    let Some(mut server) = server else { return error };
    let log = server.log();
    let error = match server.has_ended().await {
        Some(ended) => ended,
        None => error,
    };
    // What went wrong first is what counts.
    let _ = server.stop().await;
    error.context(format!("the session did not go well; the server's log is {log}"))
}

/// Everything that the acts share. The server stands here, so that it can be stopped whenever the show breaks off.
struct Show<'a> {
    entry: &'a ModelEntry,
    configuration: &'a Configuration,
    flags: &'a Flags,
    data: &'a DataFolder,
    stage: &'a Stage,
    server: Option<Child>,
}

impl Show<'_> {
    async fn run(&mut self, once: bool) -> Result<()> {
        self.stage.title("outcrop quickstart: an agent session that outlives its server");
        self.stage.act("The model");
        self.provide_model().await?;
        tokio::select! {
            shown = self.perform(once) => shown,
            () = TokioClock::start().sleep(SHOW_TIME) => {
                bail!("it was not over after {} minutes", SHOW_TIME.as_secs() / 60)
            }
        }
    }

    async fn perform(&mut self, once: bool) -> Result<()> {
        let is_local = matches!(self.entry.provider, Provider::Local(_));
        let talk = Talk::with(&self.entry.provider);
        let mut listener = Listener::new(self.stage, is_local);

        self.stage.act("The server");
        let client = self.start(&address_for(self.configuration, self.flags, once), is_local).await?;

        self.stage.act("A turn that calls a function of ours");
        self.stage.wait("waiting for the model");
        let mut events = client.create_streaming(&talk.session(MODEL)).await?;
        let session = listener.begin(&mut events).await?;
        listener.until(&client, &mut events, &session, Pause::Idle).await?;

        self.stage.act("A turn whose server dies");
        self.stage.line("The function is taken away between the turns, so that the model is left to its words.");
        client.post(&format!("/v1/agents/sessions/{session}"), &json!({ "agent": { "tools": [] } })).await?;
        // The stream is opened first, so that nothing of the turn is missed.
        let mut events = client.events(&session).await?;
        ask(&client, &session, talk.second).await?;
        let paused = listener.until(&client, &mut events, &session, Pause::Text(KILL_AT)).await?;
        let listen = self.kill(&mut listener, &mut events, paused).await?;
        let client = self.start(&listen, false).await?;
        if let Some(last) = listener.last().filter(|_| paused != Pause::Idle).map(str::to_owned) {
            self.stage.line(&format!("Reading on behind {last}, the last event that we had."));
            let mut events = client.events_after(&session, &last).await?;
            listener.until(&client, &mut events, &session, Pause::Idle).await?;
        }

        self.stage.act("What is in the log");
        tally::count(&client, &session, &listener).await?.show(self.stage);
        self.run_program(client).await
    }

    /// The act with a program, where this machine can have a sandbox.
    async fn run_program(&mut self, client: Client) -> Result<()> {
        self.stage.act("A program in a sandbox, whose server dies");
        self.stage.line(
            "A script stands in for the model here: programs are beyond a small one. It writes this and runs it:",
        );
        program::text().lines().for_each(|line| self.stage.aside(line));
        self.stage.wait("waiting for the sandbox");
        let mut events = match client.create_streaming(&program::session()).await {
            Ok(events) => events,
            Err(error) => {
                self.stage.line(&format!("Left out: {error:#} `outcrop doctor` says what this machine lacks."));
                return Ok(());
            }
        };
        let mut listener = Listener::new(self.stage, false).without_questions();
        let session = listener.begin(&mut events).await?;
        let paused = listener.until(&client, &mut events, &session, Pause::Output(program::KILL_AT)).await?;
        let listen = self.kill(&mut listener, &mut events, paused).await?;
        let client = self.start(&listen, false).await?;
        if let Some(last) = listener.last().filter(|_| paused != Pause::Idle).map(str::to_owned) {
            self.stage.line(&format!("Reading on behind {last}, the last event that we had."));
            let mut events = client.events_after(&session, &last).await?;
            listener.until(&client, &mut events, &session, Pause::Idle).await?;
        }
        program::check(&client, &session, &listener, self.stage).await
    }

    /// The model's file, if its entry needs one.
    async fn provide_model(&self) -> Result<()> {
        match &self.entry.provider {
            Provider::Local(weights) => {
                shelf::pull(MODEL, weights, self.data, &|line| self.stage.line(line)).await?;
                self.stage.line(&format!("It is the model `{MODEL}`, and runs inside the server's process."));
            }
            Provider::Script => {
                self.stage.line(&format!("The model `{MODEL}` is the scripted one: it does what its messages say."));
            }
            other => self.stage.line(&format!("The model `{MODEL}` is answered by the provider {}.", other.word())),
        }
        Ok(())
    }

    /// A server, ready, and a client of it.
    async fn start(&mut self, listen: &str, call_first: bool) -> Result<Client> {
        let server = Child::start(listen, call_first, self.flags, self.data).await?;
        let url = server.url();
        self.stage.line(&format!("{url} (process {}), data in {}", server.number(), self.data.path().display()));
        self.server = Some(server);
        Client::new(&url, &identity::own_key(self.configuration, self.data)?)
    }

    /// Kills the server; the address at which it listened.
    async fn kill(&mut self, listener: &mut Listener<'_>, events: &mut Events, paused: Pause) -> Result<String> {
        // It stays where an interruption finds it.
        let server = self.server.as_mut().context("there is no server to kill")?;
        let number = server.number();
        server.kill().await?;
        // What had left the server before it died is ours to read.
        listener.drain(events).await;
        self.stage.bad(&format!(
            "kill -9 {number}: the server is dead, {}",
            match paused {
                Pause::Idle => "though the answer was over already",
                Pause::Text(_) => "in the middle of the answer",
                Pause::Output(_) => "in the middle of the program",
            }
        ));
        self.stage.line("Starting it again on the same data.");
        let listening = server.listening();
        self.server = None;
        Ok(listening)
    }
}

/// The address that was asked for; where nobody said, the configured one if it is free.
fn address_for(configuration: &Configuration, flags: &Flags, once: bool) -> String {
    if let Some(listen) = &flags.listen {
        return listen.clone();
    }
    let free = !once && std::net::TcpListener::bind(configuration.listen).is_ok();
    if free { configuration.listen.to_string() } else { "127.0.0.1:0".to_owned() }
}

/// A message of the user.
async fn ask(client: &Client, session: &str, text: &str) -> Result<Value> {
    let message = json!({ "role": "user", "content": [{ "type": "input_text", "text": text }] });
    let input = json!({ "events": [{ "type": "agent.session.input.message", "input": [message] }] });
    client.post(&format!("/v1/agents/sessions/{session}/events"), &input).await
}
