//! `[[model]]` entries: each alone, then all of them together (names, fallbacks).

use super::complaint::{Complaint, Text};
use super::resolve::{DAY, number, span};
use super::{
    ModelEntry, Provider, Secret, Source, Task, Timeouts, Upstream, Variables, Weights, defaults, hint,
    nearest::nearest, raw, source, units,
};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;
use types::{ModelRules, Price};

const PROVIDERS: [&str; 4] = ["local", "openai-responses", "openai-chat", "script"];
const MAX_MODELS: usize = 1000;
/// Of one model.
const MAX_ALIASES: usize = 100;
/// Known, and for a later version.
const LATER_PROVIDERS: [&str; 2] = ["anthropic", "bedrock"];

pub fn resolve(
    raw: &[Spanned<raw::Model>],
    variables: &Variables,
    text: &Text<'_>,
) -> Result<Vec<ModelEntry>, Complaint> {
    if let Some(model) = raw.get(MAX_MODELS) {
        return Err(text.complain(model.span(), format!("more than {MAX_MODELS} models")));
    }
    let models = raw.iter().map(|model| entry(model, variables, text)).collect::<Result<_, _>>()?;
    check_names(raw, text)?;
    check_fallbacks(raw, text)?;
    Ok(models)
}

fn entry(model: &Spanned<raw::Model>, variables: &Variables, text: &Text<'_>) -> Result<ModelEntry, Complaint> {
    let raw = model.get_ref();
    let name = raw.name.get_ref();
    for name in std::iter::once(&raw.name).chain(&raw.aliases) {
        let text_of = name.get_ref();
        if text_of.is_empty() || text_of.len() > 256 || text_of.chars().any(char::is_control) {
            return Err(text.complain(name.span(), "a model's name has 1 to 256 bytes and no control characters"));
        }
    }
    let task = task(raw, text)?;
    let provider = provider(raw, task, variables, text)?;
    let is_local = matches!(provider, Provider::Local(_));
    let default = Timeouts {
        first_byte: if is_local { defaults::LOCAL_FIRST_BYTE } else { defaults::TIMEOUTS.first_byte },
        ..defaults::TIMEOUTS
    };
    let tokens = |value: &Option<Spanned<i64>>| -> Result<Option<u64>, Complaint> {
        value.as_ref().map(|value| number(value, 1, 1_000_000_000, text)).transpose()
    };
    let attempts = match &raw.attempts {
        Some(value) => u32::try_from(number(value, 1, 100, text)?).unwrap_or(1),
        None => defaults::attempts(task, is_local),
    };
    Ok(ModelEntry {
        name: name.clone(),
        aliases: raw.aliases.iter().map(|alias| alias.get_ref().clone()).collect(),
        provider,
        task,
        upstream_model: raw.upstream_model.as_ref().map(|value| value.get_ref().clone()),
        rules: ModelRules {
            attempts,
            fallback: raw.fallback.iter().map(|name| name.get_ref().clone()).collect(),
            price: raw.price.as_ref().map(|value| price(value, text)).transpose()?.unwrap_or_default(),
            context_tokens: tokens(&raw.context_tokens)?,
            max_output_tokens: tokens(&raw.max_output_tokens)?,
        },
        timeouts: Timeouts {
            connect: span(raw.timeout.connect.as_ref(), default.connect, DAY, text)?,
            first_byte: span(raw.timeout.first_byte.as_ref(), default.first_byte, DAY, text)?,
            stall: span(raw.timeout.stall.as_ref(), default.stall, DAY, text)?,
        },
    })
}

const TASKS: [&str; 2] = ["chat", "embedding"];

fn task(raw: &raw::Model, text: &Text<'_>) -> Result<Task, Complaint> {
    let Some(word) = &raw.task else { return Ok(Task::Chat) };
    match word.get_ref().as_str() {
        "chat" => Ok(Task::Chat),
        "embedding" => check_embedding(raw, text).map(|()| Task::Embedding),
        unknown => Err(text.complain(word.span(), format!("unknown task `{unknown}`; {}", hint(unknown, TASKS)))),
    }
}

/// What belongs to conversations alone.
fn check_embedding(raw: &raw::Model, text: &Text<'_>) -> Result<(), Complaint> {
    if raw.provider.get_ref() == "script" {
        return Err(text.complain(raw.provider.span(), "the provider `script` makes no embeddings"));
    }
    if let Some(fallback) = raw.fallback.first() {
        let message = "an embedding model has no fallback: vectors of different models cannot be compared";
        return Err(text.complain(fallback.span(), message));
    }
    let misplaced = [
        ("context_tokens", raw.context_tokens.as_ref().map(Spanned::span)),
        ("max_output_tokens", raw.max_output_tokens.as_ref().map(Spanned::span)),
        ("price", raw.price.as_ref().map(|price| price.input.span())),
    ];
    match misplaced.into_iter().find_map(|(field, span)| Some((field, span?))) {
        Some((field, span)) => {
            Err(text.complain(span, format!("`{field}` means nothing to an embedding model; remove it")))
        }
        None => Ok(()),
    }
}

