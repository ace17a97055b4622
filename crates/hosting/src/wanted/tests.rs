//! Requests, over nothing and over a template.

use super::*;
use crate::archive::tests::{all_turns, archive, made, plugin, skill};
use crate::hosting::Hosting;
use crate::record::{SeedContent, Setup};
use crate::stage::Stage;
use types::{EnvironmentId, HostedSettings, NetworkAccess, Refusal, RefusalKind};

fn env(variables: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    Some(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn inline(path: &str, data: &str) -> SeedFile {
    SeedFile { path: path.into(), content: SeedContent::Inline(data.into()) }
}

fn uploaded(path: &str, id: &str) -> SeedFile {
    SeedFile { path: path.into(), content: SeedContent::File(id.into()) }
}

fn command(command: &str, cwd: Option<&str>) -> SetupCommand {
    SetupCommand { command: command.into(), cwd: cwd.map(str::to_owned) }
}

fn only(hosts: &[&str]) -> Option<NetworkSettings> {
    let allowed_domains = hosts.iter().map(|host| (*host).to_owned()).collect();
    Some(NetworkSettings { access: NetworkAccess::Restricted, allowed_domains, blocked_domains: Vec::new() })
}

async fn settle(stage: &Stage, hosting: &Hosting, wanted: Wanted) -> Result<(HostedSettings, Setup), Refusal> {
    hosting.inner.settle(&stage.project, EnvironmentId::new("env_1"), wanted, "environment.").await
}

#[tokio::test]
async fn what_may_not_be_asked_for_is_refused_at_its_place() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let long = "x".repeat(33 << 10);
    let near = &long[..32 << 10];
    let large = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, vec![0; (5 << 20) + 1]);
    let half = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, vec![0; 4 << 20]);
    let none = Wanted::default;
    let packages = |python: &str| Some(Packages { python: vec!["ok".into(), python.into()], ..Packages::default() });
    let many: Vec<_> = (0..101).map(|number| format!("p{number}")).collect();
    let halves = ["a", "b", "c"].map(|name| inline(&format!("/workspace/{name}"), &half)).to_vec();
    for (wanted, param) in [
        (Wanted { env: env(&[("PATH", "/x")]), ..none() }, "env.PATH"),
        (Wanted { env: env(&[("CODEX_HOME", "/x")]), ..none() }, "env.CODEX_HOME"),
        (Wanted { env: env(&[("OPENAI_API_KEY", "x")]), ..none() }, "env.OPENAI_API_KEY"),
        (Wanted { env: env(&[("1A", "x")]), ..none() }, "env.1A"),
        (Wanted { env: env(&[("A-B", "x")]), ..none() }, "env.A-B"),
        (Wanted { env: env(&[("A", &long)]), ..none() }, "env.A"),
        (Wanted { env: env(&[("A", "x\0y")]), ..none() }, "env.A"),
        (Wanted { env: env(&[("A", near), ("B", near), ("C", near)]), ..none() }, "env"),
        (Wanted { env: Some(many.iter().map(|name| (name.clone(), String::new())).collect()), ..none() }, "env"),
        (Wanted { files: Some(vec![inline("/etc/passwd", "")]), ..none() }, "files[0].path"),
        (Wanted { files: Some(vec![inline("/workspace/.codex/x", "")]), ..none() }, "files[0].path"),
        (
            Wanted { files: Some(vec![inline("/workspace/a", ""), inline("/workspace/a", "")]), ..none() },
            "files[1].path",
        ),
        (Wanted { files: Some(vec![inline("/workspace/a", "?")]), ..none() }, "files[0].data"),
        (Wanted { files: Some(vec![inline("/workspace/a", &large)]), ..none() }, "files[0].data"),
        (Wanted { files: Some(halves), ..none() }, "files[2].data"),
        (Wanted { files: Some(vec![uploaded("/workspace/a", "file-none")]), ..none() }, "files[0].file_id"),
        (Wanted { packages: packages("--index-url=x"), ..none() }, "packages.python[1]"),
        (Wanted { packages: Some(Packages { npm: many.clone(), ..Packages::default() }), ..none() }, "packages.npm"),
        (Wanted { commands: Some(vec![command(" ", None)]), ..none() }, "setup_commands[0].command"),
        (Wanted { commands: Some(vec![command("true", Some("x"))]), ..none() }, "setup_commands[0].cwd"),
        (Wanted { commands: Some(vec![command("true", Some("/workspace/../x"))]), ..none() }, "setup_commands[0].cwd"),
        (Wanted { capability_directories: Some(vec!["/a".into(), "b".into()]), ..none() }, "capability_directories[1]"),
        (Wanted { network: only(&[]), ..none() }, "network.allowed_domains"),
        (Wanted { skills: Some(vec![skill(), skill()]), ..none() }, "skills[1].name"),
        (Wanted { skills: Some(vec![plugin()]), ..none() }, "skills[0].source.data"),
        (
            Wanted { plugins: Some(vec![plugin(), archive("x", &[made("a/b", "")])]), ..none() },
            "plugins[1].source.data",
        ),
        (Wanted { template: Some("envtmpl_none".into()), ..none() }, "environment_template_id"),
    ] {
        let refusal = settle(&stage, &hosting, wanted).await.err().expect(param);
        let expected = if param == "environment_template_id" { RefusalKind::NotFound } else { RefusalKind::Invalid };
        assert_eq!(
            (refusal.kind, refusal.param),
            (expected, Some(format!("environment.{param}"))),
            "{}",
            refusal.message
        );
    }
}

