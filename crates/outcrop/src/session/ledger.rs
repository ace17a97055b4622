//! `outcrop session ledger`: every effect of a session, oldest first, read beside a running server.

use crate::key::moment;
use crate::terminal::{self, Style, tame};
use anyhow::{Result, anyhow};
use runtime::{Direction, Page};
use store::Store;
use types::{ProjectId, SessionId, Timestamp};
use wire::agents::{Attempt, Effect};

/// Effects read at a time.
const BATCH: usize = 100;

pub async fn run(store: &dyn Store, project: &ProjectId, session: &SessionId, json: bool, style: Style) -> Result<()> {
    let mut after = None;
    loop {
        let page = Page { after, limit: BATCH, direction: Direction::Ascending };
        let listed = runtime::ledger(store, project, session, page).await.map_err(|refusal| anyhow!(refusal))?;
        for entry in &listed.data {
            let effect = api::effect(session, entry);
            match json {
                true => terminal::say(serde_json::to_string(&effect)?),
                false => show(&effect, style),
            }
        }
        match listed.data.last() {
            Some(last) if listed.has_more => after = Some(runtime::effect_id(session, last.id)),
            _ => return Ok(()),
        }
    }
}

fn show(effect: &Effect<'_>, style: Style) {
    let state = format!("{:11}", effect.state);
    let state = match effect.state {
        "committed" | "reconciled" => style.green(&state),
        "failed" | "unknown" => style.red(&state),
        _ => state,
    };
    let diverged = if effect.diverged { ", diverged" } else { "" };
    terminal::say(format_args!(
        "{} {state} {:13} {} ({}{diverged})",
        style.bold(&effect.id),
        effect.kind,
        tame(effect.name.unwrap_or("-")),
        effect.class,
    ));
    let note = |text: String| terminal::say(style.dim(&format!("  · {}", tame(&text))));
    note(format!("intended {}, ended {}", when(effect.intended_at), when(effect.ended_at)));
    if let Some(call) = effect.call_id {
        note(format!("call {call}"));
    }
    if let Some(asked) = &effect.approval {
        let changed = if asked.tool_changed { ", its description changed" } else { "" };
        note(format!("a {} was asked for consent {}{changed}", asked.asked_of, when(Some(asked.asked_at))));
        if let Some(answer) = &asked.answer {
            let reason = answer.reason.map_or_else(String::new, |reason| format!(": {reason}"));
            note(format!("{} by {} {}{reason}", answer.decision, answer.by, when(Some(answer.at))));
        }
    }
    if let Some(settled) = &effect.settled {
        let by = settled.by.unwrap_or("-");
        note(format!("settled as {} by {by} {}: {}", settled.outcome, when(Some(settled.at)), settled.said));
    }
    if let Some(error) = &effect.error {
        note(format!("{} ({})", error.message, error.code));
    }
    for attempt in &effect.attempts {
        note(tried(attempt));
    }
}

fn tried(attempt: &Attempt<'_>) -> String {
    let mut line = format!("attempt {} {}", attempt.number, attempt.state);
    if let Some(model) = attempt.model {
        line.push_str(&format!(" on {model}"));
    }
    if let Some(usage) = &attempt.usage {
        line.push_str(&format!(", {} tokens in, {} out", usage.input_tokens, usage.output_tokens));
    }
    if attempt.charged > 0.0 {
        line.push_str(&format!(", charged {:.6} USD", attempt.charged / 100.0));
    }
    if let Some(error) = &attempt.error {
        line.push_str(&format!(": {} ({})", error.message, error.code));
    }
    line
}

fn when(seconds: Option<u64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| moment(Timestamp(seconds.saturating_mul(1000))))
}
