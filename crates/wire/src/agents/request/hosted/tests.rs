//! What requests for hosted environments make of good and bad bodies. A bad one is shown as `param: message`.

use super::*;
use crate::agents::request::{EnvironmentCreate, SessionCreate, TemplateCreate, TemplateUpdate};
use crate::agents::words::NetworkAccess;
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("{other} is no object"),
    }
}

fn shown(fault: Fault) -> String {
    format!("{}: {}", fault.param.as_deref().unwrap_or("-"), fault.message)
}

/// The environment of a session.
fn hosted(fields: Value) -> Result<HostedParam, String> {
    let mut environment = object(json!({ "type": "openai_hosted" }));
    environment.extend(object(fields));
    let body = json!({ "environment": environment, "agent": { "model": "m" }, "input": "hi" });
    SessionCreate::read(object(body)).map_err(shown)?.environment.hosted().map_err(shown)
}

fn recipe(fields: Value) -> Result<Recipe, String> {
    match hosted(fields)? {
        HostedParam::New { recipe, .. } => Ok(*recipe),
        HostedParam::Existing(id) => panic!("{id}"),
    }
}

fn zip(name: &str) -> Value {
    json!({ "type": "inline", "name": name, "description": "d",
        "source": { "type": "base64", "media_type": "application/zip", "data": "aGk=" } })
}

#[test]
fn what_is_not_said_is_left_open() {
    assert_eq!(recipe(json!({})).unwrap(), Recipe::default());
    let silent = json!({ "network": null, "packages": null, "files": null, "skills": null, "plugins": null, "env": null,
        "setup_commands": null, "capability_directories": null, "desktop": null });
    assert_eq!(recipe(silent.clone()).unwrap(), Recipe::default());
    assert_eq!(TemplateCreate::read(object(silent.clone())).unwrap().recipe, Recipe::default());
    assert_eq!(TemplateUpdate::read(Map::new()).unwrap(), TemplateUpdate { name: None, recipe: Recipe::default() });
    // A change says null where it means the default.
    let reset = TemplateUpdate::read(object(silent)).unwrap().recipe;
    assert_eq!(reset.network.unwrap(), NetworkParam::default());
    assert_eq!((reset.files.unwrap().len(), reset.env.unwrap().len(), reset.container_size), (0, 0, None));
    let nameless = TemplateUpdate::read(object(json!({ "name": null }))).unwrap();
    assert_eq!(nameless, TemplateUpdate { name: Some(None), recipe: Recipe::default() });
}

