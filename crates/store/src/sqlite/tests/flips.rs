//! One bit, anywhere in what is on the disk. Whatever is read then is what was written, or an error; never something
//! else.

use super::{Data, block_on};
use crate::contract::{Writer, item, record, turn};
use crate::sqlite::blobs::Folder;
use crate::sqlite::settings::KnownSettings;
use crate::sqlite::{check, health::Health, idempotency, log, rows, schema, sessions};
use crate::{
    BLOB_BYTES, Direction, Error, HeadRow, Idempotency, LogQuery, Page, Row, SideWrite, Sqlite, Store, Stored,
};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use types::{ProjectId, Seq, SessionId, Timestamp};

/// Bits that are flipped in each file. `OUTCROP_FLIPS` asks for another number.
const FLIPS: u64 = 400;

const SESSIONS: [&str; 3] = ["sess_1", "sess_2", "sess_3"];

/// All that the flips may spoil and that has a check of its own.
#[derive(Debug, PartialEq)]
struct Content {
    logs: Vec<Vec<Stored>>,
    heads: Vec<HeadRow>,
    rows: Vec<Row>,
}

async fn fill(data: &Path) {
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(data).unwrap());
    let mut first = Writer::new(&store, "p", SESSIONS[0]).await;
    let others = SESSIONS[1..].iter().map(|session| first.beside(session)).collect::<Vec<_>>();
    for writer in std::iter::once(&mut first).chain(&mut others.into_iter().collect::<Vec<_>>()) {
        writer.append(vec![record("session_created", "{}"), turn("turn_1"), item("turn_1", "msg_1")]).await;
        writer.append(vec![record("b", &"x".repeat(BLOB_BYTES)), record("c", &"long ".repeat(3000))]).await;
        for n in 0..12 {
            writer
                .append(vec![record("d", &format!("{{\"n\":{n}}}")), item("turn_1", &format!("msg_{}", n + 2))])
                .await;
        }
        let answer = Idempotency { body_hash: "h".repeat(64), status: 202, body: Vec::new() };
        let key = SideWrite::Idempotency { route: "r".into(), key: "k".into(), answer, expires: Timestamp(1 << 40) };
        writer.side(key).await.unwrap();
    }
    for n in 0..10 {
        let body = format!("{{\"name\":\"agent {n}\"}}").into_bytes();
        let row = Row { collection: "agents".into(), id: format!("agent_{n}"), created_at: Timestamp(n), body };
        store.put_row(&"p".into(), row, true).await.unwrap();
    }
}

/// Everything, as a server would read it.
fn read(data: &Path) -> Result<Content, Error> {
    let connection = schema::open_reader(&data.join("outcrop.db"))?;
    let folder = Folder::new(data, Arc::new(Health::default()));
    let project = ProjectId::from("p");
    let mut content = Content { logs: Vec::new(), heads: Vec::new(), rows: Vec::new() };
    for session in SESSIONS.map(SessionId::from) {
        content.logs.push(log::read(&connection, &folder, &project, &session, &LogQuery::after(Seq(0)))?);
        let head = sessions::read(&connection, &KnownSettings::default(), &project, &session)?;
        content.heads.push(head.ok_or_else(|| Error::Failed("a session is not there".into()))?);
        let known = idempotency::recall(&connection, &project, "r", &session, "k", Timestamp(1))?;
        known.ok_or_else(|| Error::Failed("an answer is not there".into()))?;
    }
    for n in 0..10 {
        let row = rows::get(&connection, &project, "agents", &format!("agent_{n}"))?;
        content.rows.push(row.ok_or_else(|| Error::Failed("a row is not there".into()))?);
    }
    Ok(content)
}

/// Numbers from a seed (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// How many flips were found, and how many changed nothing that anybody reads.
#[derive(Default, Debug)]
struct Tally {
    found: u64,
    harmless: u64,
}

