//! Backups and restores: of one moment, whole or not at all, and what came after can be told apart.

use super::{Data, block_on};
use crate::contract::{Writer, item, record, together, turn};
use crate::sqlite::restore;
use crate::{
    AppendError, BLOB_BYTES, CopyError, Error, LogQuery, Present, Row, RowsChange, SideWrite, Sqlite, Store, Stored,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use types::{MicroUsd, ProjectId, Record, RecordBody, Seq, SessionId, Timestamp};

const MADE: Timestamp = Timestamp(1_790_000_000_000);
const BACK: Timestamp = Timestamp(1_800_000_000_000);

fn names() -> (ProjectId, SessionId) {
    (ProjectId::from("p"), SessionId::from("sess_1"))
}

/// A session with a blob, a kept blob, a row and money.
async fn fill(store: &Arc<dyn Store>) -> Writer {
    let mut writer = Writer::new(store, "p", "sess_1").await;
    writer.append(vec![record("a", "one"), turn("turn_1"), item("turn_1", "msg_1")]).await;
    writer.append(vec![record("b", &"x".repeat(BLOB_BYTES))]).await;
    let reserve = SideWrite::Reserve { account: "m".into(), key: "k".into(), amount: MicroUsd(7) };
    writer.side(reserve).await.unwrap();
    let kept = store.put_blob(&writer.project, b"kept".to_vec()).await.unwrap();
    let row = Row { collection: "agents".into(), id: "agent_1".into(), created_at: Timestamp(1), body: b"{}".to_vec() };
    let change = RowsChange { puts: vec![(row, true)], names: vec![(kept, 4)], ..RowsChange::default() };
    store.change_rows(&writer.project, change).await.unwrap();
    writer
}

async fn log(store: &Arc<dyn Store>) -> Vec<Stored> {
    let (project, session) = names();
    store.log(&project, &session, LogQuery::after(Seq(0))).await.unwrap()
}

fn file(data: &Data) -> PathBuf {
    data.join("the.backup")
}

fn backed_up() -> (Data, Data, Vec<Stored>) {
    let (data, place) = (Data::new(), Data::new());
    let before = block_on(async {
        let store = data.open();
        let mut writer = fill(&store).await;
        let before = log(&store).await;
        Sqlite::backup(&data, &file(&place), MADE).unwrap();
        writer.append(vec![record("lost", "after the backup")]).await;
        before
    });
    (data, place, before)
}

#[test]
fn a_backup_comes_back_whole() {
    let (_, place, before) = backed_up();
    let data = Data::new();
    let copied = Sqlite::restore(&file(&place), &data.join("new"), Present::Refused, BACK).unwrap();
    assert_eq!((copied.sessions, copied.records, copied.blobs, copied.at), (1, 5, 2, MADE));
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&data.join("new")).unwrap());
        let (project, session) = names();
        let after = log(&store).await;
        assert_eq!(after[..4], before);
        assert_eq!(after.len(), 5, "nothing of what came later, and the mark");
        let kept = crate::BlobHash(crate::chain::hex(&crate::chain::of_body(b"kept")));
        assert_eq!(store.blob(&project, &kept).await.unwrap(), Some(b"kept".to_vec()));
        assert_eq!(store.row(&project, "agents", "agent_1").await.unwrap().unwrap().body, b"{}");
        assert_eq!(store.account(&project, "m").await.unwrap().unwrap().reserved, MicroUsd(7));
        assert_eq!(store.verify(&project, &session).await.unwrap(), after[4].seq);
    });
}

