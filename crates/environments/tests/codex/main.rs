//! The unmodified `codex exec-server` of the npm package `@openai/codex`, over Noise: commands, files, sockets that drop,
//! a server that restarts, and a second executor.
#![expect(clippy::expect_used, reason = "an integration test")]
#![expect(clippy::disallowed_methods, reason = "the edge: real clock, tasks, randomness and processes")]
#![expect(clippy::print_stderr, reason = "a test that is left out says so")]

mod door;
mod world;

use door::{Door, KEY};
use environments::machine::{Command, Fault, FileKind, Machine, Output, Written};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Child;

const WAIT: Duration = Duration::from_secs(10);

/// The binary, if it is installed. `cargo xtask test` installs it first and names it, and then it has to be there.
fn binary() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("OUTCROP_TEST_CODEX") {
        return Some(named.into());
    }
    let packages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/node/node_modules/.bin/codex");
    if packages.exists() {
        return Some(packages);
    }
    eprintln!("skipped: {} is not installed (npm install in tests/node)", packages.display());
    None
}

struct Executor {
    child: Child,
    folder: PathBuf,
}

impl Executor {
    fn start(binary: &Path, door: &Door, environment: &str, name: &str) -> Self {
        Self::start_with(binary, door, environment, name, &[])
    }

    fn start_with(binary: &Path, door: &Door, environment: &str, name: &str, more: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("codex-{}-{name}", door.port));
        std::fs::create_dir_all(&folder).expect("a folder");
        let folder = folder.canonicalize().expect("a folder");
        let mut command = tokio::process::Command::new(binary);
        command.args(["exec-server", "--environment-id", environment, "--remote"]);
        command.arg(format!("http://127.0.0.1:{}/v1/agents/api", door.port));
        command.args(more).env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "secret");
        command.env("CODEX_API_KEY", KEY).env("CODEX_HOME", &folder).env("HOME", &folder).current_dir(&folder);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.process_group(0).kill_on_drop(true).spawn().expect("codex starts");
        Self { child, folder }
    }

    fn command(&self, process: &str, script: &str) -> Command {
        Command {
            process: process.to_owned(),
            argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
            working_directory: self.path("."),
            ..Command::default()
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("a path").to_owned()
    }
}

