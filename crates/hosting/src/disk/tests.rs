//! Disks as those inside may leave them: strange, deep, closed, and changing under the server's hands.

mod races;

use super::*;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, chmodat, linkat, mkdirat, mkfifoat, mknodat, open, openat, statat, symlinkat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use tempfile::TempDir;

const MANY: Most = Most { bytes: 1 << 30, entries: 100_000 };

/// A machine with something to protect, and a disk beside it.
pub(super) struct Machine {
    folder: TempDir,
    pub(super) disk: Disk,
}

impl Machine {
    pub(super) async fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let disk = Disk::new(&folder.path().join("env_1"));
        disk.create().await.expect("a disk can be made");
        let machine = Self { folder, disk };
        fs::create_dir(machine.outside()).expect("it can be made");
        fs::write(machine.outside().join("secret"), "secret").expect("it can be written");
        machine
    }

    pub(super) fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    pub(super) fn at(&self, path: &str) -> PathBuf {
        self.disk.folder().join(path)
    }

    /// Nothing came out, nothing was taken away.
    pub(super) fn is_whole(&self) {
        let names: Vec<_> =
            fs::read_dir(self.outside()).expect("it is there").map(|entry| entry.expect("it is").file_name()).collect();
        assert_eq!(names, ["secret"]);
        assert_eq!(fs::read(self.outside().join("secret")).expect("it is there"), b"secret");
        assert_eq!(fs::metadata(self.outside()).expect("it is there").uid(), rustix::process::geteuid().as_raw());
    }

    fn other(&self) -> Disk {
        Disk::new(&self.folder.path().join("env_2"))
    }
}

pub(super) fn place(path: &str) -> Place {
    Place::clean(&absolute(path)).expect(path)
}

fn opened(path: &Path) -> OwnedFd {
    open(path, rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::DIRECTORY, Mode::empty()).expect("it is a folder")
}

/// Folders one in another, deeper than any path can say.
fn dig(top: &Path, levels: usize) {
    let mut here = opened(top);
    for _ in 0..levels {
        mkdirat(&here, "d", Mode::from_raw_mode(0o755)).expect("it can be made");
        here = openat(&here, "d", rustix::fs::OFlags::RDONLY, Mode::empty()).expect("it is there");
    }
    mkdirat(&here, "x", Mode::empty()).expect("it can be made");
    openat(&here, "end", rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY, Mode::empty())
        .expect("it can be made");
}

/// Everything that a hostile inside can leave.
fn spoil(machine: &Machine) {
    let top = opened(machine.disk.folder());
    let outside = machine.outside();
    symlinkat(&outside, &top, "out").expect("a link");
    symlinkat("/etc/passwd", &top, "passwd").expect("a link");
    symlinkat("loop", &top, "loop").expect("a link");
    symlinkat("../../outside", &top, "up").expect("a link");
    mkfifoat(&top, "pipe", Mode::from_raw_mode(0o600)).expect("a pipe");
    // Only root can.
    let _ = mknodat(&top, "null", FileType::CharacterDevice, Mode::from_raw_mode(0o666), rustix::fs::makedev(1, 3));
    let strange = OsStr::from_bytes(b"not \xff text\n");
    fs::create_dir(machine.disk.folder().join(strange)).expect("a folder");
    fs::write(machine.disk.folder().join(strange).join("new\nline"), "x").expect("a file");
    fs::create_dir_all(machine.at("closed/below")).expect("a folder");
    fs::write(machine.at("closed/below/file"), "hidden").expect("a file");
    fs::write(machine.at("unreadable"), "unreadable").expect("a file");
    fs::create_dir_all(machine.at("a/b/c")).expect("a folder");
    symlinkat(&outside, opened(&machine.at("a/b")), "out").expect("a link");
    fs::write(machine.at("a/b/c/file"), "content").expect("a file");
    // As those inside could, were it not protected.
    linkat(rustix::fs::CWD, outside.join("secret"), &top, "hard", AtFlags::empty()).expect("a link");
    chmodat(&top, "unreadable", Mode::empty(), AtFlags::empty()).expect("a mode");
    chmodat(&top, "closed/below", Mode::empty(), AtFlags::empty()).expect("a mode");
    chmodat(&top, "closed", Mode::empty(), AtFlags::empty()).expect("a mode");
}

