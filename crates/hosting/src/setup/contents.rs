//! Files and archives, put onto the disk from outside.

use super::{Context, SetupFailed};
use crate::archive::{self, Flaw, Kind, Package, Unpacked};
use crate::disk::{Disk, Error, Place};
use crate::record::{Archive, SeedContent, SeedFile};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use types::{Refusal, RefusalKind};

const FILE: u32 = 0o644;
const PROGRAM: u32 = 0o755;

pub(super) async fn files(context: &Context<'_>, disk: &Disk, files: &[SeedFile]) -> Result<(), SetupFailed> {
    for file in files {
        let shown = Flaw::shown(&file.path);
        let place = Place::of_client(&file.path).map_err(|why| SetupFailed::new(why.message))?;
        let unwritten = |error: Error| unwritten(&shown, &error);
        let mut delivery = disk.delivery().await.map_err(unwritten)?;
        match &file.content {
            SeedContent::Inline(text) => {
                let bytes = STANDARD.decode(text).map_err(|_| SetupFailed::new(format!("{shown} is no base64.")))?;
                delivery.write(bytes).await.map_err(unwritten)?;
            }
            SeedContent::File(id) => {
                let unread = |refusal: Refusal| unread(id, &refusal);
                let file = context.files.file(context.project, id).await.map_err(unread)?;
                for part in &file.parts {
                    let bytes = context.files.part(context.project, &file, part).await.map_err(unread)?;
                    delivery.write(bytes).await.map_err(unwritten)?;
                }
            }
        }
        delivery.place(place, FILE).await.map_err(unwritten)?;
    }
    Ok(())
}

/// Each goes into a folder of its name.
pub(super) async fn archives(disk: &Disk, kind: Kind, archives: &[Archive]) -> Result<(), SetupFailed> {
    for archive in archives {
        let shown = Flaw::shown(&archive.name);
        let flawed = |flaw: Flaw| SetupFailed::new(format!("The {} '{shown}': {flaw}.", kind.word()));
        let _turn = archive::turn().await;
        let package = opened(kind, archive.clone()).await.map_err(flawed)?;
        for file in package.files() {
            let Unpacked { path, is_executable, bytes } = file.map_err(flawed)?;
            let path = format!("{}/{}/{path}", kind.home(), archive.name);
            let place = Place::clean(&path).ok_or_else(|| flawed(Flaw::new("it has a path that leads elsewhere")))?;
            let mode = if is_executable { PROGRAM } else { FILE };
            disk.write(place, bytes, mode).await.map_err(|error| unwritten(&Flaw::shown(&path), &error))?;
        }
    }
    Ok(())
}

async fn opened(kind: Kind, archive: Archive) -> Result<Package, Flaw> {
    #[expect(clippy::disallowed_methods, reason = "an edge: unpacking is long work without a pause")]
    let opened = tokio::task::spawn_blocking(move || Package::open(kind, &archive)).await;
    opened.unwrap_or_else(|_| Err(Flaw::new("it could not be opened")))
}

fn unwritten(path: &str, error: &Error) -> SetupFailed {
    match error {
        Error::Io(error) => {
            tracing::warn!(%error, "a file of a setup cannot be written");
            SetupFailed::internal(format!("{path} could not be written."))
        }
        error => SetupFailed::new(format!("{path} could not be written: {error}.")),
    }
}

fn unread(id: &str, refusal: &Refusal) -> SetupFailed {
    match refusal.kind {
        RefusalKind::NotFound => SetupFailed::new(format!("File not found: {}", Flaw::shown(id))),
        _ => SetupFailed::internal(format!("The file {} could not be read.", Flaw::shown(id))),
    }
}
