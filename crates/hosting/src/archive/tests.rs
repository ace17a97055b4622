//! What archives may hold and what not, on archives that are made here byte by byte.

use super::*;
use flate2::{Compress, Compression, Crc, FlushCompress};

/// An entry of an archive that a test makes, with whatever a liar would write.
#[derive(Clone, Default)]
pub(crate) struct Made<'a> {
    pub name: &'a [u8],
    pub content: &'a [u8],
    pub mode: u32,
    pub deflated: bool,
    flags: u16,
    method: Option<u16>,
    /// What it says of its size and its checksum.
    size: Option<u32>,
    crc: Option<u32>,
    /// Its name in front of the content, where that is another.
    local_name: Option<&'a [u8]>,
}

pub(crate) fn made<'a>(name: &'a str, content: &'a str) -> Made<'a> {
    Made { name: name.as_bytes(), content: content.as_bytes(), deflated: true, ..Made::default() }
}

/// Nobody unpacks anything until what is returned is dropped.
pub(crate) async fn all_turns() -> SemaphorePermit<'static> {
    UNPACKING.acquire_many(AT_ONCE).await.unwrap()
}

/// A ZIP archive.
pub(crate) fn zip(entries: &[Made<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let mut packed = entry.content.to_vec();
        if entry.deflated {
            packed = Vec::with_capacity(entry.content.len() + 64);
            Compress::new(Compression::default(), false)
                .compress_vec(entry.content, &mut packed, FlushCompress::Finish)
                .unwrap();
        }
        let mut crc = Crc::new();
        crc.update(entry.content);
        let mut about = Vec::new();
        about.extend(entry.flags.to_le_bytes());
        about.extend(entry.method.unwrap_or(if entry.deflated { 8 } else { 0 }).to_le_bytes());
        about.extend([0; 4]);
        about.extend(entry.crc.unwrap_or(crc.sum()).to_le_bytes());
        about.extend((packed.len() as u32).to_le_bytes());
        about.extend(entry.size.unwrap_or(entry.content.len() as u32).to_le_bytes());
        about.extend((entry.name.len() as u16).to_le_bytes());
        about.extend([0; 2]);
        directory.extend(b"PK\x01\x02\x14\x03\x14\x00");
        directory.extend(&about);
        directory.extend([0; 6]);
        directory.extend((entry.mode << 16).to_le_bytes());
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(entry.name);
        bytes.extend(b"PK\x03\x04\x14\x00");
        bytes.extend(&about);
        bytes.extend(entry.local_name.unwrap_or(entry.name));
        bytes.extend(&packed);
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\x00\x00\x00\x00");
    bytes.extend([(entries.len() as u16).to_le_bytes(); 2].concat());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

pub(crate) fn archive(name: &str, entries: &[Made<'_>]) -> Archive {
    Archive { name: name.into(), description: "what it is for".into(), zip: STANDARD.encode(zip(entries)) }
}

const SKILL: &str = "---\nname: hello\ndescription: what it is\n  for\n---\nSay hi.\n";
const PLUGIN: &str = r#"{"name":"hello","description":"what it is for","version":"1.0.0","skills":"./skills/"}"#;

pub(crate) fn skill() -> Archive {
    let script = Made { mode: 0o100_755, ..made("any/scripts/run.sh", "#!/bin/sh\necho hi\n") };
    archive("hello", &[made("any/SKILL.md", SKILL), script, made("__MACOSX/._any", "x")])
}

pub(crate) fn plugin() -> Archive {
    let folder = Made { mode: 0o040_755, deflated: false, ..made("p/skills/", "") };
    archive("hello", &[made("p/.codex-plugin/plugin.json", PLUGIN), folder, made("p/skills/a/SKILL.md", SKILL)])
}

/// What is wrong with a skill that has these beside its own file.
fn flaw(entries: &[Made<'_>]) -> String {
    let mut all = vec![made("a/SKILL.md", SKILL)];
    all.extend_from_slice(entries);
    match Package::open(Kind::Skill, &archive("hello", &all)) {
        Ok(_) => "none".into(),
        Err(flaw) => flaw.to_string(),
    }
}

#[test]
fn a_skill_and_a_plugin_are_what_their_files_say() {
    let package = Package::open(Kind::Skill, &skill()).unwrap();
    let files: Vec<_> = package.files().map(Result::unwrap).collect();
    let seen: Vec<_> = files.iter().map(|file| (&*file.path, file.is_executable)).collect();
    assert_eq!(seen, [("SKILL.md", false), ("scripts/run.sh", true)]);
    assert_eq!(files[0].bytes, SKILL.as_bytes());
    let package = Package::open(Kind::Plugin, &plugin()).unwrap();
    let paths: Vec<_> = package.files().map(|file| file.unwrap().path).collect();
    assert_eq!(paths, [".codex-plugin/plugin.json", "skills/a/SKILL.md"]);
}

#[test]
fn what_says_something_else_of_itself_is_refused() {
    let open = |kind, change: &dyn Fn(&mut Archive)| {
        let mut archive = if kind == Kind::Skill { skill() } else { plugin() };
        change(&mut archive);
        let flaw = Package::open(kind, &archive).err().unwrap();
        (flaw.to_string(), flaw.param())
    };
    for kind in [Kind::Skill, Kind::Plugin] {
        let file = about::file(kind);
        let other_name = open(kind, &|archive| archive.name = "other".into());
        assert_eq!(other_name, (format!("its name in {file} is 'hello'"), "name"));
        let other_words = open(kind, &|archive| archive.description = "other".into());
        assert_eq!(other_words, (format!("its description in {file} is another"), "description"));
    }
    for name in ["", ".a", "../a", "a/b", "ä", "-a", &"a".repeat(65)] {
        assert_eq!(open(Kind::Skill, &|archive| archive.name = name.into()).1, "name", "{name}");
    }
    assert_eq!(open(Kind::Skill, &|archive| archive.zip = "?".into()).0, "it is no standard base64");
    assert_eq!(open(Kind::Plugin, &|plugin| *plugin = skill()).0, "it has no .codex-plugin/plugin.json");
    assert_eq!(open(Kind::Skill, &|skill| *skill = plugin()).0, "it has no SKILL.md");
    let odd = archive("hello", &[made("p/.codex-plugin/plugin.json", "[]")]);
    let message = ".codex-plugin/plugin.json is no JSON object with a name and a description";
    assert_eq!(open(Kind::Plugin, &|plugin| *plugin = odd.clone()).0, message);
    let headless = archive("hello", &[made("a/SKILL.md", "hi")]);
    assert_eq!(
        open(Kind::Skill, &|skill| *skill = headless.clone()).0,
        "in SKILL.md, it does not begin with a line `---`"
    );
}

#[test]
fn names_lead_down_in_one_folder() {
    for name in ["/a/b", "a/../b", "../b", "a/./b", "a//b", "a\\b", "a/b\0", "a/b\n", "..", "a/../../../etc/passwd"] {
        let flaw = flaw(&[made(name, "x")]);
        assert!(flaw.ends_with("is no path below its folder"), "{name:?}: {flaw}");
    }
    let deep = format!("a/{}f", "d/".repeat(32));
    assert!(flaw(&[made(&deep, "x")]).ends_with("is no path below its folder"));
    for name in ["b/c", "c"] {
        assert_eq!(flaw(&[made(name, "x")]), "it must have one folder in which everything is");
    }
    let raw = Made { name: b"a/\xff", ..Made::default() };
    assert_eq!(flaw(&[raw]), "it has a name that is not UTF-8");
    assert_eq!(flaw(&[made("a/ü b", "x")]), "none");
}

#[test]
fn nothing_is_there_twice() {
    assert_eq!(flaw(&[made("a/SKILL.md", "x")]), "it has 'SKILL.md' twice");
    assert_eq!(flaw(&[made("a/SKILL.md/x", "x")]), "'SKILL.md' is a file and a folder");
    assert_eq!(flaw(&[made("a/SKILL.md/", "")]), "'SKILL.md' is a file and a folder");
    assert_eq!(flaw(&[made("a/b/c", "x"), made("a/b", "x")]), "'b' is a file and a folder");
    assert_eq!(flaw(&[made("a/b/", ""), made("a/b/", ""), made("a/b/c", "x")]), "none");
}

#[test]
fn links_devices_and_secrets_are_refused() {
    for mode in [0o120_777, 0o010_644, 0o020_644, 0o060_644, 0o140_644, 0o040_755] {
        let flaw = flaw(&[Made { mode, ..made("a/l", "/etc/passwd") }]);
        assert_eq!(flaw, "'a/l' is a link or no ordinary file", "{mode:o}");
    }
    for flags in [1, 1 << 6, 1 << 13] {
        assert_eq!(flaw(&[Made { flags, ..made("a/s", "x") }]), "'a/s' is encrypted");
    }
    assert_eq!(flaw(&[Made { flags: 1 << 11, ..made("a/s", "x") }]), "none");
    let method = flaw(&[Made { method: Some(12), ..made("a/s", "x") }]);
    assert_eq!(method, "'a/s' is packed in a way that is not read here (12)");
}

#[test]
fn sizes_are_measured() {
    let lies = "'a/f' is not what the archive says of it";
    let zeros = "\0".repeat(1 << 20);
    for liar in [
        Made { size: Some(10), ..made("a/f", &zeros) },
        Made { size: Some((1 << 20) + 1), ..made("a/f", &zeros) },
        Made { crc: Some(1), ..made("a/f", &zeros) },
        Made { size: Some(2), deflated: false, ..made("a/f", "x") },
        Made { method: Some(8), deflated: false, ..made("a/f", "no deflate") },
    ] {
        assert_eq!(flaw(&[liar]), lies);
    }
    let bomb: Vec<String> = (0..60).map(|number| format!("a/{number}")).collect();
    let bomb: Vec<Made<'_>> = bomb.iter().map(|name| made(name, &zeros)).collect();
    assert_eq!(flaw(&bomb), "it unpacks to more than 50 MiB");
    assert_eq!(flaw(&[Made { size: Some(u32::MAX), ..made("a/f", "x") }]), "it unpacks to more than 50 MiB");
    let names: Vec<String> = (0..2000).map(|number| format!("a/{number}")).collect();
    let many: Vec<Made<'_>> = names.iter().map(|name| made(name, "")).collect();
    assert_eq!(flaw(&many), "it has 2001 entries, and may have 2000");
    let large = Archive { zip: STANDARD.encode(vec![0; PACKED + 1]), ..skill() };
    assert_eq!(Package::open(Kind::Skill, &large).err().unwrap().to_string(), "it has more than 10 MiB");
}

#[test]
fn files_are_unpacked_piece_by_piece() {
    // What packs badly, and what packs well.
    let mixed: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let zeros = vec![0; 5 << 20];
    for content in [&mixed, &zeros] {
        let member = Made { name: b"a/f", content, deflated: true, ..Made::default() };
        let zip = Zip::read(zip(&[member]), 1).unwrap();
        assert_eq!(zip.unpack(&zip.members[0]).as_ref(), Ok(content));
        let (mut longest, mut pieces) = (0, 0);
        let take = |piece: &[u8]| (longest, pieces) = (longest.max(piece.len()), pieces + 1);
        zip.pass(&zip.members[0], take).unwrap();
        assert!(longest <= zip::PIECE && pieces > 1, "{longest}");
    }
}

#[test]
fn the_directory_and_the_files_say_the_same() {
    let two = Made { local_name: Some(b"a/g"), ..made("a/f", "x") };
    assert_eq!(flaw(&[two]), "it is a damaged ZIP archive");
}

#[test]
fn no_bytes_do_harm() {
    let whole = zip(&[made("a/SKILL.md", SKILL), Made { deflated: false, ..made("a/f", "stored") }]);
    let open = |bytes: &[u8]| {
        let archive = Archive { zip: STANDARD.encode(bytes), ..skill() };
        Package::open(Kind::Skill, &archive).map(|package| package.files().count())
    };
    assert_eq!(open(&whole), Ok(2));
    for end in 0..whole.len() {
        assert!(open(&whole[..end]).is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff, whole[at] ^ 0x80] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            // Most are refused; a byte that means nothing may be any.
            let _ = open(&bytes);
        }
    }
    assert_eq!(open(b"PK\x05\x06").err().unwrap().to_string(), "it is no ZIP archive");
}