#[test]
fn all_fields_are_read() {
    let whole = recipe(json!({
        "container_size": "small", "desktop": { "enabled": false }, "capability_directories": ["/workspace/skills"],
        "network": { "access": "restricted", "allowed_domains": ["API.example.com"], "blocked_domains": null },
        "packages": { "python": ["requests[socks]>=2"], "npm": ["@types/node@^20"], "system": null },
        "files": [
            { "type": "inline", "path": "/workspace/a b/c.txt", "data": "aGk=" },
            { "type": "file_id", "path": "/workspace/.codexes", "file_id": "file-1" },
        ],
        "skills": [zip("hello"), { "type": "skill_reference", "skill_id": "skill_1", "version": "latest" }],
        "plugins": [zip("hello")],
        "env": { "A_1": "x y\n", "_": "" },
        "setup_commands": [{ "command": "make", "cwd": "/workspace/x" }, { "command": "true", "cwd": null }],
    }))
    .unwrap();
    assert_eq!(whole.container_size, Some(ContainerSize::Small));
    let network = whole.network.unwrap();
    assert_eq!((network.access, network.allowed_domains), (NetworkAccess::Restricted, vec!["api.example.com".into()]));
    assert_eq!(whole.packages.unwrap().npm, ["@types/node@^20"]);
    let inline = FileSource::Inline { data: "aGk=".into(), bytes: 2 };
    let files = whole.files.unwrap();
    assert_eq!(files[0], FileParam { path: "/workspace/a b/c.txt".into(), source: inline });
    assert_eq!(files[1].source, FileSource::Uploaded("file-1".into()));
    let skills = whole.skills.unwrap();
    assert!(matches!(&skills[0], SkillParam::Inline(archive) if archive.zip == "aGk="));
    assert!(matches!(&skills[1], SkillParam::Reference { skill_id, version: Some(_) } if skill_id == "skill_1"));
    assert_eq!((whole.plugins.unwrap().len(), whole.env.unwrap().len()), (1, 2));
    let commands = whole.setup_commands.unwrap();
    assert_eq!((commands[0].cwd.as_deref(), commands[1].cwd.as_deref()), (Some("/workspace/x"), None));

    let existing = hosted(json!({ "environment_id": "env_1", "files": null })).unwrap();
    assert_eq!(existing, HostedParam::Existing("env_1".into()));
    let templated = hosted(json!({ "environment_template_id": "envtmpl_1" })).unwrap();
    assert_eq!(templated, HostedParam::New { template: Some("envtmpl_1".into()), recipe: Box::default() });
    let ahead = json!({ "environment": { "type": "openai_hosted", "env": { "A": "b" } }, "vault_ids": ["vault_1"] });
    let ahead = EnvironmentCreate::read(object(ahead)).unwrap();
    assert_eq!((ahead.vault_ids.len(), ahead.recipe.env.unwrap().len()), (1, 1));
}

