//! `outcrop key`: works on the store's file beside a running server, which notices within a second.

use crate::cli::Key;
use crate::configuration::{Configuration, hint};
use crate::data::DataFolder;
use crate::identity::root;
use crate::terminal::{self, tame};
use crate::world::{KernelEntropy, TokioClock, TokioSpawn};
use anyhow::{Result, anyhow, bail};
use models::Models;
use runtime::{Catalog, World};
use std::path::Path;
use std::sync::Arc;
use store::Sqlite;
use types::{KeyId, ProjectId, Rules, Timestamp};

/// What a key may be allowed; without any, it may do everything.
const SCOPES: [&str; 10] = [
    "api.agents.read",
    "api.agents.write",
    "api.embeddings.write",
    "api.environments.write",
    "api.files.read",
    "api.files.write",
    "api.responses.read",
    "api.responses.write",
    "api.vaults.read",
    "api.vaults.write",
];

pub async fn run(command: &Key, configuration: &Configuration) -> Result<()> {
    // Keys may be made before the first start: then this makes the folder.
    let data = match command {
        Key::Create { .. } => DataFolder::create(&configuration.data)?,
        Key::List | Key::Revoke { .. } => DataFolder::existing(&configuration.data)?,
    };
    let catalog = catalog(&data)?;
    match command {
        Key::Create { project, scopes, aws } => {
            check(project, scopes)?;
            let (project, scopes) = (ProjectId::from(project.as_str()), scopes.clone());
            if *aws {
                create_access_key(&catalog, &root::path(configuration, &data), &project, scopes).await
            } else {
                create(&catalog, &project, scopes).await
            }
        }
        Key::List => list(&catalog).await,
        Key::Revoke { id } => revoke(&catalog, id).await,
    }
}

/// Keys and agents of a folder that a server may be using.
fn catalog(data: &DataFolder) -> Result<Catalog> {
    Ok(Catalog::new(World {
        clock: Arc::new(TokioClock::start()),
        entropy: Arc::new(KernelEntropy),
        spawn: Arc::new(TokioSpawn),
        store: Arc::new(Sqlite::open_shared(data.path())?),
        models: Arc::new(Models::default()),
        tools: Arc::new(types::NoTools),
        rules: Arc::new(Rules::default()),
    }))
}

fn check(project: &str, scopes: &[String]) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if project.is_empty() || project.len() > 64 || !project.chars().all(fits) {
        bail!("a project's name has 1 to 64 letters, digits, dots, dashes and underscores");
    }
    for scope in scopes {
        if !SCOPES.contains(&scope.as_str()) {
            bail!("unknown scope `{}`; {}", tame(scope), hint(scope, SCOPES));
        }
    }
    Ok(())
}

async fn create(catalog: &Catalog, project: &ProjectId, scopes: Vec<String>) -> Result<()> {
    let key = catalog.create_key(project, scopes).await.map_err(|refusal| anyhow!(refusal))?;
    terminal::say(&key.secret);
    terminal::warn(format_args!("{} of project {project}; it is shown this once", key.row.id));
    Ok(())
}

/// The two lines are such as a shell and a container's file of variables read.
async fn create_access_key(catalog: &Catalog, file: &Path, project: &ProjectId, scopes: Vec<String>) -> Result<()> {
    let root = match root::read(file)? {
        Some(root) => root,
        None => {
            let keys = catalog.keys().await.map_err(|refusal| anyhow!(refusal))?;
            if has_access_keys(&keys) {
                bail!(
                    "the root key {} is not there, and access keys were made with it; put it back, or revoke them first",
                    file.display()
                );
            }
            root::make(file)?
        }
    };
    let root = root.of_access_keys();
    let key = catalog.create_access_key(project, scopes).await.map_err(|refusal| anyhow!(refusal))?;
    terminal::say(format_args!("AWS_ACCESS_KEY_ID={}", key.hint));
    terminal::say(format_args!("AWS_SECRET_ACCESS_KEY={}", root.secret(&key.hint)));
    terminal::warn(format_args!("{} of project {project}; the secret is shown this once", key.id));
    Ok(())
}

/// Whether there are some that are not revoked.
pub fn has_access_keys(keys: &[store::KeyRow]) -> bool {
    keys.iter().any(|key| is_access_key(&key.hint) && key.revoked_at.is_none())
}

/// Lists show the whole id of an access key: it is no secret.
fn is_access_key(hint: &str) -> bool {
    hint.len() == 20 && hint.starts_with("AKIA")
}

async fn list(catalog: &Catalog) -> Result<()> {
    let keys = catalog.keys().await.map_err(|refusal| anyhow!(refusal))?;
    terminal::say(format_args!("{:30} {:20} {:16} {:20} {:8} SCOPES", "ID", "BEGINS", "PROJECT", "CREATED", "STATE"));
    for key in keys {
        terminal::say(format_args!(
            "{:30} {:20} {:16} {:20} {:8} {}",
            key.id.as_str(),
            if is_access_key(&key.hint) { key.hint.clone() } else { format!("{}…", tame(&key.hint)) },
            key.project.as_str(),
            moment(key.created_at),
            if key.revoked_at.is_some() { "revoked" } else { "active" },
            if key.scopes.is_empty() { "all".to_owned() } else { key.scopes.join(",") },
        ));
    }
    Ok(())
}

async fn revoke(catalog: &Catalog, id: &str) -> Result<()> {
    let keys = catalog.keys().await.map_err(|refusal| anyhow!(refusal))?;
    let key = keys.into_iter().find(|key| is_access_key(&key.hint) && key.hint == id);
    let key = key.map_or_else(|| KeyId::from(id), |key| key.id);
    if !catalog.revoke_key(&key).await.map_err(|refusal| anyhow!(refusal))? {
        if id.starts_with("sk-") {
            bail!("this is a key; name it by its id (`key_…`), which `outcrop key list` shows");
        }
        bail!("there is no key {}; `outcrop key list` shows those that there are", tame(id));
    }
    terminal::say(format_args!("{id} is revoked"));
    Ok(())
}

/// `2026-11-23 01:12:07`, UTC.
pub fn moment(at: Timestamp) -> String {
    let (days, second) = (at.seconds() / 86_400, at.seconds() % 86_400);
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// The Gregorian date of a day since 1970-01-01. Years are walked by their lengths: they are few.
fn civil(mut days: u64) -> (u64, usize, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    for (index, length) in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter().enumerate() {
        if days < length {
            return (year, index + 1, days + 1);
        }
        days -= length;
    }
    (year, 12, 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (978_220_800, "2000-12-31 00:00:00"),
            (1_795_396_327, "2026-11-23 01:12:07"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(moment(Timestamp(seconds * 1000)), expected);
        }
    }
}