fn provider(raw: &raw::Model, task: Task, variables: &Variables, text: &Text<'_>) -> Result<Provider, Complaint> {
    let word = raw.provider.get_ref().as_str();
    let only_for_upstreams = [("base_url", &raw.base_url), ("api_key_env", &raw.api_key_env)];
    let only_for_local = [("source", &raw.source), ("sha256", &raw.sha256)];
    let misplaced: &[(&str, &Option<Spanned<String>>)] = match word {
        "local" => &[only_for_upstreams[0], only_for_upstreams[1], ("upstream_model", &raw.upstream_model)],
        "script" => &[only_for_upstreams[0], only_for_upstreams[1], only_for_local[0], only_for_local[1]],
        _ => &only_for_local,
    };
    if PROVIDERS.contains(&word)
        && let Some((field, value)) =
            misplaced.iter().find_map(|(field, value)| value.as_ref().map(|value| (field, value)))
    {
        return Err(text.complain(value.span(), format!("`{field}` means nothing to the provider `{word}`; remove it")));
    }
    match word {
        "local" if cfg!(feature = "local") => Ok(Provider::Local(weights(raw, task, variables, text)?)),
        "local" => Err(text.complain(
            raw.provider.span(),
            "this binary was built without local models (cargo feature `local`); use another provider",
        )),
        "openai-responses" => Ok(Provider::OpenaiResponses(upstream(raw, variables, text)?)),
        "openai-chat" => Ok(Provider::OpenaiChat(upstream(raw, variables, text)?)),
        "script" => Ok(Provider::Script),
        later if LATER_PROVIDERS.contains(&later) => {
            Err(text.complain(raw.provider.span(), format!("the provider `{later}` is not served by this version")))
        }
        unknown => {
            Err(text
                .complain(raw.provider.span(), format!("unknown provider `{unknown}`; {}", hint(unknown, PROVIDERS))))
        }
    }
}

fn weights(raw: &raw::Model, task: Task, variables: &Variables, text: &Text<'_>) -> Result<Weights, Complaint> {
    let source = match &raw.source {
        Some(written) => Source::read(written.get_ref(), variables).map_err(|misread| match misread {
            source::Misread::Here(message) => text.complain(written.span(), message),
            source::Misread::Variable(name, message) => Complaint::word(name, message),
        })?,
        None if task == Task::Embedding => Source::minilm(),
        None => Source::smollm2(),
    };
    if let (Task::Embedding, Source::Web { .. }, Some(written)) = (task, &source, &raw.source) {
        let message = "an embedding model comes from \"pypi:PACKAGE\" or from \"file:PATH\", a folder or a zip file";
        return Err(text.complain(written.span(), message));
    }
    let sha256 = match &raw.sha256 {
        Some(written) => {
            let hash = written.get_ref().to_ascii_lowercase();
            if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(text.complain(written.span(), "a sha256 is written as 64 hexadecimal digits"));
            }
            Some(hash)
        }
        None => None,
    };
    Ok(Weights { source, sha256, task })
}

fn upstream(raw: &raw::Model, variables: &Variables, text: &Text<'_>) -> Result<Upstream, Complaint> {
    let base_url = match &raw.base_url {
        Some(url) => {
            let message = "a base_url begins with http:// or https://, names a host and has no fragment, such as \"http://127.0.0.1:9000/v1\"";
            self::url(url.get_ref()).ok_or_else(|| text.complain(url.span(), message))?.to_owned()
        }
        None => defaults::OPENAI_URL.to_owned(),
    };
    let key = match (&raw.api_key_env, &raw.base_url) {
        (Some(variable), _) => Some(named_key(variable, variables, text)?),
        // An upstream of one's own may need no key; the default one always does.
        (None, Some(_)) => None,
        (None, None) => {
            Some(variables.get(defaults::OPENAI_KEY).map(|key| Secret(key.to_owned())).ok_or_else(|| {
                let message = format!(
                    "{} is not set; set it, or name the upstream with base_url and its key's variable with api_key_env",
                    defaults::OPENAI_KEY
                );
                text.complain(raw.name.span(), message)
            })?)
        }
    };
    Ok(Upstream { base_url, key })
}

