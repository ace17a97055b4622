//! `outcrop mcp`: one session with an MCP server from a terminal, with the very client that sessions use. It keeps nothing
//! and needs no configuration.

mod browser;
mod program;

use crate::configuration::Variables;
use crate::world::{KernelEntropy, TokioClock, TokioSpawn};
use crate::{MISUSED, terminal};
use anyhow::{Context, Result, anyhow, bail};
use browser::Browser;
use clap::{Args, Subcommand};
use mcp::oauth::{Headless, Identity, OAuth, Visitor};
use mcp::{Call, Called, Connection, Http, Limits, Reach, Target, Tool, Way, World};
use program::Program;
use serde_json::{Map, Value};
use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use types::Content;
use url::Url;

/// The secret of `--client-id`: a command line is for everybody to read.
const SECRET: &str = "OUTCROP_MCP_CLIENT_SECRET";

#[derive(Subcommand, Debug)]
pub enum Mcp {
    /// Talk to one MCP server: which revision it speaks, its tools, and calls of them
    ///
    /// With `--stdio` the server is a program: it is run as you, in this folder, with your variables, and no sandbox.
    /// Exits with status 0 if all went well, and with 1 if the server could not be talked to or a call failed.
    Try(Box<Try>),
}

#[derive(Args, Debug)]
pub struct Try {
    /// Call this tool; may be given several times
    #[arg(long, value_name = "NAME")]
    pub call: Vec<String>,
    /// Its arguments, a JSON object; the first belongs to the first call, and so on
    #[arg(long, value_name = "JSON")]
    pub arguments: Vec<String>,
    /// Run a program that speaks on its standard input and output: `--stdio -- COMMAND ARG…`
    #[arg(long, requires = "command", conflicts_with_all = ["header", "authorize", "public"])]
    pub stdio: bool,
    /// Send this header with every request
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<String>,
    /// Get a token where the server wants one, with a browser: prints the address to open
    #[arg(long)]
    pub authorize: bool,
    /// Follow that address without a browser, for authorization servers that ask no person
    #[arg(long, requires = "authorize")]
    pub headless: bool,
    /// Who we are to the authorization server [env: OUTCROP_MCP_CLIENT_SECRET, where it gave a secret]
    #[arg(long, value_name = "ID", requires = "authorize")]
    pub client_id: Option<String>,
    /// An https address of a document that says who we are
    #[arg(long, value_name = "URL", requires = "authorize")]
    pub client_document: Option<String>,
    /// Refuse addresses that are not of the public internet, as a server does
    #[arg(long)]
    pub public: bool,
    /// Wait this many seconds for each call
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub patience: u64,
    /// Where the server is
    #[arg(value_name = "URL", required_unless_present = "stdio", conflicts_with = "stdio")]
    pub url: Option<Url>,
    /// The program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// 0 where all went well, 1 where something did not, 2 for a command line that makes no sense.
pub async fn run(command: &Mcp, variables: &Variables) -> ExitCode {
    let Mcp::Try(wanted) = command;
    let prepared = match prepare(wanted, variables).await {
        Ok(prepared) => prepared,
        Err(error) => {
            terminal::warn(format_args!("error: {error:#}"));
            return ExitCode::from(MISUSED);
        }
    };
    let (connection, calls) = prepared;
    let done = talk(&connection, calls, Duration::from_secs(wanted.patience)).await;
    connection.close().await;
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::warn(terminal::tame(&format!("error: {error:#}")));
            ExitCode::FAILURE
        }
    }
}

type Calls<'a> = Vec<(&'a str, Map<String, Value>)>;

async fn prepare<'a>(wanted: &'a Try, variables: &Variables) -> Result<(Connection, Calls<'a>)> {
    anyhow::ensure!(wanted.stdio || wanted.command.is_empty(), "a program is run with --stdio alone");
    anyhow::ensure!(wanted.arguments.len() <= wanted.call.len(), "more --arguments than --call");
    let mut given = wanted.arguments.iter();
    let mut calls = Vec::new();
    for name in &wanted.call {
        let arguments = match given.next() {
            None => Map::new(),
            Some(text) => serde_json::from_str(text).with_context(|| format!("`{text}` is no JSON object"))?,
        };
        calls.push((name.as_str(), arguments));
    }
    let world =
        World { clock: Arc::new(TokioClock::start()), entropy: Arc::new(KernelEntropy), spawn: Arc::new(TokioSpawn) };
    let reach = Reach { allow_private: !wanted.public, ..Reach::default() };
    let http = Http::new(reach, limits(wanted), world).map_err(|why| anyhow!(why))?;
    let way = match &wanted.url {
        Some(url) => Way::Service(target(wanted, url, variables, &http).await?),
        None => {
            let World { clock, spawn, .. } = http.world().clone();
            let opener = Arc::new(Program { command: wanted.command.clone(), clock, spawn });
            Way::Program { opener, request_metadata: Map::new() }
        }
    };
    let connection = Connection::new(way, &http).map_err(|why| anyhow!(why))?;
    Ok((connection, calls))
}