#[tokio::test]
async fn what_is_written_is_there_whole_and_its_users() {
    let machine = Machine::new().await;
    let (user, group) = sandbox::owner();
    machine.disk.write(place("a/b/file"), b"one".to_vec(), 0o640).await.expect("it is written");
    machine.disk.write(place("a/b/file"), b"two".to_vec(), 0o755).await.expect("it is replaced");
    for path in ["", "a", "a/b", "a/b/file"] {
        let status = fs::symlink_metadata(machine.at(path)).expect("it is there");
        assert_eq!((status.uid(), status.gid()), (user, group), "{path}");
    }
    assert_eq!(fs::read(machine.at("a/b/file")).expect("it is there"), b"two");
    assert_eq!(fs::metadata(machine.at("a/b/file")).expect("it is there").mode() & 0o7777, 0o755);
    let (mut file, seen) = machine.disk.open(b"a/b/file".to_vec()).await.expect("it is opened");
    assert_eq!((std::io::read_to_string(&mut file).expect("it is read"), seen.bytes), ("two".to_owned(), 3));

    let mut given_up = machine.disk.delivery().await.expect("it begins");
    given_up.write(vec![1; 1_000]).await.expect("it is taken");
    drop(given_up);
    let incoming = machine.disk.incoming.clone();
    assert_eq!(fs::read_dir(incoming).expect("it is there").count(), 0);

    machine.disk.remove().await.expect("it goes");
    machine.disk.remove().await.expect("it is gone, which is well");
    assert!(matches!(machine.disk.write(place("a"), Vec::new(), 0o644).await, Err(Error::NotFound)));
    assert!(matches!(machine.disk.walk(&place(""), 10, (), |(), _| true, |(), _| {}).await, Err(Error::NotFound)));
}

#[tokio::test]
async fn links_lead_nowhere() {
    let machine = Machine::new().await;
    spoil(&machine);
    let wanted = |path: &str| machine.disk.write(place(path), b"spoilt".to_vec(), 0o644);
    for path in ["out", "out/secret", "out/new", "up/new", "loop", "loop/new", "a/b/out/new", "passwd"] {
        assert!(matches!(wanted(path).await, Err(Error::Link)), "{path}");
        assert!(matches!(machine.disk.open(path.into()).await, Err(Error::Link)), "{path}");
    }
    assert!(matches!(wanted("a/b/c/file/new").await, Err(Error::NotFolder)));
    assert!(matches!(wanted("a/b").await, Err(Error::IsFolder)));
    assert!(matches!(machine.disk.open(b"a/b/c/file/new".to_vec()).await, Err(Error::NotFolder)));
    for path in ["pipe", "a/b"] {
        assert!(matches!(machine.disk.open(path.into()).await, Err(Error::Irregular)), "{path}");
    }
    if fs::symlink_metadata(machine.at("null")).is_ok() {
        assert!(matches!(machine.disk.open(b"null".to_vec()).await, Err(Error::Irregular)));
    }
    // A path that was never checked leads out no more.
    for path in ["../../outside/secret", "/etc/passwd", "a/../../../outside/secret"] {
        assert!(machine.disk.open(path.into()).await.is_err(), "{path}");
    }
    // Another name of a file of ours is replaced, not written into; so is a pipe.
    wanted("hard").await.expect("it is written");
    wanted("pipe").await.expect("it is written");
    assert!(fs::symlink_metadata(machine.at("pipe")).expect("it is there").is_file());
    machine.is_whole();
}

#[tokio::test]
async fn a_walk_sees_regular_files_only_and_no_more_than_it_may() {
    let machine = Machine::new().await;
    spoil(&machine);
    let gather = |seen: &mut Vec<Vec<u8>>, file: Seen| seen.push(file.path);
    let all = machine.disk.walk(&place(""), 1_000, Vec::new(), |_, _| true, gather).await.expect("it walks");
    let (mut all, whole) = all;
    all.sort();
    let wanted: [&[u8]; 5] =
        [b"a/b/c/file", b"closed/below/file", b"hard", b"not \xff text\n/new\nline", b"unreadable"];
    assert!(whole);
    assert_eq!(all, wanted);
    let below = machine.disk.walk(&place("a/b"), 1_000, Vec::new(), |_, _| true, gather).await.expect("it walks");
    assert_eq!(below, (vec![b"a/b/c/file".to_vec()], true));
    let few = machine.disk.walk(&place(""), 3, Vec::new(), |_, _| true, gather).await.expect("it walks");
    assert!(few.0.len() <= 3 && !few.1);
    let none = machine.disk.walk(&place(""), 1_000, Vec::new(), |_, _| false, gather).await.expect("it walks");
    assert!(none.0.iter().all(|path| !path.contains(&b'/')));
    for (folder, wanted) in [("out", "link"), ("a/b/c/file", "file"), ("nowhere", "nothing")] {
        let refused = machine.disk.walk(&place(folder), 10, Vec::new(), |_, _| true, gather).await;
        let refused = match refused.expect_err("it is no folder") {
            Error::Link => "link",
            Error::NotFolder => "file",
            Error::NotFound => "nothing",
            other => panic!("{other}"),
        };
        assert_eq!(refused, wanted);
    }
    machine.is_whole();
}