/// The oracle: nothing old can write, no number of the lost part is used again, and the log says where it was cut.
#[test]
fn f30_a_restore_fences_the_past_and_marks_what_is_lost() {
    let (old, place, _) = backed_up();
    let (project, session) = names();
    let mut marks = Vec::new();
    for round in 0..2_u64 {
        let now = Timestamp(BACK.0 + round);
        Sqlite::restore(&file(&place), &old, Present::SetAside, now).unwrap();
        block_on(async {
            let store = old.open();
            let mut late = Writer::new(&store, "p", "sess_9").await;
            assert!(late.epoch.0 > (round + 1) << 32, "beyond every epoch that was given: {:?}", late.epoch);
            for past in [1, 2, 1 << 32] {
                late.epoch = types::Epoch(past);
                let answer = late.try_append(vec![record("late", "write")], Vec::new()).await;
                assert!(matches!(answer, Err(AppendError::Fenced)), "{answer:?}");
            }
            let log = log(&store).await;
            let mark = log.last().unwrap();
            let RecordBody::Restored(restored) = Record::decode(&mark.record).unwrap().body else { panic!("{mark:?}") };
            assert_eq!(restored.backup, MADE);
            assert_eq!(mark.record.at, now);
            assert!(mark.seq.0 > (1 << 20) && restored.effect.0 == mark.seq.0);
            let head = store.session(&project, &session).await.unwrap().unwrap().head;
            assert_eq!(head.seq, mark.seq, "the head is of the same moment");
            marks.push(mark.seq);

            let mut writer = Writer::new(&store, "p", "sess_1").await;
            writer.seq = mark.seq;
            writer.append(vec![record("b", "goes on")]).await;
            assert_eq!(store.verify(&project, &session).await.unwrap(), mark.seq.next());
        });
    }
    assert!(marks[1] > marks[0].next(), "two restores of one backup do not meet: {marks:?}");
}

