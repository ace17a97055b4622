//! What this machine can do for hosted environments: each layer of the sandbox, and one that is really started, with an
//! executor in it.

use super::Findings;
#[cfg(target_os = "linux")]
use crate::terminal;
#[cfg(target_os = "linux")]
use sandbox::{Bind, Disk, Driver, Error, Namespaces, Plan};
use std::path::Path;
#[cfg(target_os = "linux")]
use std::{
    io::{self, Read as _, Write as _},
    os::linux::net::SocketAddrExt as _,
    os::unix::net::{SocketAddr, UnixListener, UnixStream},
    time::Duration,
};

/// The hidden first argument with which this binary is started as the keeper of a sandbox.
pub const KEEPER: &str = "sandbox-keeper";
/// Where this binary is seen inside.
#[cfg(target_os = "linux")]
const EXECUTOR: &str = "/run/outcrop/outcrop";
/// An executor answers in milliseconds.
#[cfg(target_os = "linux")]
const PATIENCE: Duration = Duration::from_secs(30);
/// What is read of an answer or of a complaint. Bytes.
#[cfg(target_os = "linux")]
const SAID: u64 = 2_000;

#[cfg(not(target_os = "linux"))]
pub(super) fn check(findings: &Findings, _base: Option<&Path>) {
    findings.warn("sandbox", "hosted environments need Linux; self-hosted ones work");
}

/// `base`: the prepared tree of hosted environments, if they have one.
#[cfg(target_os = "linux")]
pub(super) fn check(findings: &Findings, base: Option<&Path>) {
    let program = std::path::PathBuf::from("/proc/self/exe");
    let driver = match Namespaces::new(sandbox::Keeper { program, arguments: vec![KEEPER.to_owned()] }) {
        Ok(driver) => driver,
        Err(error) => {
            findings.warn("sandbox", format_args!("{error}; hosted environments cannot be had"));
            return;
        }
    };
    let missing: Vec<_> = driver.ability().missing().collect();
    for finding in &missing {
        let (reason, remedy) = (finding.reason.as_deref(), finding.remedy.as_deref());
        findings.warn(
            "sandbox",
            format_args!(
                "no {}: {}; {}",
                finding.layer.word(),
                reason.unwrap_or("not known why"),
                remedy.unwrap_or("see docs/sandbox.md")
            ),
        );
    }
    match trial(&driver, base) {
        Ok(()) if missing.is_empty() => {
            let limits = driver.ability().findings.iter().find(|finding| finding.layer == sandbox::Layer::Limits);
            let how = limits.and_then(|finding| finding.how.as_deref()).unwrap_or("limits");
            findings.ok("sandbox", format_args!("one was started with all its layers ({how}), and an executor in it"));
        }
        Ok(()) => findings.warn(
            "sandbox",
            "one was started with the layers that there are, and an executor in it; docs/sandbox.md says what is lost",
        ),
        Err(error) => findings.warn("sandbox", format_args!("{error}; hosted environments cannot be had")),
    }
}

/// Starts one, as strong as the machine can make it, with this program as the executor in it, and asks that one.
#[cfg(target_os = "linux")]
fn trial(driver: &Namespaces, base: Option<&Path>) -> Result<(), Error> {
    let failed = |error: io::Error| Error::Command(error.to_string());
    // A name without a file; only this machine's own network has it.
    let name = format!("outcrop-doctor-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(name).map_err(failed)?;
    let listener = UnixListener::bind_addr(&address).map_err(failed)?;
    let source = std::env::current_exe().map_err(failed)?;
    let mut plan = Plan::new(Disk::Memory, &[EXECUTOR, "executor", "--listen", "inherited"]);
    plan.binds.push(Bind { source, target: EXECUTOR.to_owned(), writable: false });
    plan.base = base.map(Path::to_owned);
    plan.allow_weak = true;
    let mut running = driver.start(&plan, Some(listener.into()))?;
    let Err(error) = ready(&address) else { return Ok(()) };
    running.kill();
    let exit = running.wait()?;
    let mut said = String::new();
    if let Some(stderr) = running.stderr.take() {
        let _ = stderr.take(SAID).read_to_string(&mut said);
    }
    let said = terminal::tame(said.trim());
    Err(Error::Command(format!("{error}; it ended with {:?}, signal {:?} {said}", exit.code, exit.signal)))
}

/// Whether the executor answers.
#[cfg(target_os = "linux")]
fn ready(address: &SocketAddr) -> io::Result<()> {
    let mut stream = UnixStream::connect_addr(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: executor\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(SAID).read_to_string(&mut answer)?;
    if answer.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(io::Error::other("the executor does not answer")) }
}
