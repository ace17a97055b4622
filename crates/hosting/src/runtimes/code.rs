//! Where the code of a version comes from: a ZIP archive that was uploaded as a file, or what lies below the folder that the
//! operator named for it. It is looked at when the version is made, and unpacked then, once for all sessions.

use super::record::{Details, Place};
use crate::archive::{self, Bundle, Flaw};
use crate::disk::remove_folder;
use crate::hosting::{Hosting, Inner};
use crate::start::blocking;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use types::{ProjectId, Refusal, RefusalKind, Stamp};

/// The bucket whose prefixes are ids of uploaded files.
pub const FILES_BUCKET: &str = "outcrop-files";
/// Bytes of an archive.
const PACKED: u64 = 128 << 20;
/// Where programs are looked for.
const PROGRAMS: [&str; 3] = ["usr/local/bin", "usr/bin", "bin"];

impl Hosting {
    /// Code that is there, with what runs it and the file that it begins with; else `Invalid`.
    pub(super) async fn put_code(&self, project: &ProjectId, details: &Details) -> Result<Place, Refusal> {
        let program = details.language.program();
        if !self.inner.has_program(program) {
            let message = format!(
                "This server has no {program} for {}: it runs the programs of its own machine, or of `environments.base`.",
                details.language.word()
            );
            return Err(Refusal::invalid(message));
        }
        // An archive is in memory from when it is read, and so are those only whose turn it is.
        let turn = archive::turn().await;
        let place = if details.bucket == FILES_BUCKET {
            let packed = self.uploaded(project, &details.prefix).await?;
            self.unpacked(packed).await?
        } else {
            self.operators(details).await?
        };
        drop(turn);
        let file = details.entry_point.last().map(String::as_str).unwrap_or_default();
        if is_below(file) && self.inner.code(&place).join(file).is_file() {
            return Ok(place);
        }
        self.clear_place(&place).await;
        Err(Refusal::invalid(format!("The code has no file '{}' to begin with.", Flaw::shown(file))))
    }

    async fn uploaded(&self, project: &ProjectId, id: &str) -> Result<Vec<u8>, Refusal> {
        let files = self.inner.files()?;
        let missing = |refusal: Refusal| match refusal.kind {
            RefusalKind::NotFound => Refusal::invalid(format!("There is no file '{}'.", Flaw::shown(id))),
            _ => refusal,
        };
        let file = files.file(project, id).await.map_err(missing)?;
        if file.size > PACKED {
            return Err(too_large());
        }
        let mut packed = Vec::with_capacity(usize::try_from(file.size).unwrap_or_default());
        for part in &file.parts {
            packed.extend_from_slice(&files.part(project, &file, part).await.map_err(missing)?);
        }
        Ok(packed)
    }

    async fn unpacked(&self, packed: Vec<u8>) -> Result<Place, Refusal> {
        let name = Stamp::new(self.inner.around.clock.now(), &*self.inner.around.entropy).id("code");
        let folder = self.inner.settings.agents.folder.join(&name);
        let whole = self.inner.clone();
        let unpacking = blocking(move || {
            let bundle = match Bundle::open(packed) {
                Ok(bundle) => bundle,
                Err(flaw) => return Ok(Err(flaw)),
            };
            let done = bundle.unpack_into(&folder);
            if done.as_ref().is_ok_and(Result::is_err) || done.is_err() {
                let _ = std::fs::remove_dir_all(whole.settings.agents.folder.join(&name));
            }
            done.map(|done| done.map(|()| name)).map_err(|error| error.to_string())
        });
        match unpacking.await {
            Ok(Ok(name)) => Ok(Place::Unpacked(name)),
            Ok(Err(flaw)) => Err(Refusal::invalid(format!("The archive cannot be taken: {flaw}."))),
            Err(why) => {
                tracing::warn!(why, "the code of an agent runtime is not unpacked");
                Err(Refusal::new(RefusalKind::Internal, "The code cannot be unpacked."))
            }
        }
    }

    /// A folder as it is, or an archive.
    async fn operators(&self, details: &Details) -> Result<Place, Refusal> {
        let Some(root) = self.inner.settings.agents.code.clone() else {
            let message = format!(
                "This server reads no buckets. Upload the code as a ZIP archive to its files and name the bucket \
                 '{FILES_BUCKET}' with the file's id as prefix, or have its operator set `agentcore.code`."
            );
            return Err(Refusal::invalid(message));
        };
        let nothing = || Refusal::invalid("There is nothing of that bucket and prefix below `agentcore.code`.");
        // A bucket is one name, so that no link within another bucket is one.
        if !is_below(&details.bucket) || details.bucket.contains('/') || !is_below(&details.prefix) {
            return Err(nothing());
        }
        let (bucket, prefix) = (details.bucket.clone(), details.prefix.clone());
        let found = blocking(move || {
            let bucket = std::fs::canonicalize(root.join(bucket)).map_err(|error| error.to_string())?;
            let path = std::fs::canonicalize(bucket.join(prefix)).map_err(|error| error.to_string())?;
            if !path.starts_with(&bucket) {
                return Err("it leads elsewhere".to_owned());
            }
            let metadata = std::fs::metadata(&path).map_err(|error| error.to_string())?;
            if metadata.is_dir() {
                return Ok((path, None));
            }
            if !metadata.is_file() || metadata.len() > PACKED {
                return Err("it is no folder and no archive of a size that is taken".to_owned());
            }
            let packed = std::fs::read(&path).map_err(|error| error.to_string())?;
            Ok((path, Some(packed)))
        });
        match found.await {
            Ok((folder, None)) => Ok(Place::Folder(folder)),
            Ok((_, Some(packed))) => self.unpacked(packed).await,
            Err(why) => {
                tracing::info!(why, "code that a client named is not taken");
                Err(nothing())
            }
        }
    }

    pub(super) async fn clear_place(&self, place: &Place) {
        if let Place::Unpacked(name) = place
            && let Err(error) = remove_folder(self.inner.settings.agents.folder.join(name)).await
        {
            tracing::warn!(%error, "the code of an agent runtime is not removed");
        }
    }

    pub(super) fn clear_unknown_code(&self, known: BTreeSet<String>) {
        let Ok(entries) = std::fs::read_dir(&self.inner.settings.agents.folder) else { return };
        let is_known = |entry: &std::fs::DirEntry| entry.file_name().to_str().is_some_and(|name| known.contains(name));
        let left: Vec<PathBuf> = entries.flatten().filter(|entry| !is_known(entry)).map(|entry| entry.path()).collect();
        if left.is_empty() {
            return;
        }
        let clearing = async move {
            for folder in left {
                if let Err(error) = remove_folder(folder).await {
                    tracing::warn!(%error, "what is left of an agent runtime's code cannot be removed");
                }
            }
        };
        self.inner.around.spawn.spawn("left code", Box::pin(clearing));
    }
}

impl Inner {
    pub(crate) fn code(&self, place: &Place) -> PathBuf {
        match place {
            Place::Unpacked(name) => self.settings.agents.folder.join(name),
            Place::Folder(folder) => folder.clone(),
        }
    }

    fn has_program(&self, program: &str) -> bool {
        let base = self.settings.base.as_deref().unwrap_or(Path::new("/"));
        PROGRAMS.iter().any(|folder| base.join(folder).join(program).exists())
    }
}

/// Whether a path leads down, and nowhere else.
fn is_below(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

fn too_large() -> Refusal {
    Refusal::invalid(format!("The archive has more than {} MiB.", PACKED >> 20))
}