#[test]
fn what_is_there_is_set_aside_or_left_alone() {
    let (old, place, _) = backed_up();
    let text = match Sqlite::restore(&file(&place), &old, Present::Refused, BACK) {
        Err(CopyError::Store(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(text.contains("has a store already"), "{text}");
    let server = Sqlite::open(&old).unwrap();
    let held = Sqlite::restore(&file(&place), &old, Present::SetAside, BACK);
    assert!(matches!(&held, Err(CopyError::Store(error)) if error.to_string().contains("another outcrop serves")));
    drop(server);
    Sqlite::restore(&file(&place), &old, Present::SetAside, BACK).unwrap();
    block_on(async {
        let before: Arc<dyn Store> = Arc::new(Sqlite::open(&old.join("before-restore-1")).unwrap());
        assert_eq!(log(&before).await.last().unwrap().record.kind, "lost", "the old data are all there");
    });
}

/// A crash after any step, as the folder then stands: before the moment the old data, after it the new ones.
#[test]
fn a_restore_is_never_half_done() {
    let (old, place, before) = backed_up();
    let (ready, source) = (Data::new(), Data::new());
    Sqlite::restore(&file(&place), &source, Present::Refused, BACK).unwrap();
    // What the moment renames, put together by hand.
    let parts = ready.join("restore.ready");
    fs::create_dir(&parts).unwrap();
    for name in ["outcrop.db", "blobs"] {
        fs::rename(source.join(name), parts.join(name)).unwrap();
    }
    let steps: [&[(&str, &str)]; 6] = [
        &[],
        &[("outcrop.db-wal", "restore.ready/old/outcrop.db-wal")],
        &[("outcrop.db", "restore.ready/old/outcrop.db")],
        &[("blobs", "restore.ready/old/blobs")],
        &[("restore.ready/blobs", "blobs")],
        &[("restore.ready/outcrop.db", "outcrop.db")],
    ];
    for done in 0..=steps.len() {
        let data = Data::new();
        copy(&old, &data);
        copy(&ready, &data);
        fs::create_dir(data.join("restore.ready/old")).unwrap();
        for (from, to) in steps[..done].iter().copied().flatten() {
            if data.join(from).exists() {
                fs::rename(data.join(from), data.join(to)).unwrap();
            }
        }
        block_on(async {
            let store = data.open();
            let after = log(&store).await;
            assert_eq!((&after[..4], after.len()), (&before[..], 5), "{done} steps");
            let (project, session) = names();
            store.verify(&project, &session).await.unwrap();
        });
        assert!(!data.join("restore.ready").exists());
    }
    let data = Data::new();
    copy(&old, &data);
    fs::create_dir(data.join("restore.new")).unwrap();
    fs::write(data.join("restore.new/outcrop.db"), "half of it").unwrap();
    block_on(async { assert_eq!(log(&data.open()).await.last().unwrap().record.kind, "lost") });
    assert!(!data.join("restore.new").exists() && !restore::is_pending(&data));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// Readers beside a writer see one moment: in each session, a whole number of its appends.
#[test]
fn a_backup_is_of_one_moment_while_others_write() {
    let (data, place) = (Data::new(), Data::new());
    block_on(async {
        let store = data.open();
        let first = fill(&store).await;
        let mut writers: Vec<Writer> = (0..20).map(|n| first.beside(&format!("sess_b{n}"))).collect();
        for writer in &mut writers {
            writer.append(vec![record("a", "1"), record("b", &"y".repeat(BLOB_BYTES))]).await;
        }
        let path = data.to_owned();
        let target = file(&place);
        let backup = std::thread::Builder::new().spawn(move || Sqlite::backup(&path, &target, MADE)).unwrap();
        let mut rounds = 0;
        while !backup.is_finished() || rounds < 5 {
            let appends = writers.iter_mut().map(|writer| writer.append(vec![record("a", "1"), record("b", "2")]));
            together(appends).await;
            rounds += 1;
        }
        backup.join().unwrap().unwrap();
    });
    let restored = Data::new();
    Sqlite::restore(&file(&place), &restored, Present::Refused, BACK).unwrap();
    block_on(async {
        let (mine, theirs) = (restored.open(), data.open());
        for n in 0..20 {
            let session = SessionId::from(format!("sess_b{n}").as_str());
            let project = ProjectId::from("p");
            let log = mine.log(&project, &session, LogQuery::after(Seq(0))).await.unwrap();
            let whole = theirs.log(&project, &session, LogQuery::after(Seq(0))).await.unwrap();
            let kept = log.len() - 1;
            assert!(kept >= 2 && kept.is_multiple_of(2), "{kept} records");
            assert_eq!(log[..kept], whole[..kept]);
            mine.verify(&project, &session).await.unwrap();
        }
    });
}

#[test]
fn a_damaged_store_is_named_and_not_copied() {
    let (old, place, _) = backed_up();
    let target = place.join("second.backup");
    let raw = rusqlite::Connection::open(old.join("outcrop.db")).unwrap();
    assert_eq!(raw.execute("UPDATE batches SET hash = zeroblob(32) WHERE last = 3", []).unwrap(), 1);
    drop(raw);
    let error = Sqlite::backup(&old, &target, MADE).unwrap_err().to_string();
    assert!(error.contains("session sess_1 of project p: record 3"), "{error}");
    assert!(!target.exists());
    assert_eq!(fs::read_dir(&*place).unwrap().count(), 1, "nothing is left of it");
}

#[test]
fn a_damaged_backup_changes_nothing() {
    let (old, place, _) = backed_up();
    let whole = fs::read(file(&place)).unwrap();
    let at = |needle: &[u8]| whole.windows(needle.len()).position(|window| window == needle).unwrap();
    let spoil = |position: usize| {
        let mut spoiled = whole.clone();
        spoiled[position] ^= 1;
        fs::write(file(&place), spoiled).unwrap();
    };
    let is_refused = || {
        let refused = Sqlite::restore(&file(&place), &old, Present::SetAside, BACK);
        assert!(matches!(refused, Err(CopyError::Damaged(_))), "{refused:?}");
        block_on(async { assert_eq!(log(&old.open()).await.last().unwrap().record.kind, "lost") });
    };
    for position in [at(&[b'x'; 64]), at(b"kept")] {
        spoil(position);
        is_refused();
    }
    fs::write(file(&place), &whole).unwrap();
    let raw = rusqlite::Connection::open(file(&place)).unwrap();
    assert_eq!(raw.execute("UPDATE batches SET hash = zeroblob(32) WHERE last = 3", []).unwrap(), 1);
    drop(raw);
    is_refused();
    for length in [0, 100, whole.len() / 2] {
        fs::write(file(&place), &whole[..length]).unwrap();
        assert!(Sqlite::restore(&file(&place), &old, Present::SetAside, BACK).is_err(), "{length} bytes");
    }
    assert!(!old.join("restore.new").exists());
}

#[test]
fn files_are_what_they_say() {
    let (old, place, _) = backed_up();
    let again = Sqlite::backup(&old, &file(&place), MADE);
    assert!(matches!(&again, Err(CopyError::Store(Error::Failed(why))) if why.contains("is there already")));
    let store = Sqlite::restore(&old.join("outcrop.db"), &place.join("x"), Present::Refused, BACK);
    assert!(matches!(&store, Err(CopyError::Store(Error::Failed(why))) if why.contains("is no backup")), "{store:?}");
    let data = Data::new();
    fs::copy(file(&place), data.join("outcrop.db")).unwrap();
    let error = Sqlite::open(&data).err().unwrap().to_string();
    assert!(error.contains("outcrop restore"), "{error}");
    let nothing = Sqlite::backup(&data.join("none"), &place.join("none"), MADE);
    assert!(matches!(&nothing, Err(CopyError::Store(Error::Failed(why))) if why.contains("there is no store")));
}
