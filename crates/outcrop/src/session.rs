//! `outcrop session`: `list`, `show`, `output` and `ledger` read the store's file beside a running server; `fork`, `resolve` and `tail` ask the
//! server, because it alone writes, and what is being typed is nowhere else.

mod ledger;

use crate::cli::Session;
use crate::client::Client;
use crate::configuration::{Configuration, Variables};
use crate::data::DataFolder;
use crate::follow::Follower;
use crate::key::moment;
use crate::terminal::{self, Style, tame};
use crate::{address, identity};
use anyhow::{Context, Result, bail};
use serde_json::json;
use store::Sqlite;
use store::{Direction, LogQuery, Page, SessionFilter, Store};
use types::{
    CallOutput, CallResult, Content, Ending, Head, Item, ItemBody, ProjectId, Record, RecordBody, SessionId,
    SessionStatus, Settlement, ToolOutcome,
};

/// Records read at a time.
const BATCH: usize = 200;

pub async fn run(command: &Session, configuration: &Configuration, variables: &Variables) -> Result<()> {
    let data = DataFolder::existing(&configuration.data)?;
    let style = Style::of_stdout(variables);
    match command {
        Session::List { project, limit } => {
            list(&Sqlite::open_shared(data.path())?, &project.project.as_str().into(), usize::from(*limit)).await
        }
        Session::Show { project, id } => {
            show(&Sqlite::open_shared(data.path())?, &project.project.as_str().into(), &id.as_str().into(), style).await
        }
        Session::Ledger { project, id, json } => {
            let store = Sqlite::open_shared(data.path())?;
            ledger::run(&store, &project.project.as_str().into(), &id.as_str().into(), *json, style).await
        }
        Session::Output { project, id, item } => {
            let store = Sqlite::open_shared(data.path())?;
            let (session, item) = (id.as_str().into(), item.as_str().into());
            let output = runtime::command_output(&store, &project.project.as_str().into(), &session, &item).await;
            let output = output.map_err(|refusal| anyhow::anyhow!("{}", tame(&refusal.message)))?;
            terminal::put(&output);
            Ok(())
        }
        Session::Fork { id, after } => fork(configuration, &data, id, after.as_deref()).await,
        Session::Resolve { id, effect, committed, failed } => {
            let outcome = match (committed, failed) {
                (Some(result), _) => json!({ "outcome": "committed", "result": result }),
                (None, error) => json!({ "outcome": "failed", "error": error.as_deref().unwrap_or_default() }),
            };
            resolve(configuration, &data, id, effect, &outcome).await
        }
        Session::Tail { id } => tail(configuration, &data, id, style).await,
    }
}

async fn list(store: &dyn Store, project: &ProjectId, limit: usize) -> Result<()> {
    let page = Page { after: None, limit, direction: Direction::Descending };
    let (sessions, more) = store.sessions(project, SessionFilter::default(), page).await?;
    terminal::say(format_args!("{:30} {:16} {:20} {:20} MODEL", "ID", "STATUS", "CREATED", "LAST ACTIVE"));
    for row in &sessions {
        terminal::say(format_args!(
            "{:30} {:16} {:20} {:20} {}",
            row.head.session.as_str(),
            word(row.head.status),
            moment(row.head.created_at),
            moment(row.head.last_active_at),
            tame(&row.settings.agent.model),
        ));
    }
    if more {
        terminal::warn(format_args!("there are more; --limit shows up to 1000"));
    }
    Ok(())
}