#[tokio::test]
async fn nothing_said_is_the_default() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let (settings, setup) = settle(&stage, &hosting, Wanted::default()).await.unwrap();
    assert_eq!((settings.container_size, settings.network), (ContainerSize::Medium, NetworkSettings::default()));
    assert!(setup == Setup::default());
}

#[tokio::test]
async fn a_request_lies_over_its_template() {
    let stage = Stage::new();
    let hosting = stage.hosting().await;
    let id = stage.upload(b"four").await;
    let base = Wanted {
        container_size: Some(ContainerSize::Large),
        network: only(&["a.example", "b.example"]),
        env: env(&[("A", "1")]),
        files: Some(vec![inline("/workspace/a", "aGk="), uploaded("/workspace/b", &id)]),
        skills: Some(vec![skill()]),
        commands: Some(vec![command("true", None)]),
        ..Wanted::default()
    };
    let template = hosting.create_template(&stage.project, None, base).await.unwrap();
    let over = |wanted: Wanted| settle(&stage, &hosting, Wanted { template: Some(template.id.clone()), ..wanted });
    let (settings, setup) = over(Wanted::default()).await.unwrap();
    assert_eq!((settings.id.as_str(), settings.container_size), ("env_1", ContainerSize::Large));
    assert_eq!(settings.skills[0].description, "what it is for");
    let files: Vec<_> = settings.files.iter().map(|file| (&*file.path, file.bytes, file.file_id.as_deref())).collect();
    assert_eq!(files, [("/workspace/a", 2, None), ("/workspace/b", 4, Some(&*id))]);
    assert!(settings.files.iter().all(|file| file.id.starts_with("envfile_") && file.id.len() == 32));
    assert_ne!(settings.files[0].id, settings.files[1].id);
    assert_eq!((setup.env.len(), setup.commands.len(), setup.skills.len()), (1, 1, 1));

    let wanted =
        Wanted { network: only(&["A.example"]), env: env(&[("B", "2")]), files: Some(Vec::new()), ..Wanted::default() };
    let (settings, setup) = over(wanted).await.unwrap();
    assert_eq!(settings.network.allowed_domains, ["A.example"]);
    assert!(setup.files.is_empty() && setup.env == env(&[("B", "2")]).unwrap() && setup.commands.len() == 1);

    let refusal = over(Wanted { network: only(&["c.example"]), ..Wanted::default() }).await.err().unwrap();
    assert_eq!(refusal.param.as_deref(), Some("environment.network"));
    stage.files.delete(&stage.project, &id).await.unwrap();
    let refusal = over(Wanted::default()).await.err().unwrap();
    assert_eq!(refusal.message, format!("File not found: {id}"));
    assert_eq!(refusal.param.as_deref(), Some("environment.environment_template_id"));
}

#[tokio::test]
async fn archives_are_unpacked_two_at_a_time() {
    let turns = all_turns().await;
    let mut third = std::pin::pin!(verified(Wanted { skills: Some(vec![skill()]), ..Wanted::default() }, ""));
    let others = async {
        for _ in 0..100 {
            // Requests without archives wait for nobody.
            verified(Wanted::default(), "").await.expect("there is nothing wrong with it");
        }
    };
    tokio::select! {
        biased;
        _ = &mut third => panic!("it has not waited"),
        () = others => {}
    }
    drop(turns);
    third.await.expect("there is nothing wrong with it");
}
