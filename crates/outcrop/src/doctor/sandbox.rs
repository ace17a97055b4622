//! What this machine can do for hosted environments: each layer of the sandbox, and one that is really started.

use super::Findings;
#[cfg(target_os = "linux")]
use sandbox::{Disk, Driver, Error, Namespaces, Plan};

/// The hidden first argument with which this binary is started as the keeper of a sandbox.
pub const KEEPER: &str = "sandbox-keeper";

#[cfg(not(target_os = "linux"))]
pub(super) fn check(findings: &Findings) {
    findings.warn("sandbox", "hosted environments need Linux; self-hosted ones work");
}

#[cfg(target_os = "linux")]
pub(super) fn check(findings: &Findings) {
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
    match trial(&driver) {
        Ok(()) if missing.is_empty() => {
            let limits = driver.ability().findings.iter().find(|finding| finding.layer == sandbox::Layer::Limits);
            let how = limits.and_then(|finding| finding.how.as_deref()).unwrap_or("limits");
            findings.ok("sandbox", format_args!("one was started with all its layers ({how})"));
        }
        Ok(()) => findings
            .warn("sandbox", "one was started with the layers that there are; docs/sandbox.md says what is lost"),
        Err(error) => findings.warn("sandbox", format_args!("{error}; hosted environments cannot be had")),
    }
}

/// Starts one that does nothing, as strong as the machine can make it.
#[cfg(target_os = "linux")]
fn trial(driver: &Namespaces) -> Result<(), Error> {
    let mut plan = Plan::new(Disk::Memory, &["true"]);
    plan.allow_weak = true;
    let exit = driver.start(&plan, None).and_then(|running| running.wait())?;
    match exit.code {
        Some(0) => Ok(()),
        _ => Err(Error::Command(format!("it ended with {:?}, signal {:?}", exit.code, exit.signal))),
    }
}
