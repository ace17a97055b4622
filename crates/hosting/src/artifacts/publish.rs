//! Publishing: one look at the outputs, and whatever is new or has changed is read, once, and kept. A file is published
//! unless the newest artifact of its path has the same content; so one whose artifact was deleted is published again.
//! Links, and what is no regular file, are left out; so is what is too large, and what comes after there is enough.

use super::shelf::{Kept, Last, Published, Shelf};
use crate::disk::{Disk, Error, OUTPUTS, Place, Seen, Stamp, absolute, read_at};
use crate::record::Artifact;
use runtime::Draft;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use types::{EnvironmentId, Refusal, TurnId};

/// Bytes of one artifact, and of all of a session.
const BYTES: u64 = 200 << 20;
const BYTES_TOGETHER: u64 = 500 << 20;
/// Artifacts of a session.
const ARTIFACTS: usize = 1_000;
/// Entries looked at in the outputs.
const LOOKED_AT: usize = 100_000;
/// Bytes read at a time.
const PIECE: usize = 4 << 20;
/// A file that was changed so lately may be changed again without that being seen: clocks of disks are coarse.
const UNSETTLED: Duration = Duration::from_secs(2);

/// What a look found, by path.
struct Look {
    /// The newest artifact of each path.
    known: BTreeMap<Vec<u8>, (u64, Option<Stamp>)>,
    changed: BTreeMap<String, Seen>,
    left_out: usize,
}

impl Look {
    fn take(&mut self, seen: Seen) {
        if self.known.get(&seen.path) == Some(&(seen.bytes, Some(seen.stamp))) {
            return;
        }
        // A path that is no text cannot be said to a client.
        match String::from_utf8(seen.path.clone()) {
            Ok(path) if seen.bytes <= BYTES => {
                self.changed.insert(path, seen);
            }
            _ => self.left_out += 1,
        }
        if self.changed.len() > ARTIFACTS {
            self.changed.pop_last();
            self.left_out += 1;
        }
    }
}

/// What became of a file.
enum Outcome {
    New(Box<(Kept, Draft)>),
    /// As it was published; only its stamp may be another.
    Same(Option<Stamp>),
    LeftOut,
}

