//! `outcrop model`: the weights of local models, seen, fetched and removed. It changes no configuration: which models
//! there are is written in `outcrop.toml`.

use crate::cli::ModelCommand;
use crate::configuration::{Configuration, ModelEntry, Provider, Source, Weights, hint};
use crate::data::DataFolder;
use crate::shelf;
use crate::signals::Signals;
use crate::terminal::{self, tame};
use anyhow::{Result, bail};

/// What a binary says that was built without local models.
pub const NO_LOCAL: &str = "this binary was built without local models (cargo feature `local`, in the default set)";

pub async fn run(command: &ModelCommand, configuration: &Configuration) -> Result<()> {
    if !cfg!(feature = "local") {
        bail!("{NO_LOCAL}; it has no files of weights to care for");
    }
    let data = DataFolder::create(&configuration.data)?;
    match command {
        ModelCommand::List => list(configuration, &data),
        ModelCommand::Pull { name } => {
            let weights = find(configuration, name)?;
            let mut signals = Signals::new()?;
            tokio::select! {
                pulled = shelf::pull(name, weights, &data, &|line| terminal::say(line)) => pulled,
                () = signals.next() => bail!("interrupted; what came over HTTP is kept, and the next pull goes on there"),
            }
        }
        ModelCommand::Rm { name } => remove(name, configuration, &data),
    }
}

/// The weights of every local model.
fn local(configuration: &Configuration) -> impl Iterator<Item = (&ModelEntry, &Weights)> {
    configuration.models.iter().filter_map(|entry| match &entry.provider {
        Provider::Local(weights) => Some((entry, weights)),
        _ => None,
    })
}

fn list(configuration: &Configuration, data: &DataFolder) -> Result<()> {
    let mut rows = vec![["NAME", "SIZE", "STATE", "SOURCE", "FILE"].map(str::to_owned)];
    for (entry, weights) in local(configuration) {
        let state = shelf::state(weights, data);
        rows.push([
            tame(&entry.name),
            state.bytes().map_or("-".to_owned(), shelf::size),
            state.to_string(),
            tame(&weights.source.to_string()),
            shelf::path(weights, data).display().to_string(),
        ]);
    }
    for (file, bytes) in shelf::strays(data, local(configuration).map(|(_, weights)| weights)) {
        let file = data.models().join(file).display().to_string();
        rows.push(["-".to_owned(), shelf::size(bytes), "named by no model".to_owned(), "-".to_owned(), file]);
    }
    let widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        terminal::say(cells.join("  ").trim_end());
    }
    Ok(())
}

fn remove(name: &str, configuration: &Configuration, data: &DataFolder) -> Result<()> {
    let (source, path) = match find(configuration, name) {
        Ok(weights) => (Some(&weights.source), shelf::path(weights, data)),
        Err(unknown) => {
            // Also what no model names any more, by the name of its file.
            let strays = shelf::strays(data, local(configuration).map(|(_, weights)| weights));
            match strays.into_iter().find(|(file, _)| file == name) {
                Some((file, _)) => (None, data.models().join(file)),
                None => return Err(unknown),
            }
        }
    };
    if let Some(Source::File(path)) = source {
        bail!("{} is yours, not the shelf's; remove it yourself", path.display());
    }
    if source.is_some() && data.is_served() {
        terminal::warn(format_args!(
            "a server runs on {}: if it has read `{name}` it goes on with it until it ends; if not, calls to it will fail",
            data.path().display()
        ));
    }
    match shelf::remove(&path, data)? {
        Some(bytes) => terminal::say(format_args!("removed {} ({})", path.display(), shelf::size(bytes))),
        None => terminal::say(format_args!("nothing of `{}` is on the shelf", tame(name))),
    }
    Ok(())
}

fn find<'a>(configuration: &'a Configuration, name: &str) -> Result<&'a Weights> {
    if let Some((_, weights)) = local(configuration).find(|(entry, _)| entry.name == name) {
        return Ok(weights);
    }
    if let Some(entry) = configuration.models.iter().find(|entry| entry.name == name) {
        bail!("`{name}` is answered by the provider {}; it has no file", entry.provider.word());
    }
    let names = local(configuration).map(|(entry, _)| entry.name.as_str()).collect::<Vec<_>>();
    bail!("no local model is named `{}`; {}", tame(name), hint(name, names));
}
