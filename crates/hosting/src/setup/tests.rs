//! Setups on a disk, with this machine in the place of a sandbox.

use super::*;
use crate::archive::tests::{all_turns, plugin, skill};
use crate::record::{SeedContent, SeedFile};
use crate::stage::{Here, Stage};
use std::os::unix::fs::PermissionsExt as _;
use types::{Capability, ContainerSize, EnvironmentId, NetworkSettings, Packages};

struct Scene {
    stage: Stage,
    disk: Disk,
    machine: Here,
    variables: BTreeMap<String, String>,
}

impl Scene {
    async fn new() -> Self {
        let stage = Stage::new();
        let (disk, machine) = stage.machine().await;
        let variables = BTreeMap::from([("API_KEY".to_owned(), "k-123".to_owned())]);
        Self { stage, disk, machine, variables }
    }

    async fn run(&self, setup: &Setup, packages: Packages) -> Result<(), SetupFailed> {
        let context = Context {
            clock: &*self.stage.clock,
            entropy: &*self.stage.entropy,
            files: &self.stage.files,
            project: &self.stage.project,
            folder: self.stage.folder.path(),
            variables: &self.variables,
        };
        run(&context, &self.machine, &self.disk, setup, &settings(packages)).await
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.disk.folder().join(path)).unwrap()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.stage.folder.path().join("setup.log")).unwrap()
    }
}

fn settings(packages: Packages) -> HostedSettings {
    HostedSettings {
        id: EnvironmentId::new("env_1"),
        container_size: ContainerSize::Medium,
        network: NetworkSettings::default(),
        capability_directories: vec!["/workspace/mine".into()],
        files: Vec::new(),
        packages,
        plugins: Vec::new(),
        skills: Vec::new(),
    }
}

fn commands(commands: &[&str]) -> Setup {
    let command = |command: &&str| SetupCommand { command: (*command).to_owned(), cwd: None };
    Setup { commands: commands.iter().map(command).collect(), ..Setup::default() }
}

#[tokio::test]
async fn everything_is_there_in_its_order() {
    let scene = Scene::new().await;
    let id = scene.stage.upload(b"uploaded").await;
    let setup = Setup {
        files: vec![
            SeedFile { path: "/workspace/in/a.txt".into(), content: SeedContent::Inline("aGk=".into()) },
            SeedFile { path: "/workspace/b.txt".into(), content: SeedContent::File(id) },
        ],
        skills: vec![skill()],
        plugins: vec![plugin()],
        ..commands(&[
            "cat in/a.txt b.txt > seen; .codex/skills/hello/scripts/run.sh >> seen",
            "ls .codex/plugins/hello/skills/a >> seen; echo \"$API_KEY\" >> seen",
        ])
    };
    assert_eq!(scene.run(&setup, Packages::default()).await, Ok(()));
    assert_eq!(scene.read("seen"), "hiuploadedhi\nSKILL.md\nk-123\n");
}