impl Shelf<'_> {
    /// Publishes what is on the disk as that of the turn, unless that was done.
    pub(super) async fn publish(&self, environment: &EnvironmentId, turn: TurnId, disk: &Disk) -> Result<(), Refusal> {
        let mut published = self.read().await?;
        if published.turn.as_ref() == Some(&turn) {
            return Ok(());
        }
        let look = self.look(&published, disk).await?;
        let mut left_out = look.left_out;
        let mut drafts = Vec::new();
        for (path, _) in look.changed {
            let total: u64 = published.artifacts.iter().map(|kept| kept.artifact.bytes).sum();
            let room = BYTES_TOGETHER.saturating_sub(total).min(BYTES);
            let last = published.last(&absolute(&path));
            match self.read_file(disk, (&path, room), last, (environment, &turn)).await? {
                Outcome::New(new) if published.artifacts.len() < ARTIFACTS => {
                    let (kept, draft) = *new;
                    published.artifacts.push(kept);
                    drafts.push(draft);
                }
                Outcome::Same(stamp) => published.settle(&absolute(&path), stamp),
                Outcome::New(_) | Outcome::LeftOut => left_out += 1,
            }
        }
        if left_out > 0 {
            tracing::warn!(session = %self.session, %turn, left_out, "not everything in the outputs could be published");
        }
        published.turn = Some(turn);
        self.write(&published, drafts, Vec::new()).await
    }

    async fn look(&self, published: &Published, disk: &Disk) -> Result<Look, Refusal> {
        let mut look = Look { known: BTreeMap::new(), changed: BTreeMap::new(), left_out: 0 };
        let inherited = published.inherited.iter().map(|file| (&file.path, file.bytes, file.stamp));
        let own = published.artifacts.iter().map(|kept| (&kept.artifact.path, kept.artifact.bytes, kept.stamp));
        for (path, bytes, stamp) in inherited.chain(own) {
            if let Some(place) = Place::clean(path) {
                look.known.insert(place.relative().as_bytes().to_vec(), (bytes, stamp));
            }
        }
        let Some(outputs) = Place::clean(&absolute(OUTPUTS)) else { return Ok(look) };
        match disk.walk(&outputs, LOOKED_AT, look, |_, _| true, Look::take).await {
            Ok((mut look, whole)) => {
                look.left_out += usize::from(!whole);
                Ok(look)
            }
            // No disk, or no such folder on it: there is nothing.
            Err(Error::NotFound | Error::NotFolder | Error::Link) => {
                Ok(Look { known: BTreeMap::new(), changed: BTreeMap::new(), left_out: 0 })
            }
            Err(error) => Err(unreadable(&error)),
        }
    }

    /// Reads one file, of at most `room` bytes; more make it left out, as does a file that cannot be read.
    async fn read_file(
        &self,
        disk: &Disk,
        (path, room): (&str, u64),
        last: Option<Last<'_>>,
        (environment, turn): (&EnvironmentId, &TurnId),
    ) -> Result<Outcome, Refusal> {
        let Ok((file, seen)) = disk.open(path.as_bytes().to_vec()).await else { return Ok(Outcome::LeftOut) };
        let file = Arc::new(file);
        let stamp = self.settled(&seen);
        // Mostly it is what it was; then nothing need be written.
        if let Some(last) = last.filter(|last| last.bytes == seen.bytes) {
            let digest = take(&file, seen.bytes, None).await?.map(|(_, digest)| digest);
            if digest.as_deref() == Some(last.digest) {
                return Ok(Outcome::Same(stamp));
            }
        }
        let mut draft = self.files.draft(self.project);
        let Some((bytes, digest)) = take(&file, room, Some(&mut draft)).await? else { return Ok(Outcome::LeftOut) };
        if last.is_some_and(|last| last.bytes == bytes && last.digest == digest) {
            return Ok(Outcome::Same(stamp));
        }
        let now = self.now();
        let id = types::Stamp::new(now, self.entropy).id("artifact");
        let (environment, path, turn) = (environment.clone(), absolute(path), turn.clone());
        let artifact = Artifact { id, created_at: now, environment, path, bytes, turn };
        let kept = Kept { artifact, stamp, digest, parts: draft.finish().await? };
        Ok(Outcome::New(Box::new((kept, draft))))
    }

    /// What the file is known again by, if that can be trusted.
    fn settled(&self, seen: &Seen) -> Option<Stamp> {
        let long_ago = self.now().before(UNSETTLED).seconds();
        i64::try_from(long_ago).is_ok_and(|long_ago| seen.stamp.changed.0 < long_ago).then_some(seen.stamp)
    }
}

/// Reads a file to its end, into a draft if there is one: its bytes and their SHA-256. None where it has more than `room`,
/// or cannot be read.
async fn take(file: &Arc<File>, room: u64, mut draft: Option<&mut Draft>) -> Result<Option<(u64, String)>, Refusal> {
    let (mut size, mut hash) = (0_u64, Sha256::new());
    loop {
        let Ok((piece, digest)) = read_at(file.clone(), size, PIECE, hash).await else { return Ok(None) };
        hash = digest;
        if piece.is_empty() {
            return Ok(Some((size, types::hex(&hash.finalize()))));
        }
        size += piece.len() as u64;
        if size > room {
            return Ok(None);
        }
        if let Some(draft) = &mut draft {
            draft.write(&piece).await?;
        }
    }
}

fn unreadable(error: &Error) -> Refusal {
    Refusal::new(types::RefusalKind::Internal, format!("The outputs cannot be read: {error}."))
}