fn flip(file: &File, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for from outside")]
fn flips() -> u64 {
    std::env::var("OUTCROP_FLIPS").ok().and_then(|number| number.parse().ok()).unwrap_or(FLIPS)
}

fn spoil(data: &Data, path: &Path, seed: u64, judge: impl Fn(u64, Result<Content, Error>, &mut Tally)) -> Tally {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let bits = file.metadata().unwrap().len() * 8;
    let (mut numbers, mut tally) = (Numbers(seed), Tally::default());
    for _ in 0..flips() {
        let bit = numbers.below(bits);
        flip(&file, bit);
        let _ = fs::remove_file(data.join("outcrop.db-shm"));
        judge(bit, read(data), &mut tally);
        flip(&file, bit);
    }
    tally
}

fn equal_or_error(truth: &Content) -> impl Fn(u64, Result<Content, Error>, &mut Tally) {
    move |bit, read, tally| match read {
        Err(_) => tally.found += 1,
        Ok(read) => {
            assert!(read == *truth, "bit {bit}: something else was served");
            tally.harmless += 1;
        }
    }
}

#[test]
fn f03_a_flipped_bit_in_the_database_is_never_served() {
    let data = Data::new();
    block_on(fill(&data));
    // The store is closed, so that everything is in the database.
    let truth = read(&data).unwrap();
    let tally = spoil(&data, &data.join("outcrop.db"), 1, equal_or_error(&truth));
    assert!(tally.found > 0 && tally.harmless > 0, "{tally:?}");
    assert_eq!(read(&data).unwrap(), truth, "everything was flipped back");
}

/// A frame that does not fit its checksum ends the log: what follows is not served, and the session's end says that
/// something is missing, or the whole is as it was at an earlier commit.
#[test]
fn f03_a_flipped_bit_in_the_write_ahead_log_is_never_served() {
    let (live, data) = (Data::new(), Data::new());
    block_on(async {
        let filling = fill(&live);
        filling.await;
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&live).unwrap());
        let mut writer = Writer::new(&store, "p", SESSIONS[0]).await;
        writer.seq = Seq(29);
        for n in 0..10 {
            writer.append(vec![record("e", &format!("{n}"))]).await;
        }
        for name in ["outcrop.db", "outcrop.db-wal"] {
            fs::copy(live.join(name), data.join(name)).unwrap();
        }
        std::os::unix::fs::symlink(live.join("blobs"), data.join("blobs")).unwrap();
    });
    let truth = read(&data).unwrap();
    let judge = |bit, read: Result<Content, Error>, tally: &mut Tally| match read {
        Err(_) => tally.found += 1,
        Ok(read) => {
            let earlier = &read.logs[0];
            assert!(truth.logs[0].starts_with(earlier), "bit {bit}: something else was served");
            assert_eq!(read.heads[0].head.seq, earlier.last().unwrap().seq, "bit {bit}: head and log of one moment");
            assert!(read.logs[1..] == truth.logs[1..] && read.rows == truth.rows, "bit {bit}");
            match *earlier == truth.logs[0] {
                true => tally.harmless += 1,
                false => tally.found += 1,
            }
        }
    };
    let tally = spoil(&data, &data.join("outcrop.db-wal"), 2, judge);
    assert!(tally.found > 0, "{tally:?}");
}

#[test]
fn f03_a_flipped_bit_in_a_blob_is_never_served() {
    let data = Data::new();
    block_on(fill(&data));
    let truth = read(&data).unwrap();
    let shelf = fs::read_dir(data.join("blobs/p")).unwrap().next().unwrap().unwrap().path();
    let blob = fs::read_dir(shelf).unwrap().next().unwrap().unwrap().path();
    let tally = spoil(&data, &blob, 3, equal_or_error(&truth));
    assert_eq!((tally.found, tally.harmless), (flips(), 0));
}

/// Verifying finds at least what reading finds, and the structure's damage too.
#[test]
fn f03_a_check_of_the_whole_store_finds_what_reading_finds() {
    let data = Data::new();
    block_on(fill(&data));
    let truth = read(&data).unwrap();
    let judge = |bit, read: Result<Content, Error>, tally: &mut Tally| {
        let checked = schema::open_reader(&data.join("outcrop.db")).map(|connection| {
            let folder = Folder::new(&data, Arc::new(Health::default()));
            check::check(&connection, &folder)
        });
        match (read, checked) {
            (Ok(read), _) => {
                assert!(read == truth, "bit {bit}");
                tally.harmless += 1;
            }
            (Err(_), Err(_)) => tally.found += 1,
            (Err(error), Ok(damage)) => {
                // A remembered answer that is gone is no damage to a log: the request is done anew.
                assert!(!damage.is_empty() || error.to_string().contains("is not there"), "bit {bit}: {error}");
                tally.found += 1;
            }
        }
    };
    let tally = spoil(&data, &data.join("outcrop.db"), 4, judge);
    assert!(tally.found > 0, "{tally:?}");
}

/// Lists read the same heads.
#[test]
fn f03_a_spoiled_head_spoils_its_list() {
    let data = Data::new();
    block_on(fill(&data));
    let raw = rusqlite::Connection::open(data.join("outcrop.db")).unwrap();
    let changed =
        raw.execute("UPDATE sessions SET head = CAST(replace(head, 'idle', 'idlf') AS BLOB) WHERE id = 'sess_2'", []);
    assert_eq!(changed.unwrap(), 1);
    block_on(async {
        let store = data.open();
        let page = Page { after: None, limit: 10, direction: Direction::Ascending };
        let listed = store.sessions(&"p".into(), crate::SessionFilter::default(), page).await;
        assert!(matches!(listed, Err(Error::Failed(_))), "{listed:?}");
        assert!(store.session(&"p".into(), &"sess_2".into()).await.is_err());
        assert!(store.session(&"p".into(), &"sess_1".into()).await.unwrap().is_some());
    });
}
