//! Output that a model is not shown all of is kept twice: in a file of the machine, where the model can search it and read
//! it in parts, and beside the session's log, where clients read it and it stays when the machine is gone. Nothing hangs on
//! either: where that fails, the model and clients are told what they are shown, and no more.

use super::path::join;
use super::{FOR_MODEL, KEPT, Keeper, Station};
use crate::machine::Fault;
use crate::truncate::Gathered;
use std::time::Duration;
use types::{Clock, ToolRequest, Whole};

/// How long the result may wait for the file.
const WRITING: Duration = Duration::from_secs(10);

/// Where all of it is.
#[derive(Default)]
pub(super) struct Places {
    /// For the model, in words; None where it is shown all of it, or there is no such file.
    pub(super) file: Option<String>,
    /// For clients.
    pub(super) kept: Option<Whole>,
}

pub(super) async fn keep(
    station: &Station,
    clock: &dyn Clock,
    keeper: &dyn Keeper,
    request: &ToolRequest,
    said: &Gathered,
) -> Places {
    if said.shown(FOR_MODEL).as_bytes() == said.bytes() {
        return Places::default();
    }
    let written = tokio::select! {
        biased;
        path = write(station, request, said) => path.ok().flatten(),
        () = clock.sleep(WRITING) => None,
    };
    let file = written.map(|path| match said.missing() {
        0 => format!("all {} bytes that it printed are in {path}", said.total()),
        _ => format!("the first and the last {} MiB that it printed are in {path}", KEPT >> 21),
    });
    let whole = said.whole();
    let bytes = whole.len() as u64;
    let blob = keeper.keep(&request.project, whole).await;
    Places { file, kept: blob.map(|blob| Whole { blob, bytes, left_out: said.missing() }) }
}

/// The path of the file, where the machine has a place for such files. The name of its folder cannot be guessed by others
/// who use the same place.
async fn write(station: &Station, request: &ToolRequest, said: &Gathered) -> Result<Option<String>, Fault> {
    let Some(place) = station.machine.info().await?.temporary else { return Ok(None) };
    let folder = join(&place, &format!("outcrop-{}", request.session.digits()));
    let path = join(&folder, &format!("{}.log", request.call.effect.0));
    station.machine.create_directory(&folder).await?;
    station.machine.write_file(&path, said.whole()).await?;
    Ok(Some(path))
}