#[tokio::test]
async fn a_strange_and_deep_tree_is_taken_away_and_nothing_else() {
    let machine = Machine::new().await;
    spoil(&machine);
    // Deeper than descriptors and paths reach, and wide; names that are in the way of what is moved up.
    dig(machine.disk.folder(), 2_500);
    for number in 0..500 {
        fs::create_dir_all(machine.at(&format!("wide/{number}/within"))).expect("a folder");
    }
    fs::create_dir(machine.at("1")).expect("a folder");
    fs::write(machine.at("2"), "").expect("a file");
    machine.disk.remove().await.expect("it goes");
    assert!(!machine.disk.folder().exists());
    machine.is_whole();

    let link = machine.folder.path().join("link");
    std::os::unix::fs::symlink(machine.outside(), &link).expect("a link");
    assert!(remove_folder(link).await.is_err(), "a link is no folder of ours");
    machine.is_whole();
}

#[tokio::test]
async fn a_copy_is_the_same_and_its_own() {
    let machine = Machine::new().await;
    spoil(&machine);
    fs::write(machine.at("first"), "shared").expect("a file");
    fs::hard_link(machine.at("first"), machine.at("a/second")).expect("a link");
    let holes = File::create(machine.at("holes")).expect("a file");
    holes.write_all_at(b"begin", 0).expect("it is written");
    holes.write_all_at(b"middle", 3 << 30).expect("it is written");
    holes.set_len(10 << 30).expect("it grows");
    fs::set_permissions(machine.at("a/b"), fs::Permissions::from_mode(0o2750)).expect("it is ours");
    fs::set_permissions(machine.at("first"), fs::Permissions::from_mode(0o4711)).expect("it is ours");
    dig(&machine.at("a/b/c"), 300);

    let other = machine.other();
    machine.disk.copy_to(&other, MANY).await.expect("it is copied");
    let at = |path: &str| other.folder().join(path);
    assert_eq!(fs::read(at("a/b/c/file")).expect("it is there"), b"content");
    assert_eq!(fs::read_link(at("out")).expect("it is a link"), machine.outside());
    assert_eq!(fs::read(at(&format!("a/b/c{}/end", "/d".repeat(300)))).expect("it is there"), b"");
    assert!(fs::symlink_metadata(at("pipe")).is_err() && fs::symlink_metadata(at("null")).is_err());
    let name = OsStr::from_bytes(b"not \xff text\n");
    assert_eq!(fs::read(other.folder().join(name).join("new\nline")).expect("it is there"), b"x");
    let status = |path: PathBuf| fs::symlink_metadata(path).expect("it is there");
    let times = |status: &fs::Metadata| (status.mtime(), status.mtime_nsec());
    for path in ["a/b", "a/b/c/file", "unreadable", "closed", "out", "holes", ""] {
        assert_eq!(times(&status(machine.at(path))), times(&status(at(path))), "{path:?}");
        assert_eq!((status(at(path)).uid(), status(at(path)).gid()), sandbox::owner(), "{path:?}");
    }
    assert_eq!(status(at("a/b")).mode() & 0o7777, 0o750);
    assert_eq!(status(at("first")).mode() & 0o7777, 0o711);
    assert_eq!(status(at("unreadable")).mode() & 0o7777, 0);
    assert_eq!(status(at("first")).ino(), status(at("a/second")).ino());
    assert_ne!(status(at("first")).ino(), status(machine.at("first")).ino());
    let copied = File::open(at("holes")).expect("it is there");
    let mut middle = [0; 8];
    copied.read_exact_at(&mut middle, (3 << 30) - 1).expect("it is read");
    assert_eq!(&middle, b"\0middle\0");
    assert_eq!(status(at("holes")).size(), 10 << 30);
    assert!(status(at("holes")).blocks() * 512 < 1 << 20, "the holes are holes");

    // Each is its own.
    other.write(place("a/b/c/file"), b"other".to_vec(), 0o644).await.expect("it is written");
    assert_eq!(fs::read(machine.at("a/b/c/file")).expect("it is there"), b"content");
    machine.is_whole();
}

