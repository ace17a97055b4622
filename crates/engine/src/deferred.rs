//! Tools that a model is shown only once it has found them, and what those that it is shown take of its context.

use crate::state::State;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use types::{Found, Offer, OfferedTool, SessionSettings, Tool, ToolKind};

/// Names that one search may find.
const MAX_FOUND: usize = 64;
/// Names that are shown together because they were found, and bytes of what is said of them: a session may search for months.
/// What was found longest ago is kept back again; what was found last stays, whatever it takes.
const MAX_LOADED: usize = 128;
const MAX_LOADED_BYTES: u64 = 512 << 10;

/// Names of tools that were kept back, and were found.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Loaded {
    names: BTreeSet<String>,
    oldest_first: Vec<String>,
}

impl Loaded {
    /// They were found just now, whether or not they had been before.
    fn find(&mut self, names: &[String]) {
        let found: BTreeSet<&String> = names.iter().collect();
        self.oldest_first.retain(|name| !found.contains(name));
        for name in names {
            // Of a name that is said twice the first counts.
            if self.names.insert(name.clone()) || !self.oldest_first.contains(name) {
                self.oldest_first.push(name.clone());
            }
        }
    }

    /// Takes out what was found longest ago, until the rest is within bounds; of the newest `kept` nothing.
    fn forget(&mut self, kept: usize, size: impl Fn(&str) -> u64) -> BTreeSet<String> {
        let mut bytes: u64 = self.oldest_first.iter().map(|name| size(name)).sum();
        let mut gone = 0;
        for name in &self.oldest_first[..self.oldest_first.len().saturating_sub(kept)] {
            if self.oldest_first.len() - gone <= MAX_LOADED && bytes <= MAX_LOADED_BYTES {
                break;
            }
            bytes -= size(name);
            gone += 1;
        }
        let gone: BTreeSet<String> = self.oldest_first.drain(..gone).collect();
        self.names.retain(|name| !gone.contains(name));
        gone
    }
}

impl State {
    /// The names of those that were found, where there is a search and so tools are kept back; None where all are shown.
    pub fn found(&self) -> Option<&BTreeSet<String>> {
        let declared = self.settings.agent.tools.iter().any(|tool| matches!(tool, Tool::ToolSearch));
        let offered = || self.offered.tools.iter().any(|tool| tool.kind == ToolKind::ToolSearch);
        (declared && offered()).then_some(&self.loaded.names)
    }
}

/// Whether the model is shown a tool of the client's.
pub fn shows(found: Option<&BTreeSet<String>>, tool: &Tool) -> bool {
    match (found, tool) {
        (Some(found), Tool::Function { name, defer_loading: true, .. }) => found.contains(name),
        _ => true,
    }
}

/// Whether the model is shown an offered one.
pub fn shows_offered(found: Option<&BTreeSet<String>>, tool: &OfferedTool) -> bool {
    found.is_none_or(|found| !tool.deferred || found.contains(&tool.name))
}

/// Counts anew what every model call is sent beside the transcript. An estimate.
pub(crate) fn weigh(state: &mut State) {
    let (own, offered) = (of_settings(state, &state.settings), of_offer(state, &state.offered));
    (state.settings_bytes, state.offered_bytes) = (own, offered);
}

fn of_settings(state: &State, settings: &SessionSettings) -> u64 {
    let agent = &settings.agent;
    let found = state.found();
    let instructions = agent.instructions.as_ref().map_or(0, String::len) as u64;
    let format = written(&agent.text.format);
    let shown = agent.tools.iter().filter(|tool| shows(found, tool));
    let brackets = u64::from(!agent.tools.is_empty());
    instructions + format + brackets + shown.map(|tool| written(tool) + 1).sum::<u64>()
}

fn of_offer(state: &State, offer: &Offer) -> u64 {
    let found = state.found();
    let told = offer.instructions.as_ref().map_or(0, String::len) as u64;
    told + offer.tools.iter().filter(|tool| shows_offered(found, tool)).map(of_tool).sum::<u64>()
}

/// Bytes of what is said of a tool.
pub(crate) fn of_tool(tool: &OfferedTool) -> u64 {
    (tool.name.len() + tool.description.len()) as u64 + written(&tool.parameters)
}

/// What a search may find: nothing that there is not, and no more than a model can read.
pub(crate) fn findable(state: &State, found: Found) -> Found {
    let is_known = |name: &String| {
        let own = |tool: &Tool| matches!(tool, Tool::Function { name: own, .. } if own == name);
        state.settings.agent.tools.iter().any(own) || state.offered.tools.iter().any(|tool| tool.name == *name)
    };
    Found { names: found.names.into_iter().filter(is_known).take(MAX_FOUND).collect(), ..found }
}

/// They are shown from here on, and what was found longest ago is not any more where they are too many. Counts what was found
/// alone: there may be thousands.
pub(crate) fn load(state: &mut State, names: &[String]) {
    let shown = state.found().is_some();
    let before = if shown { sizes(state) } else { BTreeMap::new() };
    state.loaded.find(names);
    let after = sizes(state);
    let kept = names.iter().collect::<BTreeSet<_>>().len();
    let gone = state.loaded.forget(kept, |name| after.get(name).map_or(0, |size| size.own + size.offered));
    if shown {
        let sum = |sizes: &mut dyn Iterator<Item = &Size>| {
            sizes.fold(Size::default(), |sum, size| Size {
                own: sum.own + size.own,
                offered: sum.offered + size.offered,
            })
        };
        let was = sum(&mut before.values());
        let is = sum(&mut after.iter().filter(|(name, _)| !gone.contains(*name)).map(|(_, size)| size));
        state.settings_bytes = state.settings_bytes + is.own - was.own;
        state.offered_bytes = state.offered_bytes + is.offered - was.offered;
    }
}

/// Bytes of what is said of tools of one name that are kept back: of the client's, and of those that are offered.
#[derive(Clone, Copy, Default)]
struct Size {
    own: u64,
    offered: u64,
}

/// Of those that were found.
fn sizes(state: &State) -> BTreeMap<String, Size> {
    let mut sizes: BTreeMap<String, Size> = BTreeMap::new();
    let found = &state.loaded.names;
    for tool in &state.settings.agent.tools {
        if let Tool::Function { name, defer_loading: true, .. } = tool
            && found.contains(name)
        {
            sizes.entry(name.clone()).or_default().own += written(tool) + 1;
        }
    }
    for tool in state.offered.tools.iter().filter(|tool| tool.deferred && found.contains(&tool.name)) {
        sizes.entry(tool.name.clone()).or_default().offered += of_tool(tool);
    }
    sizes
}

/// What a model is told that calls a tool which it is not shown; None where it is shown.
pub(crate) fn not_found(state: &State, own: Option<&Tool>, offered: Option<&OfferedTool>) -> Option<String> {
    let found = state.found();
    let is_shown = own.is_none_or(|tool| shows(found, tool)) && offered.is_none_or(|tool| shows_offered(found, tool));
    let search = state.offered.tools.iter().find(|tool| tool.kind == ToolKind::ToolSearch)?;
    (!is_shown).then(|| format!("It is not shown at the moment: find it with {:?}, and then call it.", search.name))
}

/// Bytes of the value as JSON.
pub(crate) fn written<T: serde::Serialize>(value: &T) -> u64 {
    let mut count = Count(0);
    // What is counted cannot fail to be written, and the count is an estimate.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
