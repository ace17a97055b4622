//! What a plan holds, and what it never does.

use super::*;
use types::{EnvironmentId, Packages};

fn settings(container_size: ContainerSize) -> HostedSettings {
    HostedSettings {
        id: EnvironmentId::new("env_1"),
        container_size,
        network: NetworkSettings::default(),
        capability_directories: Vec::new(),
        files: Vec::new(),
        packages: Packages::default(),
        plugins: Vec::new(),
        skills: Vec::new(),
    }
}

fn server() -> Settings {
    Settings {
        folder: "/data/environments".into(),
        base: None,
        allow_weak_sandbox: false,
        suspend_after: Duration::from_secs(600),
        background_after: Duration::from_secs(8 * 3600),
        expire_after: Duration::from_secs(3600),
        program: "/opt/outcrop".into(),
        files: crate::FILES,
        agents: crate::stage::agents(Path::new("/data/environments")),
    }
}

#[test]
fn a_client_s_variables_are_handed_to_commands_and_the_sandbox_s_own_prevail() {
    let said = [
        ("MODE", "test"),
        ("TMPDIR", "/workspace/tmp"),
        ("HTTPS_PROXY", "http://elsewhere"),
        ("LD_PRELOAD", "/workspace/x.so"),
        ("LANG", "C.UTF-8"),
    ];
    let variables: BTreeMap<_, _> = said.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let folder = Path::new("/data/environments/env_1");
    let plan = plan(&server(), &settings(ContainerSize::Small), &variables, folder, &folder.join("disk"));
    let (handed, own): (BTreeMap<_, _>, _) = plan.environment.iter().partition(|(name, _)| name.starts_with(HANDED));
    // The executor's own are the same whatever a client says.
    let unasked: BTreeMap<String, String> = super::variables(&BTreeMap::new());
    assert_eq!(own, unasked.iter().collect::<BTreeMap<_, _>>());
    let variable = |name: &str| unasked.get(name).map(String::as_str);
    assert_eq!(variable("HTTPS_PROXY"), Some(PROXY));
    assert_eq!(variable("SSL_CERT_FILE"), Some(CERTIFICATES));
    assert_eq!(variable("HOME"), Some("/workspace"));
    assert!(variable("all_proxy").is_none());
    let handed: Vec<_> = handed.iter().map(|(name, value)| (&name[HANDED.len()..], value.as_str())).collect();
    assert_eq!(handed, [("LD_PRELOAD", "/workspace/x.so"), ("MODE", "test"), ("TMPDIR", "/workspace/tmp")]);
}

#[test]
fn nothing_of_the_server_can_be_written_inside() {
    let folder = Path::new("/data/environments/env_1");
    let plan = plan(&server(), &settings(ContainerSize::Large), &BTreeMap::new(), folder, &folder.join("disk"));
    assert!(plan.binds.iter().all(|bind| !bind.writable));
    assert_eq!(plan.disk, Disk::Folder(folder.join("disk")));
    // The sockets lie beside the disk, not on it.
    assert_eq!(plan.standing.map(|standing| standing.control), Some(folder.join(CONTROL)));
    assert_eq!(plan.limits, Size::Large.limits());
}

#[test]
fn what_a_network_opens() {
    let list = || vec!["example.com".to_owned()];
    let network = |access, allowed: Vec<String>, blocked: Vec<String>| NetworkSettings {
        access,
        allowed_domains: allowed,
        blocked_domains: blocked,
    };
    let none = Vec::new;
    for (network, expected) in [
        (network(NetworkAccess::Disabled, none(), none()), Access::Disabled),
        (network(NetworkAccess::Enabled, none(), none()), Access::Enabled),
        (network(NetworkAccess::Restricted, list(), none()), Access::Only(domains(&list()).unwrap())),
        (network(NetworkAccess::Restricted, none(), list()), Access::Except(domains(&list()).unwrap())),
    ] {
        assert_eq!(rules(&network).unwrap().access, expected);
    }
    // Restricted to nothing is no list of everything.
    assert!(rules(&network(NetworkAccess::Restricted, none(), none())).is_err());
}