#[test]
fn bad_ones_are_refused_where_they_are() {
    let file = |path: &str| json!({ "files": [{ "type": "inline", "path": path, "data": "" }] });
    let outside = "environment.files[0].path: path must be an absolute POSIX path inside /workspace";
    let reserved = "environment.files[0].path: path must not be in /workspace/";
    let skill =
        |source: Value| json!({ "skills": [{ "type": "inline", "name": "n", "description": "d", "source": source }] });
    let network = |fields: Value| json!({ "network": fields });
    let mut cases = vec![
        (json!({ "colour": 1 }), "environment.colour: Unknown parameter: 'environment.colour'."),
        (
            json!({ "environment_id": "e", "container_size": "small" }),
            "environment.environment_id: environment_id cannot be combined",
        ),
        (
            json!({ "environment_id": "e", "environment_template_id": "t" }),
            "environment.environment_id: environment_id cannot be combined",
        ),
        (json!({ "environment_id": "e", "env": {} }), "environment.environment_id: environment_id cannot be combined"),
        (json!({ "environment_id": null }), "environment.environment_id: Invalid type"),
        (
            json!({ "container_size": "huge" }),
            "environment.container_size: Invalid value: 'huge'. Supported values are: 'small', 'medium', and 'large'.",
        ),
        (
            json!({ "desktop": { "enabled": true } }),
            "environment.desktop.enabled: Desktops are not available on this server.",
        ),
        (json!({ "desktop": {} }), "environment.desktop.enabled: Missing required parameter"),
        (
            json!({ "capability_directories": ["a"] }),
            "environment.capability_directories[0]: capability_directories[0] must be",
        ),
        (network(json!({})), "environment.network.access: Missing required parameter: 'environment.network.access'."),
        (
            network(json!({ "access": "enabled", "allowed_domains": ["a.b"] })),
            "environment.network.allowed_domains: allowed_domains needs",
        ),
        (
            network(json!({ "access": "disabled", "blocked_domains": ["a.b"] })),
            "environment.network.blocked_domains: blocked_domains needs",
        ),
        (network(json!({ "access": "restricted" })), "environment.network: access 'restricted' needs"),
        (
            network(json!({ "access": "restricted", "allowed_domains": ["a.b"], "blocked_domains": ["c.d"] })),
            "environment.network.blocked_domains: blocked_domains cannot be combined",
        ),
        (
            json!({ "packages": { "python": ["x", "--index-url=u"] } }),
            "environment.packages.python[1]: Invalid 'environment.packages.python[1]': no package name.",
        ),
        (json!({ "packages": { "npm": ["file:x"] } }), "environment.packages.npm[0]: Invalid"),
        (json!({ "packages": { "ruby": [] } }), "environment.packages.ruby: Unknown parameter"),
        (
            json!({ "packages": { "system": vec!["curl"; 101] } }),
            "environment.packages.system: Invalid 'environment.packages.system': array too long.",
        ),
        (
            json!({ "files": [{ "type": "url" }] }),
            "environment.files[0].type: Invalid value: 'url'. Supported values are: 'inline' and 'file_id'.",
        ),
        (
            json!({ "files": [{ "type": "inline", "path": "/workspace/a", "data": "aGk" }] }),
            "environment.files[0].data: Invalid 'environment.files[0].data'. Expected standard base64",
        ),
        (
            json!({ "files": [{ "type": "inline", "path": "/workspace/a", "data": "aGl=" }] }),
            "environment.files[0].data: Invalid 'environment.files[0].data'. Expected standard base64",
        ),
        (
            json!({ "files": [{ "type": "inline", "path": "/workspace/a", "file_id": "f" }] }),
            "environment.files[0].data: Missing required parameter",
        ),
        (
            json!({ "files": [{ "type": "file_id", "path": "/workspace/a", "file_id": "f" }, { "type": "inline", "path": "/workspace/a", "data": "" }] }),
            "environment.files[1].path: path must not stand there twice",
        ),
        (
            skill(json!({ "type": "base64", "media_type": "application/x-tar", "data": "" })),
            "environment.skills[0].source.media_type: Invalid value: 'application/x-tar'. Supported values are: 'application/zip'.",
        ),
        (
            skill(json!({ "type": "base64", "media_type": "application/zip", "data": "-" })),
            "environment.skills[0].source.data: Invalid",
        ),
        (
            json!({ "skills": [{ "type": "skill_reference" }] }),
            "environment.skills[0].skill_id: Missing required parameter",
        ),
        (json!({ "skills": [zip("a"), zip("a")] }), "environment.skills: duplicate skill name: a"),
        (
            json!({ "plugins": [zip("../a")] }),
            "environment.plugins[0].name: Invalid 'environment.plugins[0].name'. Expected letters",
        ),
        (
            json!({ "plugins": [{ "type": "skill_reference", "skill_id": "s" }] }),
            "environment.plugins[0].type: Invalid value",
        ),
        (
            json!({ "env": { "PATH": "x" } }),
            "environment.env: Invalid property name in 'environment.env': 'PATH' is reserved.",
        ),
        (
            json!({ "env": { "CODEX_X": "x" } }),
            "environment.env: Invalid property name in 'environment.env': 'CODEX_X' is reserved.",
        ),
        (
            json!({ "env": { "1A": "x" } }),
            "environment.env: Invalid property name in 'environment.env': '1A' is no name",
        ),
        (json!({ "env": { "A": 1 } }), "environment.env.A: Invalid type for 'environment.env.A': expected a string"),
        (
            json!({ "env": { "A": "secret\u{0}" } }),
            "environment.env.A: Invalid 'environment.env.A'. A value cannot have a NUL",
        ),
        (json!({ "setup_commands": [{ "command": " " }] }), "environment.setup_commands[0].command: Invalid"),
        (
            json!({ "setup_commands": [{ "command": "x", "cwd": "y" }] }),
            "environment.setup_commands[0].cwd: cwd must be",
        ),
        (json!({ "setup_commands": vec![json!({ "command": "x" }); 51] }), "environment.setup_commands: Invalid"),
    ];
    let long = "n".repeat(256);
    let unclean = [
        "a",
        "/etc/x",
        "/workspace",
        "/workspace/",
        "/workspace/a/",
        "/workspace//a",
        "/workspace/../x",
        "/workspace/./a",
        "/workspacex/a",
        "/workspace/a\u{0}",
    ];
    cases.extend(unclean.map(|path| (file(path), outside)));
    cases.push((file(&format!("/workspace/{long}")), outside));
    let taken = [
        "/workspace/outputs",
        "/workspace/outputs/a",
        "/workspace/.codex/x",
        "/workspace/.managed-agents",
        "/workspace/.managed-agents-x/y",
    ];
    cases.extend(taken.map(|path| (file(path), reserved)));
    for wrong in ["*.example.com", "https://a.b", "a.b:80", "a.b/c", "a..b", "", "-a.b", "a b"] {
        let said = json!({ "access": "restricted", "allowed_domains": [wrong] });
        cases.push((
            network(said),
            "environment.network.allowed_domains[0]: Invalid 'environment.network.allowed_domains[0]'",
        ));
    }
    for (fields, expected) in cases {
        let fault = hosted(fields.clone()).unwrap_err();
        assert!(fault.starts_with(expected), "{fields}: {fault}");
        assert!(!fault.contains("secret"), "{fault}");
    }
}

