//! pip itself, against a folder of wheels that are made here; and tools that are not there, or never end.

use super::*;
use crate::archive::tests::{Made, made, zip};
use crate::stage::{Here, Stage};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

struct Scene {
    stage: Stage,
    disk: Disk,
    machine: Here,
    /// Where packages are found.
    index: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let stage = Stage::new();
        let (disk, machine) = stage.machine().await;
        Self { stage, disk, machine, index: tempfile::tempdir().unwrap() }
    }

    /// This machine's own settings, with the folder as the only index.
    fn tools(&self) -> Surroundings {
        let own = std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "HOME");
        let index = [("PIP_NO_INDEX", "1".into()), ("PIP_FIND_LINKS", self.index.path().as_os_str().to_owned())];
        let quiet = [("PIP_CONFIG_FILE", OsString::from("/dev/null")), ("PIP_NO_CACHE_DIR", "1".into())];
        Surroundings::of(own.chain(index.into_iter().chain(quiet).map(|(name, value)| (name.into(), value))))
    }

    async fn fetch(&self, tools: &Surroundings, packages: Packages) -> Result<(), SetupFailed> {
        let context = Context {
            clock: &*self.stage.clock,
            entropy: &*self.stage.entropy,
            files: &self.stage.files,
            project: &self.stage.project,
            folder: self.stage.folder.path(),
            variables: &BTreeMap::new(),
        };
        let mut runner = Runner::new(&context, &self.machine);
        let log = Log::begin(self.stage.folder.path());
        fetch(&context, tools, &mut runner, &self.disk, &log, &packages).await
    }

    fn wheel(&self, name: &str, requires: &str) {
        let about = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}");
        let code = format!("def main():\n    print('{name} speaks')\n");
        let wheel = "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n";
        let point = format!("[console_scripts]\n{name} = {name}:main\n");
        let at = |file: &str| format!("{name}-1.0.dist-info/{file}");
        let files = [
            (format!("{name}.py"), &*code),
            (at("METADATA"), &*about),
            (at("WHEEL"), wheel),
            (at("entry_points.txt"), &*point),
            (at("RECORD"), ""),
        ];
        let members: Vec<Made<'_>> = files.iter().map(|(name, content)| made(name, content)).collect();
        std::fs::write(self.index.path().join(format!("{name}-1.0-py3-none-any.whl")), zip(&members)).unwrap();
    }
}

fn python(names: &[&str]) -> Packages {
    Packages { python: names.iter().map(|name| (*name).to_owned()).collect(), ..Packages::default() }
}

#[tokio::test]
async fn python_packages_come_with_what_they_need_and_their_programs_run() {
    let scene = Scene::new().await;
    scene.wheel("upper", "Requires-Dist: lower>=1\n");
    scene.wheel("lower", "");
    scene.fetch(&scene.tools(), python(&["upper>=1"])).await.unwrap();
    let home = scene.disk.folder().join(".managed-agents/python");
    assert!(home.join("lower.py").exists());
    let script = std::fs::read_to_string(home.join("bin/upper")).unwrap();
    assert!(script.starts_with("#!/usr/"), "{script}");
    let said = tokio::process::Command::new(home.join("bin/upper")).env("PYTHONPATH", &home).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "upper speaks\n");
    assert!(!scene.stage.folder.path().join("packages/python").exists());
}