async fn show(store: &dyn Store, project: &ProjectId, id: &SessionId, style: Style) -> Result<()> {
    let row = store
        .session(project, id)
        .await?
        .with_context(|| format!("there is no session {} in project {project}", tame(id.as_str())))?;
    let Head { status, created_at, last_active_at, spent, usage, error, seq, .. } = &row.head;
    terminal::say(style.bold(id.as_str()));
    terminal::say(format_args!("status       {}", word(*status)));
    if let Some(error) = error {
        terminal::say(format_args!("error        {}", tame(error)));
    }
    terminal::say(format_args!("agent        {} on {}", row.settings.agent_id, tame(&row.settings.agent.model)));
    terminal::say(format_args!("created      {}, last active {} (UTC)", moment(*created_at), moment(*last_active_at)));
    match usage {
        Some(usage) => terminal::say(format_args!(
            "tokens       {} in ({} cached), {} out",
            usage.input_tokens, usage.cached_tokens, usage.output_tokens
        )),
        None => terminal::say("tokens       not known"),
    }
    terminal::say(format_args!("spent        {}.{:06} USD", spent.0 / 1_000_000, spent.0 % 1_000_000));
    terminal::say(format_args!("last record  {seq}\n"));
    let mut query = LogQuery { limit: BATCH, ..LogQuery::after(types::Seq(0)) };
    loop {
        let records = store.log(project, id, query.clone()).await?;
        let Some(last) = records.last() else { return Ok(()) };
        query.after = last.seq;
        for stored in &records {
            match Record::decode(&stored.record) {
                Ok(record) => show_record(&record.body, style),
                // Of a newer outcrop: what it says is not known here, that it is there is.
                Err(error) => {
                    terminal::say(style.red(&format!("  · record {}: {}", stored.seq, tame(&error.to_string()))))
                }
            }
        }
    }
}

fn show_record(record: &RecordBody, style: Style) {
    let note = |text: String| terminal::say(style.dim(&format!("  · {}", tame(&text))));
    match record {
        RecordBody::Item(item) => show_item(item, style),
        RecordBody::TurnCreated { turn, .. } => note(format!("turn {turn}")),
        RecordBody::TurnEnded(ended) => match &ended.ending {
            Ending::Completed => note("turn completed".to_owned()),
            Ending::Cancelled => note("turn cancelled".to_owned()),
            Ending::Failed { code, message } => note(format!("turn failed: {message} ({code})")),
        },
        RecordBody::Abandoned(abandoned) => note(match &abandoned.error {
            Some(error) => format!("attempt {} failed: {error}", abandoned.attempt.0),
            None => format!("attempt {} was abandoned", abandoned.attempt.0),
        }),
        RecordBody::SessionFailed { message, .. } => note(format!("session failed: {message}")),
        RecordBody::Restored(restored) => note(format!(
            "restored from a backup of {} UTC: what was done after it is not known (diverged)",
            moment(restored.backup)
        )),
        RecordBody::Forked(forked) => note(format!("forked from {} after record {}", forked.parent, forked.at)),
        RecordBody::Late(late) => note(format!("a late outcome of effect {}", late.effect.0)),
        _ => {}
    }
}

fn show_item(item: &Item, style: Style) {
    let said =
        |who: &str, text: &str| terminal::say(format_args!("{} {}", style.bold(&format!("{who:5}")), tame(text)));
    match &item.body {
        ItemBody::UserMessage { content, .. } => said("user", &text_of(content)),
        ItemBody::Compaction { text } => said("brief", text),
        ItemBody::AssistantMessage { text, complete, .. } => {
            said("agent", &if *complete { text.clone() } else { format!("{text} (broken off)") });
        }
        ItemBody::FunctionCall { call_id, name, arguments, .. } => {
            let arguments = serde_json::to_string(arguments).unwrap_or_default();
            said("call", &format!("{name} {arguments} ({call_id})"));
        }
        ItemBody::FunctionCallOutput { call_id, result, .. } => {
            said("result", &format!("{} ({call_id})", outcome(result)))
        }
        ItemBody::MalformedCall { name, error, .. } => said("call", &format!("{name}: refused, {error}")),
        ItemBody::ClosedCall { call_id, reason, .. } => said("result", &format!("none: {reason} ({call_id})")),
        ItemBody::Settled { call, outcome, .. } => {
            let call = call.as_ref().map_or("", |call| call.call_id.as_str());
            let happened = if matches!(outcome, Settlement::Committed(_)) { "" } else { "failed: " };
            said("settled", &format!("{happened}{} ({call})", outcome.text()));
        }
        ItemBody::ToolCall(call) => {
            said("call", &format!("{} {} ({})", call.name, call.arguments, call.call_id));
        }
        ItemBody::ToolOutcome { call, outcome, .. } => {
            let text = outcome.error().unwrap_or_else(|| match outcome {
                ToolOutcome::Done(output) => output_text(output),
                ToolOutcome::Ran(result) => result.shown().to_owned(),
                ToolOutcome::Found(found) => found.told.clone(),
                ToolOutcome::Web(result) => result.told.clone(),
                ToolOutcome::Paused(pause) => pause.printed.clone(),
                ToolOutcome::Failed(_) | ToolOutcome::Unknown(_) => String::new(),
            });
            said("result", &format!("{text} ({})", call.call_id));
        }
        ItemBody::Reasoning { summary, .. } => {
            for part in summary {
                said("think", part);
            }
        }
    }
}

