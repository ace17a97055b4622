//! How fast tools are found among thousands, and what that saves: `cargo xtask bench tools`.
//!
//! The tools are made of words that tools have; queries are of two or three of them, some in other forms. The baseline is
//! a look at every tool's text for each word. Tokens are counted as four bytes each.
#![expect(clippy::print_stdout, reason = "it is a program that tells")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tools::search::{self, Search};
use types::{
    AgentSettings, Attempt, CallId, Door, EffectId, EnvironmentSettings, Offer, ProjectId, Review, SessionId,
    SessionSettings, Tool, ToolOutcome, ToolRequest, TurnId,
};

const TOOLS: usize = 5000;
const QUERIES: usize = 4000;
const VERBS: [&str; 20] = [
    "create", "delete", "list", "update", "search", "send", "read", "copy", "move", "rename", "merge", "close", "open",
    "assign", "archive", "export", "import", "validate", "schedule", "cancel",
];
const NOUNS: [&str; 25] = [
    "issue",
    "invoice",
    "file",
    "folder",
    "message",
    "customer",
    "order",
    "ticket",
    "calendar",
    "event",
    "contact",
    "report",
    "dashboard",
    "query",
    "table",
    "user",
    "group",
    "policy",
    "branch",
    "commit",
    "release",
    "payment",
    "refund",
    "address",
    "document",
];
const PLACES: [&str; 10] =
    ["github", "jira", "stripe", "slack", "drive", "notion", "salesforce", "zendesk", "gitlab", "confluence"];

fn tool(number: usize) -> Tool {
    let (verb, noun) = (VERBS[number % VERBS.len()], NOUNS[number / VERBS.len() % NOUNS.len()]);
    let place = PLACES[number / (VERBS.len() * NOUNS.len()) % PLACES.len()];
    let parameters = json!({
        "type": "object",
        "properties": {
            format!("{noun}_id"): {"type": "string", "description": format!("Which {noun} of {place}.")},
            "fields": {"type": "object", "description": format!("What to {verb}, by name."), "properties": {
                "title": {"type": "string"}, "owner": {"type": "string", "description": "A person's name."}}},
            "dryRun": {"type": "boolean", "description": "Only say what would be done."},
        },
        "required": [format!("{noun}_id")],
    });
    Tool::Function {
        name: format!("{place}_{verb}_{noun}"),
        description: format!("Lets the agent {verb} a {noun} in {place}, and says what it looks like afterwards."),
        parameters: parameters.as_object().cloned().unwrap_or_default(),
        defer_loading: true,
        is_async: None,
        strict: None,
    }
}

fn settings() -> SessionSettings {
    let mut agent = AgentSettings::new("m");
    agent.tools = (0..TOOLS).map(tool).collect();
    agent.tools.push(Tool::ToolSearch);
    SessionSettings {
        agent_id: "agent_1".into(),
        agent_name: None,
        agent,
        environment: EnvironmentSettings::None,
        vault_ids: Vec::new(),
        prompt_cache: None,
        review: Review::None,
        spend_limit: None,
        metadata: BTreeMap::new(),
        door: Door::Agents,
        aws: None,
    }
}

fn request(settings: &Arc<SessionSettings>, offer: &Arc<Offer>, query: &str) -> ToolRequest {
    ToolRequest {
        project: ProjectId::new("p"),
        session: SessionId::new("sess_1"),
        turn: TurnId::new("turn_1"),
        call: search::tool().called(EffectId(1), CallId::new("c"), json!({"query": query}).to_string()),
        attempt: Attempt(1),
        key: None,
        attach: false,
        settings: settings.clone(),
        offer: offer.clone(),
        resume: None,
    }
}

fn query(number: usize) -> String {
    let (verb, noun) = (VERBS[number * 7 % VERBS.len()], NOUNS[number * 11 % NOUNS.len()]);
    match number % 3 {
        0 => format!("{verb} {noun}s"),
        1 => format!("{verb}ing a {noun} in {}", PLACES[number * 3 % PLACES.len()]),
        _ => format!("I want to {verb} the {noun} of a person by its name"),
    }
}

fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    times[((times.len() - 1) as f64 * share).round() as usize].as_secs_f64() * 1000.0
}

fn scanned(texts: &[String], query: &str) -> usize {
    texts.iter().filter(|text| query.split(' ').any(|word| text.contains(word))).count()
}

fn main() {
    let (settings, offer) = (Arc::new(settings()), Arc::new(Offer::default()));
    let texts: Vec<String> = settings.agent.tools.iter().map(|tool| format!("{tool:?}")).collect();
    let shown: usize = settings.agent.tools.iter().map(|tool| json!(tool).to_string().len()).sum();
    let search = Search::default();
    let begun = Instant::now();
    search.perform(&request(&settings, &offer, "first"));
    let first = begun.elapsed().as_secs_f64() * 1000.0;
    let (mut times, mut scans, mut found, mut told) = (Vec::new(), Vec::new(), 0, 0);
    for number in 0..QUERIES {
        let query = query(number);
        let asked = request(&settings, &offer, &query);
        let begun = Instant::now();
        let outcome = search.perform(&asked);
        times.push(begun.elapsed());
        if let ToolOutcome::Found(these) = outcome {
            told += these.told.len();
            found += these.names.len();
        }
        if number % 20 == 0 {
            let begun = Instant::now();
            std::hint::black_box(scanned(&texts, &query));
            scans.push(begun.elapsed());
        }
    }
    let each = shown / settings.agent.tools.len();
    println!("{TOOLS} tools, {QUERIES} searches, {:.1} found by each", found as f64 / QUERIES as f64);
    println!("the first search, which makes the index   {first:>9.2} ms");
    println!("a search                                  {:>9.3} ms p50", quantile(&mut times, 0.5));
    println!("                                          {:>9.3} ms p99 (aim: below 5)", quantile(&mut times, 0.99));
    println!("a look at every tool's text               {:>9.3} ms p50", quantile(&mut scans, 0.5));
    println!("tokens of all tools in each model call    {:>9}", shown / 4);
    let with = (told + found * each) / QUERIES / 4 + json!(search::tool().parameters).to_string().len() / 4;
    println!("tokens of a search and what it found      {with:>9}");
}
