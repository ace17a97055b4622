//! Somebody inside changes folders into links and back while the server works: nothing outside is ever reached.

use super::{MANY, Machine, place};
use crate::disk::{Error, Seen};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::io::Read as _;
use std::sync::atomic::{AtomicBool, Ordering};

/// Does it a thousand times while `a` is a folder and a link to what is outside, in turn.
async fn while_it_changes<F: Future<Output = ()>>(machine: &Machine, work: impl Fn(usize) -> F) {
    let (folder, link) = (machine.at("a"), machine.at("link"));
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("secret"), "mine").expect("a file");
    std::os::unix::fs::symlink(machine.outside(), &link).expect("a link");
    let (stop, swaps) = (AtomicBool::new(false), std::sync::atomic::AtomicUsize::new(0));
    let swap = || {
        while !stop.load(Ordering::Relaxed) {
            renameat_with(CWD, &folder, CWD, &link, RenameFlags::EXCHANGE).expect("they change places");
            swaps.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let swapping = scope.spawn(swap);
        // Also where the work comes to nothing.
        let stops = Stops(&stop);
        let work = async {
            for number in 0..1_000 {
                work(number).await;
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work));
        drop(stops);
        swapping.join().expect("it ends");
    });
    assert!(swaps.load(Ordering::Relaxed) > 0);
    machine.is_whole();
}

struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_written_outside() {
    let machine = Machine::new().await;
    let write = |number: usize| {
        let (disk, path) = (machine.disk.clone(), if number.is_multiple_of(2) { "a/new/file" } else { "a/secret" });
        async move {
            match disk.write(place(path), b"written".to_vec(), 0o644).await {
                // It was in the middle of becoming the other.
                Ok(()) | Err(Error::Link | Error::NotFolder | Error::NotFound | Error::IsFolder) => {}
                Err(other) => panic!("{other}"),
            }
        }
    };
    while_it_changes(&machine, write).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_outside() {
    let machine = Machine::new().await;
    let read = |number: usize| {
        let disk = machine.disk.clone();
        async move {
            if let Ok((mut file, _)) = disk.open(b"a/secret".to_vec()).await {
                let mut content = String::new();
                file.read_to_string(&mut content).expect("it is read");
                assert_eq!(content, "mine");
            }
            if number.is_multiple_of(10) {
                let gather = |sizes: &mut Vec<u64>, seen: Seen| sizes.push(seen.bytes);
                let walked = disk.walk(&place(""), 100, Vec::new(), |_, _| true, gather).await;
                assert!(walked.expect("it walks").0.iter().all(|&bytes| bytes == 4));
            }
        }
    };
    while_it_changes(&machine, read).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_copied_or_removed_outside() {
    let machine = Machine::new().await;
    let copy = |number: usize| {
        let (disk, other) = (machine.disk.clone(), machine.other());
        async move {
            if !number.is_multiple_of(10) {
                return;
            }
            disk.copy_to(&other, MANY).await.expect("it is copied");
            for name in ["a", "link"] {
                let path = other.folder().join(name);
                let is_folder = fs::symlink_metadata(&path).is_ok_and(|status| status.is_dir());
                if is_folder && let Ok(content) = fs::read(path.join("secret")) {
                    assert_eq!(content, b"mine");
                }
            }
        }
    };
    while_it_changes(&machine, copy).await;
}