#[tokio::test]
async fn pip_keeps_nothing_where_nobody_weighs_it() {
    let scene = Scene::new().await;
    scene.wheel("upper", "");
    let (program, said) = (scene.index.path().join("python3"), scene.index.path().join("said"));
    // This machine's own, and what it was told.
    let all = scene.tools().0;
    let own = all.iter().find(|(name, _)| name == "PATH").unwrap().1.to_str().unwrap();
    let script = format!("#!/bin/sh\necho \"$@\" >> {}\nPATH={own} exec python3 \"$@\"\n", said.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = ("PATH".into(), format!("{}:{own}", scene.index.path().display()).into());
    let tools = Surroundings::of(all.clone().into_iter().filter(|(name, _)| name != "PATH").chain([path]));
    scene.fetch(&tools, python(&["upper"])).await.unwrap();
    assert!(std::fs::read_to_string(said).unwrap().contains(" --no-cache-dir "));
}

#[tokio::test]
async fn a_python_package_that_is_not_there_says_so() {
    let scene = Scene::new().await;
    let failed = scene.fetch(&scene.tools(), python(&["nobody-has-this"])).await.unwrap_err();
    let message = "The Python packages could not be fetched: python3 ended with exit code 1; setup.log says more";
    assert_eq!(failed.message, message);
    let log = std::fs::read_to_string(scene.stage.folder.path().join("setup.log")).unwrap();
    assert!(log.contains("No matching distribution found for nobody-has-this"), "{log}");
    assert_eq!(failed.code, "sandbox_error");
}

#[tokio::test]
async fn nothing_of_a_python_package_runs_here() {
    let scene = Scene::new().await;
    let seen = scene.index.path().join("seen");
    let tree = scene.index.path().join("tree");
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(tree.join("backend.py"), format!("open({seen:?}, 'w')\n")).unwrap();
    let builds = "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
    std::fs::write(tree.join("pyproject.toml"), builds).unwrap();
    // A wheel may ask for a folder that would have to be built.
    scene.wheel("upper", &format!("Requires-Dist: evil @ file://{}\n", tree.display()));
    let failed = scene.fetch(&scene.tools(), python(&["upper"])).await.unwrap_err();
    assert!(failed.message.starts_with("The Python packages could not be fetched: "), "{failed}");
    assert!(!seen.exists());
    // And so may a name of a source archive in the index.
    let source = scene.index.path().join("evil-1.0.zip");
    std::fs::write(source, zip(&[made("evil-1.0/setup.py", "raise SystemExit(1)")])).unwrap();
    assert!(scene.fetch(&scene.tools(), python(&["evil"])).await.is_err());
}

#[tokio::test]
async fn a_python_package_brings_no_file_of_this_machine() {
    let scene = Scene::new().await;
    scene.wheel("private", "");
    let private = tempfile::tempdir().unwrap();
    let name = "private-1.0-py3-none-any.whl";
    std::fs::rename(scene.index.path().join(name), private.path().join(name)).unwrap();
    scene.wheel("upper", &format!("Requires-Dist: private @ file://{}/{name}\n", private.path().display()));
    let failed = scene.fetch(&scene.tools(), python(&["upper"])).await.unwrap_err();
    let message = "The Python packages could not be fetched: private does not come from the index.";
    assert_eq!(failed.message, message);
    assert!(!scene.disk.folder().join(".managed-agents").exists());
}

#[tokio::test]
async fn a_machine_without_the_tools_says_so() {
    let scene = Scene::new().await;
    let nothing = Surroundings::of([("PATH".into(), scene.index.path().as_os_str().to_owned())].into_iter());
    let failed = scene.fetch(&nothing, python(&["a"])).await.unwrap_err();
    let message = "Python packages are fetched by pip of the server's machine, which has none. Put them into a base.";
    assert_eq!(failed.message, message);
    let npm = Packages { npm: vec!["a".into()], ..Packages::default() };
    let failed = scene.fetch(&nothing, npm).await.unwrap_err();
    assert!(failed.message.starts_with("npm packages are fetched by npm of the server's machine"), "{failed}");
}

#[tokio::test]
async fn a_tool_ends_with_what_it_started_when_nobody_waits() {
    let scene = Scene::new().await;
    let folder = scene.index.path();
    let log = Log::begin(folder);
    let tools = scene.tools();
    // The grandchild holds this open as long as it lives.
    let fifo = folder.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    let heard = tokio::task::spawn_blocking(move || std::fs::read(fifo).unwrap());
    let script = "exec 3> fifo; sleep 1000 & echo begun > begun; wait";
    let arguments = ["-c", script];
    let work = tool::run(&*scene.stage.clock, &tools, folder, "sh", &arguments, &log);
    let begun = async {
        while !folder.join("begun").exists() {
            scene.stage.clock.sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        ended = work => panic!("{ended:?}"),
        () = begun => {}
    }
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    let heard = tokio::time::timeout(Duration::from_secs(120), heard).await;
    assert_eq!(heard.unwrap().unwrap(), b"");
}

/// Where the process that stands for a server finds the folder, when the next test starts it.
const SERVER: &str = "OUTCROP_TEST_SERVER_FOLDER";

/// No test by itself: the server that is killed in the next one.
#[tokio::test]
#[ignore = "started by another test"]
async fn a_server_at_work() {
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    let Some(folder) = std::env::var_os(SERVER).map(PathBuf::from) else { return };
    let stage = Stage::new();
    let log = Log::begin(&folder);
    let tools = Surroundings::of_this_machine();
    let script = "exec 3> fifo; sleep 1000 & echo begun > begun; wait";
    tool::run(&*stage.clock, &tools, &folder, "sh", &["-c", script], &log).await.unwrap();
}

#[tokio::test]
async fn a_tool_ends_with_what_it_started_when_its_server_is_killed() {
    let stage = Stage::new();
    let folder = stage.folder.path();
    let fifo = folder.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    let heard = tokio::task::spawn_blocking(move || std::fs::read(fifo).unwrap());
    let mut server = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "packages::tests::a_server_at_work"])
        .env(SERVER, folder)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    while !folder.join("begun").exists() {
        assert_eq!(server.try_wait().unwrap(), None);
        stage.clock.sleep(Duration::from_millis(5)).await;
    }
    server.kill().await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test's edge")]
    let heard = tokio::time::timeout(Duration::from_secs(120), heard).await;
    assert_eq!(heard.unwrap().unwrap(), b"");
}

#[tokio::test]
async fn each_run_has_a_folder_of_its_own() {
    let scene = Scene::new().await;
    let context = Context {
        clock: &*scene.stage.clock,
        entropy: &*scene.stage.entropy,
        files: &scene.stage.files,
        project: &scene.stage.project,
        folder: scene.stage.folder.path(),
        variables: &BTreeMap::new(),
    };
    let first = workshop(&context).await.unwrap();
    std::fs::write(first.join("half"), "a part").unwrap();
    let second = workshop(&context).await.unwrap();
    assert_ne!(first, second);
    assert!(!first.exists() && second.is_dir());
}