async fn target(wanted: &Try, url: &Url, variables: &Variables, http: &Http) -> Result<Target> {
    let mut target = Target::new(url.clone());
    for header in &wanted.header {
        let (name, value) = header.split_once(':').with_context(|| format!("`{header}` is no `NAME: VALUE`"))?;
        target.headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    if wanted.authorize {
        let http = Arc::new(http.apart().map_err(|why| anyhow!(why))?);
        target.bearer = Some(Arc::new(authorization(wanted, url, variables, http).await?));
    }
    Ok(target)
}

fn limits(wanted: &Try) -> Limits {
    let mut limits = Limits::default();
    if wanted.authorize && !wanted.headless {
        // A person reads a page in the middle of a request.
        let reading = Duration::from_secs(600);
        (limits.opening, limits.patience) = (reading, reading);
    }
    limits
}

async fn authorization(wanted: &Try, url: &Url, variables: &Variables, http: Arc<Http>) -> Result<OAuth> {
    let secret = variables.get(SECRET).map(str::to_owned);
    let registered = wanted.client_id.clone().map(|id| (id, secret));
    let identity = Identity { registered, document: wanted.client_document.clone() };
    let visitor: Arc<dyn Visitor> = if wanted.headless {
        Arc::new(Headless::new(http.clone(), Url::parse("http://127.0.0.1/callback")?))
    } else {
        Arc::new(Browser::listen().await?)
    };
    Ok(OAuth::new(http, url.clone(), identity, visitor))
}

async fn talk(connection: &Connection, calls: Calls<'_>, patience: Duration) -> Result<()> {
    let server = connection.server().await?;
    let who = terminal::tame(&format!("{} {}", server.name, server.version));
    terminal::say(format_args!("server    {} (revision {})", who.trim(), server.revision.date()));
    let listing = connection.tools().await?;
    for tool in &*listing.tools {
        terminal::say(terminal::tame(&described(tool)));
    }
    for left_out in &*listing.left_out {
        terminal::say(terminal::tame(&format!("left out  {}: {}", left_out.name, left_out.why)));
    }
    let mut failed = 0;
    for (name, arguments) in calls {
        match connection.call(Call::new(name, arguments, patience)).await {
            Ok(called) => {
                failed += usize::from(called.is_error);
                show(name, &called);
            }
            Err(failure) => {
                failed += 1;
                let told = match failure.kind {
                    mcp::Kind::NotSent => "not sent",
                    mcp::Kind::Refused(_) => "refused",
                    mcp::Kind::Unknown => "outcome unknown",
                    mcp::Kind::TooLarge => "answer too large",
                    mcp::Kind::Unauthorized(_) => "unauthorized",
                };
                terminal::say(terminal::tame(&format!("call      {name}: {told}: {failure}")));
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of the calls failed");
    }
    Ok(())
}

fn described(tool: &Tool) -> String {
    let mut hints = Vec::new();
    if tool.hints.read_only {
        hints.push("read-only");
    }
    if tool.hints.idempotent {
        hints.push("idempotent");
    }
    if tool.hints.destructive == Some(true) {
        hints.push("destructive");
    }
    let hints = if hints.is_empty() { String::new() } else { format!(" [{}]", hints.join(", ")) };
    let line = tool.description.lines().next().unwrap_or_default();
    format!("tool      {}{hints} {line}", tool.name).trim_end().to_owned()
}

fn show(name: &str, called: &Called) {
    let outcome = if called.is_error { "the tool says that it failed" } else { "done" };
    terminal::say(terminal::tame(&format!("call      {name}: {outcome}")));
    for part in &called.content {
        let said = match part {
            Content::Text { text } => text.clone(),
            Content::Image { image_url } => format!("[an image, {} bytes as text]", image_url.len()),
            Content::File { data, .. } => format!("[a file, {} bytes as text]", data.len()),
        };
        terminal::say(terminal::tame(&said));
    }
    if let Some(structured) = &called.structured {
        terminal::say(terminal::tame(&structured.to_string()));
    }
}
