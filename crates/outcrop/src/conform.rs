//! `outcrop conform`: turns the command line into a target, runs the suite, writes what it found. The checks themselves
//! are the crate `conform`.

use crate::cli::Conform;
use crate::configuration::Variables;
use crate::world::KernelEntropy;
use crate::{MISUSED, terminal};
use anyhow::{Context, Result, anyhow};
use conform::{Area, Part, Report, Target};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use types::Entropy;

/// 0 where nothing failed, 1 where a check did, 2 for a command line that makes no sense.
pub async fn run(wanted: &Conform, variables: &Variables) -> ExitCode {
    let report = match target(wanted, variables) {
        Ok(target) => conform::run(target).await,
        Err(error) => Err(format!("{error:#}")),
    };
    let report = match report {
        Ok(report) => report,
        Err(error) => {
            terminal::warn(format_args!("error: {error}"));
            return ExitCode::from(MISUSED);
        }
    };
    terminal::say(terminal::tame(&report.to_string()));
    if let Err(error) = write(wanted, &report) {
        terminal::warn(format_args!("error: {error:#}"));
        return ExitCode::FAILURE;
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn target(wanted: &Conform, variables: &Variables) -> Result<Target> {
    let key = wanted.key.as_deref().or_else(|| variables.get("OPENAI_API_KEY"));
    let key = key.context("no key: name one with --key or in OPENAI_API_KEY")?;
    let area = |name: &String| {
        let names = Area::ALL.map(Area::name).join(", ");
        Area::named(name).ok_or_else(|| anyhow!("no area `{name}`; there are {names}"))
    };
    let part = |name: &String| {
        let names = Part::ALL.map(Part::name).join(", ");
        Part::named(name).ok_or_else(|| anyhow!("no part `{name}`; there are {names}"))
    };
    anyhow::ensure!(
        wanted.coverage.is_none() || (wanted.only.is_empty() && wanted.part.is_empty()),
        "--coverage needs the whole suite: leave out --only and --part"
    );
    let mut bytes = [0_u8; 8];
    KernelEntropy.fill(&mut bytes);
    let run = format!("conform-{}", types::hex(&bytes));
    Ok(Target {
        base: wanted.base.clone(),
        key: key.to_owned(),
        model: wanted.model.clone(),
        priced: wanted.priced.clone(),
        embedding: wanted.embedding.clone(),
        scripted: wanted.scripted.then_some(true),
        patience: Duration::from_secs(wanted.patience),
        run,
        only: wanted.only.iter().map(area).collect::<Result<_>>()?,
        parts: wanted.part.iter().map(part).collect::<Result<_>>()?,
    })
}

fn write(wanted: &Conform, report: &Report) -> Result<()> {
    if let Some(file) = &wanted.json {
        place(file, &serde_json::to_string_pretty(report)?)?;
    }
    if let Some(file) = &wanted.coverage {
        let old = std::fs::read_to_string(file).ok();
        place(file, &report.page(old.as_deref()))?;
    }
    Ok(())
}

fn place(file: &Path, text: &str) -> Result<()> {
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}