fn text_of(content: &[Content]) -> String {
    let parts: Vec<&str> = content
        .iter()
        .map(|part| match part {
            Content::Text { text } => text.as_str(),
            Content::Image { .. } => "[image]",
            Content::File { .. } => "[file]",
        })
        .collect();
    parts.join("\n")
}

fn output_text(output: &CallOutput) -> String {
    match output {
        CallOutput::Text(text) => text.clone(),
        CallOutput::Parts(parts) => text_of(parts),
    }
}

fn outcome(result: &CallResult) -> String {
    match result {
        CallResult::Success(output) => output.as_ref().map_or("done".to_owned(), output_text),
        CallResult::Failure { error, output } => {
            let why = error.clone().or_else(|| output.as_ref().map(output_text));
            format!("failed: {}", why.as_deref().unwrap_or("no reason given"))
        }
    }
}

fn word(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Idle => "idle",
        SessionStatus::InProgress => "in_progress",
        SessionStatus::RequiresAction => "requires_action",
        SessionStatus::Failed => "failed",
        SessionStatus::BudgetReached => "budget_reached",
    }
}

/// Until the server ends the stream, or the reader stops it.
async fn tail(configuration: &Configuration, data: &DataFolder, id: &str, style: Style) -> Result<()> {
    check_id(id)?;
    let client = Client::new(&address::find(data)?.url, &identity::own_key(configuration, data)?)?;
    let mut events = client.events(id).await?;
    let mut follower = Follower::new(style);
    terminal::warn(format_args!("following {id}; Ctrl-C ends this, not the session"));
    while let Some(event) = events.next().await? {
        follower.show(&event);
    }
    follower.note("the stream has ended");
    Ok(())
}

/// The id becomes part of a path.
fn check_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        bail!("{} is no session's id; `outcrop session list` shows those that there are", tame(id));
    }
    Ok(())
}

async fn resolve(
    configuration: &Configuration,
    data: &DataFolder,
    id: &str,
    effect: &str,
    outcome: &serde_json::Value,
) -> Result<()> {
    check_id(id)?;
    check_id(effect)?;
    let client = Client::new(&address::find(data)?.url, &identity::own_key(configuration, data)?)?;
    client.post(&format!("/v1/agents/sessions/{id}/ledger/{effect}/resolve"), outcome).await?;
    terminal::say(format_args!("{effect} is resolved"));
    Ok(())
}

async fn fork(configuration: &Configuration, data: &DataFolder, id: &str, after: Option<&str>) -> Result<()> {
    check_id(id)?;
    let client = Client::new(&address::find(data)?.url, &identity::own_key(configuration, data)?)?;
    let body = match after {
        Some(item) => json!({ "after_item_id": item }),
        None => json!({}),
    };
    let made = client.post(&format!("/v1/agents/sessions/{id}/fork"), &body).await?;
    let made = made["id"].as_str().context("the answer names no session")?;
    terminal::say(made);
    Ok(())
}
