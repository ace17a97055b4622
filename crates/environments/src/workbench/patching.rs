//! A patch and a machine's files. All files are read and all results are known before the first is written; where a
//! writing fails, what was written is put back.
//!
//! After a crash nobody knows how far an attempt came, so a later one looks at each file first: a change that is there
//! already is left alone, one that is not is made. Where a file fits both, as after a line was added below one line of
//! context, the outcome is unknown: the model is told to look.

use super::files::{MAX_FILE, put};
use super::path::{whole, writable};
use super::{Problem, Station, arguments, said};
use crate::machine::{Fault, Machine};
use crate::patch::{Change, Hunk, Patch, apply, is_undoable};
use std::collections::BTreeSet;
use types::ToolOutcome;

/// What a patch may hold in memory: the files as they are, and as they will be.
const MAX_HELD: usize = 64 << 20;

/// One file that will hold something else.
struct Step {
    path: String,
    before: Option<Vec<u8>>,
    /// `None`: it goes.
    after: Option<Vec<u8>>,
}

struct Planned {
    /// Those that go come last.
    steps: Vec<Step>,
    /// A line for each change.
    told: Vec<String>,
}

pub(super) async fn apply_patch(
    station: &Station,
    asked: arguments::ApplyPatch,
    is_repeat: bool,
) -> Result<ToolOutcome, Problem> {
    let patch = Patch::parse(&asked.patch).map_err(|error| unchanged(&error.to_string()))?;
    let planned = plan(station, &patch, is_repeat).await?;
    for (done, step) in planned.steps.iter().enumerate() {
        if let Err(fault) = make(station, step).await {
            return Err(put_back(station, &planned.steps[..=done], &fault).await);
        }
    }
    said(format!("applied:\n{}", planned.told.join("\n")))
}

fn unchanged(problem: &str) -> Problem {
    Problem::Failed(format!("{problem}. No file was changed"))
}

async fn plan(station: &Station, patch: &Patch, is_repeat: bool) -> Result<Planned, Problem> {
    let mut planned = Planned { steps: Vec::new(), told: Vec::new() };
    let mut named = BTreeSet::new();
    let mut held = 0;
    for change in &patch.changes {
        let path = writable(station, change.path()).await?;
        let target = match change {
            Change::Update { to: Some(to), .. } => Some(writable(station, to).await?),
            _ => None,
        };
        for path in [Some(&path), target.as_ref()].into_iter().flatten() {
            if !named.insert(path.clone()) {
                return Err(unchanged(&format!("{path} is named twice")));
            }
        }
        let before = content(&*station.machine, &path).await?;
        let first = planned.steps.len();
        match change {
            Change::Add { text, .. } => planned.add(path, before, text, is_repeat)?,
            Change::Delete { .. } => planned.delete(path, before, is_repeat)?,
            Change::Update { hunks, .. } => match target {
                None => planned.update(path, before, hunks, is_repeat)?,
                Some(target) => {
                    let there = content(&*station.machine, &target).await?;
                    planned.relocate((path, before), (target, there), hunks, is_repeat)?;
                }
            },
        }
        let size = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        held += planned.steps[first..].iter().map(|step| size(&step.before) + size(&step.after)).sum::<usize>();
        if held > MAX_HELD {
            return Err(unchanged("the files of the patch are too large together"));
        }
    }
    planned.steps.sort_by_key(|step| step.after.is_none());
    Ok(planned)
}

impl Planned {
    fn step(&mut self, path: String, before: Option<Vec<u8>>, after: Option<Vec<u8>>) {
        if before != after {
            self.steps.push(Step { path, before, after });
        }
    }

    fn add(&mut self, path: String, before: Option<Vec<u8>>, text: &str, is_repeat: bool) -> Result<(), Problem> {
        let is_there = before.as_ref().is_some_and(|before| before == text.as_bytes());
        if before.is_some() && !(is_repeat && is_there) {
            let advice = "update it, or use write_file to replace it";
            return Err(unchanged(&format!("{path} is to be added, but is there already; {advice}")));
        }
        self.told.push(format!("A {path}"));
        self.step(path, before, Some(text.as_bytes().to_vec()));
        Ok(())
    }

    fn delete(&mut self, path: String, before: Option<Vec<u8>>, is_repeat: bool) -> Result<(), Problem> {
        if before.is_none() && !is_repeat {
            return Err(unchanged(&format!("{path} is to be deleted, but there is no such file")));
        }
        self.told.push(format!("D {path}"));
        self.step(path, before, None);
        Ok(())
    }

