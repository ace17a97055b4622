//! The union: one list of what a session is offered, and each call handed to whom it belongs to.

use crate::admission::Wanted;
use crate::approvals::Policy;
use crate::calls::Calls;
use crate::changes::Changes;
use crate::listings::Listings;
use crate::names::Names;
use crate::offer::{self, Said, Shelf, Silence, Why};
use crate::search::{self, Search};
use crate::servers::{Place, Servers, is_inside};
use crate::warnings::Warnings;
use crate::web::{self, Web};
use crate::{program, remote};
use code::Interpreter;
use environments::workbench::Machines;
use futures_util::future::{join, join_all};
use mcp::Reach;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use types::{
    BoxFuture, Clock, McpTool, Offer, Progress, ProjectId, Refusal, Rules, SessionId, SessionSettings, Spawn, Tool,
    ToolKind, ToolOutcome, ToolRequest, Tools, TurnError, TurnId,
};
use vaults::Vaults;

/// How long servers are asked for their tools; below the time that an offer may take at all. A program has to start first.
const PATIENCE: Duration = Duration::from_secs(15);
const PATIENCE_INSIDE: Duration = Duration::from_secs(25);
/// How long one that was too late is not asked again: a turn must not wait for it with each of its steps.
const PAUSE: Duration = Duration::from_secs(60);

/// Bytes of servers' tools that a model is shown whose window nobody knows.
const ROOM: usize = 256 << 10;

/// What the tools are made of.
pub struct Parts {
    /// The tools of environments, and where those are.
    pub workbench: Arc<dyn Tools>,
    pub machines: Arc<dyn Machines>,
    pub servers: Arc<mcp::Servers>,
    /// The rules under which `servers` dials.
    pub reach: Reach,
    /// None: no credentials are kept.
    pub vaults: Option<Vaults>,
    /// None: none is configured.
    pub web: Option<Web>,
    pub interpreter: Interpreter,
    /// Of calls of servers' tools.
    pub policy: Policy,
    /// What is known of models.
    pub rules: Rules,
    pub clock: Arc<dyn Clock>,
    pub spawn: Arc<dyn Spawn>,
}

/// All tools that this server performs.
pub struct Toolbox {
    workbench: Arc<dyn Tools>,
    pub(crate) servers: Servers,
    pub(crate) reach: Reach,
    pub(crate) web: Option<Web>,
    interpreter: Interpreter,
    policy: Policy,
    rules: Rules,
    search: Search,
    calls: Calls,
    listings: Listings,
    changes: Changes,
    warnings: Warnings,
    /// Servers in environments that were called in a turn: what they offer may have changed.
    called: Mutex<BTreeSet<(SessionId, String)>>,
    /// Servers that were too late in a turn, and until when they are not asked again.
    late: Mutex<BTreeMap<(SessionId, String), Duration>>,
    clock: Arc<dyn Clock>,
}

impl Toolbox {
    pub fn new(parts: Parts) -> Self {
        let Parts { workbench, machines, servers, reach, vaults, web, interpreter, policy, rules, clock, spawn } =
            parts;
        let servers = Servers::new(servers, vaults, machines, clock.clone(), spawn);
        let (search, calls, called, late) = (Search::default(), Calls::default(), Mutex::default(), Mutex::default());
        let (listings, changes, warnings) = (Listings::default(), Changes::default(), Warnings::default());
        Self {
            workbench,
            servers,
            reach,
            web,
            interpreter,
            policy,
            rules,
            search,
            calls,
            listings,
            changes,
            warnings,
            called,
            late,
            clock,
        }
    }

    /// This server is about to end: what it has started in environments and nobody waits for ends before.
    pub async fn end(&self) {
        self.servers.end_programs().await;
    }

    async fn union(
        &self,
        project: &ProjectId,
        session: &SessionId,
        settings: &SessionSettings,
        last: &Offer,
    ) -> Result<Offer, TurnError> {
        let before = Offer { tools: Vec::new(), instructions: offer::untold(last.instructions.as_deref()) };
        let own = self.workbench.offered(project, session, settings, &before);
        let asked = settings.agent.tools.iter().filter_map(|tool| match tool {
            Tool::Mcp(server) => Some(self.ask(Place { project, session, settings, server }, last)),
            _ => None,
        });
        let (own, said) = join(own, join_all(asked)).await;
        let own = own?;
        self.warn(session, settings, &said);
        let servers: Vec<_> = said.iter().map(|(server, _)| *server).collect();
        let offer = self.put_together(settings, last, own.clone(), said)?;
        if servers.is_empty() || offer == *last || self.changes.allow(session, &offer) {
            return Ok(offer);
        }
        if self.warnings.is_first(session, "changes") {
            tracing::warn!(%session, "MCP servers change their tools too often: the session keeps what it has in this turn");
        }
        // What its owner says of them counts all the same.
        let unasked = servers.into_iter().map(|server| (server, Said::Unasked)).collect();
        self.put_together(settings, last, own, unasked)
    }

