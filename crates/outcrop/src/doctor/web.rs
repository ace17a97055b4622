//! Whether the web can be searched: with one search, because a provider that can be reached may still refuse its key or
//! answer what nobody here reads.

use super::Findings;
use crate::assembly;
use crate::configuration::{Configuration, SearchProvider};
use crate::world::{KernelEntropy, TokioClock, TokioSpawn};
use std::sync::Arc;

pub async fn check(configuration: &Configuration, findings: &Findings) {
    let Some(wanted) = &configuration.web_search else { return };
    let provider = match &wanted.provider {
        SearchProvider::Searxng { url } => format!("searxng at {}", url.host_str().unwrap_or_default()),
        SearchProvider::Brave { .. } => "brave".to_owned(),
        SearchProvider::Mcp { url, tool, .. } => format!("`{tool}` of {}", url.host_str().unwrap_or_default()),
    };
    let world = mcp::World {
        clock: Arc::new(TokioClock::start()),
        entropy: Arc::new(KernelEntropy),
        spawn: Arc::new(TokioSpawn),
    };
    let found = match assembly::web(wanted, &world) {
        Ok(web) => web.try_once().await,
        Err(error) => Err(format!("{error:#}")),
    };
    match found {
        Ok(hits) => findings.ok("web search", format_args!("{provider}: answered a search, {hits} hits")),
        Err(why) => findings.warn(
            "web search",
            format_args!(
                "{provider}: {}; agents that search will be told so. See [web_search] (docs/web.md)",
                crate::terminal::tame(&why)
            ),
        ),
    }
}