#[tokio::test]
async fn a_copy_comes_to_no_more_than_it_may() {
    let machine = Machine::new().await;
    fs::write(machine.at("a"), vec![1; 100_000]).expect("a file");
    fs::write(machine.at("b"), vec![1; 100_000]).expect("a file");
    let other = machine.other();
    for (most, wanted) in [
        (Most { bytes: 150_000, entries: 10 }, "it is too large"),
        (Most { bytes: 1 << 30, entries: 1 }, "it has too many entries"),
    ] {
        let refused = machine.disk.copy_to(&other, most).await.expect_err("it is too much");
        assert_eq!(refused.to_string(), wanted);
        assert!(!other.folder().exists(), "half a copy is none");
    }
    dig(machine.disk.folder(), 2_100);
    let refused = machine.disk.copy_to(&other, MANY).await.expect_err("it is too deep");
    assert!(matches!(refused, Error::TooDeep));
    assert!(!other.folder().exists());
    assert!(machine.disk.size().await.expect("it is measured").bytes >= 200_000);
}

/// As an ordinary user, for whom modes count; where the tests are root, a thread becomes one.
fn as_ordinary_user(test: fn(&TempDir)) {
    let work = move || {
        let folder = TempDir::new().expect("a folder can be made");
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::fs::Uid::from_raw(65_534);
            rustix::fs::chown(folder.path(), Some(nobody), None).expect("we are root");
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("we are root");
        }
        assert_eq!(sandbox::owner().0, rustix::process::geteuid().as_raw());
        test(&folder);
    };
    let thread = std::thread::scope(|scope| scope.spawn(work).join());
    thread.expect("it holds");
}

#[test]
fn closed_folders_and_files_are_no_obstacle_to_their_owner() {
    as_ordinary_user(|folder| {
        let (disk, other) = (Disk::new(&folder.path().join("env_1")), Disk::new(&folder.path().join("env_2")));
        disk.create_now().expect("a disk can be made");
        let at = |path: &str| disk.folder().join(path);
        fs::create_dir_all(at("a/b/c")).expect("a folder");
        fs::write(at("a/b/c/file"), "content").expect("a file");
        for path in ["a/b/c/file", "a/b/c", "a/b", "a", ""] {
            fs::set_permissions(at(path), fs::Permissions::from_mode(0o0)).expect("it is ours");
        }
        assert!(fs::read(at("a/b/c/file")).is_err(), "it is closed");
        disk.copy_now(&other, MANY).expect("it is copied");
        let top = opened(other.folder());
        let mode = statat(&top, "a/b/c/file", AtFlags::SYMLINK_NOFOLLOW).expect("it is there").st_mode;
        assert_eq!(mode & 0o777, 0, "a closed file stays closed");
        disk.remove_now().expect("it goes");
        other.remove_now().expect("it goes");
        assert!(!disk.folder().exists() && !other.folder().exists());
    });
}

/// Caches of build tools look like that.
#[test]
fn folders_that_can_be_read_and_not_changed_are_taken_away() {
    as_ordinary_user(|folder| {
        for mode in [0o555, 0o444, 0o111] {
            let disk = Disk::new(&folder.path().join("env_1"));
            disk.create_now().expect("a disk can be made");
            let at = |path: &str| disk.folder().join(path);
            fs::create_dir_all(at("a/b/c")).expect("a folder");
            for path in ["file", "a/file", "a/b/file", "a/b/c/file"] {
                fs::write(at(path), "content").expect("a file");
            }
            for path in ["a/b/c", "a/b", "a", ""] {
                fs::set_permissions(at(path), fs::Permissions::from_mode(mode)).expect("it is ours");
            }
            if mode == 0o555 {
                assert!(fs::remove_file(at("a/b/c/file")).is_err(), "it is closed to changes");
            }
            disk.remove_now().expect("it goes");
            assert!(!disk.folder().exists(), "{mode:o}");
        }
    });
}
