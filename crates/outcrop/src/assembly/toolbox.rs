//! From what is configured to the tools that models may call here.

use crate::configuration::{Configuration, Mcp, SearchProvider, WebSearch};
use crate::hosting::{Environments, World};
use crate::program;
use anyhow::{Result, anyhow};
use mcp::{Http, Limits, Reach, Servers, Target};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tools::web::{Brave, Provider, Searxng, ThroughMcp};
use tools::{Parts, Toolbox, Web};
use url::Url;
use vaults::Vaults;

/// How long a search or a page may take.
const WEB: Duration = Duration::from_secs(20);

/// All tools of this server. Opens no connection and starts nothing.
pub fn toolbox(
    configuration: &Configuration,
    world: &World,
    environments: &Environments,
    vaults: Vaults,
) -> Result<Arc<Toolbox>> {
    let Mcp { allow_private, allowed_hosts } = configuration.mcp.clone();
    let reach = Reach { allow_private, allowed_hosts };
    let World { clock, entropy, spawn, .. } = world.clone();
    let around = mcp::World { clock, entropy, spawn };
    let servers = Servers::new(http(reach.clone(), Limits::default(), &around)?);
    let web = configuration.web_search.as_ref().map(|wanted| web(wanted, &around)).transpose()?;
    let (machines, workbench) = environments.bench();
    Ok(Arc::new(Toolbox::new(Parts {
        workbench: Arc::new(workbench),
        machines,
        servers,
        reach,
        vaults: Some(vaults),
        web,
        interpreter: program::interpreter(),
        policy: configuration.consent.clone(),
        rules: super::rules(configuration),
        clock: world.clock.clone(),
        spawn: world.spawn.clone(),
    })))
}

fn http(reach: Reach, limits: Limits, world: &mcp::World) -> Result<Http> {
    Http::new(reach, limits, world.clone()).map_err(|why| anyhow!(why))
}

/// Who searches the web. The provider is the operator's own choice and may be anywhere; pages are what models choose.
pub fn web(wanted: &WebSearch, world: &mcp::World) -> Result<Web> {
    let limits = Limits { opening: WEB, ..Limits::default() };
    let to_provider = |url: &Url| {
        let allowed_hosts = BTreeSet::from([url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned()]);
        http(Reach { allow_private: false, allowed_hosts }, limits.clone(), world)
    };
    let provider: Arc<dyn Provider> = match &wanted.provider {
        SearchProvider::Searxng { url } => Arc::new(Searxng::new(to_provider(url)?, url.clone())),
        SearchProvider::Brave { url, key } => {
            let url = url.clone().map_or_else(|| Url::parse(Brave::ENDPOINT), Ok)?;
            Arc::new(Brave::new(to_provider(&url)?, url, key.expose().to_owned()))
        }
        SearchProvider::Mcp { url, key, tool, argument } => {
            let servers = Servers::new(to_provider(url)?);
            let mut target = Target::new(url.clone());
            target
                .headers
                .extend(key.as_ref().map(|key| ("authorization".to_owned(), format!("Bearer {}", key.expose()))));
            Arc::new(ThroughMcp::new(servers, target, tool.clone(), argument.clone()))
        }
    };
    let pages = Reach { allow_private: false, allowed_hosts: wanted.allowed_hosts.clone() };
    Ok(Web::new(provider, http(pages, limits, world)?, wanted.blocked_domains.clone(), world.clock.clone()))
}
