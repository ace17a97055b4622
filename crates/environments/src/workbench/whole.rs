//! Output that a model is not shown all of is put into a file of the machine, where it can be searched and read in parts.
//! Nothing hangs on it: where that fails, the model is told what it is shown, and no more.

use super::path::join;
use super::{FOR_MODEL, KEPT, Station};
use crate::machine::Fault;
use crate::truncate::Gathered;
use std::time::Duration;
use types::{Clock, ToolRequest};

/// How long the result may wait for the file.
const WRITING: Duration = Duration::from_secs(10);

/// Where the whole is, in words; None where the model is shown all of it, or there is no such file.
pub(super) async fn keep(
    station: &Station,
    clock: &dyn Clock,
    request: &ToolRequest,
    said: &Gathered,
) -> Option<String> {
    if said.shown(FOR_MODEL).as_bytes() == said.bytes() {
        return None;
    }
    let written = tokio::select! {
        biased;
        path = write(station, request, said) => path.ok().flatten(),
        () = clock.sleep(WRITING) => None,
    };
    let path = written?;
    Some(match said.missing() {
        0 => format!("all {} bytes that it printed are in {path}", said.total()),
        _ => format!("the first and the last {} MiB that it printed are in {path}", KEPT >> 21),
    })
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
