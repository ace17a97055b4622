//! A tool of this machine at work for an environment: in a folder of its own, with few variables, for a limited time, with
//! limited output, and limited in what it puts down. It ends, with all that it started, when nobody waits for it any more,
//! be it that the server was killed.

use crate::setup::{Log, SetupFailed};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use types::Clock;

const TIME: Duration = Duration::from_secs(600);
/// How often it is looked how much there is by now.
const LOOK: Duration = Duration::from_secs(2);
/// Bytes and files that it may put down.
const BYTES: u64 = 2 << 30;
const ENTRIES: u64 = 200_000;
/// Bytes of the end of what it says that are kept.
const SAID: usize = 64 << 10;

/// Runs the words that follow, on a leash: a pipe that the server holds and never writes to. When the pipe ends, so does
/// all of the group. A signal at the parent's death would reach the tool alone, and come when the thread ends that began it.
const LEASH: &str = r#"
command -v "$1" >/dev/null 2>&1 || exit 127
exec 3<&0 </dev/null
{ while read -r _; do :; done; kill -KILL 0; } <&3 >/dev/null 2>&1 &
watch=$!
"$@" 3<&-
code=$?
exec >/dev/null 2>&1
kill -KILL "$watch"
exit "$code"
"#;
const SHELL: &str = "/bin/sh";
/// What a shell ends with where there is no such program.
const MISSING: i32 = 127;

/// The variables by which tools know where home is, and how the network and their registries are reached.
const VARIABLES: [&str; 19] = [
    "HOME",
    "PATH",
    "LANG",
    "USER",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
];
const PREFIXES: [&str; 3] = ["PIP_", "npm_config_", "NPM_CONFIG_"];

/// The variables that tools are started with.
pub(super) struct Surroundings(pub(super) Vec<(OsString, OsString)>);

/// How it went wrong.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    /// There is no such program.
    Missing,
    Failed(String),
}

impl Surroundings {
    pub(super) fn of_this_machine() -> Self {
        Self::of(std::env::vars_os())
    }

    pub(super) fn of(variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let is_known = |name: &str| VARIABLES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        Self(variables.filter(|(name, _)| name.to_str().is_some_and(is_known)).collect())
    }
}

/// A child and all that it starts: gone when this is.
struct Leashed(Child);

impl Drop for Leashed {
    fn drop(&mut self) {
        // No number any more where it has ended and was waited for.
        if let Some(group) = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Runs a program in `folder`; the end of what it said. All that it says is for the log alone: it may be about this machine's
/// own network.
pub(super) async fn run(
    clock: &dyn Clock,
    surroundings: &Surroundings,
    folder: &Path,
    program: &str,
    arguments: &[&str],
    log: &Log,
) -> Result<Vec<u8>, Trouble> {
    let mut command = Command::new(SHELL);
    command
        .args(["-c", LEASH, SHELL, program])
        .args(arguments)
        .env_clear()
        .envs(surroundings.0.iter().map(|(name, value)| (name, value)))
        // What it puts down on its way counts too.
        .env("TMPDIR", folder)
        .current_dir(folder)
        .process_group(0)
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Err(error) => return Err(Trouble::Failed(format!("{program} could not be started: {error}"))),
        Ok(child) => Leashed(child),
    };
    // Waiting would close it.
    let leash = child.0.stdin.take();
    let (out, err) = (child.0.stdout.take(), child.0.stderr.take());
    let (mut said, mut complained) = (Vec::new(), Vec::new());
    let work = async { tokio::join!(hear(out, &mut said), hear(err, &mut complained), child.0.wait()).2 };
    let ended = tokio::select! {
        biased;
        status = work => Ok(status),
        () = clock.sleep(TIME) => Err(format!("{program} did not end within {} minutes", TIME.as_secs() / 60)),
        why = excess(clock, folder) => Err(format!("{program} put down too much: {why}")),
    };
    drop((child, leash));
    log.add(
        &format!("{program} {}", ended.as_ref().map_or("was ended", |_| "ended")),
        &[&*said, &*complained].concat(),
    );
    match ended {
        Ok(Ok(status)) if status.success() => Ok(said),
        Ok(Ok(status)) if status.code() == Some(MISSING) => Err(Trouble::Missing),
        Ok(Ok(status)) => {
            let code = status.code().map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
            Err(Trouble::Failed(format!("{program} ended with {code}; setup.log says more")))
        }
        Ok(Err(error)) => Err(Trouble::Failed(format!("{program} got lost: {error}"))),
        Err(why) => Err(Trouble::Failed(why)),
    }
}

/// Keeps the end of it.
async fn hear(pipe: Option<impl AsyncRead + Unpin>, said: &mut Vec<u8>) {
    let Some(mut pipe) = pipe else { return };
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
        said.extend_from_slice(&buffer[..read]);
        said.drain(..said.len().saturating_sub(SAID));
    }
}

/// Ends when there is too much in the folder, and says what.
async fn excess(clock: &dyn Clock, folder: &Path) -> String {
    loop {
        clock.sleep(LOOK).await;
        let folder = folder.to_owned();
        #[expect(clippy::disallowed_methods, reason = "an edge: a folder is looked over")]
        let weighed = tokio::task::spawn_blocking(move || weigh(&folder)).await;
        if let Ok(Some(why)) = weighed {
            return why;
        }
    }
}

/// What is too much in a folder that somebody fills meanwhile.
fn weigh(folder: &Path) -> Option<String> {
    let (mut bytes, mut entries, mut folders) = (0_u64, 0_u64, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).ok().into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            entries += 1;
            bytes = bytes.saturating_add(metadata.len());
            if metadata.is_dir() {
                folders.push(entry.path());
            }
            if entries > ENTRIES {
                return Some(format!("more than {ENTRIES} files"));
            }
        }
    }
    (bytes > BYTES).then(|| format!("more than {} GiB", BYTES >> 30))
}

impl Trouble {
    /// As the environment's failure; `kind` is the word for the packages.
    pub(super) fn failed(self, kind: &str, program: &str) -> SetupFailed {
        SetupFailed::new(match self {
            Self::Missing => format!(
                "{kind} packages are fetched by {program} of the server's machine, which has none. Put them into a base."
            ),
            Self::Failed(why) => format!("The {kind} packages could not be fetched: {why}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_variables_are_handed_on() {
        let all = ["HOME", "PIP_INDEX_URL", "OUTCROP_API_KEY", "npm_config_registry", "AWS_SECRET", "LD_PRELOAD"];
        let Surroundings(kept) = Surroundings::of(all.into_iter().map(|name| (name.into(), "x".into())));
        let names: Vec<_> = kept.iter().filter_map(|(name, _)| name.to_str()).collect();
        assert_eq!(names, ["HOME", "PIP_INDEX_URL", "npm_config_registry"]);
    }
}