    fn put_together(
        &self,
        settings: &SessionSettings,
        last: &Offer,
        own: Offer,
        said: Vec<(&McpTool, Said)>,
    ) -> Result<Offer, TurnError> {
        let Offer { mut tools, instructions } = own;
        if let Some(search) = web::wanted(settings).filter(|_| self.web.is_some()) {
            tools.extend(web::tools(search));
        }
        let remote = shelves(settings, last, said, &tools, (&self.policy, self.room(settings)))?;
        let searches = search::is_wanted(settings) && has_more(settings, &remote.tools);
        if searches {
            tools.push(search::tool());
        }
        tools.extend(remote.tools);
        if program::is_wanted(settings) {
            tools.push(program::tool(settings, &tools, self.room(settings)));
        }
        Ok(Offer { tools, instructions: offer::joined(instructions, remote.told) })
    }

    /// Bytes that servers' tools may take of a model's context: a quarter of its window, at four bytes a token.
    fn room(&self, settings: &SessionSettings) -> usize {
        let window = self.rules.model(&settings.agent.model).and_then(|model| model.context_tokens);
        window.and_then(|tokens| usize::try_from(tokens).ok()).unwrap_or(ROOM)
    }

    /// What one server offers, within its time.
    async fn ask<'a>(&self, place: Place<'a>, last: &Offer) -> (&'a McpTool, Said) {
        let server = place.server;
        let shelf = Shelf { server, last };
        // An environment is not started only to hear what was heard before.
        if is_inside(server) && shelf.is_known() && !self.was_called(place.session, &server.server_label) {
            return (server, Said::Unasked);
        }
        let named = (place.session.clone(), server.server_label.clone());
        if self.late().get(&named).is_some_and(|until| self.clock.monotonic() < *until) {
            let words = "it was too late before; it is asked again later";
            return (server, Said::Silence(Silence::new(Why::Late, words)));
        }
        let patience = if is_inside(server) { PATIENCE_INSIDE } else { PATIENCE };
        let asking = async {
            let unreachable = |words: String| Silence::new(Why::Unreachable, &words);
            let connection = self.servers.connection(&place).await.map_err(unreachable)?;
            connection.tools().await.map_err(Silence::from)
        };
        let said = tokio::select! {
            biased;
            said = asking => said,
            () = self.clock.sleep(patience) => {
                self.late().insert(named, self.clock.monotonic() + PAUSE);
                Err(Silence::new(Why::Late, &format!("no answer within {} s", patience.as_secs())))
            }
        };
        match said {
            Ok(listing) => (server, Said::Tools(self.listings.look(server, &listing.tools))),
            Err(silence) => {
                let (why, words) = (silence.why, &silence.words);
                let (session, server_label) = (place.session, &server.server_label);
                tracing::warn!(%session, server = %server_label, ?why, words, "an MCP server does not answer");
                (server, Said::Silence(silence))
            }
        }
    }

    /// Tells the operator of names in the session's settings that fit nothing, as far as its servers said what they have.
    fn warn(&self, session: &SessionId, settings: &SessionSettings, said: &[(&McpTool, Said)]) {
        for (server, said) in said {
            if let Said::Tools(tools) = said {
                self.warnings.allowed(session, server, |name| tools.iter().any(|tool| tool.name == name));
            }
        }
        self.warnings.approvals(session, &settings.metadata, |meaning| {
            said.iter().any(|(server, said)| {
                let tool = meaning.strip_prefix(&server.server_label).map(|rest| (rest, rest.strip_prefix('.')));
                match (tool, said) {
                    (Some(("", _)), _) => true,
                    (Some((_, Some(name))), Said::Tools(tools)) => tools.iter().any(|tool| tool.name == name),
                    // Nobody knows what it has.
                    (Some((_, Some(_))), _) => true,
                    _ => false,
                }
            })
        });
    }

    async fn look_at_the_web(&self, web: &Web, request: &ToolRequest) -> ToolOutcome {
        let outcome = web.perform(request).await;
        if let ToolOutcome::Failed(why) = &outcome
            && web::is_outage(why)
            && self.warnings.is_first(&request.session, why)
        {
            tracing::warn!(session = %request.session, why, "a web search failed");
        }
        outcome
    }

    fn called(&self) -> MutexGuard<'_, BTreeSet<(SessionId, String)>> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn late(&self) -> MutexGuard<'_, BTreeMap<(SessionId, String), Duration>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn was_called(&self, session: &SessionId, label: &str) -> bool {
        self.called().contains(&(session.clone(), label.to_owned()))
    }

    async fn attempt(&self, request: &ToolRequest, progress: &dyn Progress) -> ToolOutcome {
        match (request.call.kind, &self.web) {
            (ToolKind::ToolSearch, _) => self.search.perform(request),
            (ToolKind::WebSearch, Some(web)) => self.look_at_the_web(web, request).await,
            (ToolKind::WebSearch, None) => ToolOutcome::Failed("no web search is configured here any more".to_owned()),
            (ToolKind::Program, _) => program::perform(&self.interpreter, request).await,
            (ToolKind::Remote, _) if request.call.server_label.is_empty() => {
                self.workbench.perform(request, progress).await
            }
            (ToolKind::Remote, _) => {
                self.called().insert((request.session.clone(), request.call.server_label.clone()));
                let entered = self.calls.enter(request);
                remote::perform(&self.servers, request, entered.cancelled()).await
            }
        }
    }
}

