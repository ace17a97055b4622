//! What a power failure leaves: the write-ahead log or a blob that ends anywhere. Whatever was answered before is there,
//! the torn tail is gone, and nothing else is served.

use super::{Data, block_on};
use crate::contract::{Writer, item, record, turn};
use crate::sqlite::blobs::Folder;
use crate::sqlite::{health::Health, log, schema};
use crate::{BLOB_BYTES, Error, LogQuery, Sqlite, Store, Stored};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::sync::Arc;
use types::{ProjectId, Seq, SessionId};

/// The write-ahead log's own header, and a page with the header of its frame.
const LOG_HEADER: u64 = 32;
const FRAME: u64 = 8192 + 24;

/// A store as a crash leaves it: its files, taken while it was open.
struct Crashed {
    data: Data,
    /// How long the write-ahead log was when each append was answered, and how many records there were.
    answered: Vec<(u64, u64)>,
    truth: Vec<Stored>,
}

fn crashed() -> Crashed {
    let (live, data) = (Data::new(), Data::new());
    let mut answered = vec![(0, 0)];
    let truth = block_on(async {
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&live).unwrap());
        let mut writer = Writer::new(&store, "p", "sess_1").await;
        let batches = [
            vec![record("a", "one"), turn("turn_1"), item("turn_1", "msg_1")],
            vec![record("b", &"x".repeat(BLOB_BYTES))],
            vec![record("c", &"y".repeat(9000)), record("c", "six")],
            vec![record("d", "the last")],
        ];
        for batch in batches {
            let seq = writer.append(batch).await;
            answered.push((fs::metadata(live.join("outcrop.db-wal")).unwrap().len(), seq.0));
        }
        let truth = store.log(&writer.project, &writer.session, LogQuery::after(Seq(0))).await.unwrap();
        copy(&live, &data);
        truth
    });
    Crashed { data, answered, truth }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            // The index of the write-ahead log is made anew.
            false if entry.file_name() == "outcrop.db-shm" || entry.file_name() == "lock" => {}
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn names() -> (ProjectId, SessionId) {
    (ProjectId::from("p"), SessionId::from("sess_1"))
}

impl Crashed {
    /// Records that must be there when the write-ahead log has this length: all that were answered by then. A commit
    /// whose frames are whole counts also where its answer never left.
    fn expected(&self, length: u64) -> usize {
        let count = self.answered.iter().rev().find(|(answered, _)| *answered <= length).unwrap().1;
        usize::try_from(count).unwrap()
    }

    fn check(&self, length: u64) {
        let _ = fs::remove_file(self.data.join("outcrop.db-shm"));
        let connection = schema::open_reader(&self.data.join("outcrop.db")).unwrap();
        let folder = Folder::new(&self.data, Arc::new(Health::default()));
        let (project, session) = names();
        let found = log::read(&connection, &folder, &project, &session, &LogQuery::after(Seq(0)));
        let want = self.expected(length);
        match found {
            Ok(found) => assert_eq!(found, self.truth[..want], "{length} bytes of the write-ahead log"),
            // Before the first commit of the tables there is no store yet, and nothing was answered.
            Err(error) => assert!(want == 0 && matches!(error, Error::Failed(_)), "{length} bytes: {error}"),
        }
        if want > 0 {
            let end = log::verify(&connection, &folder, &project, &session).unwrap();
            assert_eq!(end, Seq(want as u64), "{length} bytes of the write-ahead log");
        }
    }
}

/// Downwards, so that each length is cut from the one before: every byte of the last frame and around the border of
/// every other frame, and a share of what lies between.
#[test]
fn f02_a_torn_write_ahead_log_loses_its_tail_and_nothing_else() {
    let crashed = crashed();
    let end = crashed.answered.last().unwrap().0;
    let log = OpenOptions::new().write(true).open(crashed.data.join("outcrop.db-wal")).unwrap();
    let mut lengths = 0;
    for length in (0..=end).rev() {
        let within = (length.saturating_sub(LOG_HEADER)) % FRAME;
        let near_border = !(30..=FRAME - 6).contains(&within);
        if length > end - FRAME || near_border || length % 997 == 0 {
            log.set_len(length).unwrap();
            crashed.check(length);
            lengths += 1;
        }
    }
    assert!(lengths > FRAME, "{lengths} lengths");
}

/// The same through the door: the server opens what is left and goes on writing.
#[test]
fn f02_a_server_goes_on_after_the_torn_tail() {
    let crashed = crashed();
    let (project, session) = names();
    let end = crashed.answered.last().unwrap().0;
    let before = crashed.answered[crashed.answered.len() - 2].0;
    for length in [end - 1, end - FRAME, (before + end) / 2, before + 1, before, before - 1] {
        let data = Data::new();
        copy(&crashed.data, &data);
        OpenOptions::new().write(true).open(data.join("outcrop.db-wal")).unwrap().set_len(length).unwrap();
        let want = crashed.expected(length);
        block_on(async {
            let store: Arc<dyn Store> = Arc::new(Sqlite::open(&data).unwrap());
            let found = store.log(&project, &session, LogQuery::after(Seq(0))).await.unwrap();
            assert_eq!(found, crashed.truth[..want]);
            let mut writer = Writer::new(&store, "p", "sess_1").await;
            writer.seq = Seq(want as u64);
            writer.append(vec![record("e", "and on")]).await;
            assert_eq!(store.verify(&project, &session).await.unwrap(), Seq(want as u64 + 1));
        });
    }
}

/// Whatever is left of a blob, its record is damaged, and no part of it is served.
#[test]
fn f02_a_torn_blob_is_found() {
    let crashed = crashed();
    let shelf = fs::read_dir(crashed.data.join("blobs/p")).unwrap().next().unwrap().unwrap().path();
    let blob = fs::read_dir(shelf).unwrap().next().unwrap().unwrap().path();
    let file = OpenOptions::new().write(true).open(blob).unwrap();
    let connection = schema::open_reader(&crashed.data.join("outcrop.db")).unwrap();
    let folder = Folder::new(&crashed.data, Arc::new(Health::default()));
    let (project, session) = names();
    for length in (0..BLOB_BYTES as u64).rev().filter(|length| length % 61 == 0 || *length > BLOB_BYTES as u64 - 50) {
        file.set_len(length).unwrap();
        let found = log::read(&connection, &folder, &project, &session, &LogQuery::after(Seq(0)));
        assert!(matches!(found, Err(Error::Damaged { seq: Seq(4), .. })), "{length} bytes: {found:?}");
    }
}