impl Drop for Executor {
    /// `codex` of npm is a script of node that starts the real one: the group ends with it.
    fn drop(&mut self) {
        if let Some(id) = self.child.id() {
            let _ = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{id}")]).status();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// All that a process says until it is closed, as text, and how it ended.
async fn whole(machine: &dyn Machine, process: &str, after: u64) -> (String, Output) {
    let (mut text, mut after) = (String::new(), after);
    loop {
        let output = machine.read(process, after, WAIT).await.expect("read");
        assert!(!output.lost, "output was lost");
        assert!(output.chunks.iter().all(|chunk| chunk.seq > after), "output came twice");
        for chunk in &output.chunks {
            text.push_str(&String::from_utf8_lossy(&chunk.bytes));
        }
        after = output.next;
        if output.closed {
            return (text, output);
        }
    }
}

async fn first_output(machine: &dyn Machine, process: &str) -> u64 {
    loop {
        let output = machine.read(process, 0, WAIT).await.expect("read");
        if !output.chunks.is_empty() {
            return output.next;
        }
    }
}

/// Says a number a time, twenty times, for two seconds.
const COUNT: &str = "i=0; while [ $i -lt 20 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit 7";

fn counted() -> String {
    (0..20).map(|n| format!("line {n}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_and_files() {
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let executor = Executor::start(&binary, &door, "env_one", "a");
    door.log.until("connected env_one", 1).await;
    let machine: Arc<dyn Machine> = door.machine("env_one").await;

    let info = machine.info().await.expect("info");
    assert_eq!(info.platform.as_deref(), Some("linux"));
    assert!(info.shell.is_some() && info.executor_version.is_some());

    machine.start(executor.command("p1", "echo one; echo two >&2; exit 3")).await.expect("started");
    let (text, output) = whole(&*machine, "p1", 0).await;
    assert_eq!((text.contains("one\n"), text.contains("two\n"), output.exit_code), (true, true, Some(3)));
    let again = machine.start(executor.command("p1", "echo again")).await;
    assert!(matches!(again, Err(Fault::Exists(_))), "{again:?}");
    assert!(matches!(machine.read("nobody", 0, Duration::ZERO).await, Err(Fault::Missing(_))));
    let bad = machine.start(Command { argv: vec!["/no/such".to_owned()], ..executor.command("p2", "") }).await;
    assert!(matches!(bad, Err(Fault::Refused(_))), "{bad:?}");

    // A terminal takes input; a process without one does not.
    machine.start(Command { terminal: true, ..executor.command("p3", "read x; echo got:$x") }).await.expect("started");
    assert_eq!(machine.write("p3", b"abc\n".to_vec()).await, Ok(Written::Accepted));
    assert!(whole(&*machine, "p3", 0).await.0.contains("got:abc"));
    machine.start(executor.command("p4", "sleep 60")).await.expect("started");
    assert_eq!(machine.write("p4", b"abc\n".to_vec()).await, Ok(Written::Closed));
    assert_eq!(machine.terminate("p4").await, Ok(true));
    assert!(whole(&*machine, "p4", 0).await.1.exit_code.is_some());
    assert_eq!(machine.terminate("p4").await, Ok(false));
    machine.start(executor.command("p5", "env")).await.expect("started");
    assert!(!whole(&*machine, "p5", 0).await.0.contains(KEY), "the executor's credential is seen by a command");

    let file = executor.path("ä file.txt");
    let bytes: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    machine.write_file(&file, bytes.clone()).await.expect("written");
    assert_eq!(machine.read_file(&file, 300_000).await, Ok(bytes));
    assert!(matches!(machine.read_file(&file, 299_999).await, Err(Fault::TooLarge(_))));
    let metadata = machine.metadata(&file).await.expect("metadata");
    assert_eq!((metadata.kind, metadata.bytes), (FileKind::File, 300_000));
    machine.create_directory(&executor.path("d/e")).await.expect("made");
    let entries = machine.list(&executor.path(".")).await.expect("listed");
    assert!(entries.iter().any(|entry| entry.name == "d" && entry.kind == FileKind::Directory));
    assert!(entries.iter().any(|entry| entry.name == "ä file.txt" && entry.kind == FileKind::File));
    assert_eq!(machine.canonicalize(&executor.path("d/../ä file.txt")).await, Ok(file.clone()));
    machine.remove(&file, false).await.expect("removed");
    assert!(matches!(machine.read_file(&file, 1).await, Err(Fault::Missing(_))));
    assert!(matches!(machine.read_file("relative", 1).await, Err(Fault::Refused(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn much_at_once() {
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let executor = Executor::start(&binary, &door, "env_six", "a");
    door.log.until("connected env_six", 1).await;
    let machine: Arc<dyn Machine> = door.machine("env_six").await;

    let file = executor.path("large");
    let bytes: Vec<u8> = (0..16_000_000u32).map(|n| (n >> 7) as u8).collect();
    machine.write_file(&file, bytes.clone()).await.expect("written");
    assert!(machine.read_file(&file, 16_000_000).await.expect("read") == bytes, "the file has changed");

    let asked = (0..200).map(|_| machine.metadata(&file));
    for metadata in futures_util::future::join_all(asked).await {
        assert_eq!(metadata.expect("metadata").bytes, 16_000_000);
    }

    let commands = (0..20).map(|n| {
        let (machine, command) = (&machine, executor.command(&format!("p{n}"), "seq 1 20000"));
        async move {
            machine.start(command).await.expect("started");
            whole(&**machine, &format!("p{n}"), 0).await.0
        }
    });
    let expected: String = (1..=20_000).map(|n| format!("{n}\n")).collect();
    for text in futures_util::future::join_all(commands).await {
        assert!(text == expected, "output has changed: {} bytes of {}", text.len(), expected.len());
    }
    assert_eq!(door.log.count("connected env_six"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_drop_and_nothing_is_lost_or_twice() {
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let executor = Executor::start(&binary, &door, "env_two", "a");
    door.log.until("connected env_two", 1).await;
    let machine: Arc<dyn Machine> = door.machine("env_two").await;

    // One command lives through the loss of its socket, one is asked for while there is none, one is done before.
    machine.start(executor.command("p0", "echo x >> made; echo done")).await.expect("started");
    assert_eq!(whole(&*machine, "p0", 0).await.0, "done\n");
    machine.start(executor.command("p1", COUNT)).await.expect("started");
    first_output(&*machine, "p1").await;
    door.cut();
    door.log.until("disconnected env_two", 1).await;
    machine.start(executor.command("p2", "echo y >> made; echo done")).await.expect("started");
    assert_eq!(whole(&*machine, "p2", 0).await.0, "done\n");
    let (text, output) = whole(&*machine, "p1", 0).await;
    assert_eq!((text, output.exit_code), (counted(), Some(7)));
    let made = machine.read_file(&executor.path("made"), 100).await.expect("made");
    assert_eq!(made, b"x\ny\n");
    assert_eq!(door.log.count("registered env_two"), 1);
    assert_eq!(door.log.count("connected env_two"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_finds_the_command_that_runs() {
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let executor = Executor::start(&binary, &door, "env_three", "a");
    door.log.until("connected env_three", 1).await;
    let machine = door.machine("env_three").await;
    machine.start(executor.command("p1", COUNT)).await.expect("started");
    first_output(&*machine, "p1").await;
    drop(machine);

    door.restart();
    let machine = door.machine("env_three").await;
    let (text, output) = whole(&*machine, "p1", 0).await;
    assert_eq!((text, output.exit_code), (counted(), Some(7)));
    let again = machine.start(executor.command("p1", "echo again")).await;
    assert!(matches!(again, Err(Fault::Exists(_))), "{again:?}");
    assert_eq!(door.log.count("registered env_three"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_executor_replaces_the_first() {
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let mut first = Executor::start(&binary, &door, "env_four", "a");
    door.log.until("connected env_four", 1).await;
    let machine: Arc<dyn Machine> = door.machine("env_four").await;
    machine.start(first.command("p1", "sleep 60")).await.expect("started");

    let second = Executor::start(&binary, &door, "env_four", "b");
    door.log.until("connected env_four", 2).await;
    // The first asks again, is told, and ends.
    door.log.until("refused env_four", 1).await;
    let status = tokio::time::timeout(Duration::from_secs(60), first.child.wait()).await.expect("it ends");
    assert!(!status.expect("a status").success());
    // What it ran is lost, and what comes next runs in the second.
    assert_eq!(machine.read("p1", 0, WAIT).await, Err(Fault::Lost));
    machine.start(second.command("p2", "pwd")).await.expect("started");
    assert_eq!(whole(&*machine, "p2", 0).await.0.trim(), second.folder.to_str().expect("a path"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_executor_registers_anew() {
    use environments::rendezvous::Registrations;
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let executor = Executor::start(&binary, &door, "env_five", "a");
    door.log.until("connected env_five", 1).await;
    let machine: Arc<dyn Machine> = door.machine("env_five").await;
    door.registrations.remove(&door::site("env_five")).await.expect("removed");
    door.cut();
    door.log.until("registered env_five", 2).await;
    door.log.until("connected env_five", 2).await;
    machine.start(executor.command("p1", "echo back")).await.expect("started");
    assert_eq!(whole(&*machine, "p1", 0).await.0, "back\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_direct_transport() {
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let direct = ["--remote-transport", "direct", "--aws-sigv4", "--aws-region", "us-east-1", "--aws-service", "x"];
    let mut first = Executor::start_with(&binary, &door, "env_seven", "a", &direct);
    door.log.until("connected env_seven", 1).await;
    let machine: Arc<dyn Machine> = door.machine("env_seven").await;
    machine.start(first.command("p1", COUNT)).await.expect("started");
    first_output(&*machine, "p1").await;
    door.cut();
    let (text, output) = whole(&*machine, "p1", 0).await;
    assert_eq!((text, output.exit_code), (counted(), Some(7)));
    assert_eq!(door.log.count("registered env_seven"), 1);

    let _second = Executor::start_with(&binary, &door, "env_seven", "b", &direct);
    door.log.until("connected env_seven", 3).await;
    let status = tokio::time::timeout(Duration::from_secs(60), first.child.wait()).await.expect("it ends");
    assert!(!status.expect("a status").success());
    assert_eq!(door.log.count("registered env_seven"), 2);
}