/// A URL that paths can be put behind, without a slash at its end.
pub fn url(text: &str) -> Option<&str> {
    let text = text.trim_end_matches('/');
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let fits = !host.is_empty() && !host.starts_with(['/', '?', '#', ':']);
    (fits && !text.contains(char::is_whitespace) && !text.contains('#')).then_some(text)
}

fn named_key(variable: &Spanned<String>, variables: &Variables, text: &Text<'_>) -> Result<Secret, Complaint> {
    let name = variable.get_ref();
    // Somebody who wrote the key itself here must not find it in a log.
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(text.complain(variable.span(), "api_key_env is the name of a variable, never the key itself"));
    }
    if let Some(key) = variables.get(name) {
        return Ok(Secret(key.to_owned()));
    }
    let near = nearest(name, variables.names().filter(|near| near != name))
        .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Err(text.complain(variable.span(), format!("the variable `{name}` is not set{near}")))
}

fn price(raw: &raw::Price, text: &Text<'_>) -> Result<Price, Complaint> {
    let read = |value: &Spanned<f64>| {
        units::price(text.slice(value.span())).map_err(|message| text.complain(value.span(), message))
    };
    let input = read(&raw.input)?;
    Ok(Price {
        input,
        cached_input: raw.cached_input.as_ref().map(read).transpose()?.unwrap_or(input),
        output: read(&raw.output)?,
    })
}

fn check_names(raw: &[Spanned<raw::Model>], text: &Text<'_>) -> Result<(), Complaint> {
    let mut seen = BTreeSet::new();
    for model in raw {
        if let Some(alias) = model.get_ref().aliases.get(MAX_ALIASES) {
            return Err(text.complain(alias.span(), format!("more than {MAX_ALIASES} aliases")));
        }
    }
    let names = raw.iter().map(|model| &model.get_ref().name);
    let aliases = raw.iter().flat_map(|model| &model.get_ref().aliases);
    for name in names.chain(aliases) {
        if !seen.insert(name.get_ref().as_str()) {
            return Err(
                text.complain(name.span(), format!("there is a model `{}` already; names are unique", name.get_ref()))
            );
        }
    }
    match raw.iter().flat_map(|model| &model.get_ref().aliases).find(|alias| alias.get_ref() == "*") {
        Some(alias) => Err(text.complain(alias.span(), "`*` is a name, never an alias")),
        None => Ok(()),
    }
}

fn check_fallbacks(raw: &[Spanned<raw::Model>], text: &Text<'_>) -> Result<(), Complaint> {
    let by_name: BTreeMap<&str, &raw::Model> =
        raw.iter().map(|model| (model.get_ref().name.get_ref().as_str(), model.get_ref())).collect();
    for model in by_name.values() {
        for fallback in &model.fallback {
            let name = fallback.get_ref().as_str();
            let Some(entry) = by_name.get(name) else {
                let others = by_name.keys().copied().filter(|other| *other != model.name.get_ref().as_str());
                let message = format!("no model is named `{name}`; {}", hint(name, others));
                return Err(text.complain(fallback.span(), message));
            };
            if entry.task.as_ref().is_some_and(|task| task.get_ref() == "embedding") {
                let message = format!("`{name}` makes embeddings and cannot answer instead");
                return Err(text.complain(fallback.span(), message));
            }
            if name == "*" && entry.upstream_model.is_none() {
                let message = "`*` can be a fallback only where its entry names an upstream_model";
                return Err(text.complain(fallback.span(), message));
            }
        }
    }
    match circle(&by_name) {
        Some((path, back)) => {
            Err(text.complain(back.span(), format!("fallbacks go in a circle: `{}`", path.join("` -> `"))))
        }
        None => Ok(()),
    }
}

/// A circle of fallbacks, and the one that closes it.
fn circle<'a>(by_name: &BTreeMap<&'a str, &'a raw::Model>) -> Option<(Vec<&'a str>, &'a Spanned<String>)> {
    // Whatever has no fallback left cannot be in a circle; what remains in the end leads into one.
    let mut left = by_name.clone();
    loop {
        let before = left.len();
        let names: Vec<&str> = left.keys().copied().collect();
        left.retain(|_, model| model.fallback.iter().any(|next| names.binary_search(&next.get_ref().as_str()).is_ok()));
        if left.len() == before {
            break;
        }
    }
    let mut path = vec![*left.keys().next()?];
    loop {
        let model = left.get(path.last()?)?;
        let next = model.fallback.iter().find(|next| left.contains_key(next.get_ref().as_str()))?;
        let name = next.get_ref().as_str();
        if let Some(begin) = path.iter().position(|seen| *seen == name) {
            path.push(name);
            return Some((path.split_off(begin), next));
        }
        path.push(name);
    }
}