#[tokio::test]
async fn a_command_that_fails_ends_it_and_stays_confidential() {
    let scene = Scene::new().await;
    let setup = commands(&["echo fine", "echo \"token $API_KEY\" >&2; exit 3", "touch never"]);
    let failed = scene.run(&setup, Packages::default()).await.unwrap_err();
    assert_eq!(failed, SetupFailed::new("Setup command 2 failed with exit code 3."));
    assert!(!scene.disk.folder().join("never").exists());
    let log = scene.log();
    assert!(log.contains("token k-123") && log.contains("== setup command 1: exit code 0\nfine\n"), "{log}");
    assert!(!log.contains("echo"), "{log}");
    let mode = std::fs::metadata(scene.stage.folder.path().join("setup.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_commands_folder_is_its_own() {
    let scene = Scene::new().await;
    let at = |cwd: &str| SetupCommand { command: "mkdir -p sub; touch here".into(), cwd: Some(cwd.into()) };
    let setup =
        Setup { commands: vec![at("/workspace"), at("/workspace/sub"), at("/workspace/none")], ..Setup::default() };
    let failed = scene.run(&setup, Packages::default()).await.unwrap_err();
    assert_eq!(failed.message, "Setup command 3 could not be run: its cwd is no directory.");
    assert!(scene.disk.folder().join("sub/here").exists());
}

#[tokio::test]
async fn a_command_that_hangs_is_ended() {
    let scene = Scene::new().await;
    let context = Context {
        clock: &*scene.stage.clock,
        entropy: &*scene.stage.entropy,
        files: &scene.stage.files,
        project: &scene.stage.project,
        folder: scene.stage.folder.path(),
        variables: &scene.variables,
    };
    let mut runner = Runner::new(&context, &scene.machine);
    let argv = ["/bin/sh", "-c", "echo begun; exec sleep 1000"].map(str::to_owned).to_vec();
    let ran = runner.run(argv, "/workspace", Duration::from_millis(300)).await.unwrap();
    assert_eq!(ran.exit_code, None);
    // Its end is heard: it was ended, for it ends by itself only much later.
    let mut output = scene.machine.read(&runner.last(), 0, Duration::from_secs(60)).await.unwrap();
    while !output.closed {
        output = scene.machine.read(&runner.last(), output.next, Duration::from_secs(60)).await.unwrap();
    }
    assert_eq!(output.exit_code, Some(-9));
}

#[tokio::test]
async fn only_the_end_of_much_output_is_kept() {
    let scene = Scene::new().await;
    let setup = commands(&["head -c 3000000 /dev/zero | tr '\\0' x; echo; echo the end"]);
    assert_eq!(scene.run(&setup, Packages::default()).await, Ok(()));
    let log = scene.log();
    assert!(log.len() < 70_000 && log.ends_with("x\nthe end\n"), "{}", log.len());
}

#[tokio::test]
async fn a_file_that_is_gone_is_named() {
    let scene = Scene::new().await;
    let file = SeedFile { path: "/workspace/a".into(), content: SeedContent::File("file-none".into()) };
    let failed = scene.run(&Setup { files: vec![file], ..Setup::default() }, Packages::default()).await.unwrap_err();
    assert_eq!(failed, SetupFailed::new("File not found: file-none"));
}

#[tokio::test]
async fn system_packages_are_in_the_base_or_not() {
    let scene = Scene::new().await;
    let system = |names: &[&str]| Packages {
        system: names.iter().map(|name| (*name).to_owned()).collect(),
        ..Packages::default()
    };
    let failed = scene.run(&Setup::default(), system(&["nobody-has-this", "nor-this"])).await.unwrap_err();
    assert!(failed.message.ends_with("Missing: nobody-has-this, nor-this."), "{failed}");
    let odd = scene.run(&Setup::default(), system(&["git", "--help"])).await.unwrap_err();
    assert_eq!(odd.message, "packages.system[1] is no name of a package.");
}

#[test]
fn capabilities_are_looked_for_where_they_are() {
    let about = |name: &str| Capability { name: name.into(), description: "d".into() };
    let none = settings(Packages::default());
    assert_eq!(capability_directories(&none), ["/workspace/mine"]);
    let some = HostedSettings { skills: vec![about("s")], plugins: vec![about("p"), about("q")], ..none };
    let expected =
        ["/workspace/mine", "/workspace/.codex/skills", "/workspace/.codex/plugins/p", "/workspace/.codex/plugins/q"];
    assert_eq!(capability_directories(&some), expected);
}

#[tokio::test]
async fn a_setup_waits_for_its_turn_to_unpack() {
    let scene = Scene::new().await;
    let turns = all_turns().await;
    let skills = [skill()];
    let mut third = std::pin::pin!(contents::archives(&scene.disk, Kind::Skill, &skills));
    let others = async {
        for _ in 0..100 {
            scene.disk.size().await.unwrap();
        }
    };
    tokio::select! {
        biased;
        _ = &mut third => panic!("it has not waited"),
        () = others => {}
    }
    assert!(!scene.disk.folder().join(".codex").exists());
    drop(turns);
    third.await.unwrap();
    assert!(scene.disk.folder().join(".codex/skills/hello/SKILL.md").exists());
}
