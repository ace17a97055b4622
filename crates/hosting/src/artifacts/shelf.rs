//! The artifacts of one session: one row, which names their contents. Whoever changes it is alone with it.

use crate::disk::Stamp;
use crate::record::Artifact;
use crate::rows::Rows;
use runtime::{Direction, Draft, File, Files, Keep, Listed, Page, Part};
use serde::{Deserialize, Serialize};
use types::{Clock, Entropy, ProjectId, Refusal, SessionId, Timestamp, TurnId};

/// A row for each session, under its id.
const ARTIFACTS: &str = "session_artifacts";

pub(super) struct Shelf<'a> {
    pub(super) rows: &'a Rows,
    pub(super) files: &'a Files,
    pub(super) clock: &'a dyn Clock,
    pub(super) entropy: &'a dyn Entropy,
    pub(super) project: &'a ProjectId,
    pub(super) session: &'a SessionId,
}

/// The row's body.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Published {
    /// The last completed turn whose outputs were looked at.
    pub(super) turn: Option<TurnId>,
    /// In the order in which they were published.
    pub(super) artifacts: Vec<Kept>,
    /// What a fork's disk had from the beginning, where it is an artifact of the other session.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) inherited: Vec<Inherited>,
}

/// A file that is published once it is another.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Inherited {
    /// Absolute, in the environment.
    pub(super) path: String,
    pub(super) bytes: u64,
    /// As those of [`Kept`].
    #[serde(default)]
    pub(super) stamp: Option<Stamp>,
    pub(super) digest: String,
}

/// What was published of a path last, or is taken for that.
#[derive(Clone, Copy)]
pub(super) struct Last<'a> {
    pub(super) bytes: u64,
    pub(super) digest: &'a str,
}

impl Published {
    /// The newest of its own goes before what it was forked with.
    pub(super) fn last(&self, path: &str) -> Option<Last<'_>> {
        let own = self.artifacts.iter().rfind(|kept| kept.artifact.path == path);
        let own = own.map(|kept| Last { bytes: kept.artifact.bytes, digest: &kept.digest });
        let inherited = || self.inherited.iter().find(|inherited| inherited.path == path);
        own.or_else(|| inherited().map(|inherited| Last { bytes: inherited.bytes, digest: &inherited.digest }))
    }

    /// The same file again: what it is known by from now on.
    pub(super) fn settle(&mut self, path: &str, stamp: Option<Stamp>) {
        if let Some(kept) = self.artifacts.iter_mut().rfind(|kept| kept.artifact.path == path) {
            kept.stamp = stamp;
        } else if let Some(inherited) = self.inherited.iter_mut().find(|inherited| inherited.path == path) {
            inherited.stamp = stamp;
        }
    }

    /// What a fork begins with: the newest of each path, as nobody's artifacts.
    pub(super) fn for_fork(&self) -> Self {
        let mut inherited: Vec<Inherited> = Vec::new();
        let own = self.artifacts.iter().map(|kept| {
            let (path, digest) = (kept.artifact.path.clone(), kept.digest.clone());
            Inherited { path, bytes: kept.artifact.bytes, stamp: None, digest }
        });
        for file in own.rev().chain(self.inherited.iter().cloned()) {
            if inherited.iter().all(|other| other.path != file.path) {
                inherited.push(Inherited { stamp: None, ..file });
            }
        }
        Self { turn: self.turn.clone(), artifacts: Vec::new(), inherited }
    }
}

/// An artifact and its content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) artifact: Artifact,
    /// Of the file when it was read; None where it could have changed unnoticed since.
    #[serde(default)]
    pub(super) stamp: Option<Stamp>,
    /// SHA-256 of its content, hex.
    pub(super) digest: String,
    pub(super) parts: Vec<Part>,
}

impl Shelf<'_> {
    pub(super) async fn list(&self, environment: Option<&str>, page: Page) -> Result<Listed<Artifact>, Refusal> {
        let published = self.read().await?;
        let mut all: Vec<Artifact> = published.artifacts.into_iter().map(|kept| kept.artifact).collect();
        if page.direction == Direction::Descending {
            all.reverse();
        }
        let start = match &page.after {
            None => 0,
            Some(after) => {
                let at = all.iter().position(|artifact| artifact.id == *after);
                let unknown = || Refusal::invalid("after is not a valid artifact ID").at("after");
                at.ok_or_else(unknown)? + 1
            }
        };
        let of_it = |artifact: &Artifact| environment.is_none_or(|id| artifact.environment.as_str() == id);
        let mut data: Vec<Artifact> = all.into_iter().skip(start).filter(of_it).take(page.limit + 1).collect();
        let has_more = data.len() > page.limit;
        data.truncate(page.limit);
        Ok(Listed { data, has_more })
    }

    pub(super) async fn artifact(&self, id: &str) -> Result<(Artifact, File), Refusal> {
        let kept = self.read().await?.artifacts.into_iter().find(|kept| kept.artifact.id == id);
        let Kept { artifact, parts, .. } = kept.ok_or_else(|| Refusal::not_found("artifact", id))?;
        let name = artifact.path.rsplit('/').next().unwrap_or_default();
        let content = File::of_parts(&artifact.id, name, artifact.created_at, parts);
        Ok((artifact, content))
    }

    pub(super) async fn delete(&self, id: &str) -> Result<(), Refusal> {
        let mut published = self.read().await?;
        let at = published.artifacts.iter().position(|kept| kept.artifact.id == id);
        let gone = published.artifacts.remove(at.ok_or_else(|| Refusal::not_found("artifact", id))?);
        self.write(&published, Vec::new(), gone.parts).await
    }

    pub(super) async fn forget(&self) -> Result<(), Refusal> {
        let gone = self.read().await?.artifacts.into_iter().flat_map(|kept| kept.parts).collect();
        let deletes = vec![(ARTIFACTS.to_owned(), self.session.as_str().to_owned())];
        self.files.keep(self.project, Keep { deletes, gone, ..Keep::default() }).await
    }

    /// Nothing is there before the first turn was looked at.
    pub(super) async fn read(&self) -> Result<Published, Refusal> {
        let read = self.rows.read(self.project, ARTIFACTS, self.session.as_str()).await?;
        Ok(read.unwrap_or_default())
    }

    /// `kept` are the contents that the row names from now on, `gone` those that it does not name any more.
    pub(super) async fn write(&self, published: &Published, kept: Vec<Draft>, gone: Vec<Part>) -> Result<(), Refusal> {
        let row = self.rows.row((ARTIFACTS, self.session.as_str()), self.now(), published)?;
        let keep = Keep { puts: vec![(row, false)], deletes: Vec::new(), kept, gone };
        self.files.keep(self.project, keep).await
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
