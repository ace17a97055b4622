//! The same tools over the unmodified `codex exec-server`: what is held of the machine of these tests must hold of it too.

use crate::door::{Door, KEY};
use crate::stage::{Stage, Unheard, attached, bench, command};
use environments::workbench::Station;
use serde_json::json;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Child;
use types::{ToolOutcome, Tools};

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
    _home: tempfile::TempDir,
}

impl Executor {
    /// The `nth` that connects.
    async fn start(binary: &Path, door: &Door, nth: usize) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let mut command = tokio::process::Command::new(binary);
        command.args(["exec-server", "--environment-id", "env_tools", "--remote"]);
        command.arg(format!("http://127.0.0.1:{}/v1/agents/api", door.port));
        command.env("CODEX_API_KEY", KEY).env("CODEX_HOME", home.path()).env("HOME", home.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir(home.path());
        let child = command.process_group(0).kill_on_drop(true).spawn().expect("codex starts");
        door.log.until("connected env_tools", nth).await;
        Self { child, _home: home }
    }

    fn kill(&self) {
        if let Some(id) = self.child.id() {
            let _ = std::process::Command::new("kill").args(["-KILL", "--", &format!("-{id}")]).status();
        }
    }
}

impl Drop for Executor {
    /// `codex` of npm is a script of node that starts the real one: the group ends with it.
    fn drop(&mut self) {
        self.kill();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tools_work_on_the_real_executor() {
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let _executor = Executor::start(&binary, &door, 1).await;
    let stage = Stage::confined_on(door.machine("env_tools").await);

    stage.said("write_file", json!({"path": "src/deep/app.py", "content": "def f():\n    return 1\n"})).await;
    let patch = "*** Begin Patch\n*** Add File: README\n+Read me.\n*** Update File: src/deep/app.py\n\
        *** Move to: lib/app.py\n@@ def f():\n-    return 1\n+    return 2\n*** End Patch\n";
    stage.said("apply_patch", json!({"patch": patch})).await;
    assert_eq!(stage.holds("lib/app.py").unwrap(), "def f():\n    return 2\n");
    assert_eq!((stage.holds("src/deep/app.py"), stage.holds("README").unwrap().as_str()), (None, "Read me.\n"));
    let text = stage.said("read_file", json!({"path": "lib/app.py", "offset": 2})).await;
    assert!(text.ends_with("\n    return 2\n"), "{text}");
    let text = stage.said("list_files", json!({"depth": 2})).await;
    assert!(text.ends_with("\nREADME\nlib/\nsrc/\nlib/app.py\nsrc/deep/"), "{text}");
    let error = stage.failed("read_file", json!({"path": "none"})).await;
    assert!(error.contains("not found"), "{error}");
    let error = stage.failed("read_file", json!({"path": "lib"})).await;
    assert!(error.contains("it is a directory"), "{error}");

    let result = stage.ran("shell", json!({"command": "pwd; echo $TERM; cat; exit 4", "workdir": "lib"})).await;
    let lib = stage.path("lib").canonicalize().unwrap();
    assert_eq!((result.exit_code, result.shown()), (Some(4), format!("{}\ndumb\n", lib.display()).as_str()));
    let result = stage.ran("shell", json!({"command": "echo begun; sleep 600", "timeout_ms": 3000})).await;
    assert!(result.told.starts_with("stopped: ") && result.shown() == "begun\n", "{result:?}");
    let error = stage.failed("shell", json!({"command": "true", "workdir": "nowhere"})).await;
    assert!(error.starts_with("the command was not started: "), "{error}");

    let asked = json!({"command": "read line; echo heard $line", "background": true, "yield_time_ms": 1});
    let request = stage.request("shell", &asked);
    command(stage.bench.perform(&request, &Unheard).await);
    let asked = json!({"process_id": request.call.effect.0, "input": "words\n", "yield_time_ms": 60000});
    let result = stage.ran("write_stdin", asked).await;
    assert_eq!((result.exit_code, result.shown()), (Some(0), "heard words\n"));

    symlink("..", stage.path("up")).unwrap();
    symlink("../nothing", stage.path("dangling")).unwrap();
    for path in ["up/new", "up/a/b/new", "dangling", "../new", "/tmp/outcrop-must-not-be"] {
        stage.failed("write_file", json!({"path": path, "content": "x"})).await;
    }
    let beside: Vec<_> =
        std::fs::read_dir(stage.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["space"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_outlives_the_server_but_not_its_executor() {
    let Some(binary) = binary() else { return };
    let door = Door::open().await;
    let executor = Executor::start(&binary, &door, 1).await;
    let stage = Stage::on(door.machine("env_tools").await);
    stage.ran("shell", json!({"command": "mkfifo gate"})).await;
    let line = "echo run >> runs; echo first; read go < gate; echo last; exit 5";
    let first = stage.request("shell", &json!({"command": line}));
    until_there(&stage, "runs", stage.bench.perform(&first, &Unheard)).await;

    door.restart();
    let station = Station { machine: door.machine("env_tools").await, ..stage.station.clone() };
    let other = bench(Some(station));
    std::thread::spawn({
        let gate = stage.path("gate");
        move || std::fs::write(gate, "go\n").expect("the gate")
    });
    let result = command(other.perform(&attached(&first), &Unheard).await);
    assert_eq!((result.exit_code, result.shown()), (Some(5), "first\nlast\n"));
    assert_eq!(stage.holds("runs").unwrap(), "run\n");

    // Killed with its executor, or lost by it: nobody knows how far it came.
    let second = stage.request("shell", &json!({"command": "echo run >> again; sleep 600"}));
    until_there(&stage, "again", other.perform(&second, &Unheard)).await;
    executor.kill();
    door.log.until("disconnected env_tools", 2).await;
    let _fresh = Executor::start(&binary, &door, 3).await;
    let outcome = other.perform(&attached(&second), &Unheard).await;
    assert!(matches!(outcome, ToolOutcome::Unknown(_)), "{outcome:?}");
    assert_eq!(stage.holds("again").unwrap(), "run\n");
}

/// Runs a call until a file is there, and gives it up then, as a server does that is killed.
async fn until_there(stage: &Stage, name: &str, call: impl Future) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut call = Box::pin(call);
    while stage.holds(name).is_none() {
        assert!(Instant::now() < deadline, "it never began");
        assert!(tokio::time::timeout(Duration::from_millis(5), &mut call).await.is_err(), "it cannot end");
    }
}
