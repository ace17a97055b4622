//! What a sandbox contains, shown by programs that try to get out. Each runs in a full sandbox, where it must fail; with
//! only one of the layers that hold it, where it must fail too; and without those layers, where it must succeed. So none
//! of these tests can pass because of a mistake in the program.
//!
//! What this machine cannot do is skipped, with the reason.

#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::print_stderr, clippy::disallowed_methods, reason = "integration test")]

mod disks;
mod files;
mod hostile;
mod kernel;
mod life;
mod network;
mod processes;
mod resources;
mod standing;

use sandbox::{Disk, Driver as _, Error, Exit, Isolation, Keeper, Layer, Limits, Namespaces, Plan, Running};
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a program prints that has got out.
const LOOSE: &str = "LOOSE";
const KEEPER: &str = env!("CARGO_BIN_EXE_sandbox-keeper");

fn driver() -> &'static Namespaces {
    static DRIVER: OnceLock<Namespaces> = OnceLock::new();
    DRIVER.get_or_init(|| {
        let program = PathBuf::from(KEEPER);
        Namespaces::new(Keeper { program, arguments: Vec::new() }).expect("probe")
    })
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Whether the machine has these layers; if not, says so.
fn able(layers: &[Layer]) -> bool {
    if !Path::new("/usr/bin/python3").exists() {
        eprintln!("skipped: there is no /usr/bin/python3");
        return false;
    }
    let missing = driver().ability().missing().find(|finding| layers.contains(&finding.layer));
    if let Some(finding) = missing {
        let reason = finding.reason.as_deref().unwrap_or_default();
        eprintln!("skipped: no {} here: {reason}", finding.layer.word());
    }
    missing.is_none()
}

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sandbox-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Small enough for many at once, with a second to spare.
fn limits() -> Limits {
    Limits { memory: 256 << 20, cpu: 2_000, processes: 64, disk: 64 << 20, files: 1_000, temporary: 32 << 20 }
}

/// A plan that runs a Python program on a folder.
fn python(folder: &Folder, program: &str) -> Plan {
    let prelude = "import os,sys,ctypes,socket,time,subprocess\nlibc=ctypes.CDLL(None,use_errno=True)\n";
    let program = format!("{prelude}{program}");
    let mut plan = Plan::new(Disk::Folder(folder.0.clone()), &["/usr/bin/python3", "-I", "-S", "-c", &program]);
    plan.limits = limits();
    plan.allow_weak = true;
    plan
}

fn with(mut plan: Plan, isolation: Isolation) -> Plan {
    if !isolation.has(Layer::Mounts)
        && let Disk::Folder(folder) = &plan.disk
    {
        plan.directory = folder.display().to_string();
    }
    plan.isolation = isolation;
    plan
}

#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    exit: Exit,
}

/// Runs a plan to its end.
fn run(plan: &Plan) -> Said {
    finish(driver().start(plan, None).expect("start"))
}

fn finish(mut running: Running) -> Said {
    drop(running.stdin.take());
    let (mut stdout, mut stderr) = (running.stdout.take().expect("stdout"), running.stderr.take().expect("stderr"));
    let errors = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).expect("stderr");
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let mut bytes = Vec::new();
    stdout.read_to_end(&mut bytes).expect("stdout");
    let exit = running.wait().expect("wait");
    Said { out: String::from_utf8_lossy(&bytes).into_owned(), err: errors.join().expect("errors"), exit }
}

/// Shows that a program is held by each of the layers alone, and by nothing else. `beside`: what is left out throughout.
fn contained(plan: &Plan, layers: &[Layer], beside: &[Layer]) {
    held(plan, layers, beside, &|said| said.out.contains(LOOSE));
}

/// The same of a program that does not say itself whether it has got out.
fn held(plan: &Plan, layers: &[Layer], beside: &[Layer], is_loose: &dyn Fn(&Said) -> bool) {
    let missing: Vec<Layer> = driver().ability().missing().map(|finding| finding.layer).collect();
    let there: Vec<Layer> = layers.iter().copied().filter(|layer| !missing.contains(layer)).collect();
    if (layers.len() != there.len() && !able(layers) && there.is_empty()) || !able(&[]) {
        return;
    }
    let layers = there.as_slice();
    let full = run(&with(plan.clone(), Isolation::full()));
    assert!(!is_loose(&full), "a full sandbox does not hold: {full:?}");
    let isolation = Isolation::full().without(beside);
    for layer in layers {
        let others: Vec<Layer> = layers.iter().copied().filter(|other| other != layer).collect();
        let said = run(&with(plan.clone(), isolation.clone().without(&others)));
        assert!(!is_loose(&said), "{layer:?} alone does not hold: {said:?}");
    }
    let said = run(&with(plan.clone(), isolation.without(layers)));
    assert!(is_loose(&said), "something else holds than {layers:?}: {said:?}");
}

/// All of this again as a user without rights: what is started by root must not be all that works.
#[test]
fn everything_as_an_ordinary_user() {
    if !is_root() {
        eprintln!("skipped: the tests run as an ordinary user already");
        return;
    }
    let own = std::env::current_exe().expect("own path");
    let reachable = std::process::Command::new("/bin/sh")
        .args(["-c", "test -x \"$0\" && test -x \"$1\""])
        .arg(&own)
        .arg(env!("CARGO_BIN_EXE_sandbox-keeper"))
        .uid(65_533)
        .gid(65_533)
        .status()
        .expect("sh");
    if !reachable.success() {
        eprintln!("skipped: an ordinary user cannot read {}", own.display());
        return;
    }
    let output = std::process::Command::new(own)
        .args(["--skip", "everything_as_an_ordinary_user"])
        .current_dir("/")
        .uid(65_533)
        .gid(65_533)
        .output()
        .expect("the tests again");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("test result: ok. "), "{told}");
}

#[test]
fn a_weaker_sandbox_is_refused_and_the_refusal_says_what_is_missing() {
    let folder = Folder::new();
    let mut plan = with(python(&folder, "print('ran')"), Isolation::full().without(&[Layer::Seccomp]));
    plan.allow_weak = false;
    match driver().start(&plan, None).map(|_| ()) {
        Err(Error::Weak { missing }) => assert!(missing.contains(&Layer::Seccomp), "{missing:?}"),
        other => panic!("{other:?}"),
    }
    plan.allow_weak = true;
    if able(&[]) {
        assert_eq!(run(&plan).out, "ran\n");
    }
}