#[test]
fn what_is_large_is_refused() {
    let file = |index: usize, size: usize| json!({ "type": "inline", "path": format!("/workspace/{index}"), "data": "AAAA".repeat(size / 3) });
    let most = 5 << 20;
    assert!(hosted(json!({ "files": [file(0, most - 2)] })).is_ok());
    let one = hosted(json!({ "files": [file(0, most + 6)] })).unwrap_err();
    assert!(
        one.starts_with("environment.files[0].data: Invalid 'environment.files[0].data': data too large."),
        "{one}"
    );
    let all = hosted(json!({ "files": [file(0, most - 2), file(1, most - 2), file(2, 12)] })).unwrap_err();
    assert!(all.starts_with("environment.files: Invalid 'environment.files': files too large."), "{all}");
    let many: Vec<Value> = (0..51).map(|index| file(index, 3)).collect();
    assert!(hosted(json!({ "files": many })).is_err());
    assert!(hosted(json!({ "env": { "A": "x".repeat((32 << 10) + 1) } })).is_err());
    assert!(hosted(json!({ "setup_commands": [{ "command": "x".repeat((16 << 10) + 1) }] })).is_err());
    let variables: Map<String, Value> = (0..101).map(|at| (format!("A{at}"), json!(""))).collect();
    assert!(hosted(json!({ "env": variables })).unwrap_err().contains("too many properties"));
}

#[test]
fn paths_of_templates_and_files_have_nothing_in_front() {
    let param = |fault: Fault| fault.param.unwrap();
    let template = |body| TemplateCreate::read(object(body)).map_err(param).unwrap_err();
    assert_eq!(template(json!({ "env": { "PATH": "" } })), "env");
    assert_eq!(template(json!({ "container_size": "small" })), "container_size");
    assert_eq!(template(json!({ "name": "n".repeat(129) })), "name");
    assert_eq!(template(json!({ "type": "openai_hosted" })), "type");
    let ahead = |body| EnvironmentCreate::read(object(body)).map_err(param).unwrap_err();
    assert_eq!(ahead(json!({})), "environment");
    assert_eq!(ahead(json!({ "environment": { "type": "self_hosted" } })), "environment.type");
    assert_eq!(
        ahead(json!({ "environment": { "type": "openai_hosted", "environment_id": "e" } })),
        "environment.environment_id"
    );
    let file = |body| FileParam::read(object(body)).map_err(shown).unwrap_err();
    assert_eq!(
        file(json!({ "type": "inline", "path": "/etc/x", "data": "aGk=" })),
        "path: path must be an absolute POSIX path inside /workspace"
    );
    assert_eq!(file(json!({ "type": "inline", "path": "/workspace/x" })), "data: Missing required parameter: 'data'.");
}
