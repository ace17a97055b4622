//! What a request may ask for: how much of each thing, and in which form. The contents of archives are looked at apart.

use super::Wanted;
use crate::packages::name;
use crate::record::{Archive, SeedContent, SeedFile, SetupCommand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::{BTreeMap, BTreeSet};
use types::{Packages, Refusal};

const VARIABLES: usize = 100;
const VARIABLE_NAME: usize = 256;
const VARIABLE_VALUE: usize = 32 << 10;
/// All of them as JSON: they are handed into the sandbox in one piece of at most 128 KiB, with what is ours.
const ALL_VARIABLES: usize = 96 << 10;
const FILES: usize = 50;
/// Bytes of one file that a request brings itself, and of all of them.
const INLINE: u64 = 5 << 20;
const ALL_INLINE: u64 = 10 << 20;
/// Bytes of a file that was uploaded before.
pub(super) const UPLOADED: u64 = 50 << 20;
const PACKAGES: usize = 100;
const COMMANDS: usize = 50;
const COMMAND: usize = 16 << 10;
const ARCHIVES: usize = 20;
const DIRECTORIES: usize = 64;
const PATH: usize = 4096;

/// Looks at what is given; what is not given was looked at when its template was made. `at` goes before each `param`.
pub(super) fn check(wanted: &Wanted, at: &str) -> Result<(), Refusal> {
    let under = |refusal: Refusal| {
        let param = refusal.param.clone().unwrap_or_default();
        refusal.at(format!("{at}{param}"))
    };
    let all = || {
        wanted.env.as_ref().map_or(Ok(()), variables)?;
        wanted.files.as_deref().map_or(Ok(()), files)?;
        wanted.packages.as_ref().map_or(Ok(()), packages)?;
        wanted.commands.as_deref().map_or(Ok(()), commands)?;
        wanted.capability_directories.as_deref().map_or(Ok(()), directories)?;
        wanted.network.as_ref().map_or(Ok(()), super::network::check)?;
        archives("skills", wanted.skills.as_deref())?;
        archives("plugins", wanted.plugins.as_deref())
    };
    all().map_err(under)
}

fn at_most(count: usize, most: usize, param: &str) -> Result<(), Refusal> {
    if count <= most {
        return Ok(());
    }
    Err(Refusal::invalid(format!("{param} has {count} entries. Expected at most {most}.")).at(param))
}

fn variables(env: &BTreeMap<String, String>) -> Result<(), Refusal> {
    at_most(env.len(), VARIABLES, "env")?;
    for (name, value) in env {
        // What the client wrote as a name may be long or no word at all.
        let shown: String = name.chars().take(64).collect();
        let param = format!("env.{shown}");
        let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let problem = if !is_word || name.len() > VARIABLE_NAME {
            "is no name of an environment variable"
        } else if name == "PATH" || name == "OPENAI_API_KEY" || name.starts_with("CODEX_") {
            "is reserved"
        } else if value.len() > VARIABLE_VALUE {
            "has a value of more than 32 KiB"
        } else if value.contains('\0') {
            "has a value with a NUL character in it"
        } else {
            continue;
        };
        return Err(Refusal::invalid(format!("The environment variable '{shown}' {problem}.")).at(param));
    }
    let whole = serde_json::to_string(env).map_or(usize::MAX, |text| text.len());
    if whole > ALL_VARIABLES {
        let message = format!("env has {whole} bytes of JSON. Expected at most {ALL_VARIABLES} bytes.");
        return Err(Refusal::invalid(message).at("env"));
    }
    Ok(())
}

fn files(files: &[SeedFile]) -> Result<(), Refusal> {
    at_most(files.len(), FILES, "files")?;
    let (mut paths, mut inline) = (BTreeSet::new(), 0);
    for (index, file) in files.iter().enumerate() {
        let path = format!("files[{index}].path");
        crate::disk::Place::of_client(&file.path).map_err(|refusal| refusal.at(path.clone()))?;
        if !paths.insert(&file.path) {
            return Err(Refusal::invalid(format!("The path '{}' is used twice.", file.path)).at(path));
        }
        let SeedContent::Inline(text) = &file.content else { continue };
        let param = format!("files[{index}].data");
        let bytes = inline_size(text).map_err(|refusal| refusal.at(param.clone()))?;
        inline += bytes;
        if bytes > INLINE || inline > ALL_INLINE {
            let message = "An inline file may have 5 MiB, and all together 10 MiB. Upload larger ones and use file_id.";
            return Err(Refusal::invalid(message).at(param));
        }
    }
    Ok(())
}

/// Bytes behind the base64.
pub(super) fn inline_size(text: &str) -> Result<u64, Refusal> {
    let bytes = STANDARD.decode(text).map_err(|_| Refusal::invalid("data must be standard base64."))?;
    Ok(bytes.len() as u64)
}

fn packages(packages: &Packages) -> Result<(), Refusal> {
    for (kind, names) in [("npm", &packages.npm), ("python", &packages.python), ("system", &packages.system)] {
        let is_name = match kind {
            "npm" => name::is_npm,
            "python" => name::is_python,
            _ => name::is_system,
        };
        at_most(names.len(), PACKAGES, &format!("packages.{kind}"))?;
        if let Some(index) = names.iter().position(|name| !is_name(name)) {
            let message = format!("Expected the name of a {kind} package, with a version where one is wanted.");
            return Err(Refusal::invalid(message).at(format!("packages.{kind}[{index}]")));
        }
    }
    Ok(())
}

fn commands(commands: &[SetupCommand]) -> Result<(), Refusal> {
    at_most(commands.len(), COMMANDS, "setup_commands")?;
    for (index, SetupCommand { command, cwd }) in commands.iter().enumerate() {
        let param = format!("setup_commands[{index}]");
        if command.trim().is_empty() || command.len() > COMMAND || command.contains('\0') {
            let message =
                "A setup command is a text of at most 16 KiB that is not empty and has no NUL character in it.";
            return Err(Refusal::invalid(message).at(format!("{param}.command")));
        }
        if !cwd.as_deref().is_none_or(is_clean) {
            let message = "cwd must be an absolute POSIX path without '.' or '..' in it.";
            return Err(Refusal::invalid(message).at(format!("{param}.cwd")));
        }
    }
    Ok(())
}

fn directories(directories: &[String]) -> Result<(), Refusal> {
    at_most(directories.len(), DIRECTORIES, "capability_directories")?;
    match directories.iter().position(|directory| !is_clean(directory)) {
        None => Ok(()),
        Some(index) => {
            let message = "A capability directory must be an absolute POSIX path without '.' or '..' in it.";
            Err(Refusal::invalid(message).at(format!("capability_directories[{index}]")))
        }
    }
}

fn is_clean(path: &str) -> bool {
    let parts = |part| part != "." && part != "..";
    path.starts_with('/') && path.len() <= PATH && !path.contains('\0') && path.split('/').all(parts)
}

fn archives(kind: &str, archives: Option<&[Archive]>) -> Result<(), Refusal> {
    let archives = archives.unwrap_or_default();
    at_most(archives.len(), ARCHIVES, kind)?;
    let mut names = BTreeSet::new();
    match archives.iter().position(|archive| !names.insert(&archive.name)) {
        None => Ok(()),
        Some(index) => {
            let message = format!("The name '{}' is used twice.", archives[index].name);
            Err(Refusal::invalid(message).at(format!("{kind}[{index}].name")))
        }
    }
}
