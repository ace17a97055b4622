//! What a sandbox is to be made of: its plan, its variables, and what its way out opens. Pure.

use crate::hosting::Settings;
use egress::{Access, BadList, Rules, domains};
use sandbox::{Bind, Disk, Plan, Size, Standing};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use types::{ContainerSize, HostedSettings, NetworkAccess, NetworkSettings};

/// How long a sandbox waits for a server to come back.
const ALONE: Duration = Duration::from_secs(600);
/// A session of the executor outlives its line for longer than that: 900 s.
const DETACHED: &str = "900";
/// Where this program and the certificates are seen inside: nothing there can replace them.
const PROGRAM: &str = "/run/outcrop/outcrop";
const CERTIFICATES: &str = "/run/outcrop/ca.pem";
/// The one way out.
const PORT: u16 = 3128;
const PROXY: &str = "http://127.0.0.1:3128";

/// Before the name of a variable that is not the executor's, but its commands': no loader and no library knows such a name,
/// and no client can give one. What a client says must not decide how the executor itself runs.
pub const HANDED: &str = "outcrop.handed.";

/// Beside the disk.
pub(crate) const CONTROL: &str = "keeper.sock";
pub(crate) const BUNDLE: &str = "ca.pem";

const PATH: &str = "/workspace/.managed-agents/python/bin:/workspace/.managed-agents/npm/bin:\
                    /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// `folder` is the environment's own; `variables` are the client's.
pub(crate) fn plan(
    server: &Settings,
    settings: &HostedSettings,
    variables: &BTreeMap<String, String>,
    folder: &Path,
    disk: &Path,
) -> Plan {
    let command = [PROGRAM, "executor", "--listen", "inherited", "--keep-detached", DETACHED];
    let mut plan = Plan::new(Disk::Folder(disk.to_owned()), &command);
    let bind =
        |source: &Path, target: &str| Bind { source: source.to_owned(), target: target.to_owned(), writable: false };
    plan.binds = vec![bind(&server.program, PROGRAM), bind(&folder.join(BUNDLE), CERTIFICATES)];
    plan.limits = size(settings.container_size).limits();
    plan.listen = vec![PORT];
    plan.base.clone_from(&server.base);
    plan.allow_weak = server.allow_weak_sandbox;
    plan.standing = Some(Standing { control: folder.join(CONTROL), time: ALONE });
    plan.environment = of_executor(variables);
    plan
}

/// Where a runtime's code is seen inside: read-only, for all of its sessions the same. A prepared tree has nothing below
/// `/run`.
pub(crate) const CODE: &str = "/run/code";

pub(crate) fn code(folder: &Path) -> Bind {
    Bind { source: folder.to_owned(), target: CODE.to_owned(), writable: false }
}

pub(crate) fn size(size: ContainerSize) -> Size {
    match size {
        ContainerSize::Small => Size::Small,
        ContainerSize::Medium => Size::Medium,
        ContainerSize::Large => Size::Large,
    }
}

/// What the executor is started with: nothing of the client's under a name that means anything to it.
fn of_executor(of_client: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut own = variables(&BTreeMap::new());
    let all = variables(of_client);
    let handed: Vec<_> = all.into_iter().filter(|(name, value)| own.get(name) != Some(value)).collect();
    own.extend(handed.into_iter().map(|(name, value)| (format!("{HANDED}{name}"), value)));
    own
}

/// All variables of an environment, as its commands see them. A client's is worth more than a usual one, and less than what the sandbox cannot do
/// without.
pub(crate) fn variables(of_client: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut all: BTreeMap<String, String> = usual().map(owned).into();
    all.extend(of_client.clone());
    all.extend(ours().into_iter().map(owned));
    all
}

fn usual() -> [(&'static str, &'static str); 7] {
    [
        ("HOME", "/workspace"),
        ("LANG", "C.UTF-8"),
        ("USER", "user"),
        ("SHELL", "/bin/sh"),
        ("TMPDIR", "/tmp"),
        ("PYTHONPATH", "/workspace/.managed-agents/python"),
        ("NODE_PATH", "/workspace/.managed-agents/npm/node_modules"),
    ]
}

fn ours() -> Vec<(&'static str, &'static str)> {
    let mut ours = vec![("PATH", PATH)];
    ours.extend(["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"].map(|name| (name, PROXY)));
    ours.extend(["no_proxy", "NO_PROXY"].map(|name| (name, "localhost,127.0.0.1,::1")));
    let certificates =
        ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "GIT_SSL_CAINFO", "PIP_CERT"];
    ours.extend(certificates.map(|name| (name, CERTIFICATES)));
    ours
}

/// While it is set up, every public host may be reached.
pub(crate) fn open() -> Rules {
    Rules { access: Access::Enabled, ..Rules::default() }
}

/// What it may reach afterwards.
pub(crate) fn rules(network: &NetworkSettings) -> Result<Rules, BadList> {
    let access = match network.access {
        NetworkAccess::Disabled => Access::Disabled,
        NetworkAccess::Enabled => Access::Enabled,
        NetworkAccess::Restricted if network.blocked_domains.is_empty() => {
            Access::Only(domains(&network.allowed_domains)?)
        }
        NetworkAccess::Restricted => Access::Except(domains(&network.blocked_domains)?),
    };
    Ok(Rules { access, ..Rules::default() })
}

#[cfg(test)]
mod tests;