    fn update(
        &mut self,
        path: String,
        before: Option<Vec<u8>>,
        hunks: &[Hunk],
        is_repeat: bool,
    ) -> Result<(), Problem> {
        let text = text(&path, before.as_deref())?;
        let after = match (apply(text, hunks), is_repeat && is_undoable(text, hunks)) {
            (Ok(after), true) if after != text => return Err(ambiguous(&path)),
            (Ok(after), _) => after,
            (Err(_), true) => text.to_owned(),
            (Err(mismatch), false) => return Err(unchanged(&format!("{path}: {mismatch}"))),
        };
        self.told.push(format!("M {path}"));
        self.step(path, before, Some(after.into_bytes()));
        Ok(())
    }

    /// Writes the updated file at its new place; the old one goes.
    fn relocate(
        &mut self,
        (path, before): (String, Option<Vec<u8>>),
        (target, there): (String, Option<Vec<u8>>),
        hunks: &[Hunk],
        is_repeat: bool,
    ) -> Result<(), Problem> {
        self.told.push(format!("M {path} -> {target}"));
        if is_repeat
            && before.is_none()
            && let Some(there) = &there
        {
            // The old place is left last of all: whatever is at the new one, this attempt's predecessor wrote it, or
            // somebody after it.
            let moved = text(&target, Some(there))?;
            return if hunks.is_empty() || is_undoable(moved, hunks) { Ok(()) } else { Err(ambiguous(&target)) };
        }
        let after = match (&before, hunks.is_empty()) {
            (Some(before), true) => before.clone(),
            _ => {
                let text = text(&path, before.as_deref())?;
                apply(text, hunks).map_err(|mismatch| unchanged(&format!("{path}: {mismatch}")))?.into_bytes()
            }
        };
        let is_there = there.as_ref().is_some_and(|there| *there == after);
        if there.is_some() && !(is_repeat && is_there) {
            return Err(unchanged(&format!("{path} is to be moved to {target}, but that is there already")));
        }
        self.step(target, there, Some(after));
        self.step(path, before, None);
        Ok(())
    }
}

fn ambiguous(path: &str) -> Problem {
    Problem::Unknown(format!(
        "the server stopped while the patch was applied, and whether {path} has its change cannot be told from what it \
         holds; look at it before you patch it again"
    ))
}

fn text<'a>(path: &str, bytes: Option<&'a [u8]>) -> Result<&'a str, Problem> {
    let bytes = bytes.ok_or_else(|| unchanged(&format!("{path} is to be updated, but there is no such file")))?;
    std::str::from_utf8(bytes).map_err(|_| unchanged(&format!("{path} is no UTF-8 text")))
}

/// What a file holds; `None` where there is none.
async fn content(machine: &dyn Machine, path: &str) -> Result<Option<Vec<u8>>, Problem> {
    match whole(machine, path, MAX_FILE).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Fault::Missing(_)) => Ok(None),
        Err(fault) => Err(unchanged(&format!("{path} was not read: {fault}"))),
    }
}

async fn make(station: &Station, step: &Step) -> Result<(), Fault> {
    match &step.after {
        Some(bytes) => put(station, &step.path, bytes.clone()).await,
        None => station.machine.remove(&step.path, false).await,
    }
}

/// Undoes the steps, the last of which failed: it may have been made in part. Says what the files hold now.
async fn put_back(station: &Station, steps: &[Step], fault: &Fault) -> Problem {
    let failed = steps.last().map(|step| step.path.as_str()).unwrap_or_default();
    let mut stuck = Vec::new();
    for step in steps.iter().rev() {
        if matches!(content(&*station.machine, &step.path).await, Ok(now) if now == step.before) {
            continue;
        }
        let restored = match &step.before {
            Some(bytes) => station.machine.write_file(&step.path, bytes.clone()).await,
            None => station.machine.remove(&step.path, false).await,
        };
        if restored.is_err() {
            stuck.push(step.path.as_str());
        }
    }
    if stuck.is_empty() {
        return unchanged(&format!("{failed} could not be changed: {fault}"));
    }
    let told =
        format!("{failed} could not be changed: {fault}. These files may have changed already: {}", stuck.join(", "));
    match fault {
        Fault::Lost => Problem::Unknown(told),
        _ => Problem::Failed(told),
    }
}