/// The tools of all servers, and what is told of them.
struct FromServers {
    tools: Vec<types::OfferedTool>,
    told: Option<String>,
}

/// `beside` is what is offered already. A server without which the session must not go on is an error, unless it was
/// there before: then what it had stays.
fn shelves(
    settings: &SessionSettings,
    last: &Offer,
    said: Vec<(&McpTool, Said)>,
    beside: &[types::OfferedTool],
    (policy, room): (&Policy, usize),
) -> Result<FromServers, TurnError> {
    let functions = settings.agent.tools.iter().filter_map(|tool| match tool {
        Tool::Function { name, .. } | Tool::Custom { name, .. } => Some(name.as_str()),
        _ => None,
    });
    if said.is_empty() {
        return Ok(FromServers { tools: Vec::new(), told: None });
    }
    let own = [search::NAME, program::NAME];
    let taken = functions.chain(beside.iter().map(|tool| tool.name.as_str())).chain(own);
    let names = Names::beside(taken);
    let servers: Vec<_> = said.iter().map(|(server, _)| *server).collect();
    let (mut tools, mut silent) = (Vec::new(), Vec::new());
    for (server, said) in said {
        let label = &server.server_label;
        let shelf = Shelf { server, last };
        if let Said::Silence(silence) = &said
            && !shelf.is_known()
        {
            if server.required {
                return Err(missing(label, &silence.words));
            }
            silent.push((label.clone(), silence.why));
        }
        tools.extend(shelf.tools(said));
    }
    offer::consented(&mut tools, &servers, &settings.metadata, policy);
    let mut tools = offer::named(tools, last, names);
    let searches = search::is_wanted(settings);
    if searches {
        offer::keep_back(&mut tools);
    }
    let excess = offer::bound(&mut tools, last, room, searches);
    Ok(FromServers { tools, told: Some(offer::told(&silent, &excess)) })
}

/// The code is one that clients know; the contract's own word for it is in the message.
fn missing(label: &str, why: &str) -> TurnError {
    TurnError {
        code: "connection_failed".to_owned(),
        message: format!("mcp_server_startup_failed: the MCP server {label:?} is required and is not available: {why}"),
    }
}

/// Whether there is anything to search for.
fn has_more(settings: &SessionSettings, remote: &[types::OfferedTool]) -> bool {
    let deferred = |tool: &Tool| matches!(tool, Tool::Function { defer_loading: true, .. });
    remote.iter().any(|tool| tool.deferred) || settings.agent.tools.iter().any(deferred)
}

impl Tools for Toolbox {
    fn admit<'a>(
        &'a self,
        project: &'a ProjectId,
        tools: &'a [Tool],
        environment: &'a types::EnvironmentSettings,
        vault_ids: &'a [String],
    ) -> BoxFuture<'a, Result<(), Refusal>> {
        Box::pin(self.admit(Wanted { project, tools, environment, vault_ids }))
    }

    fn offered<'a>(
        &'a self,
        project: &'a ProjectId,
        session: &'a SessionId,
        settings: &'a SessionSettings,
        last: &'a Offer,
    ) -> BoxFuture<'a, Result<Offer, TurnError>> {
        Box::pin(self.union(project, session, settings, last))
    }

    fn perform<'a>(&'a self, request: &'a ToolRequest, progress: &'a dyn Progress) -> BoxFuture<'a, ToolOutcome> {
        Box::pin(self.attempt(request, progress))
    }

    fn cancel(&self, request: &ToolRequest) {
        match request.call.kind {
            ToolKind::Remote if request.call.server_label.is_empty() => self.workbench.cancel(request),
            ToolKind::Remote => self.calls.cancel(request),
            // They only look.
            ToolKind::WebSearch | ToolKind::ToolSearch | ToolKind::Program => {}
        }
    }

    fn turn_ended(&self, project: &ProjectId, session: &SessionId, turn: &TurnId) {
        self.search.forget(session);
        self.changes.forget(session);
        self.called().retain(|(other, _)| other != session);
        self.late().retain(|(other, _), _| other != session);
        self.workbench.turn_ended(project, session, turn);
    }
}
