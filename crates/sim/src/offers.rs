//! What the world's tools are, as a session is told of them. They are described anew while sessions rely on them, new ones
//! come, and at times nobody can say what there is.

use crate::arena::{Arena, Life};
use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;
use store::Stored;
use types::{
    Approval, Class, Door, Offer, OfferedTool, Record, RecordBody, SessionId, SessionSettings, Tool, ToolKind,
    TurnError,
};

/// By the name of the tool.
const CLASSES: [(&str, Class); 7] = [
    ("read", Class::Pure),
    ("put", Class::Idempotent),
    ("pay", Class::Keyed),
    ("run", Class::Attachable),
    ("launch", Class::Irreversible),
    ("list", Class::Pure),
    ("send", Class::Irreversible),
];

/// Of these a person must agree to each call, where there is one who can be asked.
const ASKED: [&str; 3] = ["list", "send", "put"];

/// Those of one server that may say something else of them at any time.
const CHANGING: [&str; 4] = ["read", "put", "pay", NEW];

/// One that this server adds one day.
const NEW: &str = "new";

/// What a turn ends with where its tools cannot be said.
pub(crate) const NO_OFFER: &str = "mcp_server_startup_failed";

pub(crate) async fn offered(
    life: &Life,
    session: &SessionId,
    settings: &SessionSettings,
    last: &Offer,
) -> Result<Offer, TurnError> {
    let arena = &life.arena;
    check_last(life, session, last);
    arena.pause(Duration::from_millis(5)).await;
    if arena.chance(arena.plan.faults.changed) {
        let name = CHANGING[arena.between(0, CHANGING.len() as u64 - 1) as usize];
        arena.count("tools described anew");
        arena.trace(format!("{name} is described anew"));
        arena.notes(|notes| *notes.changes.entry(name).or_default() += 1);
    }
    let asker = (session.clone(), life.number);
    arena.notes(|notes| notes.unoffered.remove(&asker));
    if arena.chance(arena.plan.faults.offer) {
        match arena.between(0, 2) {
            // A server without which the session may not go on.
            0 => {
                let mark = arena.mark();
                arena.count("offers: none");
                arena.notes(|notes| {
                    notes.refused_offers.insert((session.clone(), mark));
                    notes.unoffered.insert(asker);
                });
                return Err(TurnError { code: NO_OFFER.to_owned(), message: format!("no tools <{mark}>") });
            }
            // One that does not answer now: what it said before counts.
            1 => {
                arena.count("offers: as before");
                return Ok(last.clone());
            }
            _ => {
                arena.count("offers: never said");
                pending::<()>().await;
            }
        }
    }
    let changes = arena.notes(|notes| notes.changes.clone());
    let instructions = settings.environment.id().map(|id| format!("You work in {id}."));
    Ok(Offer { tools: tools(settings, &changes), instructions })
}

/// Who is asked is told what the session was offered last, so that it can be kept.
fn check_last(life: &Life, session: &SessionId, last: &Offer) {
    let arena: &Arena = &life.arena;
    let newest = |records: &[Stored]| {
        let offers = records.iter().rev().filter(|stored| stored.record.kind == "tools_offered");
        let mut offers = offers.filter_map(|stored| Record::decode(&stored.record).ok());
        offers.find_map(|record| match record.body {
            RecordBody::ToolsOffered(offer) => Some(offer),
            _ => None,
        })
    };
    let known = arena.disk.look(&arena.project, session, newest).unwrap_or_default();
    if *known != *last && arena.is_newest(life.number) && !life.is_dead() {
        arena.problem(format!("{session}: what was offered last is {known:?}; it is told {last:?}"));
    }
}

fn tools(settings: &SessionSettings, changes: &BTreeMap<&'static str, u64>) -> Vec<OfferedTool> {
    // Clients are shown these as commands, also without an environment: that is no matter of the runtime's.
    let runs_here = |class| matches!(class, Class::Attachable | Class::Irreversible);
    let asks = settings.door == Door::Agents;
    let own =
        |name: &str, kind| OfferedTool { name: name.to_owned(), class: Class::Pure, kind, ..OfferedTool::default() };
    let described = |name: &str, tool: OfferedTool| {
        let version = changes.get(name).copied().unwrap_or_default();
        let is_pinned = asks && CHANGING.contains(&name);
        let description = if version > 0 { format!("version {version}") } else { String::new() };
        OfferedTool { description, pin: is_pinned.then(|| format!("{name} {version}")), ..tool }
    };
    let offered = CLASSES.map(|(name, class)| {
        let tool = OfferedTool {
            class,
            server_label: if runs_here(class) { "" } else { "world" }.to_owned(),
            approval: if asks && ASKED.contains(&name) { Approval::Person } else { Approval::None },
            ..own(name, ToolKind::Remote)
        };
        described(name, tool)
    });
    let of_world = |name| OfferedTool {
        class: Class::Idempotent,
        server_label: "world".to_owned(),
        ..own(name, ToolKind::Remote)
    };
    let hidden = OfferedTool { deferred: true, ..of_world("hidden") };
    let new = changes.contains_key(NEW).then(|| described(NEW, of_world(NEW)));
    let searches = settings.agent.tools.contains(&Tool::ToolSearch);
    let search = searches.then(|| own("search", ToolKind::ToolSearch));
    let others = [own("program", ToolKind::Program), hidden];
    offered.into_iter().chain(others).chain(search).chain(new).collect()
}
