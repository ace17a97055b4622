//! `[web_search]`: who searches the web for agents, and which pages they may read.

use super::complaint::{Complaint, Text};
use super::{SearchProvider, Secret, Variables, WebSearch, hint, mcp, model, raw};
use std::collections::BTreeSet;
use toml::Spanned;

const PROVIDERS: [&str; 3] = ["searxng", "brave", "mcp"];
/// What most servers call it.
const ARGUMENT: &str = "query";

/// None where the file has no such section.
pub fn resolve(
    raw: Option<&Spanned<raw::WebSearch>>,
    variables: &Variables,
    text: &Text<'_>,
) -> Result<Option<WebSearch>, Complaint> {
    let Some(section) = raw else { return Ok(None) };
    let raw = section.get_ref();
    let provider = match &raw.provider {
        Some(provider) => provider,
        None => {
            let message = format!("provider is missing; it is one of {}", PROVIDERS.join(", "));
            return Err(text.complain(section.span(), message));
        }
    };
    refuse_strangers(provider, raw, text)?;
    let missing = |field: &str| {
        let message = format!("provider \"{}\" needs {field}", provider.get_ref());
        text.complain(provider.span(), message)
    };
    let provider = match provider.get_ref().as_str() {
        "searxng" => SearchProvider::Searxng { url: url(raw.url.as_ref(), text)?.ok_or_else(|| missing("url"))? },
        "brave" => SearchProvider::Brave {
            url: url(raw.url.as_ref(), text)?,
            key: key(raw.api_key_env.as_ref(), variables, text)?.ok_or_else(|| missing("api_key_env"))?,
        },
        "mcp" => SearchProvider::Mcp {
            url: url(raw.url.as_ref(), text)?.ok_or_else(|| missing("url"))?,
            key: key(raw.api_key_env.as_ref(), variables, text)?,
            tool: raw.tool.as_ref().map(|tool| tool.get_ref().clone()).ok_or_else(|| missing("tool"))?,
            argument: raw.argument.as_ref().map_or(ARGUMENT, |name| name.get_ref()).to_owned(),
        },
        other => {
            return Err(text.complain(provider.span(), format!("unknown provider; {}", hint(other, PROVIDERS))));
        }
    };
    Ok(Some(WebSearch {
        provider,
        blocked_domains: hosts(raw.blocked_domains.as_deref(), text)?.into_iter().collect(),
        allowed_hosts: hosts(raw.allowed_hosts.as_deref(), text)?,
    }))
}

/// What a provider makes nothing of would be ignored.
fn refuse_strangers(provider: &Spanned<String>, raw: &raw::WebSearch, text: &Text<'_>) -> Result<(), Complaint> {
    let word = provider.get_ref().as_str();
    for (field, said, of) in [
        ("tool", &raw.tool, &["mcp"][..]),
        ("argument", &raw.argument, &["mcp"]),
        ("api_key_env", &raw.api_key_env, &["brave", "mcp"]),
    ] {
        if let Some(said) = said
            && !of.contains(&word)
            && PROVIDERS.contains(&word)
        {
            return Err(text.complain(said.span(), format!("provider \"{word}\" has no {field}")));
        }
    }
    Ok(())
}

fn url(raw: Option<&Spanned<String>>, text: &Text<'_>) -> Result<Option<url::Url>, Complaint> {
    let Some(raw) = raw else { return Ok(None) };
    let parsed = model::url(raw.get_ref()).and_then(|url| url::Url::parse(url).ok());
    let parsed = parsed.filter(|url| url.username().is_empty() && url.password().is_none());
    parsed.map(Some).ok_or_else(|| {
        let message =
            "a url begins with http:// or https://, names a host and holds no user, such as \"http://127.0.0.1:8888\"";
        text.complain(raw.span(), message)
    })
}

fn key(raw: Option<&Spanned<String>>, variables: &Variables, text: &Text<'_>) -> Result<Option<Secret>, Complaint> {
    let Some(raw) = raw else { return Ok(None) };
    match variables.get(raw.get_ref()) {
        Some(key) => Ok(Some(Secret(key.to_owned()))),
        // It may be the key itself, by mistake: it is not said back.
        None => Err(text.complain(raw.span(), "api_key_env names a variable that is not set")),
    }
}

fn hosts(raw: Option<&[Spanned<String>]>, text: &Text<'_>) -> Result<BTreeSet<String>, Complaint> {
    raw.unwrap_or_default().iter().map(|host| mcp::host(host, text)).collect()
}
